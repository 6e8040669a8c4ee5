"""The report of a prepared folder as a page for people: `report.html`.

The page shows what the folder says, so it can be written again at any time, also for folders of earlier versions and
for synthetic data, which have no `report.json`. It holds no times and no measured memory: the same data give the same
page.
"""

from __future__ import annotations

import html
import json
import pathlib
import typing
from collections.abc import Iterator, Mapping

import numpy as np

from ctrzoo.files import write_text
from ctrzoo.page import page_of, paragraphs, table_of, table_of_cells

from ..storage.checksums import PAGE_FILE
from ..storage.reading import PreparedData, load
from .extension import lines_of
from .numbers import QUANTILES
from .report import REPORT_FILE, SEVERAL
from .report_pictures import bar_of, coverage_curve, histogram, number_text

if typing.TYPE_CHECKING:
    from ctrzoo.schema import Field
    from ctrzoo.types import Config, Path

    from ..encoding.field import FieldEncoding
    from ..encoding.fields import TableEncoding

TOP_VALUES = 10
# So many characters of a value are shown.
LONGEST_TEXT = 60
# Fields with a part of the page to themselves; the table has all.
MOST_FIELDS = 300
COVERED = (0.5, 0.9, 0.99)
LEGEND = (
    '<p><span class="own">■</span> own id or number, <span class="rare">■</span> rare or unseen, '
    '<span class="missing">■</span> missing. Rare values share one id; unseen values have none.</p>'
)


def write_page(folder: Path, encoding: TableEncoding | None = None) -> pathlib.Path:
    """Write `report.html` into a prepared folder; return its path.

    Args:
        folder: The folder.
        encoding: Its `TableEncoding`, if it is at hand; by default it is read.

    Raises:
        FileNotFoundError: If the folder is not a prepared one.
        ValueError: If it is damaged.
    """
    data = load(folder)
    path = data.folder / PAGE_FILE
    write_text(path, page_of_data(data, _report_of(data.folder), encoding or data.encoding))
    return path


def _report_of(folder):
    path = folder / REPORT_FILE
    try:
        report = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        raise ValueError(f"{path} is damaged. Delete it to write a page without it, or prepare the data again.")
    return report


def page_of_data(data: PreparedData, report: Config, encoding: TableEncoding | None) -> str:
    """Return the page.

    Args:
        data: The prepared data.
        report: What `report.json` holds; empty if there is none.
        encoding: Their `TableEncoding`; None for synthetic data.
    """
    schema, rows = data.schema, sum(data.num_rows.values())
    fields = f"{schema.num_fields:,} field{'s' * (schema.num_fields != 1)}"
    parts = paragraphs([f"{rows:,} rows, {fields}, {schema.num_ids:,} ids. The label is '{schema.label}'."])
    warnings = list(_warnings(data, report))
    if warnings:
        items = "".join(f"<li>{html.escape(warning)}</li>" for warning in warnings)
        parts += ["<h2>Warnings</h2>", f'<ul class="warnings">{items}</ul>']
    parts += ["<h2>Rows</h2>", _rows(data), *paragraphs(_of_rows(data, report))]
    facts = {field["name"]: field for field in report.get("fields", ())}
    parts += ["<h2>Fields</h2>", *_fields(data, facts)]
    if not facts:
        parts += paragraphs(["This folder has no counts of missing, rare and unseen values."])
    encodings = {field.name: field for field in encoding.fields} if encoding else {}
    for place, field in enumerate(schema.fields[:MOST_FIELDS]):
        parts += [f'<h3 id="field-{place}">{_bidi(field.name)}</h3>']
        parts += _field(field, facts.get(field.name, {}), encodings)
    if schema.num_fields > MOST_FIELDS:
        parts += paragraphs([f"Only the first {MOST_FIELDS} of {schema.num_fields:,} fields are shown one by one."])
    return page_of(f"Data report: {data.name}", parts)


