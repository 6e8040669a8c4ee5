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


def parts_of(drafted):
    fields = [field for field in (drafted.field, *drafted.more) if field]
    assert all(field["name"] == f"x_{field['part']}" and field["column"] == "x" for field in fields)
    return [field["part"] for field in fields], {field.get("time_format") for field in fields}


@pytest.mark.parametrize(
    ("cells", "parts", "format", "split"),
    [
        ([f"2024-06-{1 + day % 30:02d}" for day in range(300)], ["weekday"], None, ("2024-06-25", "2024-06-28")),
        ([f"{1 + day % 30:02d}.06.2024" for day in range(300)], ["weekday"], "%d.%m.%Y", ("2024-06-25", "2024-06-28")),
        ([f"6/{1 + day % 30}/2024" for day in range(300)], ["weekday"], "%m/%d/%Y", ("2024-06-25", "2024-06-28")),
        ([f"2024/6/{1 + day % 30}" for day in range(300)], ["weekday"], "%Y/%m/%d", ("2024-06-25", "2024-06-28")),
        ([20240601 + day % 30 for day in range(300)], ["weekday"], "%Y%m%d", ("2024-06-25", "2024-06-28")),
        ([f"06/21/24 {1 + hour % 10}:30 PM" for hour in range(300)], ["hour"], "%m/%d/%y %I:%M %p", None),
        (
            [f"{1 + day % 30:02d}/Jun/2024:13:00:00 +0200" for day in range(300)],
            ["weekday"],
            "%d/%b/%Y:%H:%M:%S %z",
            ("2024-06-25 11:00:00", "2024-06-28 11:00:00"),
        ),
        (
            [1_700_000_000 + 3600 * row for row in range(300)],
            ["hour", "weekday"],
            "epoch_seconds",
            ("2023-11-24 22:13:20", "2023-11-26 04:13:20"),
        ),
        ([1_700_000_000_000 + 60 * row for row in range(300)], [], "epoch_milliseconds", None),
        (["2024-06-01"] * 300, [], None, None),
    ],
)
def test_parts_of_times_are_fields_and_times_split_the_table(cells, parts, format, split):
    drafted = draft_column(pl.Series("x" if isinstance(cells[0], str) or cells[0] > 1e9 else "date", cells).alias("x"))
    if cells[0] == 20240601:  # whole numbers are times by the name of their column
        drafted = draft_column(pl.Series("x_date", cells))
        assert drafted.field["time_format"] == format and drafted.field["part"] == "weekday"
        return
    found, formats = parts_of(drafted)
    assert found == parts and formats == ({format} if parts else set())
    if split:
        bounds = {"column": "x", "valid_from": split[0], "test_from": split[1]}
        assert drafted.split == bounds | ({"format": format} if format else {})


@pytest.mark.parametrize("mark", ["/", "-"])
def test_days_and_months_that_could_be_either_are_left_out(mark):
    cells = [f"0{1 + row % 9}{mark}0{1 + row % 8}{mark}2024" for row in range(300)]
    drafted = draft_column(pl.Series("x", cells))
    assert drafted.field is None and drafted.split is None
    expected = f"write time_format: '%d{mark}%m{mark}%Y' or '%m{mark}%d{mark}%Y'"
    assert drafted.reason == f"times in more than one possible order; to use them, {expected}"


def test_markers_of_a_time():
    drafted = draft_column(pl.Series("x", ["NULL", "", None, *(f"2024-06-{day:02d}" for day in range(1, 31))]))
    assert parts_of(drafted)[0] == ["weekday"] and drafted.missing == ("NULL",)
    odd = draft_column(pl.Series("x", ["soon", *(f"2024-06-{1 + day % 30:02d}" for day in range(99))]))
    assert odd.field is None and "dates, but 'soon' is none: list such texts in missing_texts" in odd.reason


def test_a_few_texts_among_numbers_are_told_of():
    numbers = [str(row / 7) for row in range(99)]
    drafted = draft_column(pl.Series("price", ["1,25", "NULL", *numbers, *numbers]))
    assert drafted.field["kind"] == "categorical"
    assert "nearly all of them numbers, but '1,25' is none: to use numbers, list such texts" in drafted.reason
    for name, cells in (("user_id", ["x", *map(str, range(50))] * 9), ("price", ["1,25", "x", *numbers[:20]] * 9)):
        assert "numbers" not in draft_column(pl.Series(name, cells)).reason


def test_numbers_with_marks_are_no_times():
    for cells in (
        [f"{row % 9}.{row % 7}" for row in range(300)],
        [f"{row % 9}-{row % 7}-{row % 5}" for row in range(300)],
    ):
        assert "time_format" not in (draft_column(pl.Series("x", cells)).field or {})


def test_hours():
    assert draft_column(pl.Series("hour", [row % 24 for row in range(300)])).field["kind"] == "categorical"
    avazu = draft_column(pl.Series("hour", [14_102_100 + row % 24 for row in range(300)]))
    assert (avazu.field["part"], avazu.field["time_format"], avazu.more) == ("hour", "%y%m%d%H", ())


def test_a_column_of_rare_values_is_left_out_if_all_its_rows_are_known():
    cells = pl.Series("x", [f"a{row // 1.02:.0f}" for row in range(2000)])
    assert "nearly all would be rare" in draft_column(cells).reason
    assert draft_column(cells, is_complete=False).field["min_count"] == 10
