"""Which rows are for training, validation and test."""

import datetime
import random

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.preparation.splits import ByColumn, ByFile, Folds, Fractions, Shuffled, split_from_dict
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
        (["1", "", "9"], 5, "column 'day' gives no split: it is empty"),
        (["a", "", "z"], "m", "column 'day' gives no split: it is empty"),
        ([1.0, float("nan"), 9.0], 5, "column 'day' gives no split: it is empty"),
        ([1.0, float("nan"), 9.0], "m", "column 'day' gives no split: it is empty"),
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
    with pytest.raises(ValueError, match=r"'day' holds times \(Date\).* number 20240620. Write .* such as 2024-06-20"):
        prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "clicks.parquet", schema)


def test_rows_are_divided_by_a_day_of_a_yaml_schema(prepared, tmp_path):
    rows = [f"{row % 2},s,2024-06-{row + 1:02d}\n" for row in range(30)]
    split = "split: {column: day, valid_from: 2024-06-21, test_from: 2024-06-26}"
    (tmp_path / "schema.yaml").write_text(f"label: click\nfields: [site]\n{split}\n")
    data, _ = prepared("click,site,day\n" + "".join(rows), tmp_path / "schema.yaml")
    assert data.num_rows == {"train": 20, "valid": 5, "test": 5}


def test_shares_are_exact_for_each_label():
    labels = np.array([0] * 700 + [1] * 300)

    def assigned(chunk=0, seed=0):
        return Fractions(0.5, 0.25, 0.25, seed).assign(chunk, labels, None, None)

    splits = assigned()
    assert [np.bincount(splits[labels == label]).tolist() for label in (0, 1)] == [[350, 175, 175], [150, 75, 75]]
    np.testing.assert_array_equal(splits, assigned())
    for other in (assigned(seed=1), assigned(chunk=1)):
        assert (splits != other).mean() > 0.3


@pytest.mark.parametrize(
    ("shares", "rows", "counts"),
    [((1, 0, 0), 30, [30]), ((0.9, 0, 0.1), 30, [27, 0, 3]), ((0.97, 0.03, 0), 200, [194, 6])],
)
def test_a_share_may_be_zero_and_a_hundredth(shares, rows, counts):
    splits = Fractions(*shares).assign(0, np.zeros(rows, int), None, None)
    assert splits.dtype == np.uint8 and np.bincount(splits).tolist() == counts


def test_the_file_says_the_split():
    for index, split in enumerate(("train", "valid", "test")):
        assert ByFile().assign(0, np.zeros(2), None, split).tolist() == [index] * 2


def test_folds_are_those_of_scikit_learn():
    model_selection = pytest.importorskip("sklearn.model_selection")
    labels = (np.random.default_rng(0).random(1003) < 0.3).astype(int)
    labels[0] = 1  # the class that comes first is not the smaller one
    folder = model_selection.StratifiedKFold(10, shuffle=True, random_state=7)
    expected = np.empty(len(labels), int)
    for fold, (_, rows) in enumerate(folder.split(labels, labels)):
        expected[rows] = fold
    np.testing.assert_array_equal(Folds(7).folds(labels), expected)
    np.testing.assert_array_equal(Folds(7).assign_all(labels), np.array([2, 1, *[0] * 8])[expected])


def test_a_shuffled_table_is_cut_at_eight_and_nine_tenths():
    order = list(range(25))
    random.Random(3).shuffle(order)
    splits = Shuffled(3).assign_all(np.zeros(25))
    for split, rows in enumerate((order[:20], order[20:22], order[22:])):
        assert sorted(rows) == np.flatnonzero(splits == split).tolist()


def test_a_split_by_a_column_takes_numbers_or_texts():
    table = pa.table({"day": ["9", "10", "11", "2"]})
    assert ByColumn("day", valid_from=10, test_from="11").assign(0, np.zeros(4), table, None).tolist() == [0, 1, 2, 0]
    # As texts, "9" comes last.
    assert ByColumn("day", valid_from="x").assign(0, np.zeros(4), table, None).tolist() == [0, 0, 0, 0]
    assert ByColumn("day", valid_from="a10", test_from="b").assign(0, np.zeros(4), table, None).sum() == 0


def test_a_schema_gives_shares_or_a_column():
    assert split_from_dict({}, seed=3) == Fractions(seed=3)
    assert split_from_dict({"train": 1, "valid": 0, "test": 0, "seed": 2}, seed=3) == Fractions(1, 0, 0, 2)
    day = split_from_dict({"column": "day", "valid_from": datetime.date(2024, 6, 1)})
    assert day == ByColumn("day", "2024-06-01")


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -float("inf")])
def test_shares_and_bounds_are_finite(share):
    with pytest.raises(ValueError, match="whole hundredths that add up to 1. Received: .*(nan|inf)"):
        Fractions(share, 0.1, 0.1)
    with pytest.raises(ValueError, match="must be finite, or a text that is not a number. Received: .*(nan|inf)"):
        ByColumn("day", share)
