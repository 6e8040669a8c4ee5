"""Generated and mutated CSV and TSV files hold after preparation what Python's csv module and `float` read."""

import csv
import io
import json
import re

import numpy as np
import pytest

from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.fuzz import oracle
from tests.fuzz.mutations import judged, mutated, seeds
from tests.fuzz.stored import stored, vocabulary_of

TEXTS = ["a", "b", '"', '""', "x y", " a ", "\u00a0a\u2003", " ", "é", "\0", 'a"b', '"a"', "a,b", "a\tb", "a;b", "''"]
TEXTS += ["a\nb", "a\r\nb", "\ufeff", "\ufeffa", "007", "7", "true", "x" * 3000, "", "", "nan", "NULL", "\x1f", "\x85"]
NUMBERS = ["1", "0", "-2.5", "1e3", " 7 ", "+.5", "5.", "", "nan", "NaN", "1E-400", "3.4e38", "-0", "00012", "\u20037"]
NO_NUMBERS = ["1e39", "inf", "1_0", "0x10", "\u0661", "1,5", "x", "--1", "1e", "."]
CODES = {
    "integer": ["8", "8.0", "+8", " 8 ", "-0", "0", "9" * 30, "", "12."],
    "decimal": ["1.5", "1.50", "15e-1", "1e5", "100000", ".1", "0.10", "-0.0", "", "7"],
    "boolean": ["true", "TRUE", "False", "false", "", " True"],
    "text": ["8", "08", "a", "A", "", " a"],
}
LABELS = ["0", "1", "1.0", " 1", "0.0", "0", "1"]
SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "site", "type": "text"},
        {"name": "price", "kind": "numerical"},
        "code",
        {"name": "tags", "kind": "multivalued", "type": "text", "max_values": 4},
    ],
}
COLUMNS = ["click", "site", "price", "code", "tags"]


def generated(source, separator, quote):
    """Return the bytes of a table."""
    codes, numbers = CODES[source.choice(list(CODES))], NUMBERS + (NO_NUMBERS if source.random() < 0.1 else [])
    rows = [
        [
            source.choice(LABELS),
            source.choice(TEXTS),
            source.choice(numbers),
            source.choice(codes),
            source.choice(["|", " | ", "|"]).join(source.choices(TEXTS[:8], k=source.randint(0, 3))),
        ]
        for _ in range(source.randint(1, 25))
    ]
    end = source.choice(["\n", "\n", "\r\n"])
    file = io.StringIO()
    if quote and source.random() < 0.8:
        quoting = source.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
        csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end).writerows([COLUMNS, *rows])
        text = file.getvalue()
    else:  # as programs write it that know no quotes
        if source.random() < 0.8:
            rows = [[re.sub(rf"[\{separator}\r\n]", "", cell) for cell in row] for row in rows]
        text = "".join(separator.join(row) + end for row in [COLUMNS, *rows])
    if source.random() < 0.2:
        text = text.removesuffix(end)
    return (oracle.BOM if source.random() < 0.2 else b"") + text.encode()


def expected(content, separator, quote):
    """Return the usable rows, the rows of a wrong width, and the number of the other rows that cannot be used."""
    table = oracle.table_of(content, separator, quote)
    places = [table.columns.index(name) for name in COLUMNS]
    rows, bad = [], table.others
    for cells in table.rows:
        click, site, price, code, tags = (cells[place] for place in places)
        usable = None not in (click, site, price, code, tags)
        usable = usable and oracle.label_of(click) is not None and oracle.number_of(price) is not None
        bad += not usable
        if usable:
            rows.append([oracle.label_of(click), site, oracle.number_of(price), code, tags])
    if rows:
        columns = list(map(list, zip(*rows, strict=True)))
        columns[3] = oracle.meanings(columns[3])
        columns[2] = [0.0 if number != number else float(np.float32(number)) for number in columns[2]]
        rows = list(map(list, zip(*columns, strict=True)))
    return rows, bad


