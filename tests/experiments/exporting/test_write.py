"""What cannot be exported exactly is said or refused."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.exporting import write
from ctrzoo.experiments.exporting.rows import CheckedRows
from tests.models.cases import randomize, rows


@pytest.fixture
def few(mixed_schema):
    return CheckedRows(rows(mixed_schema)[0], None, "6 rows", ["A note."])


def test_a_model_in_another_precision_is_exported_in_float32(mixed_schema, few, tmp_path):
    model = models.build("fm", mixed_schema, dtype="mixed_bfloat16")
    randomize(model)
    said = list(write.export(model, None, few, ["savedmodel", "embeddings"], tmp_path))
    assert said[0] == "A note."
    assert said[1].startswith("The model was trained in mixed_bfloat16. The exports compute in float32, which changes")
    assert 1e-5 < float(said[1].split("at most ")[1].split(";")[0]) < 1e-1
    exact = write.in_float32(model)
    assert write.in_float32(exact) is exact and exact.dtype_policy.name == "float32"
    loaded = write.saved_model.LoadedModel(tmp_path / "savedmodel" / "1")
    np.testing.assert_allclose(loaded.predict(few.features), np.asarray(exact(few.features))[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", ["onnx", "litert"])
def test_models_that_are_too_large_for_a_file_are_refused(form, mixed_schema, few, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "MOST_BYTES", 400)
    with pytest.raises(ValueError, match=r"would have 0.0 GiB, but such files hold less than 2. Export a SavedModel"):
        list(write.export(models.build("fm", mixed_schema), None, few, [form], tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_pairs_is_named_as_left_out(mixed_schema, few, tmp_path):
    said = " ".join(write.export(models.build("poly2", mixed_schema), None, few, ["embeddings"], tmp_path))
    assert "Left out of the embeddings, because its rows belong to no single value: hashed_pairs/table." in said
    assert (
        "The table `hashed_pairs/table` has no rows of single values"
        in (tmp_path / "embeddings" / "README.md").read_text()
    )