def _warnings(data: PreparedData, report: Config) -> Iterator[str]:
    yield from report.get("warnings", ())
    if report.get("bad_rows"):
        bad = report["bad_rows"]
        could = f"{bad:,} rows could not be used and were" if bad > 1 else "1 row could not be used and was"
        yield f"{could} skipped. The first: {report['first_bad_row']}."
    for split, rows in data.num_rows.items() if data.label_kind == "binary" else ():
        if data.num_positives[split] in (0, rows):
            label = int(data.num_positives[split] > 0)
            yield f"All labels of the split '{split}' are {label}, so that AUC is not defined there."


def _rows(data):
    total, binary, rows = sum(data.num_rows.values()), data.label_kind == "binary", []
    for split, number in data.num_rows.items():
        cells = [split, f"{number:,}", f"{number / total:.2%}"]
        if binary:
            positives = data.num_positives[split]
            share = positives / number if number else 0.0
            bar = bar_of({"own": share, "missing": 1 - share}, f"share of positive rows in {split}")
            cells += [f"{positives:,}", f"{share:.2%}", bar]
        rows.append(cells)
    return table_of_cells(["split", "rows", "share", *["positive", "share positive", ""] * binary], rows)


def _of_rows(data: PreparedData, report: Config) -> Iterator[str]:
    if data.label_kind != "binary":
        mean = f" Their mean is {number_text(report['mean_label'])}." if "mean_label" in report else ""
        yield f"Labels are {data.label_kind} numbers.{mean}"
    if "mean_weight" in report:
        yield f"The mean weight of the rows is {number_text(report['mean_weight'])}."
    columns = report.get("columns", {})
    if columns:
        yield f"Further columns: {', '.join(f'{role} is {column!r}' for role, column in columns.items())}."
    if "left_out_negatives" in report:
        yield (
            f"{report['left_out_negatives']:,} negative training rows were left out, to keep a share of about "
            f"{report['negative_rate']:g}. Training rows are therefore more often positive than the others."
        )
    for title, text in lines_of(report["growth"]) if "growth" in report else ():
        yield f"{title.capitalize()}: {text}."


def _fields(data, facts):
    """Return the table of all fields."""
    if not facts:
        rows = [
            {"field": field.name, "kind": field.kind, "ids": f"{field.vocabulary_size:,}"}
            for field in data.schema.fields
        ]
        return [table_of(rows)]
    splits = list(data.num_rows)
    names = ["field", "kind", "ids", "missing", *(f"unknown, {split}" for split in splits), "cut", "cells"]
    rows = []
    for place, field in enumerate(data.schema.fields):
        fact = facts.get(field.name)
        link = f'<a href="#field-{place}">{_bidi(field.name)}</a>' if place < MOST_FIELDS else _bidi(field.name)
        cells = [link, field.kind, f"{field.vocabulary_size:,}"]
        if fact is None:
            rows.append([*cells, *[""] * (len(names) - 3)])
            continue
        missing, unknown = fact["missing_share"], fact["rare_share"] + fact["unseen_share"]
        unknown *= 1 - missing if field.kind in SEVERAL else 1  # of cells, not of values
        bar = bar_of({"own": 1 - missing - unknown, "rare": unknown, "missing": missing}, f"cells of {field.name}")
        cells += [f"{missing:.2%}", *(_unknown(fact["splits"].get(split)) for split in splits)]
        rows.append([*cells, f"{fact['cut_values']:,}" if fact.get("cut_values") else "", bar])
    said = "“Unknown” is the share of the values that are rare or unseen. “Cut” counts values beyond “max_values”."
    return [LEGEND, table_of_cells(names, rows), *paragraphs([said])]


def _unknown(shares):
    return "" if shares is None else f"{shares['rare_share'] + shares['unseen_share']:.2%}"


def _field(field: Field, fact: Config, encodings: Mapping[str, FieldEncoding]) -> list[str]:
    """Return what the page says of one field."""
    encoding, numbers = encodings.get(field.name), fact.get("numbers", {})
    slots = f", {field.num_slots:,} slots per row" if field.num_slots > 1 else ""
    ids = f"{field.vocabulary_size:,} id{'s' * (field.vocabulary_size != 1)}"
    parts = paragraphs([f"{field.kind}, {ids}{slots}{_asked(encoding)}"])
    if fact:
        has_unknown = field.kind not in ("numerical", "vector") and not (
            numbers or (encoding and encoding.hash_buckets)
        )
        parts.append(_by_split(fact, numbers, has_unknown))
    if "histogram" in numbers:
        parts += _histogram(field, numbers["histogram"])
    if encoding is not None and not field.kind == "vector":
        parts += _values(encoding, encodings)
    return parts


