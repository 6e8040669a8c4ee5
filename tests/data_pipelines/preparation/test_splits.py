"""Which rows are for training, validation and test."""

import datetime

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.clicks_table import SCHEMA, TEXT
from tests.data_pipelines.small_table import stored_block


def test_rows_are_divided_by_a_column(prepared):
    data, _ = prepared(TEXT, {**SCHEMA, "split": {"column": "price", "valid_from": 60, "test_from": "90"}})
    assert data.num_rows == {"train": 60, "valid": 30, "test": 10}
    np.testing.assert_array_equal(stored_block(data.folder, ["test"]).numerical[:, 0], np.arange(90, 100) + 0.5)


@pytest.mark.parametrize(
    ("cells", "valid_from", "reason"),
    [
        (["1", "", "9"], 5, "column 'day' says no split: it is empty"),
        (["a", "", "z"], "m", "column 'day' says no split: it is empty"),
        ([1.0, float("nan"), 9.0], 5, "column 'day' says no split: it is empty"),
        ([1.0, float("nan"), 9.0], "m", "column 'day' says no split: it is empty"),
        (
            ["1", "2024-06-01", "9"],
            5,
            "column 'day' must hold finite numbers, not '2024-06-01', as valid_from is the num",
        ),
    ],
)
def test_a_cell_that_says_no_split_is_a_wrong_row(tmp_path, cells, valid_from, reason):
    rows = {"click": [0, 1, 1], "day": cells}
    pl.DataFrame(rows).write_parquet(tmp_path / "clicks.parquet")
    schema = {"label": "click", "fields": ["day"], "split": {"column": "day", "valid_from": valid_from}}
    with pytest.raises(ValueError, match=f"clicks.parquet, row 2: {reason}"):
        prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "clicks.parquet", schema)


def test_times_are_not_compared_with_a_number(tmp_path):
    days = [datetime.date(2024, 6, day) for day in range(1, 31)]
    pl.DataFrame({"click": [0, 1] * 15, "day": days}).write_parquet(tmp_path / "clicks.parquet")
    schema = {"label": "click", "fields": ["day"], "split": {"column": "day", "valid_from": 20240620}}
    with pytest.raises(ValueError, match=r"'day' holds times \(Date\).* number 20240620. Write .*: 2024-06-20"):
        prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "clicks.parquet", schema)


def test_rows_are_divided_by_a_day_of_a_yaml_schema(prepared, tmp_path):
    rows = [f"{row % 2},s,2024-06-{row + 1:02d}\n" for row in range(30)]
    split = "split: {column: day, valid_from: 2024-06-21, test_from: 2024-06-26}"
    (tmp_path / "schema.yaml").write_text(f"label: click\nfields: [site]\n{split}\n")
    data, _ = prepared("click,site,day\n" + "".join(rows), tmp_path / "schema.yaml")
    assert data.num_rows == {"train": 20, "valid": 5, "test": 5}
