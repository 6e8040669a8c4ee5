"""What a text table holds, by Python's csv module and `float`: independent of the reader under test.

The rules below are those of Python's csv module, except for these differences. `tests/data_pipelines/raw/`
has tests of most.

| difference | reason |
|---|---|
| A carriage return that stands within a row refuses the row; Python ends the row there. | It is a damaged line end. |
| An unclosed quote in the header refuses the file; Python takes the next lines as a part of it. | It swallows rows. |
| Rows of another width than the header refuse the file; Python returns them. | A shift of columns is silent. |
| A row without a single character is left out; Python returns a row of no cells. | It holds nothing. |
| Bytes that are not UTF-8 refuse the row; Python raises an error at the file. | The other rows can be kept. |
| Numbers are ASCII digits, without `_`, `inf` and numbers beyond float32; `float` takes them. | They are no data. |
"""

import collections
import csv
import io
import re
import typing
import unicodedata

import numpy as np

csv.field_size_limit(1 << 30)
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.0*)?")
DECIMAL = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
BOM = b"\xef\xbb\xbf"


class Table(typing.NamedTuple):
    """The rows of a table as texts, None where the bytes are none, and how many are of another width."""

    columns: list
    rows: list
    others: int


def table_of(content, separator, quote):
    """Return the `Table` of some bytes."""
    content = content.removeprefix(BOM)
    text = content.decode("utf-8", "surrogateescape")
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    options = {"delimiter": separator, "quotechar": quote, "quoting": quoting}
    lines = list(csv.reader(io.StringIO(text, newline=""), **options))
    lines = [line for line in lines if line]
    columns = lines[0]
    rows = [[_text(cell) for cell in line] for line in lines[1:] if len(line) == len(columns)]
    return Table(columns, rows, sum(len(line) != len(columns) for line in lines))


def _text(cell):
    """Return a cell as text, None if its bytes are not UTF-8."""
    try:
        return cell.encode("utf-8", "surrogateescape").decode()
    except UnicodeDecodeError:
        return None


def stripped(text):
    """Return a text without spaces around it, in the sense of Unicode."""
    spaces = "".join(
        {letter for letter in text if letter in "\t\n\v\f\r\x85" or unicodedata.category(letter)[0] == "Z"}
    )
    return text.strip(spaces) if spaces else text


def number_of(text):
    """Return the number of a cell, NaN if it is missing, None if it is no number."""
    text = stripped(text)
    if text == "" or text.lower() == "nan":
        return float("nan")
    if not NUMBER.fullmatch(text) or abs(float(text)) > np.finfo(np.float32).max:
        return None
    return float(text)


def label_of(text):
    """Return the label of a cell, None if it is none."""
    text = text.strip().lower()
    try:
        return {1.0: 1, 0.0: 0, -1.0: -1}.get(float(text))
    except ValueError:
        return {"true": 1, "false": 0}.get(text)


def meanings(texts):
    """Return what each text of a column without a declared type means: equal values are one category."""
    present = [text for text in texts if text]
    bare = [stripped(text) for text in present]
    if bare and all(text.lower() in ("true", "false") for text in bare):
        read = str.lower
    elif bare and all(INTEGER.fullmatch(text) for text in bare):
        read = _whole
    elif bare and all(DECIMAL.fullmatch(text) and np.isfinite(float(text)) for text in bare):
        read = float
    else:
        return [text or None for text in texts]  # times are compared elsewhere
    return [read(stripped(text)) if text else None for text in texts]


def _whole(text):
    return int(text.partition(".")[0])


def counts(values):
    """Return how often each value occurs that is not missing."""
    return collections.Counter(value for value in values if value is not None)
