"""Rows to check on: the first usable ones of a table, or some of the test split."""

import numpy as np
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.raw.layout import source_like
from ctrzoo.experiments.exporting.rows import rows_of_split, rows_of_table
from ctrzoo.experiments.scoring import rows as scored_rows
from ctrzoo.experiments.scoring.rows import table_to_score
from tests.experiments.exporting.wide_table import wide_data


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide")
    return folder, wide_data(folder)


def read(path, data, count):
    source = table_to_score(source_like([path], data.encoding.table), data.encoding, [])
    return rows_of_table(source, data.encoding, count)


@pytest.mark.parametrize("count", [1, 7, 200, 1000])
def test_the_first_rows_of_a_table_are_the_prepared_ones(count, wide, monkeypatch):
    folder, data = wide
    monkeypatch.setattr(scored_rows, "CHUNK_BYTES", 1 << 12)
    features, _ = data.arrays("test")
    rows = read(folder / "test.csv", data, count)
    kept = min(count, 200)
    assert len(rows) == kept and rows.where == f"the first {kept} rows of test.csv" and rows.notes == []
    assert rows.frame is not None and len(rows.frame) == kept
    for name in features:
        np.testing.assert_array_equal(rows.features[name], features[name][:kept])


def test_bad_rows_are_counted_up_to_the_last_row_that_is_kept(wide, tmp_path):
    folder, data = wide
    lines = (folder / "test.csv").read_text().splitlines()
    for number in (1, 4, 9):
        lines[number] += ",one more"
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")
    assert read(tmp_path / "new.csv", data, 5).notes[0].startswith("2 rows cannot be used, such as ")
    assert read(tmp_path / "new.csv", data, 300).notes[0].startswith("3 rows cannot be used, such as ")
    features, _ = data.arrays("test")
    found = read(tmp_path / "new.csv", data, 5).features["ids"]
    np.testing.assert_array_equal(found, features["ids"][[1, 2, 4, 5, 6]])
    (tmp_path / "new.csv").write_text("\n".join(lines[:2]) + "\n")
    with pytest.raises(ValueError, match=r"new.csv has no rows to check on. .*row 2: "):
        read(tmp_path / "new.csv", data, 5)


def test_rows_of_the_test_split(wide):
    data = wide[1]
    features, _ = data.arrays("test")
    known = {row.tobytes() for row in features["ids"]}
    rows = rows_of_split(load(wide[0] / "data"), 20)
    assert len(rows) == 20 and rows.frame is None and rows.where == "20 of the 200 test rows of wide"
    assert {row.tobytes() for row in rows.features["ids"]} <= known
    assert len(rows_of_split(data, 1000)) == 200


def test_a_data_set_without_test_rows_is_refused(wide, monkeypatch):
    monkeypatch.setattr(wide[1], "num_rows", {"train": 3})
    with pytest.raises(ValueError, match="wide has no test rows to check on. Pass --table"):
        rows_of_split(wide[1], 20)
