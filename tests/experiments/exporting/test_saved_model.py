"""A SavedModel from raw cells, or from ids only; each weight is written once."""

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo import models
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.experiments.exporting.saved_model import LoadedModel, save_model
from tests.models.cases import randomize

ENCODING = TableEncoding(
    [
        FieldEncoding("the city", values=["Oslo", "Rome"]),
        FieldEncoding("self", "numerical"),
        FieldEncoding("_id", hash_buckets=7),
    ]
)
FEATURES = {
    "ids": np.array([[2, 3, 5], [0, 3, 9]], np.int32),
    "values": np.array([[1, 0.5, 1], [0, 0, 1]], np.float32),
}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_signatures(task, tmp_path):
    model = models.build("deepfm", ENCODING.schema, task=task, deep_units=(4,))
    randomize(model)
    save_model(model, ENCODING, tmp_path / "cells")
    save_model(model, None, tmp_path / "ids")
    loaded, by_ids = LoadedModel(tmp_path / "cells"), LoadedModel(tmp_path / "ids")
    texts = [str(number) for number in range(50)]
    hashes = tf.strings.to_hash_bucket_fast(texts, 7).numpy().tolist()
    # The ids of the third field begin with 4.
    ids = [texts[hashes.index(number)] for number in (1, 5)]
    cells = {"the_city": np.array(["Rome", ""]), "column_self": np.array([0.5, np.nan]), "column_id": np.array(ids)}
    expected = np.asarray(model(FEATURES))[:, 0]
    assert abs(expected[0] - expected[1]) > 1e-3
    for found in (loaded.predict(cells), loaded.predict(FEATURES, "ids"), by_ids.predict(FEATURES)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    name = {"classification": "probability", "regression": "prediction"}[task]
    signatures = tf.saved_model.load(str(tmp_path / "cells")).signatures  # type: ignore[attr-defined]
    assert set(signatures) == {"cells", "ids", "serving_default"}
    assert {tuple(each.structured_outputs) for each in signatures.values()} == {(name,)}
    assert set(tf.saved_model.load(str(tmp_path / "ids")).signatures) == {"ids", "serving_default"}  # type: ignore[attr-defined]


def test_each_weight_is_written_once(tmp_path):
    model = models.build("fm", ENCODING.schema, embedding_dim=1000)
    save_model(model, ENCODING, tmp_path / "model")
    sizes = [path.stat().st_size for path in (tmp_path / "model" / "variables").iterdir()]
    assert sum(weight.numpy().nbytes for weight in model.weights) <= sum(sizes) < 1.2 * 4 * model.count_params()
