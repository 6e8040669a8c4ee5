"""Labels: which cells of a column are positive and which are negative, or which numbers they are."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ctrzoo.suggest import unknown

from ..errors import RowError, plain_cells
from .cells import numbers_of

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

    LabelValues = str | float | bool | Sequence[str | float | bool]

# Clicks; numbers to predict; grades of relevance, of which 0 is none.
KINDS = ("binary", "real", "graded")
HIGHEST_GRADE = 30
# An error names at most so many of the values found.
MOST_SHOWN = 5
# What the cells of a column without named values mean.
PLAIN = {1.0: 1, 0.0: 0, -1.0: 0, "true": 1, "false": 0}
# YAML reads these words, without quotes, as true and false.
YAML_WORDS = {True: ("true", "yes", "on"), False: ("false", "no", "off")}
# Values that an error proposes as positive.
LIKELY_POSITIVE = ("1", "yes", "y", "true", "t", "click", "clicked", "pos", "positive", "on")


class LabelError(RowError):
    """Cells that are no labels.

    Args:
        rows: Indices of the rows within the current table, ascending.
        reason: What is wrong with the first row.
        found: Some of the values found, as text.
        example: What the user may write: `{"column": ..., "positive": ..., "negative": ...}`.
    """

    def __init__(self, rows: Sequence[int] | np.ndarray, reason: str, found: str, example: Mapping[str, str]):
        super().__init__(rows, reason)
        self.found, self.example = found, example
        entries = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in example.items())
        self.advice = f"{found}. Name the positive values in the schema, such as label: {{{entries}}}"


@dataclasses.dataclass(frozen=True)
class Label:
    """The label column: which of its values are positive (1) and negative (0), or that it holds numbers.

    Without named values, cells are 0 and 1, or -1 and 1, or True and False in any case; 1, 1.0 and the text "1.0" are
    alike.

    Args:
        column: Name of the column.
        positive: The value or values that are positive. All other cells that are not empty are negative.
        negative: The value or values that are negative, if the others are neither; the empty text stands for an empty
            cell.
        kind: `"binary"`, as above; `"real"`, any finite numbers, for regression; `"graded"`, numbers from 0 to 30 of
            which higher ones are more relevant, for ranking.

    Raises:
        ValueError: If only negative values are named, a value is both, or a label of another kind has such values.

    >>> Label("click", positive="yes").read(pl.Series("click", ["yes", "no", "maybe"]))
    array([1, 0, 0], dtype=uint8)
    >>> Label("click", positive=1, negative="").read(pl.Series("click", [1, None]))
    array([1, 0], dtype=uint8)
    """

    column: str = "label"
    positive: LabelValues = ()
    negative: LabelValues = ()
    kind: str = "binary"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"`kind` of a label must be one of {', '.join(KINDS)}. Received: {self.kind!r}.")
        if not isinstance(self.column, str) or not self.column:
            raise ValueError(f"The label must be the name of a column. Received: {self.column!r}.")
        for key in ("positive", "negative"):
            object.__setattr__(self, key, _texts(key, getattr(self, key)))
            if self.kind != "binary" and getattr(self, key):
                raise ValueError(f"A label of the kind '{self.kind}' has no `{key}` values. Remove them, or the kind.")
        if self.negative and not self.positive:
            raise ValueError("A label with `negative` values also needs the `positive` ones. Name them.")
        positive, negative = self._keys()
        both = positive & negative
        if both:
            raise ValueError(f"The label value {both.pop()!r} is both positive and negative. Remove it from one.")
        if "" in positive:
            raise ValueError("An empty label cannot be positive. Write the positive value, such as positive: 1.")

    @classmethod
    def from_schema(cls, config: str | Mapping[str, Any] | Label) -> Label:
        """Return the label that a schema describes: a column's name, or a mapping of the arguments.

        Raises:
            ValueError: If a key is unknown or a value is wrong.

        >>> Label.from_schema({"column": "click", "positive": "yes"}).positive
        ('yes',)
        """
        if isinstance(config, Label):
            return config
        if not isinstance(config, Mapping):
            return cls(config)
        known = [entry.name for entry in dataclasses.fields(cls)]
        for key in config:
            if key not in known:
                raise ValueError(f"Schema, label: {unknown('key', key, known)}")
        if "column" not in config:
            raise ValueError("Schema: the label needs its column, such as {column: click, positive: 1}.")
        named = {key: config.get(key) for key in ("positive", "negative", "kind")}
        return cls(config["column"], **{key: value for key, value in named.items() if value is not None})

    @property
    def values(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The positive and the negative values, as texts."""
        return typing.cast("tuple[tuple[str, ...], tuple[str, ...]]", (self.positive, self.negative))

    def describe(self) -> Config:
        """Return the arguments that are set, JSON-serializable."""
        values = zip(("positive", "negative"), self.values, strict=True)
        kind = {} if self.kind == "binary" else {"kind": self.kind}
        return {"column": self.column, **{key: list(texts) for key, texts in values if texts}, **kind}

    def read(self, cells: pl.Series) -> np.ndarray:
        """Return labels `(rows,)`: uint8 of the kind `"binary"`, otherwise float32.

        Raises:
            LabelError: If a cell is none of the label's values.
            RowError: If a cell is none of the label's numbers.
            ValueError: If a cell holds several values.
        """
        if self.kind != "binary":
            return self._numbers(cells)
        values, codes = _distinct(cells)
        meaning = self._meaning(values)
        labels = meaning[codes]
        wrong = np.flatnonzero(labels < 0)
        if len(wrong):
            raise self._error(values, meaning, codes, wrong)
        return labels.astype(np.uint8)

    def values_of(self, cells: pl.Series) -> list[str]:
        """Return a few of a column's values as texts, for `check_found`; all of them if no values are named.

        Of numbers none are returned.

        >>> Label("click").values_of(pl.Series("click", [1.0, 0.0]))
        ['0', '1']
        """
        if self.kind != "binary":
            return []
        values = sorted({_text(value) for value in _distinct(cells)[0] if not _is_missing(value)})
        positive, _ = self._keys()
        return sorted(values, key=lambda value: _canonical(value) not in positive)[:MOST_SHOWN]

    def counts(self, cells: pl.Series) -> dict[str, int]:
        """Return how often each value of a column occurs; an empty cell is the empty text.

        >>> Label("click").counts(pl.Series("click", ["no", None, "yes", "no"]))
        {'no': 2, '': 1, 'yes': 1}
        """
        values, codes = _distinct(cells)
        counts: dict[str, int] = {}
        for value, count in zip(values, np.bincount(codes, minlength=len(values)).tolist(), strict=True):
            text = "" if _is_missing(value) else _text(value)
            counts[text] = counts.get(text, 0) + count
        return counts

    def meaning(self, text: str) -> int | None:
        """Return 1 for a positive value, 0 for a negative one, None for another.

        >>> [Label("click").meaning(text) for text in ("1.0", "-1", "True", "yes")]
        [1, 0, 1, None]
        """
        meaning = int(self._meaning([text])[0])
        return None if meaning < 0 else meaning

    def is_ambiguous(self, values: Iterable[str]) -> bool:
        """Return whether values hold 0 and -1, but none is named as positive: -1 might mean that nothing is known.

        >>> Label("click").is_ambiguous(["1", "0", "-1"]), Label("click", positive=1).is_ambiguous(["0", "-1"])
        (True, False)
        """
        return not self.positive and {0.0, -1.0} <= {_canonical(value) for value in values}

    def check_found(self, values: Sequence[str]) -> None:
        """Check the values found in a whole table, of which `read` sees parts.

        Args:
            values: The results of `values_of`, together.

        Raises:
            ValueError: If no value is positive although some are named so, or if 0 and -1 both occur.
        """
        keys, shown = {_canonical(value) for value in values}, ", ".join(map(repr, values[:MOST_SHOWN]))
        positive, _ = self._keys()
        if positive and not keys & positive:
            raise ValueError(
                f"No cell of the label '{self.column}' is {' or '.join(map(repr, self.values[0]))}. "
                f"Values found: {shown}. Correct `positive`."
            )
        if self.is_ambiguous(values):
            raise ValueError(
                f"The label '{self.column}' holds both 0 and -1. If both are negative, write "
                f"label: {{column: {self.column}, positive: 1}}."
            )

    def _numbers(self, cells):
        numbers = numbers_of(cells)
        wrong = np.isnan(numbers) | (np.abs(numbers) > np.finfo(np.float32).max)
        if self.kind == "graded":
            wrong |= (numbers < 0) | (numbers > HIGHEST_GRADE)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            what = "a number" if self.kind == "real" else f"a grade from 0 to {HIGHEST_GRADE}"
            found = "empty" if np.isnan(numbers[row]) else f"{numbers[row]:g}"
            raise RowError(np.flatnonzero(wrong), f"the label '{self.column}' must be {what}, not {found}")
        return numbers.astype(np.float32)

    def _keys(self):
        positive, negative = ({_canonical(text) for text in texts} for texts in self.values)
        return positive, negative

    def _meaning(self, values):
        """Return 1 for a positive value, 0 for a negative one, -1 for another."""
        keys = [_canonical(value) for value in values]
        if not self.positive:
            meaning = dict(PLAIN)
            if 0.0 in keys:  # then it is unclear what -1 is
                del meaning[-1.0]
            return np.array([meaning.get(key, -1) for key in keys], int)
        positive, negative = self._keys()
        others = -1 if negative else 0
        meaning = [1 if key in positive else 0 if key in negative else others if key != "" else -1 for key in keys]
        return np.array(meaning, int)

    def _error(self, values, meaning, codes, wrong):
        value = values[codes[wrong[0]]]
        expected = "one of its `positive` and `negative` values" if self.positive else "0 or 1"
        hint = " (a header in the wrong place?)" if value == self.column else ""
        reason = f"the label '{self.column}' must be {expected}, not {_shown(value)}{hint}"
        named = [entry for entry in values if not _is_missing(entry)]
        shown = ", ".join([*sorted({_shown(entry) for entry in named[:MOST_SHOWN]})])
        found = f"Values found: {shown or 'none'}{', ...' if len(named) > MOST_SHOWN else ''}"
        positive = [entry for entry, means in zip(values, meaning, strict=True) if means == 1] or sorted(
            named, key=lambda entry: str(entry).lower() not in LIKELY_POSITIVE
        )
        example = {"column": self.column, "positive": _text(positive[0]) if positive else "1"}
        if all(_is_missing(entry) for entry, means in zip(values, meaning, strict=True) if means < 0):
            example["negative"] = ""  # an empty cell may mean that nobody clicked
        return LabelError(wrong, reason, found, example)


def _distinct(cells):
    """Return the distinct values of a column, and the index of each row's value."""
    encoded = plain_cells(cells).to_arrow().dictionary_encode(null_encoding="encode")
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)


def _texts(key, values):
    """Return one or several values as texts."""
    texts = []
    for value in values if isinstance(values, (list, tuple)) else [values]:
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"`{key}` of a label must be texts or numbers. Received: {value!r}.")
        texts += YAML_WORDS[value] if isinstance(value, bool) else [str(value)]
    return tuple(dict.fromkeys(texts))


def _canonical(value):
    """Return what is the same for the cells 1, 1.0, "1" and "1.0", and for True, "true" and "TRUE"."""
    text = "" if _is_missing(value) else str(value).strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        return float(text)
    except ValueError:
        return text


def _is_missing(value):
    return value is None or value == "" or value != value


def _shown(value):
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)
