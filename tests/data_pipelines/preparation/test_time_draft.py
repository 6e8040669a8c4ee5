"""Formats of times are found if texts fit just one, and parts are drafted if they differ between rows."""

import datetime

import polars as pl
import pytest

from ctrzoo.data_pipelines.preparation.time_draft import FORMATS, NUMBERS, draft_times, format_of, number_format_of

TIMES = [datetime.datetime(2024, 1, 1) + datetime.timedelta(days=13 * row, hours=row, seconds=row) for row in range(60)]


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_found_by_days_above_twelve(format):
    texts = pl.Series([time.replace(tzinfo=datetime.UTC).strftime(format) for time in TIMES])
    found = format_of(texts)
    assert format in found
    # Two digits of a year can also be those of a day.
    assert len(found) == 1 or "%y" in format


@pytest.mark.parametrize("format", NUMBERS)
def test_whole_numbers_that_are_times(format):
    assert number_format_of(pl.Series([time.strftime(format) for time in TIMES])) == format


@pytest.mark.parametrize("cells", [["a"], ["1.5"], ["2024"], ["2024-06-01", "soon"], [], ["1-2-3"], ["10.0.0.1"]])
def test_what_is_no_time(cells):
    assert format_of(pl.Series(cells, dtype=pl.String)) == ()


@pytest.mark.parametrize("write", [lambda time: time, lambda time: str(time), lambda time: time.isoformat() + "Z"])
def test_parts_that_differ(write):
    drafted = draft_times("at", pl.Series([write(time) for time in TIMES]), None)
    assert [field["name"] for field in drafted.fields] == ["at_hour", "at_weekday"]
    assert drafted.split == {"column": "at", "valid_from": str(TIMES[48]), "test_from": str(TIMES[54])}
    one_hour = draft_times("at", pl.Series([write(time.replace(hour=3)) for time in TIMES]), None)
    assert [field["part"] for field in one_hour.fields] == ["weekday"]
