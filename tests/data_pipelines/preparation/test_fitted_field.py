"""A field fitted to all chunks, and the ids of each chunk's dictionary."""

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
from ctrzoo.data_pipelines.preparation import fitted_field
from ctrzoo.data_pipelines.preparation.first_pass import ChunkFiles
from ctrzoo.data_pipelines.preparation.fitted_field import FittedField
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

# Over both chunks "a" occurs once, "b" three times, "c" five times; None is a missing cell.
DICTIONARIES = [(["b", "a", None], [2, 1, 1]), (["c", "b"], [5, 1])]


def chunks_of(folder, dictionaries=DICTIONARIES, **arrays):
    """Write chunks of one field; `arrays` are parts by name, one per chunk."""
    files = [ChunkFiles(folder, number) for number in range(len(dictionaries))]
    for number, (file, (texts, counts)) in enumerate(zip(files, dictionaries, strict=True)):
        dictionary = pl.Series(texts, dtype=pl.String), np.array(counts, np.int64)
        file.save({name: np.asarray(parts[number]) for name, parts in arrays.items()}, [dictionary], {})
    return files


def fitted_to(tmp_path, field, files, stats=({"longest": [1]},) * 2, fit_on="train"):
    fitted = FittedField(tmp_path / "fields" / "0000", [len(texts) for texts, _ in DICTIONARIES])
    assert not fitted.is_complete
    fitted.fit(field, 0, files, stats, fit_on)
    assert fitted.is_complete
    return fitted


@pytest.mark.parametrize("at_a_time", [0, 100])  # dictionaries are searched one by one, or together
def test_ids_of_each_dictionary(tmp_path, monkeypatch, at_a_time):
    monkeypatch.setattr(fitted_field, "PENDING_VALUES", at_a_time)
    fitted = fitted_to(tmp_path, FieldEncoding("site", min_count=2), chunks_of(tmp_path))
    # Out of the vocabulary 1, b 2, c 3; missing 0.
    assert fitted.ids(0).tolist() == [2, 1, 0] and fitted.ids(1).tolist() == [3, 2]
    encoding = FittedField(tmp_path / "fields" / "0000", []).encoding()
    assert encoding.values.to_list() == ["b", "c"] and encoding.counts.to_list() == [3, 5]


def test_how_often_a_text_occurred_in_the_chunks_before(tmp_path):
    field = FieldEncoding("site", min_count=2, assign_ids_online=True)
    fitted = fitted_to(tmp_path, field, chunks_of(tmp_path))
    assert fitted.before(0).tolist() == [0, 0, 0] and fitted.before(1).tolist() == [0, 2]
    assert fitted.ids(1).tolist() == [3, 2]


@pytest.mark.parametrize(("chosen", "slots"), [(None, 4), (2, 2)])
def test_a_multivalued_field_has_as_many_slots_as_its_longest_cell_unless_told(tmp_path, chosen, slots):
    stats = [{"longest": [4]}, {"longest": [0]}]
    fitted = fitted_to(tmp_path, FieldEncoding("site", "multivalued", max_values=chosen), chunks_of(tmp_path), stats)
    assert fitted.encoding().max_values == slots


@pytest.mark.parametrize(("fit_on", "offset", "scale"), [("train", 1.0, 3.0), ("all", -8.0, 17.0)])
def test_a_scaling_is_fitted_to_the_rows_that_the_plan_says(tmp_path, fit_on, offset, scale):
    nothing = [([], [])] * 2
    files = chunks_of(tmp_path, nothing, numbers_0=[[1.0, np.nan, 9.0], [4.0, -8.0]], split=[[0, 0, 1], [0, 2]])
    fitted = fitted_to(tmp_path, FieldEncoding("price", "numerical", transform="min_max"), files, fit_on=fit_on)
    assert (fitted.encoding().offset, fitted.encoding().scale) == (offset, scale)


@pytest.mark.parametrize("filename", ["encoding.json", "vocabulary.parquet", "ids.bin", "checksums.json"])
@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: bytes(len(content)), None])
def test_a_field_that_a_power_failure_damaged_is_fitted_again(tmp_path, filename, damage):
    files, field = chunks_of(tmp_path), FieldEncoding("site", min_count=2)
    fitted = fitted_to(tmp_path, field, files)
    paths = sorted((tmp_path / "fields" / "0000").iterdir())
    expected = [path.read_bytes() for path in paths]
    damaged = tmp_path / "fields" / "0000" / filename
    if damage is None:
        damaged.unlink()
    else:
        damaged.write_bytes(damage(damaged.read_bytes()))
    assert not fitted.is_complete
    fitted.fit(field, 0, files, [{"longest": [1]}] * 2, "train")
    assert fitted.is_complete and [path.read_bytes() for path in paths] == expected


def test_the_disk_is_awaited_once_for_all_fields_and_before_chunks_are_deleted(tmp_path, monkeypatch):
    (tmp_path / "clicks.csv").write_text("click,site,price,tag\n" + "0,a,1,x\n1,b,2,y\n" * 200)
    steps, state = [], tmp_path / ".clicks.preparing"

    def sync():
        fields = [path.name for path in sorted((state / "fields").iterdir())]
        steps.append((fields, len(list((state / "chunks").glob("*.arrow")))))

    monkeypatch.setattr("os.sync", sync)
    schema = {"label": "click", "fields": ["site", {"name": "price", "kind": "numerical"}, "tag"]}
    prepare_own_table(tmp_path / "clicks", "clicks", tmp_path / "clicks.csv", schema)
    assert steps == [(["0000", "0001", "0002"], 1)]
