"""Raw cells as numbers, texts and values."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.data_pipelines.encoding.cells import codes_of, numbers_of, plain_texts, texts_of, tokens_of
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.errors import RowError


def test_decimals_are_the_numbers_that_they_are():
    texts = ["7", "7.5", "100", "0", None]
    numbers = [text and decimal.Decimal(text) for text in texts]
    for scale in (1, 2):
        assert plain_texts(pl.Series(numbers, dtype=pl.Decimal(10, scale))).to_list() == texts
    assert plain_texts(pl.Series([100, 7], dtype=pl.Decimal(10, 0))).to_list() == ["100", "7"]
    fitted = FrameEncoder(categorical=["zone"]).fit(pd.DataFrame({"zone": numbers}))
    assert fitted.encoding.fields[0].values.to_list() == ["0", "100", "7", "7.5"]
    lists = pd.DataFrame({"zones": [[decimal.Decimal("7.00")], [decimal.Decimal("100"), 7]]})
    fitted = FrameEncoder(multivalued=["zones"]).fit(lists)
    assert fitted.encoding.fields[0].values.to_list() == ["100", "7"]


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (["a", "", None], ["a", None, None]),
        ([7.0, 7.5, -0.0, float("nan"), None, 1e30], ["7", "7.5", "0", None, None, "1e+30"]),
        ([7, -2, None], ["7", "-2", None]),
        ([True, False, None], ["true", "false", None]),
        ([datetime.date(2024, 6, 1), None], ["2024-06-01", None]),
    ],
)
def test_cells_as_text(cells, texts):
    assert plain_texts(pl.Series(cells)).to_list() == texts


def test_cells_as_numbers():
    found = numbers_of(pl.Series([" 3 ", "-7.5", "", None, "NaN", "1e3"]))
    np.testing.assert_array_equal(found, [3, -7.5, np.nan, np.nan, np.nan, 1000])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(numbers_of(pl.Series([True, None, False])), [1, np.nan, 0])
    with pytest.raises(RowError, match="column 'x' must hold finite numbers, not 'cheap'") as caught:
        numbers_of(pl.Series("x", ["1", "cheap", None, "inf"]))
    assert caught.value.rows.tolist() == [1, 3]


@pytest.mark.parametrize("texts", [pl.Series(["b", None, "a", "b"]), pa.array(["b", None, "a", "b"])])
def test_codes_give_the_texts_back(texts):
    codes, uniques = codes_of(texts)
    assert uniques.to_list() == ["b", None, "a"] and codes.tolist() == [0, 1, 2, 0]


def test_a_transform_makes_texts_of_numbers():
    field = FieldEncoding("x", transform="log_squared_bucket")
    # floor(ln(20)^2) = floor(8.97) = 8; 2 and less stand for themselves, three lower.
    assert texts_of(field, pl.Series([20, 2, None])).to_list() == ["8", "-1", None]
    assert texts_of(FieldEncoding("x"), pl.Series([20.0, None])).to_list() == ["20", None]


@pytest.mark.parametrize(
    "cells",
    [["a|b", "", None, "c||a"], [["a", "b"], [], None, ["c", None, "", "a"]]],
    ids=["text", "lists"],
)
def test_values_of_multivalued_cells(cells):
    lengths, texts, weights = tokens_of(FieldEncoding("x", "multivalued"), pl.Series(cells))
    assert lengths.tolist() == [2, 0, 0, 2] and texts.to_list() == ["a", "b", "c", "a"] and weights is None


def test_weights_of_values_are_one_unless_written():
    field = FieldEncoding("x", "multivalued", separator=" ", weight_separator=":")
    lengths, texts, weights = tokens_of(field, pl.Series(["a:2 b", None, "c:-0.5"]))
    assert (lengths.tolist(), texts.to_list(), weights.tolist()) == ([2, 0, 1], ["a", "b", "c"], [2, 1, -0.5])
    with pytest.raises(RowError, match="weights: column 'x' must hold finite numbers, not 'many'") as caught:
        tokens_of(field, pl.Series("x", ["a", "a:many b:none", "c:inf"]))
    assert caught.value.rows.tolist() == [1, 2]


def test_a_value_that_is_no_text_is_told_by_its_row():
    cells = pl.Series("x", [[b"a"], [], [b"b", b"\xff"]])
    with pytest.raises(RowError, match="Row 2: column 'x' is not UTF-8 text"):
        tokens_of(FieldEncoding("x", "multivalued"), cells)
