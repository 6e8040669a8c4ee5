"""The encoding of a table: rows by hand, what is stored and read, what is refused."""

import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.encoding.fitting import fit_field
from ctrzoo.data_pipelines.encoding.frame import series_of

FRAME = pd.DataFrame(
    {
        "city": ["Rome", None, "Oslo", "Rome", ""],
        "zone": [7.0, 3.0, np.nan, 7.0, 3.0],
        "price": [1.0, 3.0, np.nan, 5.0, 7.0],
        "genres": ["Drama|Comedy", "", None, "War", "Comedy|Drama|War"],
        "click": [1, 0, 0, 1, 0],
    }
)


def encoder(**options):
    return FrameEncoder("click", ["city", "zone"], ["price"], ["genres"], **options)


TIMES = [datetime.datetime(2024, 6, 1, 3), datetime.datetime(2024, 6, 2), None]
DATES = [datetime.date(2024, 6, 1), datetime.date(2024, 6, 2), None]
SPANS = [datetime.timedelta(hours=1), datetime.timedelta(1), None]


@pytest.mark.parametrize(
    ("prepared", "cells"),
    [
        *((pl.Series(TIMES), pd.Series(TIMES).astype(f"datetime64[{unit}]")) for unit in ("s", "us", "ns")),
        (pl.Series(TIMES).cast(pl.Datetime("ms")), pd.Series(TIMES).astype("datetime64[ns]")),
        (pl.Series(TIMES).dt.replace_time_zone("UTC"), pd.Series(TIMES).dt.tz_localize("UTC")),
        (pl.Series(TIMES), pd.Series(TIMES, dtype=object)),
        (pl.Series(TIMES), pd.Series(TIMES, dtype="category")),
        (pl.Series(DATES), pd.Series(DATES)),
        (pl.Series(SPANS), pd.Series(SPANS).astype("timedelta64[ns]")),
        (pl.Series(SPANS), pd.Series(SPANS, dtype=object)),
    ],
)
def test_times_are_encoded_as_those_that_were_prepared(prepared, cells):
    fields = [FieldEncoding("day"), FieldEncoding("number", "numerical", column="day", transform="min_max")]
    encoding = TableEncoding([fit_field(field, prepared) for field in fields])
    frame = pl.DataFrame([series_of("day", cells)])
    ids, numbers = encoding.encode(frame)
    np.testing.assert_array_equal(ids, [[1], [2], [0]])
    np.testing.assert_array_equal(numbers, [[0], [1], [0]])


def test_a_table_encoding_asks_for_polars():
    encoding = encoder().fit(FRAME).encoding
    with pytest.raises(ValueError, match=r"takes a polars frame. Received: pandas DataFrame.*polars.from_pandas"):
        encoding.encode(FRAME)
    ids, _ = encoding.encode(pl.from_pandas(FRAME))
    np.testing.assert_array_equal(ids[0], [2, 4, 7, 6, 0])  # the ids of the design, without that of the price


def test_the_keys_of_version_0_1_0_are_read():
    config = {"name": "x", "min_count": 3, "rare": True, "running": True}
    field = TableEncoding.from_dict({"format_version": 1, "label": "y", "fields": [config]}).fields[0]
    assert field.oov is True and field.assign_ids_online


# City: rare 1, Oslo 2, Rome 3; price 4; tags a and b: 5 and 6.
ENCODING = TableEncoding(
    [
        FieldEncoding("city", min_count=2, values=["Oslo", "Rome"], counts=[2, 3]),
        FieldEncoding("price", "numerical", transform="min_max", offset=1.0, scale=2.0),
        FieldEncoding("tags", "multivalued", values=["a", "b"], max_values=2, weight_separator=":"),
    ],
    label="click",
)
ROWS = pl.DataFrame({"city": ["Rome", "Bonn", None], "price": [2.0, None, 5.0], "tags": ["b|a:3", "z", None]})
IDS, NUMBERS = [[3, 6, 5], [1, 0, 0], [0, 0, 0]], [[0.5, 1, 3], [0, 0, 0], [2, 0, 0]]


def test_rows_by_hand_and_back():
    ids, numbers = ENCODING.encode(ROWS)
    assert ids.tolist() == IDS and numbers.tolist() == NUMBERS
    assert (ids.dtype, numbers.dtype) == (np.int32, np.float32)
    decoded = ENCODING.decode(ids, numbers)
    assert decoded.to_dict(as_series=False) == {
        "city": ["Rome", "(rare)", None],
        "price": [2.0, 1.0, 5.0],  # a missing number is stored as 0
        "tags": [["b", "a"], [], []],
    }


def test_a_table_of_no_rows_and_one_without_a_column():
    ids, numbers = ENCODING.encode(ROWS.clear())
    assert ids.shape == (0, 3) and numbers.shape == (0, 3)
    with pytest.raises(ValueError, match="Unknown column 'price'. Did you mean 'prices'"):
        ENCODING.encode(ROWS.rename({"price": "prices"}))
    with pytest.raises(ValueError, match="city"):
        TableEncoding([FieldEncoding("city"), FieldEncoding("city", "numerical")])


def test_files_hold_all_of_it(tmp_path):
    ENCODING.save(tmp_path)
    vocabulary = pl.read_parquet(tmp_path / "vocabulary.parquet")
    assert vocabulary.columns == ["field", "value", "id", "count"]
    assert vocabulary.rows() == [
        ("city", "Oslo", 2, 2), ("city", "Rome", 3, 3), ("tags", "a", 5, None), ("tags", "b", 6, None),
    ]  # fmt: skip
    assert '"values"' not in (tmp_path / "encoding.json").read_text()
    loaded = TableEncoding.load(tmp_path)
    assert loaded.to_dict() == ENCODING.to_dict() and loaded.schema == ENCODING.schema
    assert loaded.encode(ROWS)[0].tolist() == IDS
    assert TableEncoding.from_dict(json.loads(json.dumps(ENCODING.to_dict()))).to_dict() == ENCODING.to_dict()


@pytest.mark.parametrize(
    ("filename", "content", "error", "message"),
    [
        ("encoding.json", None, FileNotFoundError, "encoding.json is missing. Delete the folder and prepare it again"),
        ("vocabulary.parquet", None, FileNotFoundError, "vocabulary.parquet is missing"),
        ("encoding.json", "{", ValueError, "is damaged .* Prepare the data again"),
        ("vocabulary.parquet", "PAR1", ValueError, "is damaged .* Prepare the data again"),
        (
            "encoding.json",
            '{"format_version": 9, "ctrzoo_version": "7.0", "fields": []}',
            ValueError,
            "format version 9, this ctrzoo reads version 1. It was written by ctrzoo 7.0; install it",
        ),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, filename, content, error, message):
    ENCODING.save(tmp_path)
    (tmp_path / filename).unlink()
    if content is not None:
        (tmp_path / filename).write_text(content)
    with pytest.raises(error, match=message) as caught:
        TableEncoding.load(tmp_path)
    assert "\n" not in str(caught.value)
