"""Times as text, numbers and moments, read in the same way by Python and by a TensorFlow graph.

A format becomes a regular expression, and a moment is computed from its groups with whole numbers only. So the same few
lines of arithmetic serve NumPy and TensorFlow, which has no function that reads times.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import re
import typing
import zoneinfo

import numpy as np
import polars as pl

from ctrzoo.suggest import unknown

if typing.TYPE_CHECKING:
    import tensorflow as tf

SPACES = r"^[\s\p{Z}]+|[\s\p{Z}]+$"
# Units of times that are numbers since 1970, in microseconds.
EPOCHS = {"epoch_seconds": 10**6, "epoch_milliseconds": 10**3}
SECOND = 10**6
DAY = 86_400 * SECOND
# The first moment of year 1, and the one after year 9999.
FIRST, LAST = -719_162 * DAY, 2_932_897 * DAY
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
OFFSET = r"(Z|UTC|([+-])([0-9]{2}):?([0-9]{2}))"
OFFSET_GROUPS = ("zone", "sign", "offset_hour", "offset_minute")
# For each directive of a format, a pattern and the names of its groups.
DIRECTIVES = {
    "Y": ("([0-9]{4})", ("year",)),
    "y": ("([0-9]{2})", ("short_year",)),
    "m": ("([0-9]{1,2})", ("month",)),
    "b": (rf"((?i:{'|'.join(MONTHS)}))[A-Za-z]*", ("month_name",)),
    "d": ("([0-9]{1,2})", ("day",)),
    "H": ("([0-9]{1,2})", ("hour",)),
    "I": ("([0-9]{1,2})", ("hour_of_12",)),
    "p": ("((?i:am|pm))", ("half",)),
    "M": ("([0-9]{1,2})", ("minute",)),
    "S": ("([0-9]{1,2})", ("second",)),
    "f": ("([0-9]+)", ("fraction",)),
    ".f": (r"(?:\.([0-9]+))?", ("fraction",)),
    "z": (OFFSET, OFFSET_GROUPS),
    "a": ("[A-Za-z]+", ()),
    "%": ("%", ()),
}
SHORT = {"B": "%b", "A": "%a", "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
# The years between which a zone's changes are looked up; before and after, its offset is that at the bound.
ZONE_YEARS = (1900, 2100)


class Pattern(typing.NamedTuple):
    """A format of times as a regular expression.

    Args:
        regex: The expression, in the syntax that RE2 and polars share.
        groups: What each of its groups holds.
    """

    regex: str
    groups: tuple[str, ...]


class Moments(typing.NamedTuple):
    """Moments, as NumPy arrays or as tensors.

    Args:
        micros: Microseconds since 1970, int64: in UTC where the offset from it is known, otherwise as written.
        is_aware: Whether the offset from UTC is known.
        is_time: Whether there is a time at all.
    """

    micros: typing.Any
    is_aware: typing.Any
    is_time: typing.Any


CLOCK = rf"[T ]([0-9]{{2}}):([0-9]{{2}})(?::([0-9]{{2}})(?:\.([0-9]+))?)?(?: ?{OFFSET})?"
ISO = Pattern(
    rf"^([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:{CLOCK})?$",
    ("year", "month", "day", "hour", "minute", "second", "fraction", *OFFSET_GROUPS),
)


@functools.cache
def pattern_of(format: str) -> Pattern:
    """Return the pattern of a format such as `"%d.%m.%Y %H:%M"`.

    Raises:
        ValueError: If a directive is unknown, occurs twice, or year, month or day is missing.

    >>> re.findall(pattern_of("%d.%m.%Y").regex, "1.12.2024")
    [('1', '12', '2024')]
    """
    written = format
    for short, long in SHORT.items():
        written = re.sub(f"(?<!%)((?:%%)*)%{short}", rf"\1{long}", written)
    parts, groups = [], []
    for directive, spaces, character in re.findall(r"%(\.f|.|$)|(\s+)|(.)", written, re.DOTALL):
        if spaces:
            parts.append(" +")
        elif character:
            parts.append(re.escape(character))
        elif directive in DIRECTIVES:
            parts.append(DIRECTIVES[directive][0])
            groups += DIRECTIVES[directive][1]
        else:
            known = ", ".join(f"%{key}" for key in sorted([*DIRECTIVES, *SHORT], key=str.lower))
            epoch = " Seconds since 1970 are 'epoch_seconds'." if directive == "s" else ""
            raise ValueError(f"the format {format!r} has %{directive}, but only {known} are read.{epoch}")
    if not groups:
        raise ValueError(f"the format {format!r} must be such as '%d.%m.%Y', or {' or '.join(EPOCHS)}")
    twice = sorted({group for group in groups if groups.count(group) > 1})
    has_month, has_hour = {"month", "month_name"} & set(groups), {"hour", "hour_of_12"} & set(groups)
    has_year = {"year", "short_year"} & set(groups)
    if not (has_year and has_month and "day" in groups):
        raise ValueError(f"the format {format!r} must have a year (%Y, %y), a month (%m, %b) and a day (%d)")
    if twice or len(has_month) > 1 or len(has_hour) > 1 or len(has_year) > 1:
        raise ValueError(f"the format {format!r} must say each part of a time once")
    if ("hour_of_12" in groups) != ("half" in groups):
        raise ValueError(f"the format {format!r} must have both %I and %p, or %H")
    found = Pattern("^" + "".join(parts) + "$", tuple(groups))
    probe = pl.Series(["2024-02-01 00:00:00.000000"])
    theirs = _of_texts(probe, found)
    if theirs.is_time[0] and theirs.micros[0] != _of_texts(probe, ISO).micros[0]:
        raise ValueError(f"the format {format!r} reads 2024-02-01 as another day. Write the times in another order")
    return found


def check_format(format: str) -> None:
    """Raise an error if a format is none: neither directives nor a key of `EPOCHS`.

    Raises:
        ValueError: If it is none.
    """
    if format not in EPOCHS:
        if "%" not in format:
            raise ValueError(unknown("format of times", format, [*EPOCHS, "%d.%m.%Y"]))
        pattern_of(format)


def has_clock(format: str | None) -> bool:
    """Return whether a format has the time of day.

    >>> has_clock("%d.%m.%Y"), has_clock("%d.%m.%Y %H:%M"), has_clock("epoch_seconds"), has_clock(None)
    (False, True, True, True)
    """
    return format is None or format in EPOCHS or bool({"hour", "hour_of_12"} & set(pattern_of(format).groups))


def moments(texts: pl.Series, format: str | None) -> Moments:
    """Read texts as moments.

    Args:
        texts: A series of strings; null is no time.
        format: A format of `pattern_of`, or a key of `EPOCHS`. A text that it does not fit is read as
            2024-06-20T12:00:00+02:00 or a part of that, as is every text if there is no format.

    >>> moments(pl.Series(["1.6.1970", "1970-01-01T01:00+01:00", "soon"]), "%d.%m.%Y")._asdict()
    {'micros': array([13046400000000,              0,              0]), 'is_aware': array([False,  True, False]), \
'is_time': array([ True,  True, False])}
    """
    texts = texts.str.replace_all(SPACES, "")
    iso = _of_texts(texts, ISO)
    if format is None:
        return iso
    own = of_numbers(texts.cast(pl.Float64, strict=False).to_numpy(), format) if format in EPOCHS else None
    own = own or _of_texts(texts, pattern_of(format))
    return Moments(*(np.where(own.is_time, mine, other) for mine, other in zip(own, iso, strict=True)))


def fits(texts: pl.Series, format: str | None) -> bool:
    """Return whether all texts are times of a format, of that of `ISO` if it is None.

    >>> fits(pl.Series(["30.6.2024"]), "%d.%m.%Y"), fits(pl.Series(["30.6.2024"]), None)
    (True, False)
    """
    pattern = ISO if format is None else pattern_of(format)
    return bool(_of_texts(texts.str.replace_all(SPACES, ""), pattern).is_time.all())


def of_numbers(numbers: np.ndarray, format: str) -> Moments:
    """Read numbers since 1970 as moments; a number that is NaN or too large is no time.

    Args:
        numbers: float64.
        format: A key of `EPOCHS`.
    """
    scaled = np.rint(numbers * EPOCHS[format])
    is_time = (scaled >= FIRST) & (scaled < LAST)
    return Moments(np.where(is_time, scaled, 0).astype(np.int64), is_time, is_time)


def graph_moments(texts: tf.Tensor, format: str | None) -> Moments:
    """Do what `moments` does in a TensorFlow graph."""
    import tensorflow as tf

    texts = tf.strings.regex_replace(texts, SPACES, "")
    iso = _graph_of_texts(texts, ISO)
    if format is None:
        return iso
    if format in EPOCHS:
        is_number = tf.strings.regex_full_match(texts, r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
        own = graph_of_numbers(tf.strings.to_number(tf.where(is_number, texts, "nan"), tf.float64), format)
    else:
        own = _graph_of_texts(texts, pattern_of(format))
    return Moments(*(tf.where(own.is_time, mine, other) for mine, other in zip(own, iso, strict=True)))


def graph_of_numbers(numbers: tf.Tensor, format: str) -> Moments:
    """Do what `of_numbers` does in a TensorFlow graph."""
    import tensorflow as tf

    scaled = tf.round(numbers * EPOCHS[format])
    is_time = (scaled >= FIRST) & (scaled < LAST)
    return Moments(tf.cast(tf.where(is_time, scaled, tf.zeros_like(scaled)), tf.int64), is_time, is_time)


def _of_texts(texts, pattern):
    fits = texts.str.contains(pattern.regex).fill_null(False).to_numpy()
    found = texts.str.extract_groups(pattern.regex).struct.unnest()
    groups = {name: found[str(index)].fill_null("") for index, name in enumerate(pattern.groups, 1)}
    numbers = {}
    for name, group in groups.items():
        if name in ("zone", "sign", "half", "month_name"):
            words = {"sign": ("-",), "half": ("pm",), "month_name": MONTHS}.get(name, ())
            lower = group.str.to_lowercase().to_numpy()
            numbers[name] = sum((np.int64(place) * (lower == word) for place, word in enumerate(words, 1)), np.int64(0))
        else:
            digits = (group + "000000").str.slice(0, 6) if name == "fraction" else group
            numbers[name] = digits.cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    micros, is_time = _moments_of(numbers)
    is_time = is_time & fits
    is_aware = (groups["zone"] != "").to_numpy() & is_time if "zone" in groups else np.zeros_like(is_time)
    return Moments(np.where(is_time, micros, 0), is_aware, is_time)


def _graph_of_texts(texts, pattern):
    import tensorflow as tf

    fits = tf.strings.regex_full_match(texts, pattern.regex)
    numbers, is_aware = {}, tf.zeros_like(fits)
    for index, name in enumerate(pattern.groups, 1):
        group = tf.where(fits, tf.strings.regex_replace(texts, _with_one_group(pattern.regex, index), r"\1"), "")
        if name == "zone":
            is_aware = group != ""
        elif name in ("sign", "half", "month_name"):
            words = {"sign": ("-",), "half": ("pm",), "month_name": MONTHS}[name]
            lower = tf.strings.lower(group)
            numbers[name] = tf.add_n([place * tf.cast(lower == word, tf.int64) for place, word in enumerate(words, 1)])
        else:
            digits = tf.strings.substr(group + "000000", 0, 6) if name == "fraction" else group
            numbers[name] = tf.strings.to_number(tf.where(digits == "", "0", digits), tf.int64)
    micros, is_time = _moments_of(numbers)
    is_time &= fits
    return Moments(tf.where(is_time, micros, tf.zeros_like(micros)), is_aware & is_time, is_time)


def _with_one_group(regex, kept):
    """Return an expression that captures only one of its groups, counted from 1: TensorFlow returns none above 9.

    >>> _with_one_group("^(a)[(](?:b(c))$", 2)
    '^(?:a)[(](?:b(c))$'
    """
    counter = itertools.count(1)

    def group(match):
        return match[0] if match[0] != "(" or next(counter) == kept else "(?:"

    return re.sub(r"\\.|\[[^]]*\]|\((?!\?)", group, regex)


def _moments_of(numbers):
    """Return microseconds in UTC and whether there is such a time, for arrays or tensors of whole numbers."""
    hour = numbers.get("hour", 0)
    is_time = True
    if "hour_of_12" in numbers:
        hour = numbers["hour_of_12"] % 12 + 12 * numbers["half"]
        is_time = (numbers["hour_of_12"] >= 1) & (numbers["hour_of_12"] <= 12)
    year = numbers["year"] if "year" in numbers else 1969 + (numbers["short_year"] - 69) % 100
    month = numbers["month"] if "month" in numbers else numbers["month_name"]
    minute, second = numbers.get("minute", 0), numbers.get("second", 0)
    days = _days_of(year, month, numbers["day"])
    found_year, found_month, found_day = date_of(days)
    is_time = is_time & (found_year == year) & (found_month == month) & (found_day == numbers["day"]) & (year >= 1)
    for number, end in ((hour, 24), (minute, 60), (second, 60)):
        is_time = is_time & (number < end)
    offset = 0
    if "sign" in numbers:
        is_time = is_time & (numbers["offset_hour"] < 24) & (numbers["offset_minute"] < 60)
        offset = (1 - 2 * numbers["sign"]) * (numbers["offset_hour"] * 3600 + numbers["offset_minute"] * 60)
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    return seconds * SECOND + numbers.get("fraction", 0), is_time


def _days_of(year, month, day):
    """Return the days since 1970 of a date, by way of the Julian day number."""
    before_march = (14 - month) // 12
    years, months = year + 4800 - before_march, month + 12 * before_march - 3
    leap_days = years // 4 - years // 100 + years // 400
    return day + (153 * months + 2) // 5 + 365 * years + leap_days - 32_045 - 2_440_588


def date_of(days: typing.Any) -> tuple[typing.Any, typing.Any, typing.Any]:
    """Return year, month and day of days since 1970, arrays or tensors of whole numbers."""
    rest = days + 2_440_588 + 32_044
    centuries = (4 * rest + 3) // 146_097
    rest = rest - 146_097 * centuries // 4
    years = (4 * rest + 3) // 1461
    rest = rest - 1461 * years // 4
    months = (5 * rest + 2) // 153
    day = rest - (153 * months + 2) // 5 + 1
    return 100 * centuries + years - 4800 + months // 10, months + 3 - 12 * (months // 10), day


# By name: a part of a time, from its microseconds since 1970, arrays or tensors.
PARTS: dict[str, typing.Callable] = {
    "hour": lambda micros: micros // (3600 * SECOND) % 24,
    "weekday": lambda micros: (micros // DAY + 3) % 7,
    "day": lambda micros: date_of(micros // DAY)[2],
    "month": lambda micros: date_of(micros // DAY)[1],
    # 5 and 6, Saturday and Sunday, become 1.
    "is_weekend": lambda micros: (micros // DAY + 3) % 7 // 5,
}


@functools.cache
def zone_changes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return where the offset of a time zone from UTC changes.

    Args:
        name: A name of the IANA database, such as `"Europe/Berlin"`.

    Returns:
        Seconds since 1970, rising, and the offset from each on, in seconds; both int64.

    Raises:
        ValueError: If no such zone is known.

    >>> [array[-2:].tolist() for array in zone_changes("America/Sao_Paulo")]
    [[1541300400, 1550368800], [-7200, -10800]]
    """
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        message = unknown("time zone", name, sorted(zoneinfo.available_timezones()))
        raise ValueError(f"{message.split(' Known')[0]} Write a name such as Europe/Berlin.") from None

    def offset(second):
        moment = datetime.datetime.fromtimestamp(second, datetime.UTC).astimezone(zone).utcoffset()
        assert moment is not None
        return int(moment.total_seconds())

    first, last = (int(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC).timestamp()) for year in ZONE_YEARS)
    seconds, offsets = [first], [offset(first)]
    for day in range(first, last, 86_400):
        if offset(day + 86_400) != offsets[-1]:
            before, after = day, day + 86_400
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if offset(middle) == offsets[-1] else (before, middle)
            seconds.append(after)
            offsets.append(offset(after))
    return np.array(seconds, np.int64), np.array(offsets, np.int64)


def in_zone(found: Moments, zone: str | None) -> np.ndarray:
    """Return the microseconds that clocks show: those of a zone where the offset from UTC is known, or as written.

    Args:
        found: The `Moments`.
        zone: A name for `zone_changes`; by default UTC.
    """
    if zone is None:
        return found.micros
    seconds, offsets = zone_changes(zone)
    places = np.searchsorted(seconds, found.micros // SECOND, side="right") - 1
    return found.micros + np.where(found.is_aware, offsets[np.maximum(places, 0)] * SECOND, 0)


def graph_in_zone(found: Moments, zone: str | None) -> tf.Tensor:
    """Do what `in_zone` does in a TensorFlow graph."""
    import tensorflow as tf

    if zone is None:
        return found.micros
    seconds, offsets = (tf.constant(array) for array in zone_changes(zone))
    places = tf.searchsorted(seconds, tf.reshape(found.micros // SECOND, [-1]), side="right") - 1
    shifts = tf.reshape(tf.gather(offsets, tf.maximum(places, 0)), tf.shape(found.micros)) * SECOND
    return found.micros + tf.where(found.is_aware, shifts, tf.zeros_like(shifts))
