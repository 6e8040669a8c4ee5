"""Explanations as a folder: pictures, tables, and one HTML file that needs nothing else."""

from __future__ import annotations

import html
import inspect
import itertools
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ctrzoo.explanation import plots as plots
from ctrzoo.explanation.analysis import EXPLANATION, LOGIT_DIFFERENCE, Analysis
from ctrzoo.explanation.event_report import event_lines, event_sentences, history_sections, shown_events
from ctrzoo.explanation.explainer import (
    explain_rows,
    kinds_of,
    matrices_of,
    strengths_of,
    vectors_of,
    weights_of,
)
from ctrzoo.explanation.measure import lost_in_words, with_words_of
from ctrzoo.explanation.page_parts import html_table, picture
from ctrzoo.files import write_csv, write_text
from ctrzoo.metrics import metric_of
from ctrzoo.model import CTRModel, output_name
from ctrzoo.page import page_of
from ctrzoo.types import Features, Path

WORDS = 5
# Files of a report that another report of the same folder may not have.
OF_EARLIER = (
    r"(row_\d+|graph|matrices|check|events_\d+)\.(png|svg)|(rows|row_terms|row_events|events_\d+|comparison)\.csv"
)
SHOWN_EDGES = 20
READING = """<p>The test shuffles the two fields of a pair over rows: each one separately, then both together.
<b>{metric} interaction</b> is the {lost} by shuffling each one, added, minus the {lost} by shuffling both. What only
the two fields together say is lost with either one, so it counts twice. {additive} <b>{logit} difference</b> is the
root mean square of f - f<sub>i</sub> - f<sub>j</sub> + f<sub>ij</sub>. It is zero if the model just adds up the two
fields. {groups}A faithful explanation rises with both measures. A strong edge at zero claims something that the model
does not use.</p>"""
# Where fields are that just add up, by metric and by what they add up to.
ADDITIVE = {
    ("auc", "logit"): "Strong fields that just add up can be below zero, because AUC is not linear.",
    ("mse", "prediction"): "Fields that just add up are near zero, but for chance, unless they are correlated.",
}
ADDITIVE_OTHERWISE = (
    "Strong fields that just add up need not be at zero, because {metric} is not linear in the {logit}."
)
GROUPS = "What two fields add to all rows of a group alike counts in it, but not in {metric}. "


def strongest_pairs(
    explained: Mapping[str, np.ndarray], row: int, mean: np.ndarray, count: int = WORDS
) -> list[dict[str, Any]]:
    """Return the strongest interactions of a row, dictionaries of a pair and its numbers, the strongest first.

    Args:
        explained: What `explain_rows` returned.
        row: Index of the row.
        mean: Mean strength of each pair over many rows, `(fields, fields)`.
        count: How many.
    """
    explained_row = {name: array[[row]] for name, array in explained.items()}
    found, weights = strengths_of(explained_row, len(mean)), weights_of(explained_row, len(mean))
    if found is None or weights is None:
        return []
    strengths = found[0]
    first, second = np.triu_indices(len(mean), 1)
    total = max(float(strengths[first, second].sum()), 1e-12)
    order = np.argsort(-strengths[first, second], kind="stable")[:count]
    pairs = [(int(first[index]), int(second[index])) for index in order]
    return [
        {
            "pair": pair,
            "weight": float(weights[0][pair]),
            "share": float(strengths[pair] / total),
            "mean": float(mean[pair]),
        }
        for pair in pairs
        if strengths[pair] > 0
    ]


