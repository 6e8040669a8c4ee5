"""What a column is drafted for: the rules one by one. `test_odd_tables.py` prepares such columns."""

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.preparation.column_draft import draft_column

ROWS = 5000
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("user", "categorical"),
        ("userId", "categorical"),
        ("item_id", "categorical"),
        ("USERID", "categorical"),
        ("id_of_ad", "categorical"),
        ("user_age", "numerical"),
        ("item_price", "numerical"),
        ("idle", "numerical"),
    ],
)
def test_names_of_ids(name, kind):
    cells = pl.Series(name, RANDOM.geometric(0.01, ROWS))
    assert draft_column(cells).field["kind"] == kind


def test_whole_numbers_that_repeat_like_ids():
    ids, counts = RANDOM.integers(0, 600, ROWS), RANDOM.geometric(0.01, ROWS)
    assert draft_column(pl.Series("x", ids)).field["kind"] == "categorical"
    assert draft_column(pl.Series("x", counts)).field["kind"] == "numerical"
    assert draft_column(pl.Series("x", ids - 300)).field["kind"] == "numerical"  # ids are not negative
    assert draft_column(pl.Series("x", RANDOM.integers(0, 10**6, ROWS))).field["kind"] == "numerical"  # hardly repeat


def test_hashes_are_no_numbers():
    values = RANDOM.integers(0, 2**63, 300)[RANDOM.integers(0, 300, ROWS)]
    for cells in (pl.Series("x", values), pl.Series("x", values).cast(pl.String)):
        assert draft_column(cells).field["kind"] == "categorical"


def test_markers_of_a_number():
    cells = pl.Series("x", ["1.5", " 2 ", "NULL", "N/A", "", None, *map(str, RANDOM.random(100))])
    drafted = draft_column(cells)
    assert drafted.field["kind"] == "numerical" and drafted.missing == ("N/A", "NULL")
    assert draft_column(pl.Series("x", ["NULL", "a"] * 9)).missing == ()


@pytest.mark.parametrize(
    ("cells", "split"),
    [
        (
            [f"2024-06-{1 + day % 30:02d}" for day in range(300)],
            {"valid_from": "2024-06-25", "test_from": "2024-06-28"},
        ),
        ([1_700_000_000 + row for row in range(300)], {"valid_from": 1_700_000_240, "test_from": 1_700_000_270}),
        (["2024-06-01"] * 300, None),
        (["30.06.2024", "01.07.2024"] * 150, None),
    ],
)
def test_times_split_the_table(cells, split):
    drafted = draft_column(pl.Series("x", cells))
    assert drafted.field is None
    assert drafted.split == (split and {"column": "x", **split})


def test_hours():
    assert draft_column(pl.Series("hour", [row % 24 for row in range(300)])).field["kind"] == "categorical"
    assert draft_column(pl.Series("hour", [14_102_100 + row % 24 for row in range(300)])).field is None


def test_a_column_of_rare_values_is_left_out_if_all_its_rows_are_known():
    cells = pl.Series("x", [f"a{row // 1.02:.0f}" for row in range(2000)])
    assert "nearly all would be rare" in draft_column(cells).reason
    assert draft_column(cells, is_complete=False).field["min_count"] == 10
