"""Cells that cannot be used are named by row and column."""

import datetime

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.errors import RowError, plain_cells
from ctrzoo.data_pipelines.preparation.table import prepare_own_table


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "lists",
            "categorical",
            r"Column 'lists' must hold one number or text per cell, not List\(Int64\). .*'multivalued'",
        ),
        ("lists", "numerical", r"Column 'lists' must hold one number or text per cell, not List\(Int64\)"),
        ("structure", "numerical", "Column 'structure' must hold one number or text per cell, not Struct"),
        ("list_lists", "multivalued", r"Column 'list_lists' must hold one number or text per cell, not List\(String\)"),
        ("no_text", "categorical", "typed.parquet, row 2: column 'no_text' is not UTF-8 text"),
        ("byte_lists", "multivalued", "typed.parquet, row 2: column 'byte_lists' is not UTF-8 text"),
        ("category", "numerical", "typed.parquet, row 1: column 'category' must hold finite numbers, not 'a'"),
    ],
)
def test_a_parquet_column_that_a_field_cannot_take_is_named(typed, tmp_path, name, kind, message):
    schema = {"label": "click", "fields": [{"name": name, "kind": kind}]}
    with pytest.raises(ValueError, match=message) as caught:
        prepare_own_table(tmp_path / "prepared", "typed", typed, schema)
    assert "\n" not in str(caught.value) and not (tmp_path / "prepared").exists()


def test_the_first_wrong_row_is_named_and_all_are_kept():
    error = RowError(np.array([4, 9]), "column 'site' is wrong")
    assert str(error) == "Row 4: column 'site' is wrong"
    assert error.rows.tolist() == [4, 9] and error.reason == "column 'site' is wrong"


def test_times_are_microseconds_whoever_wrote_them():
    spans = [datetime.timedelta(seconds=1), None]
    for unit in ("ms", "us", "ns"):
        assert plain_cells(pl.Series(spans, dtype=pl.Duration(unit))).to_list() == [1_000_000, None]
        times = plain_cells(pl.Series([datetime.datetime(2024, 6, 1)], dtype=pl.Datetime(unit)))
        assert times.dtype == pl.Datetime("us")


def test_every_row_of_bytes_that_are_no_text_is_found():
    with pytest.raises(RowError, match="Row 1: column 'x' is not UTF-8 text") as caught:
        plain_cells(pl.Series("x", [b"a", b"\xff", None, b"caf\xc3\xa9", b"\xc3"]))
    assert caught.value.rows.tolist() == [1, 4]
    assert plain_cells(pl.Series("x", [b"caf\xc3\xa9", None, b""])).to_list() == ["café", None, ""]
