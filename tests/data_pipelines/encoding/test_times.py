"""Texts, numbers and zones of times, compared with Python's `datetime` and `zoneinfo`."""

import datetime
import re
import zoneinfo

import numpy as np
import polars as pl
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo.data_pipelines.encoding.times import (
    PARTS,
    graph_in_zone,
    graph_moments,
    graph_of_numbers,
    has_clock,
    in_zone,
    moments,
    of_numbers,
    pattern_of,
    zone_changes,
)

EPOCH = datetime.datetime(1970, 1, 1)
MICRO = datetime.timedelta(microseconds=1)
ANY_TIME = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30))
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "Etc/GMT+5"]


def micros(moment):
    """Return the microseconds since 1970 of a moment in UTC."""
    return (moment - EPOCH) // MICRO


def both(texts, format=None):
    """Return what Python reads, after a check that a graph reads the same."""
    found = moments(pl.Series(texts, dtype=pl.String), format)
    for mine, theirs in zip(found, graph_moments(tf.constant(texts), format), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    return found


@pytest.mark.parametrize(
    "format",
    [
        "%d.%m.%Y",
        "%m/%d/%Y",
        "%m/%d/%y %I:%M %p",
        "%d.%m.%Y %H:%M:%S",
        "%d/%b/%Y:%H:%M:%S %z",
        "%B %d, %Y",
        "%a, %d %b %Y %H:%M:%S.%f",
        "%Y%m%d%H",
        "%y%m%d%H",
        "%F %T",
        "%D %R",
        "on %d-%m-%Y (100%%)",
    ],
)
@settings(max_examples=40, deadline=None)
@given(moment=ANY_TIME, minutes=st.integers(-14 * 60, 14 * 60))
def test_formats_are_read_as_strptime_reads_them(format, moment, minutes):
    moment = moment.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=minutes)))
    if "%Y" in format or "%F" in format:
        text = moment.strftime(format.replace("%Y", f"{moment.year:04d}").replace("%F", f"{moment.year:04d}-%m-%d"))
    else:
        text = moment.strftime(format)
    python = format.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S").replace("%R", "%H:%M").replace("%D", "%m/%d/%y")
    expected = datetime.datetime.strptime(text, python)
    if expected.tzinfo:
        expected = expected.astimezone(datetime.UTC).replace(tzinfo=None)
    found = both([f" {text} "], format)
    assert found.is_time.all() and found.is_aware.tolist() == ["%z" in format]
    assert found.micros.tolist() == [micros(expected)]


@pytest.mark.parametrize("text", ["6/1/2024", "06/01/2024", " 6/01/2024"])
def test_zeros_need_not_lead(text):
    assert both([text], "%m/%d/%Y").micros.tolist() == [micros(datetime.datetime(2024, 6, 1))]


@settings(max_examples=200, deadline=None)
@given(ANY_TIME, st.sampled_from([" ", "T"]), st.integers(-23 * 60, 23 * 60) | st.none())
def test_iso_texts_are_read_as_python_reads_them(moment, separator, minutes):
    zone = None if minutes is None else datetime.timezone(datetime.timedelta(minutes=minutes))
    text = moment.replace(tzinfo=zone).isoformat(separator)
    parsed = datetime.datetime.fromisoformat(text)
    expected = parsed.astimezone(datetime.UTC).replace(tzinfo=None) if zone else parsed
    for format in (None, "%d.%m.%Y", "epoch_seconds"):
        found = both([text], format)
        assert (found.micros.tolist(), found.is_aware.tolist()) == ([micros(expected)], [zone is not None])


def test_offsets_in_all_ways():
    texts = ["2024-06-01T12:00Z", "2024-06-01 12:00 UTC", "2024-06-01 14:00+0200", "2024-06-01 09:30:00 -02:30"]
    found = both(texts)
    assert found.is_aware.all() and set(found.micros.tolist()) == {micros(datetime.datetime(2024, 6, 1, 12))}
    assert not both(["2024-06-01", "2024-06-01 12:00"]).is_aware.any()


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("", None),
        ("soon", None),
        ("1717200000", None),
        ("2024-02-30", None),
        ("2023-02-29", None),
        ("0000-01-01", None),
        ("2024-13-01", None),
        ("2024-00-01", None),
        ("2024-06-00", None),
        ("2024-06-01 24:00", None),
        ("2024-06-01 12:60", None),
        ("2024-06-01 12:00:60", None),
        ("2024-06-01 12:00+24:00", None),
        ("2024-06-01T", None),
        ("6/1/2024", None),
        ("31.04.2024", "%d.%m.%Y"),
        ("1.2.24", "%d.%m.%Y"),
        ("1.2.2024 ", "%d.%m.%Y %H:%M"),
        ("1/2/24 13:00 PM", "%m/%d/%y %I:%M %p"),
        ("1/2/24 0:00 AM", "%m/%d/%y %I:%M %p"),
        ("1-Jux-2024", "%d-%b-%Y"),
        ("1e40", "epoch_seconds"),
        ("inf", "epoch_seconds"),
        ("nan", "epoch_seconds"),
        ("0x10", "epoch_seconds"),
        ("٣.٣.2024", "%d.%m.%Y"),
    ],
)
def test_what_is_no_time(text, format):
    found = both([text, "2024-02-29"], format)
    assert found.is_time.tolist() == [False, True] and found.micros[0] == 0