def found(folder, split, code_type):
    """Return the rows of a split as values, through the stored vocabulary."""
    vocabulary = vocabulary_of(folder)
    ids, numbers, labels = stored(folder, split)
    read = {"integer": int, "decimal": float}.get(code_type, str)
    rows = []
    for row in range(len(labels)):
        site, code, *tags = (
            vocabulary[field][number][0] if number else None
            for field, number in zip(["site", "code", *["tags"] * 4], ids[row], strict=False)
        )
        code = None if code is None else read(code)
        rows.append([int(labels[row]), site, float(numbers[row, 0]), code, [tag for tag in tags if tag is not None]])
    return rows


def tags_of(text):
    """Return the values of a cell, None if it may be a list in brackets."""
    if oracle.stripped(text).startswith("["):
        return None
    return [oracle.stripped(part) for part in text.split("|") if oracle.stripped(part)][:4]


def check(folder, content, separator, quote, bad_rows):
    report = json.loads((folder / "report.json").read_text())
    encoding = json.loads((folder / "encoding.json").read_text())
    (code_type,) = (field.get("type") for field in encoding["fields"] if field["name"] == "code")
    rows, bad = expected(content, separator, quote)
    mine = found(folder, "test", code_type)
    has_returns = content.count(b"\r") > content.count(b"\r\n")
    if bad_rows == "error":
        assert bad == 0, f"{bad} rows cannot be used"
    if not has_returns:
        assert report["bad_rows"] == 2 * bad, f"{report['bad_rows']} bad rows, expected {2 * bad}"
    labels = {row[0] for row in rows}
    for row in rows:
        row[0] = max(row[0], 0)
        row[1] = row[1] or None
        row[4] = tags_of(row[4])
    if has_returns and bad_rows == "skip":  # a row may be several ones for Python, but each that is kept is one
        remaining = iter(rows)
        rows = [next((row for row in remaining if same(row, other)), None) for other in mine]
    assert labels <= {0, 1} or labels <= {-1, 1}
    assert len(mine) == len(rows), f"{len(mine)} rows, expected {len(rows)}"
    for row, other in zip(rows, mine, strict=True):
        assert row and same(row, other), f"expected {row}, found {other}"
    vocabulary = vocabulary_of(folder)
    for field, column in (("site", 1), ("code", 3)):
        counts = oracle.counts(row[column] for row in mine)
        read = {"integer": int, "decimal": float}.get(code_type, str) if field == "code" else str
        assert {read(value): count for value, count in vocabulary.get(field, {}).values()} == counts, field
    by_rows = sorted(map(repr, found(folder, "train", code_type)))
    assert by_rows == sorted(map(repr, mine))  # the same file, shuffled


def same(row, other):
    return row[:4] == other[:4] and row[4] in (None, other[4])


@pytest.mark.parametrize(
    ("suffix", "separator", "quote"),
    [(".csv", ",", '"'), (".tsv", "\t", None), (".csv", ";", '"'), (".tsv", "\t", '"'), (".csv", "^", None)],
    ids=["csv", "tsv", "semicolons", "quoted tsv", "carets"],
)
def test_text_tables_hold_what_python_reads(tmp_path, monkeypatch, suffix, separator, quote):
    monkeypatch.setattr("ctrzoo.data_pipelines.preparation.engine.MOST_SKIPPED", 1.0)  # small tables, many bad rows
    schema = {**SCHEMA, "separator": separator, "quote": quote}
    compared = number = 0
    for number, source in enumerate(seeds(f"{suffix} {separator} {quote}")):
        content = generated(source, separator, quote)
        if source.random() < 0.6:
            content = mutated(content, source)
        bad_rows = source.choice(["error", "skip"])
        names = {split: tmp_path / f"{split}{number}{suffix}" for split in ("train", "test")}
        for path in names.values():
            path.write_bytes(content)
        what = f"{suffix} {separator!r} {bad_rows} {number}: {content[:5000]!r}"
        with judged(what) as accepted:
            prepare_own_table(tmp_path / str(number), "t", names, schema, bad_rows=bad_rows)
        if accepted:
            compared += 1
            try:
                check(tmp_path / str(number), content, separator, quote, bad_rows)
            except Exception as error:
                raise AssertionError(f"{what}: {error!r}") from error
    assert number < 200 or compared > number / 5
