"""One value has one text, in whatever way a cell is written, in Python and in a TensorFlow graph."""

import datetime
import decimal

import numpy as np
import polars as pl
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo.data_pipelines.encoding.cell_types import CELL_TYPES, number_texts, time_texts, type_of, types_of

# By type: the ways to write a value, and its text. The expected texts were written by hand.
WRITTEN = {
    "integer": [("8", "8"), ("8.0", "8"), ("+8", "8"), (" 8.", "8"), ("-0", "0"), ("0.00", "0"), ("-12.0", "-12")],
    "decimal": [("1.50", "1.5"), ("15e-1", "1.5"), ("1e5", "100000"), (".5", "0.5"), ("-0.0", "0"), ("7.0", "7")],
    "boolean": [("True", "true"), ("FALSE", "false"), (" true ", "true")],
    "time": [
        ("2024-06-01", "2024-06-01"),
        ("2024-06-01 00:00:00", "2024-06-01"),
        ("2024-06-01T00:00Z", "2024-06-01"),
        ("2024-06-01T09:30", "2024-06-01 09:30:00"),
        ("2024-06-01 09:30:00.000", "2024-06-01 09:30:00"),
        ("2024-06-01 09:30:00.250", "2024-06-01 09:30:00.25"),
        ("2024-06-01 09:30:00 UTC", "2024-06-01 09:30:00"),
        ("2024-06-01 09:30:00+00:00", "2024-06-01 09:30:00"),
    ],
    "text": [("8.0", "8.0"), (" a ", " a "), ("007", "007")],
}
NOT = {
    "integer": ["007", "x", "", "8.5", "1e5", "٣"],
    "decimal": ["00.5", "1e999", "inf", "nan", "0x10", "1_000", "", "."],
    "boolean": ["yes", "1", "t", ""],
    "time": ["6/1/2024", "2024", "24-06-01", "2024-06-01 9:30", ""],
}


@pytest.mark.parametrize("name", WRITTEN)
def test_each_way_to_write_a_value_gives_its_text(name):
    written, expected = zip(*WRITTEN[name], strict=True)
    assert CELL_TYPES[name].canonical(pl.Series([*written, None])).to_list() == [*expected, None]
    assert type_of([pl.Series(written)]) == name


@pytest.mark.parametrize("name", NOT)
def test_other_texts_stay_as_they_are(name):
    assert CELL_TYPES[name].canonical(pl.Series(NOT[name])).to_list() == NOT[name]
    assert not CELL_TYPES[name].fits(pl.Series(NOT[name])).any()