def test_null_is_no_time():
    assert moments(pl.Series([None], dtype=pl.String), None).is_time.tolist() == [False]


@settings(max_examples=100, deadline=None)
@given(st.floats(-6e10, 2.5e11))
def test_numbers_since_1970(number):
    for format, unit in (("epoch_seconds", 1), ("epoch_milliseconds", 1000)):
        expected = int(np.rint(number * unit * (10**6 // unit)))
        found = of_numbers(np.array([number * unit, np.nan]), format)
        assert found.is_time.tolist() == [True, False] == found.is_aware.tolist()
        assert abs(int(found.micros[0]) - expected) <= 64  # a float of this size has no more digits
        for mine, theirs in zip(
            found, graph_of_numbers(tf.constant([number * unit, np.nan], tf.float64), format), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(both([repr(number * unit)], format).micros, found.micros[:1])


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=150, deadline=None)
@given(moment=st.datetimes(datetime.datetime(1900, 1, 2), datetime.datetime(2099, 12, 30)))
def test_zones_are_those_of_zoneinfo(zone, moment):
    local = moment.replace(tzinfo=datetime.UTC).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
    found = both([moment.isoformat() + "Z", moment.isoformat()])
    assert in_zone(found, zone).tolist() == [micros(local), micros(moment)]
    np.testing.assert_array_equal(
        graph_in_zone(graph_moments(tf.constant([moment.isoformat() + "Z"]), None), zone), [micros(local)]
    )
    assert in_zone(found, None).tolist() == [micros(moment)] * 2


@pytest.mark.parametrize("zone", ZONES)
def test_both_sides_of_each_change_of_a_zone(zone):
    seconds, _ = zone_changes(zone)
    around = (seconds[1:, None] + np.array([-1, 0, 1])).ravel()
    assert len(around) or zone == "Etc/GMT+5"
    zoned = [datetime.datetime.fromtimestamp(second, zoneinfo.ZoneInfo(zone)) for second in around.tolist()]
    expected = [micros(moment.replace(tzinfo=None)) for moment in zoned]
    found = of_numbers(around.astype(np.float64), "epoch_seconds")
    assert in_zone(found, zone).tolist() == expected
    if len(around):
        graph = graph_of_numbers(tf.constant(around, tf.float64), "epoch_seconds")
        np.testing.assert_array_equal(graph_in_zone(graph, zone), expected)


@settings(max_examples=200, deadline=None)
@given(ANY_TIME)
def test_parts_are_those_of_datetime(moment):
    expected = {
        "hour": moment.hour,
        "weekday": moment.weekday(),
        "day": moment.day,
        "month": moment.month,
        "is_weekend": int(moment.weekday() in (5, 6)),
    }
    assert {name: int(part(np.int64(micros(moment)))) for name, part in PARTS.items()} == expected
    assert {name: int(part(tf.constant(micros(moment), tf.int64))) for name, part in PARTS.items()} == expected


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("%j %Y", "the format '%j %Y' has %j, but only %%, %.f, %a, %A, %b, %B, %d, %D, "),
        ("%s", "Seconds since 1970 are 'epoch_seconds'"),
        ("%d.%m.%Y %", "has %, but only"),
        ("%H:%M", "must have a year (%Y, %y), a month (%m, %b) and a day (%d)"),
        ("%d.%m.%Y %d", "must say each part of a time once"),
        ("%d.%m.%Y %y", "must say each part of a time once"),
        ("%d.%m.%Y %I:%M", "must have both %I and %p, or %H"),
        ("%d.%m.%Y %H %p", "must have both %I and %p, or %H"),
        ("%Y-%d-%m %H:%M:%S.%f", "reads 2024-02-01 as another day"),
    ],
)
def test_formats_that_are_none(format, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        pattern_of(format)


@pytest.mark.parametrize("zone", ["Europe/Berlim", "", "../etc/passwd", "/etc/localtime", "CET+1", "+02:00"])
def test_zones_that_are_none(zone):
    with pytest.raises(ValueError, match=f"Unknown time zone '{re.escape(zone)}'.* such as Europe/Berlin"):
        zone_changes(zone)


def test_which_formats_have_a_time_of_day():
    assert [has_clock(format) for format in ("%d.%m.%Y", "%D", "%D %R", "%d.%m.%Y %I %p")] == [False, False, True, True]
