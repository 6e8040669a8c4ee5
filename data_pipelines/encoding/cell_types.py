"""The type of a column's cells, and the one text that stands for each value of the type.

The same value is written in many ways: pandas writes 8 as `8.0` where a cell of the column is empty, spreadsheets write
`TRUE`, and a time may have a `T`, a zone or a fraction. Preparation decides the type of a column once and stores it in
the encoding. Preparation, `TableEncoding.encode`, `FrameEncoder` and `ServingEncoder` then write every cell in the same
way before they look for its id. To add a type, write a class and name it in `CELL_TYPES`.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable

import polars as pl

from .times import DAY, SECOND, SPACES, date_of, graph_moments, moments

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

# The type of a column is decided by its cells.
AUTO = "auto"
# Texts that rule a type out are usually found among these first ones.
FIRST_TEXTS = 1000
LEADING_ZERO = r"^[+-]?0\d"


class CellType:
    """Text: each cell is a value as it is written.

    Other types override `pattern`, `canonical` and `graph`.
    """

    # What a cell of the type looks like without spaces around it.
    pattern: typing.ClassVar[str] = r"(?s)^.*$"

    def fits(self, texts: pl.Series) -> pl.Series:
        """Return which texts are of the type."""
        return pl.Series(texts.name, [True], dtype=pl.Boolean).new_from_index(0, len(texts))

    def canonical(self, texts: pl.Series) -> pl.Series:
        """Return the one text of each value. A text that is not of the type stays, and null stays null."""
        return texts

    def hash_texts(self, texts: pl.Series) -> pl.Series:
        """Return the text that is hashed for each canonical text. A graph must be able to write it."""
        return texts

    def graph(self, texts: tf.Tensor) -> Tensor:
        """Do what `canonical` does in a TensorFlow graph."""
        return texts


class _Pattern(CellType):
    def fits(self, texts: pl.Series) -> pl.Series:
        return _stripped(texts).str.contains(self.pattern)

    def canonical(self, texts: pl.Series) -> pl.Series:
        stripped = _stripped(texts)
        written = self.write(stripped)
        return written.zip_with(self.fits(texts).fill_null(True), texts)

    def write(self, texts: pl.Series) -> pl.Series:
        """Return the canonical texts of texts that are of the type."""
        raise NotImplementedError

    def graph(self, texts: tf.Tensor) -> Tensor:
        import tensorflow as tf

        stripped = tf.strings.regex_replace(texts, SPACES, "")
        return tf.where(tf.strings.regex_full_match(stripped, self.pattern), self.write_graph(stripped), texts)

    def write_graph(self, texts: Tensor) -> Tensor:
        """Do what `write` does in a TensorFlow graph."""
        raise NotImplementedError


class Integer(_Pattern):
    """Whole numbers of any length: 8, `8.0` and `+8` are the text `8`. A leading zero makes a column text.

    >>> Integer().canonical(pl.Series(["8", " 8.0", "-0", "007", "x"])).to_list()
    ['8', '8', '0', '007', 'x']
    """

    pattern = r"^[+-]?(0|[1-9]\d*)(\.0*)?$"

    def canonical(self, texts: pl.Series) -> pl.Series:
        return texts if _are_plain_integers(texts).all() else super().canonical(texts)

    def write(self, texts: pl.Series) -> pl.Series:
        return texts.str.replace(r"\.0*$", "").str.replace(r"^\+", "").replace("-0", "0")

    def write_graph(self, texts: Tensor) -> Tensor:
        import tensorflow as tf

        texts = tf.strings.regex_replace(tf.strings.regex_replace(texts, r"\.0*$", ""), r"^\+", "")
        return tf.where(texts == "-0", "0", texts)


class Decimal(_Pattern):
    """Numbers: `1.50`, `1.5` and `15e-1` are the text `1.5`, and `1e5` is `100000`.

    >>> Decimal().canonical(pl.Series(["1.50", "1e5", "7.0", "high"])).to_list()
    ['1.5', '100000', '7', 'high']
    """

    pattern = r"^[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"

    def fits(self, texts: pl.Series) -> pl.Series:
        stripped = _stripped(texts)
        return stripped.str.contains(self.pattern) & stripped.cast(pl.Float64, strict=False).is_finite().fill_null(True)

    def write(self, texts: pl.Series) -> pl.Series:
        return number_texts(texts.cast(pl.Float64, strict=False))

    def hash_texts(self, texts: pl.Series) -> pl.Series:
        numbers = texts.cast(pl.Float64, strict=False)
        written = [None if number is None else f"{number:.17e}" for number in numbers]
        return pl.Series(texts.name, written, dtype=pl.String).zip_with(self.fits(texts).fill_null(False), texts)

    def graph(self, texts: tf.Tensor) -> Tensor:
        """Return what `hash_texts` returns, because TensorFlow writes numbers in other words than polars."""
        import tensorflow as tf

        is_number, numbers = self.graph_numbers(texts)
        return tf.where(is_number, tf.strings.as_string(numbers, precision=17, scientific=True), texts)

    def graph_numbers(self, texts: tf.Tensor) -> tuple[Tensor, Tensor]:
        """Return which texts are of the type, and their numbers in float64."""
        import tensorflow as tf

        stripped = tf.strings.regex_replace(texts, SPACES, "")
        is_number = tf.strings.regex_full_match(stripped, self.pattern)
        numbers = tf.strings.to_number(tf.where(is_number, stripped, "nan"), tf.float64) + 0.0  # no negative zero
        return is_number & tf.math.is_finite(numbers), numbers


class Boolean(_Pattern):
    """True and false, in any case.

    >>> Boolean().canonical(pl.Series(["True", "FALSE", "yes"])).to_list()
    ['true', 'false', 'yes']
    """

    pattern = r"^(?i:true|false)$"

    def write(self, texts: pl.Series) -> pl.Series:
        return texts.str.to_lowercase()

    def write_graph(self, texts: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.strings.lower(texts)


class Time(_Pattern):
    """Dates and times in the order of ISO 8601, in UTC where they have a zone.

    Midnight is written as the date, because a column of dates becomes one of times when it is read by pandas.

    >>> Time().canonical(pl.Series(["2024-06-01T00:00:00Z", "2024-06-01 09:30+02:00", "6/1/2024"])).to_list()
    ['2024-06-01', '2024-06-01 07:30:00', '6/1/2024']
    """

    pattern = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?)?$"
    offset = r" ?[+-]\d{2}:?\d{2}$"
    # Written one after the other: in Python and in a graph alike.
    steps = (
        (r"^(\d{4}-\d{2}-\d{2})T", r"\1 "),
        (r" ?(Z|UTC|[+-]00:?00)$", ""),
        (r"^(.{10} \d{2}:\d{2})$", r"\1:00"),
        (r"\.0+$", ""),
        (r"(\.\d*[1-9])0+$", r"\1"),
        (r" 00:00:00$", ""),
    )

    def write(self, texts: pl.Series) -> pl.Series:
        written = self._steps(texts)
        has_zone = written.str.contains(r"\d{2}:\d{2}.*[+-]\d{2}:?\d{2}$").fill_null(False)
        if has_zone.any():
            found = moments(written, None)
            in_utc = self._steps(time_texts(pl.Series(found.micros).cast(pl.Datetime("us"))))
            written = in_utc.zip_with(has_zone & pl.Series(found.is_aware), written)
        return written

    def _steps(self, texts):
        for pattern, replacement in self.steps:
            texts = texts.str.replace(pattern, replacement.replace("\\1", "${1}"))
        return texts

    def write_graph(self, texts: Tensor) -> Tensor:
        import tensorflow as tf

        for pattern, replacement in self.steps:
            texts = tf.strings.regex_replace(texts, pattern, replacement)
        found = graph_moments(texts, None)
        return tf.where(found.is_aware, graph_time_texts(found.micros), texts)


# By the name that a schema file gives, in the order in which a column's type is decided.
CELL_TYPES: dict[str, CellType] = {
    "boolean": Boolean(),
    "integer": Integer(),
    "decimal": Decimal(),
    "time": Time(),
    "text": CellType(),
}


def type_of(parts: Iterable[pl.Series]) -> str:
    """Return the type of a column: the first of `CELL_TYPES` that all its cells are of.

    Args:
        parts: The texts of the column, in series; null is a missing cell. A column without texts is text.

    >>> type_of([pl.Series(["8", None]), pl.Series(["8.0"])]), type_of([pl.Series(["007", "8"])])
    ('integer', 'text')
    """
    types, has_texts = dict(CELL_TYPES), False
    for part in parts:
        texts = part.drop_nulls() if part.null_count() else part
        has_texts |= len(texts) > 0
        for some in (texts.head(FIRST_TEXTS), texts):
            if len(types) > 1:
                types = _fitting(types, some)
        if len(types) == 1:
            break
    return next(iter(types)) if has_texts else "text"


def types_of(texts: pl.Series) -> list[str]:
    """Return the names of all types that each of some texts is of, in the order of `CELL_TYPES`.

    The type of a column is the first that every part of it returns; see `type_of`.

    Args:
        texts: The texts of a part of the column; null is a missing cell.

    >>> types_of(pl.Series(["8", None, "1.5"])), types_of(pl.Series(["true"]))
    (['decimal', 'text'], ['boolean', 'text'])
    """
    types, texts = dict(CELL_TYPES), texts.drop_nulls()
    for some in (texts.head(FIRST_TEXTS), texts):
        if len(types) > 1:
            types = _fitting(types, some)
    return list(types)


def _fitting(types, texts):
    """Return those of the types, of which text is one, that all texts are of."""
    is_plain = _are_plain_integers(texts)
    if is_plain.any():  # without a look at each: numbers and text
        types = {name: kind for name, kind in types.items() if name not in ("boolean", "time")}
        texts = texts.filter(~is_plain)
    if not len(texts):
        return types
    return {name: kind for name, kind in types.items() if name == "text" or kind.fits(texts).all()}


def number_texts(numbers: pl.Series) -> pl.Series:
    """Write float64 numbers, whole ones without a point; NaN becomes null.

    >>> number_texts(pl.Series([7.0, 0.1, -0.0])).to_list()
    ['7', '0.1', '0']
    """
    whole = numbers.is_finite() & (numbers == numbers.round()) & (numbers.abs() < 2**63)
    frame = pl.DataFrame({"whole": whole, "number": numbers.fill_nan(None)})
    as_integer = pl.col("number").cast(pl.Int64, strict=False).cast(pl.String)
    text = pl.when("whole").then(as_integer).otherwise(pl.col("number").cast(pl.String))
    return frame.select(text.alias(numbers.name))[numbers.name]


def time_texts(times: pl.Series) -> pl.Series:
    """Write a column of times, in UTC where they have a zone, with microseconds.

    >>> import datetime
    >>> time_texts(pl.Series([datetime.datetime(2024, 6, 1, 9, 30)])).to_list()
    ['2024-06-01 09:30:00.000000']
    """
    if getattr(times.dtype, "time_zone", None):
        times = times.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return times.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")


def graph_time_texts(micros: tf.Tensor) -> Tensor:
    """Write microseconds since 1970 as the time type does, in a TensorFlow graph."""
    import tensorflow as tf

    def digits(number, width):
        return tf.strings.as_string(number, width=width, fill="0")

    days = micros // DAY
    year, month, day = date_of(days)
    rest = micros - days * DAY
    seconds = rest // SECOND
    date = tf.strings.join([digits(year, 4), digits(month, 2), digits(day, 2)], "-")
    hours, minutes = seconds // 3600, seconds // 60
    clock = [digits(hours, 2), digits(minutes - hours * 60, 2), digits(seconds - minutes * 60, 2)]
    clock = tf.strings.join(clock, ":")
    fraction = tf.strings.regex_replace("." + digits(rest - seconds * SECOND, 6), r"\.?0*$", "")
    return tf.where(rest == 0, date, date + " " + clock + fraction)


def _are_plain_integers(texts):
    """Return which texts are null or a number of up to 64 bits as `Integer` writes it; faster than a pattern."""
    return texts.cast(pl.Int64, strict=False).cast(pl.String).eq_missing(texts)


def _stripped(texts):
    return texts.str.replace_all(SPACES, "")
