"""Rows with values that the training rows did not have are told of, at every entry point that takes new rows."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.serving import serving_model
from ctrzoo.data_pipelines.encoding.unknown import LEAST_VALUES, unknown_in
from ctrzoo.models import build

TRAINING = pd.DataFrame({"user": [1, 2, 3, 4], "tags": ["a|b", "b", "c", ""], "click": [0, 1, 0, 1]})


@pytest.fixture(params=["encode", "features", "frame_encoder", "serving_model"])
def entry_point(request):
    """A function that gives a pandas frame to one of the entry points."""
    encoder = FrameEncoder("click", categorical=["user"], multivalued=["tags"]).fit(TRAINING)
    served = serving_model(build("lr", encoder.schema), encoder)
    return {
        "encode": lambda frame: encoder.encoding.encode(pl.from_pandas(frame)),
        "features": lambda frame: encoder.encoding.features(pl.from_pandas(frame)),
        "frame_encoder": encoder.features,
        "serving_model": lambda frame: served.predict(frame, verbose=0),
    }[request.param]


def rows(users, tags="a"):
    return pd.DataFrame({"user": users, "tags": tags})


def test_values_of_another_type_are_told_of_with_their_number(entry_point):
    with pytest.warns(UserWarning, match="1 of the 3 values of field 'user' are not of its type, 'integer'"):
        entry_point(rows(["1", "u9", "2"]))


def test_a_field_with_few_known_values_is_told_of(entry_point):
    with pytest.warns(UserWarning, match="95 of the 100 values of field 'user' are not known from the training rows"):
        entry_point(rows([*range(1, 4), 1, 2, *range(100, 195)]))


def test_values_of_lists_are_counted_one_by_one(entry_point):
    with pytest.warns(UserWarning, match="120 of the 121 values of field 'tags' are not known"):
        entry_point(rows([1] * 61, ["a", *["x|y"] * 60]))


@pytest.mark.parametrize(
    "frame",
    [
        rows([1, 2, 3]),
        rows([77]),  # a single new user is no fault
        rows(np.arange(LEAST_VALUES - 1) + 100),
        rows([1.0, np.nan, 2.0]),
        rows(["1.0", "", " 2"]),
        rows([*[1] * 10, *range(100, 190)]),  # a tenth is known
    ],
)
def test_other_rows_pass_without_a_word(entry_point, frame):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entry_point(frame)


def test_rare_values_missing_cells_and_hashes_are_counted_as_what_they_are():
    rare = FieldEncoding("site", values=["a"], min_count=2, type="text")
    assert unknown_in(rare, pl.Series(["a", "b", None, "", "b"]))[1:4] == (3, 2, 0)
    hashed = FieldEncoding("site", hash_buckets=9, type="integer")
    assert unknown_in(hashed, pl.Series(["1", "b", None]))[1:4] == (2, 1, 1)
    marked = FieldEncoding("site", values=["1"], type="integer", missing_texts=("NULL",))
    assert unknown_in(marked, pl.Series(["1", "NULL", "2.0"]))[1:4] == (2, 1, 0)
    assert unknown_in(FieldEncoding("price", "numerical"), pl.Series([1.0])) is None


def test_only_the_first_fields_are_named():
    encoding = TableEncoding([FieldEncoding(f"f{index}", values=["1"], type="integer") for index in range(9)])
    with pytest.warns(UserWarning, match="and 4 more fields"):
        encoding.encode(pl.DataFrame({f"f{index}": ["x"] for index in range(9)}))