def test_times_with_an_offset_are_written_in_utc():
    times = ["2024-06-01 09:30+02:00", "2024-06-01T23:30:00.5-0500", "2024-06-01 00:15:00 +0530", "2024-06-01 09:30"]
    expected = ["2024-06-01 07:30:00", "2024-06-02 04:30:00.5", "2024-05-31 18:45:00", "2024-06-01 09:30:00"]
    assert CELL_TYPES["time"].canonical(pl.Series(times)).to_list() == expected
    moments = [datetime.datetime.fromisoformat(text.replace(" +", "+")) for text in times[:3]]
    in_utc = [moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f") for moment in moments]
    assert time_texts(pl.Series(moments)).to_list() == in_utc


@pytest.mark.parametrize("name", WRITTEN)
def test_a_graph_writes_as_python_does(name):
    texts = [text for text, _ in WRITTEN[name]] + NOT.get(name, [])
    kind = CELL_TYPES[name]
    found = [text.decode() for text in kind.graph(tf.constant(texts)).numpy()]
    assert found == kind.hash_texts(kind.canonical(pl.Series(texts))).to_list()


@settings(max_examples=100, deadline=None)
@given(
    st.datetimes(datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from(["microseconds", "seconds", "minutes"]),
)
def test_a_graph_writes_times_with_an_offset_in_utc(moment, minutes, digits):
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    text = moment.replace(tzinfo=zone).isoformat(" ", digits)
    in_utc = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC).replace(tzinfo=None)
    expected = in_utc.isoformat(" ", "seconds") + (f".{in_utc.microsecond:06d}".rstrip("0").rstrip("."))
    expected = expected.removesuffix(" 00:00:00")
    assert CELL_TYPES["time"].canonical(pl.Series([text])).to_list() == [expected]
    assert CELL_TYPES["time"].graph(tf.constant([text])).numpy() == [expected.encode()]


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**30), 10**30), st.sampled_from(["{}", "{}.0", "{}.", " {}", "+{}"]))
def test_whole_numbers_of_any_length(number, form):
    text = form.format(number)
    if text.startswith("+-"):
        return
    kind = CELL_TYPES["integer"]
    assert kind.canonical(pl.Series([text])).to_list() == [str(number)]
    assert kind.graph(tf.constant([text])).numpy()[0].decode() == str(number)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.sampled_from([repr, "{:.17g}".format, "{:e}".format]),
)
def test_decimals_are_written_as_a_column_of_floats_is(number, form):
    text = form(number)
    (expected,) = number_texts(pl.Series([float(text)])).to_list()
    assert CELL_TYPES["decimal"].canonical(pl.Series([text])).to_list() == [expected]
    assert float(expected) == float(text)
    hashed = CELL_TYPES["decimal"].graph(tf.constant([text])).numpy()[0].decode()
    assert hashed == CELL_TYPES["decimal"].hash_texts(pl.Series([expected]))[0]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([["8", "7"], ["8.0"]], "integer"),
        ([["8", "7"], ["007"]], "text"),
        ([["8"], ["1.5"]], "decimal"),
        ([["8"], ["x"]], "text"),
        ([["True"], ["1"]], "text"),
        ([["0", "1"]], "integer"),
        ([["05db9164", "68fd1e64"]], "text"),
        ([["12345678", "1e573921"]], "text"),  # no finite number
        ([["2024-06-01"], ["2024-06-01 10:00"]], "time"),
        ([["2024-06-01"], ["6/1/2024"]], "text"),
        ([[None], ["3"]], "integer"),
        ([[None]], "text"),
        ([], "text"),
    ],
)
def test_the_type_is_decided_by_all_cells(parts, expected):
    assert type_of([pl.Series(part, dtype=pl.String) for part in parts]) == expected


def test_a_late_text_decides_too():
    assert type_of([pl.Series(["1"] * 5000 + ["x"])]) == "text"


ODD = ["8", "-5", "0", "007", "+8", " 8", "8.0", "-0", str(2**63 - 1), str(2**63), "9" * 400, "1.5", "1e400"]
ODD += ["true", "2024-06-01", "x", "", "1_000", "٣", None]


@pytest.mark.parametrize("seed", range(40))
def test_the_type_of_a_column_is_the_first_that_each_text_is_of(seed):
    random = np.random.default_rng(seed)
    few = random.choice(len(ODD), random.integers(1, 4))
    parts = [[ODD[index] for index in random.choice(few, random.integers(0, 4))] for _ in range(3)]
    texts = [text for part in parts for text in part if text is not None]
    fitting = [name for name, kind in CELL_TYPES.items() if all(kind.fits(pl.Series([text]))[0] for text in texts)]
    expected = fitting[0] if texts else "text"
    assert type_of([pl.Series(part, dtype=pl.String) for part in parts]) == expected


def test_whole_numbers_are_written_alike_alone_and_among_others():
    integer = CELL_TYPES["integer"]
    alone = [integer.canonical(pl.Series([text], dtype=pl.String))[0] for text in ODD]
    assert integer.canonical(pl.Series(ODD, dtype=pl.String)).to_list() == alone
    plain = ["8", None, "-5", "0", str(2**63 - 1)]
    assert integer.canonical(pl.Series(plain)).to_list() == plain


def test_numbers_are_written_without_a_point_where_they_are_whole():
    numbers = [7.0, -0.0, 0.1, 1e16, float("nan"), 123456.789, float(decimal.Decimal("2.50"))]
    assert number_texts(pl.Series(numbers)).to_list() == [
        "7",
        "0",
        "0.1",
        "10000000000000000",
        None,
        "123456.789",
        "2.5",
    ]
    assert np.isnan(numbers[4])


@pytest.mark.parametrize(
    ("texts", "types"),
    [
        (["8", None, "8.0"], ["integer", "decimal", "text"]),
        (["007"], ["text"]),
        (["2024-06-01"], ["time", "text"]),
        ([None], ["boolean", "integer", "decimal", "time", "text"]),
        ([*["1"] * 1500, "true"], ["text"]),
    ],
)
def test_all_types_of_a_part_are_known(texts, types):
    assert types_of(pl.Series(texts, dtype=pl.String)) == types