def write_explanations(
    folder: Path,
    model: CTRModel,
    analysis: Analysis,
    features: Features,
    labels: np.ndarray,
    texts: Sequence[Sequence[str]] | None = None,
    rows: Sequence[int] | None = None,
    title: str | None = None,
    comparison: Sequence[Mapping[str, Any]] = (),
    base_rate: float | None = None,
    notes: Sequence[str] | None = None,
    event_texts: Mapping[str, Sequence[Sequence[str | None]]] | None = None,
) -> pathlib.Path:
    """Write `report.html`, and the pictures (PNG, SVG) and tables (CSV) that it is made of.

    Args:
        folder: The folder to write into; made if absent.
        model: The `CTRModel`.
        analysis: What `ctrzoo.explanation.analysis.analyse` returned.
        features: `{"ids": (rows, slots), "values": (rows, slots)}` of the rows to show one by one.
        labels: Their labels.
        texts: What their fields hold, a list of rows with one text per field; None shows only names.
        rows: Their numbers, by which they are called.
        title: Title of the report.
        comparison: Rows of a further table, such as of other models; dictionaries with the same keys.
        base_rate: The share of positive rows in the data, with which probabilities of single rows are compared.
        notes: What else to say of each row in its heading, such as its place within its group.
        event_texts: The texts of events by sequence, see `PreparedData.event_texts`; None shows only places.

    Returns:
        The path of `report.html`.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    earlier_files = folder.iterdir() if (folder / "report.html").is_file() else ()
    for earlier in earlier_files:  # what its report had and this one may not have
        if re.fullmatch(OF_EARLIER, earlier.name):
            earlier.unlink()
    rows = list(range(len(labels))) if rows is None else rows
    title = title or f"What {model.name} says of its fields"
    parts = _about(model, analysis)
    parts += _fields(folder, analysis)
    parts += _edges(folder, analysis)
    parts += _check(folder, analysis)
    parts += history_sections(folder, analysis.histories, analysis.importance.metric, analysis.logit)
    if comparison:
        parts += ["<h2>Runs</h2>", html_table(comparison)]
        write_csv(folder / "comparison.csv", comparison)
    events = shown_events(model, analysis.histories, features, event_texts, WORDS)
    parts += _instances(folder, model, analysis, features, np.ravel(labels), texts, rows, base_rate, notes, events)
    write_text(folder / "report.html", page_of(title, parts))
    return folder / "report.html"


def _about(model, analysis):
    found = re.search(r"Explanations: (.*?)\n\n", inspect.cleandoc(type(model).__doc__ or "") + "\n\n", re.DOTALL)
    named = "; ".join(f"`{name}`, {kind.meaning}" for name, kind in kinds_of(model).items()) or "none"
    said = " ".join(found.group(1).split()) if found else f"{named}."
    said = re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(with_words_of(model, said)))
    sentences = [f"{metric_of(analysis.importance.metric).title} of these rows: {_metric(analysis)}."]
    if analysis.edges is None:
        sentences.append("The model names nothing that explains pairs of fields, so shuffling alone tells of them.")
    return [f"<p>What the model names: {said}</p>", f"<p>{' '.join(sentences)}</p>"]


def _metric(analysis):
    metric, value = analysis.importance.metric, analysis.importance.value
    root = f" (RMSE {value**0.5:.4f})" if metric == "mse" else ""
    return metric_of(metric).format.format(value) + root


def _fields(folder, analysis):
    losses, lost = analysis.importance.fields, lost_in_words(analysis.importance.metric)
    table = [
        {"field": name, analysis.lost: float(mean), "deviation": float(deviation)}
        for name, mean, deviation in zip(analysis.names, losses.mean(axis=0), losses.std(axis=0), strict=True)
    ]
    table.sort(key=lambda row: -row[analysis.lost])
    write_csv(folder / "fields.csv", table)
    drawn = picture(folder / "fields", plots.fields_figure(losses, analysis.names, lost), f"{lost} by field")
    return ["<h2>What each field is worth</h2>", drawn]


def _edges(folder, analysis):
    table = analysis.table()
    write_csv(folder / "edges.csv", table)
    parts = ["<h2>Interactions of fields</h2>"]
    if analysis.edges is not None:
        edges, importance = analysis.edges, analysis.importance
        names, planted = analysis.names, analysis.planted
        red = " Red: pairs that truly interact." if planted else ""
        graph = plots.graph_figure(edges.mean, names, importance.fields.mean(axis=0), planted, "strongest edges")
        matrices = plots.matrix_figure(edges.mean, edges.top_share, names, planted, edges.top)
        parts += [
            "<p>Lines: mean strength of the strongest edges. "
            f"Dots: {lost_in_words(importance.metric)} without the field.{red}</p>",
            picture(folder / "graph", graph, "graph of fields"),
            picture(folder / "matrices", matrices, "mean strength and stability of edges"),
        ]
    parts.append(f"<p>The first {min(SHOWN_EDGES, len(table))} of {len(table)} pairs; all are in edges.csv.</p>")
    return [*parts, html_table([_shown(row, analysis) for row in table[:SHOWN_EDGES]])]


def _shown(row, analysis):
    lost, column = lost_in_words(analysis.importance.metric), analysis.lost
    shown = {"pair": f"{row['field']} × {row['other_field']}"}
    if row["mean"] is not None:
        deviation = row["deviation"] / row["mean"] if row["mean"] else 0.0
        shown |= {"mean strength": row["mean"], "deviation / mean over rows": deviation}
        shown["share of rows among the strongest"] = row["top_share"]
    shown |= {f"{lost}: first": row[f"{column}_field"], f"{lost}: second": row[f"{column}_other_field"]}
    shown |= {f"{lost}: together": row[f"{column}_together"], "interaction": row["interaction"]}
    shown |= {"± over permutations": row["interaction_deviation"]}
    shown[analysis.called(LOGIT_DIFFERENCE)] = row["logit_interaction"]
    if "planted" in row:
        shown["planted"] = "yes" if row["planted"] else ""
    return shown


def _check(folder, analysis):
    rankings, pairs = analysis.rankings(), analysis.importance.pairs
    panels = [
        (
            rankings[EXPLANATION],
            rankings[method],
            "mean strength by the model",
            method,
            f"correlation {linear:.2f}, of ranks {ranks:.2f}",
        )
        for method, (linear, ranks) in analysis.agreement().items()
    ] or [
        (rankings[method], rankings[other], method, other, f"{len(pairs)} pairs")
        for method, other in itertools.combinations(rankings, 2)
    ]
    figure = plots.check_figure(panels, pairs, analysis.names, analysis.planted)
    parts = [
        "<h2>Does shuffling agree?</h2>",
        _reading(analysis),
        picture(folder / "check", figure, "strength against shuffling"),
    ]
    if analysis.planted:
        found = ", ".join(f"{method} {share:.0%}" for method, share in analysis.precision().items())
        number = len(analysis.planted)
        parts.append(f"<p>Of the {number} planted pairs, found among the {number} strongest by: {found}.</p>")
    return parts


def _reading(analysis):
    metric, logit = metric_of(analysis.importance.metric), analysis.logit
    additive = ADDITIVE.get((analysis.importance.metric, logit), ADDITIVE_OTHERWISE)
    lost = lost_in_words(analysis.importance.metric)
    groups = GROUPS.format(metric=metric.title) if metric.needs_groups else ""
    return READING.format(
        metric=metric.title,
        lost=lost,
        additive=additive.format(metric=metric.title, logit=logit),
        logit=logit.capitalize(),
        groups=groups,
    )


def _instances(folder, model, analysis, features, labels, texts, rows, base_rate, notes, events):
    if not len(labels):
        return []
    explained, output = explain_rows(model, features), output_name(model.task)
    if not vectors_of(explained, len(analysis.names)) and analysis.edges is None:
        return []
    of_events = [shown.explanation for shown in events]
    parts, terms, pairs, event_table = ["<h2>Row by row</h2>"], [], [], []
    for index, (row, label, predicted) in enumerate(zip(rows, labels, explained[output], strict=True)):
        explained_row = {name: array[[index]] for name, array in explained.items() if name not in of_events}
        cells = texts[index] if texts else None
        heading = _heading(model, row, label, predicted, base_rate) + (f", {notes[index]}" if notes else "")
        first_columns = {"row": row, "label": float(label) if label % 1 else int(label), output: float(predicted)}
        parts.append(f"<h3>{heading}</h3>")
        sentences, table = _terms(explained_row, analysis.names, cells)
        parts += sentences
        parts += event_sentences(events, index)
        event_table += [first_columns | line for line in event_lines(events, index)]
        terms += [first_columns | line for line in table]
        if analysis.edges is not None:
            sentences, table = _pairs(explained_row, analysis, cells)
            parts += [*sentences, _heat_maps(folder / f"row_{row}", explained_row, analysis.names, cells, heading)]
            pairs += [first_columns | line for line in table]
    for name, table in (("row_terms", terms), ("rows", pairs), ("row_events", event_table)):
        if table:
            write_csv(folder / f"{name}.csv", table)
    return parts


def _heading(model, row, label, predicted, base_rate):
    heading = f"Row {row}: label {label:g}, {'score' if model.task == 'ranking' else 'predicted'} {predicted:.3f}"
    if model.task == "classification" and base_rate is not None:
        above = predicted >= base_rate
        heading += f", {'above' if above else 'below'} the base rate of {base_rate:.3f}"
        heading += f" ({'right' if above == bool(label) else 'wrong'})"
    if model.task == "regression":
        error = float(predicted) - float(label)
        heading += f", {abs(error):.3f} too {'high' if error > 0 else 'low'}"
    return heading


def _terms(explained_row, names, cells):
    """Return the sentences and the lines of a table about the strongest entries of each vector of a row."""
    sentences, table = [], []
    for name, (kind, (weights,)) in vectors_of(explained_row, len(names)).items():
        labels = kind.labels(names, len(weights))
        strongest = np.argsort(-np.abs(weights), kind="stable")[:WORDS]
        words = []
        for rank, entry in enumerate(strongest, start=1):
            value = cells[entry] if cells and kind.is_of_fields else None
            number = f"{weights[entry]:+.3g}" if kind.signed else f"{weights[entry]:.3g}"
            words.append(f"{_cell(labels[entry], value)} ({number})")
            line = {"explanation": name, "rank": rank, "term": labels[entry], "value": value or ""}
            table.append(line | {"weight": float(weights[entry])})
        sentences.append(f"<p>{html.escape(kind.heading.format(name=name))}: {', '.join(words)}.</p>")
    return sentences, table


def _pairs(explained_row, analysis, cells):
    """Return the sentences and the lines of a table about the strongest pairs of a row; none if all are zero."""
    names, sentences, table = analysis.names, [], []
    for rank, pair in enumerate(strongest_pairs(explained_row, 0, analysis.edges.mean), start=1):
        i, j = pair["pair"]
        value, other_value = (cells[i], cells[j]) if cells else (None, None)
        words = f"{_cell(names[i], value)} with {_cell(names[j], other_value)}"
        share = f"{pair['share']:.0%} of the strengths of this row"
        sentences.append(f"<li>{words}: {pair['weight']:.3g}, {share}; its mean size is {pair['mean']:.3g}</li>")
        line = {"rank": rank, "field": names[i], "value": value or ""}
        line |= {"other_field": names[j], "other_value": other_value or ""}
        table.append(line | {key: pair[key] for key in ("weight", "share", "mean")})
    return [f"<p>Strongest interactions:</p><ol>{''.join(sentences)}</ol>"] if sentences else [], table


def _heat_maps(path, explained_row, names, cells, heading):
    matrices = {name: matrix for name, (matrix,) in matrices_of(explained_row, len(names)).items()}
    return picture(path, plots.instance_figure(matrices, names, cells, heading), heading)


def _cell(name, value):
    return f"<b>{html.escape(name)}</b>" + ("" if value is None else f" = {html.escape(value)}")