def _asked(encoding):
    """Return what the schema says of a field beyond its kind."""
    if encoding is None:
        return "."
    config = encoding.unfitted().to_dict(with_values=False)
    asked = [f"{key}: {value}" for key, value in config.items() if key not in ("name", "kind")]
    return f". {'; '.join(asked)}." if asked else "."


def _by_split(fact, numbers, has_unknown):
    rows = []
    for split, shares in fact["splits"].items():
        row = {"split": split, "missing": f"{shares['missing_share']:.2%}"}
        if has_unknown:
            row |= {"rare": f"{shares['rare_share']:.2%}", "unseen": f"{shares['unseen_share']:.2%}"}
        if numbers:
            found = numbers["splits"].get(split, {})
            quantiles = found.get("quantiles", {})
            row["lowest"] = _number(found.get("lowest"))
            row |= {_title(level): _number(quantiles.get(str(level))) for level in QUANTILES}
            row["highest"] = _number(found.get("highest"))
        rows.append(row)
    return table_of(rows)


def _title(level):
    return "median" if level == 0.5 else f"{level:.0%} below"


def _number(number):
    return "–" if number is None else number_text(number)


def _histogram(field, found):
    shares, words = found["shares"], f"histogram of {field.name}, training rows"
    if "values" in found:
        labels = [number_text(value) for value in found["values"]]
        ends, said = (labels[0], labels[-1] if len(labels) > 1 else ""), "Training rows, a bar per value."
    else:
        edges = [number_text(edge) for edge in found["edges"]]
        labels = [f"{low} to {high}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
        ends = (edges[0], edges[-1])
        said = "Training rows. The first and the last bar also hold what lies beyond."
    return [f"<div>{histogram(shares, labels, ends, words)}</div>", *paragraphs([said])]


def _values(encoding, encodings):
    """Return the most frequent values and how many values make up how much, if their counts are known."""
    if encoding.share is not None:
        return paragraphs([f"Its ids are those of '{encoding.share}', where its values are counted too."])
    if encoding.hash_buckets:
        return paragraphs(["Values are hashed, and neither kept nor counted."])
    known = ~encoding.values.is_null().to_numpy()
    counts = encoding.counts.to_numpy()
    if len(counts) != len(known) or not counts[known].sum():
        return []
    values, counts = encoding.values.filter(known), counts[known]
    order = np.argsort(-counts, kind="stable")
    total = counts.sum()
    rows = [
        [
            _bidi(_shortened(values[place])),
            f"{counts[place]:,}",
            f"{counts[place] / total:.2%}",
            bar_of({"own": counts[place] / total}, "share"),
        ]
        for place in order[:TOP_VALUES].tolist()
    ]
    sharing = [name for name, other in encodings.items() if other.share == encoding.name]
    together = f" Counted together with {', '.join(map(repr, sharing))}." if sharing else ""
    parts = [table_of_cells(["most frequent", "count", "share", ""], rows)]
    sorted_counts = counts[order]
    parts += paragraphs([f"Shares are of all {total:,} occurrences of values that have an id.{together}"])
    if len(counts) > TOP_VALUES:
        parts.append(f"<div>{coverage_curve(sorted_counts, f'coverage of {encoding.name}')}</div>")
        needed = np.searchsorted(np.cumsum(sorted_counts), np.array(COVERED) * total) + 1
        said = ", ".join(f"{number:,} make up {share:.0%}" for number, share in zip(needed, COVERED, strict=True))
        parts += paragraphs(
            [
                "The curve is the share of all occurrences that the most frequent values make up, with their number on "
                f"a log scale. Of {len(counts):,} values, {said}."
            ]
        )
    return parts


def _bidi(text):
    """Return a text whose direction of writing leaves the rest of the page alone."""
    return f"<bdi>{html.escape(text)}</bdi>"


def _shortened(text: str) -> str:
    if not text:
        return "(empty)"
    if text != text.strip():
        text = f"'{text}'"  # a page does not show spaces at the ends
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
