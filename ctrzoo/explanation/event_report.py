"""The parts of a report that are about histories: curves over recency, and the strongest events of a row."""

from __future__ import annotations

import html
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ctrzoo.explanation.event_plots import events_figure
from ctrzoo.explanation.events import event_explanations, events_like_the_candidate, events_there
from ctrzoo.explanation.explainer import explain_rows
from ctrzoo.explanation.histories import HistoryAnalysis
from ctrzoo.explanation.measure import lost_in_words, lost_key
from ctrzoo.explanation.page_parts import html_table, picture
from ctrzoo.files import write_csv
from ctrzoo.model import CTRModel
from ctrzoo.types import Features

SHOWN_PLACES = 10
READING = """<p>The test shuffles whole histories between rows, then the order of the events within each row. A model
that does not read the order loses nothing by the latter. Then it leaves out one event of each row, by its place: 1 is
the newest. Older events move up. <b>{logit} change</b> is the root mean square of the change over the rows that have
such an event; it knows no labels. The {lost} counts all rows.</p>"""
AGREEMENT = """<p>Over places, the rank correlation of the mean weight is {logit_change:.2f} with the {logit} change
and {lost_total:.2f} with the {lost}, for which weights are summed over rows. A weight says how much of an event is
read, not what the model makes of it. Weights that rise where both fall do not explain the model.</p>"""
NO_WEIGHTS = "<p>The model gives events no weights, so the test alone tells of them.</p>"


def history_sections(folder: pathlib.Path, histories: Sequence[HistoryAnalysis], metric: str, logit: str) -> list[str]:
    """Write `events_k.csv` and the picture `events_k` of the kth history; return what the page says of histories.

    Args:
        folder: The folder of the report.
        histories: What was found.
        metric: Name of the metric of what is lost.
        logit: What contributions add up to.
    """
    parts = []
    for number, history in enumerate(histories, start=1):
        table, lost = history.table(), lost_in_words(metric)
        write_csv(folder / f"events_{number}.csv", table)
        importance = history.importance
        rows = [("histories shuffled between rows", importance.history), ("order shuffled in rows", importance.order)]
        shown = [
            {"change": name, lost: float(losses.mean()), "± over permutations": float(losses.std())}
            for name, losses in rows
        ]
        agreement = history.agreement()
        said = NO_WEIGHTS
        if agreement is not None:
            said = AGREEMENT.format(logit_change=agreement[0], lost_total=agreement[1], lost=lost, logit=logit)
        parts += [
            f"<h2>Events of the history {html.escape(history.name)}</h2>",
            READING.format(logit=logit.capitalize(), lost=lost),
            html_table(shown),
            said,
            picture(folder / f"events_{number}", events_figure(history, lost, logit), "events by recency"),
            f"<p>{min(SHOWN_PLACES, len(table))} of {len(table)} places; all are in events_{number}.csv.</p>",
            html_table([_titled(line, lost_key(metric), lost, logit) for line in table[:SHOWN_PLACES]]),
        ]
    return parts


def _titled(line, key, lost, logit):
    titles = {"logit_change": f"{logit} change", key: lost, "weight": "mean weight"}
    titled = {}
    for name, value in line.items():
        title = titles.get(name, name)
        for start, words in (("weight_same_", "weight, same "), ("weight_other_", "weight, other ")):
            title = words + name.removeprefix(start) if name.startswith(start) else title
        titled[title] = value
    return titled


class ShownEvents(typing.NamedTuple):
    """The strongest events of rows.

    Args:
        history: Name of the history.
        explanation: Name of the explanation that weighs them.
        counts: How many events each row has, `(rows,)`.
        strongest: For each row a dictionary per event: its place, weight, values by column, and the columns in which
            it has the candidate's value.
    """

    history: str
    explanation: str
    counts: np.ndarray
    strongest: list[list[dict[str, Any]]]


def shown_events(
    model: CTRModel,
    histories: Sequence[HistoryAnalysis],
    features: Features,
    texts: Mapping[str, Sequence[Sequence[str | None]]] | None,
    count: int,
) -> list[ShownEvents]:
    """Return the strongest events of rows, of each history whose events the model weighs.

    Args:
        model: The model.
        histories: The histories.
        features: Features of the rows.
        texts: The texts of the events by sequence, the oldest first, or None.
        count: The most events of a row.
    """
    explanations = event_explanations(model) if histories and len(features["ids"]) else {}
    explained = explain_rows(model, features) if explanations else {}
    found = []
    for name, explanation in explanations.items():
        columns, schema = model.schema.histories[name], model.schema
        counts = events_there(schema, features, name).sum(axis=1)
        alike, rows = events_like_the_candidate(schema, features, name), []
        for row, weights in enumerate(explained[explanation]):
            places = [place for place in np.argsort(-np.abs(weights), kind="stable") if weights[place] != 0][:count]
            rows.append(
                [
                    {
                        "place": int(place) + 1,
                        "weight": float(weights[place]),
                        "values": {
                            column: _value(texts[column][row], counts[row] - 1 - place) if texts else None
                            for column in columns
                        },
                        "same": [column for column, same in alike.items() if same[row, place]],
                    }
                    for place in places
                ]
            )
        found.append(ShownEvents(name, explanation, counts, rows))
    return found


def _value(events, slot):
    return (events[slot] if slot < len(events) else None) or "(unknown)"


def event_sentences(shown: Sequence[ShownEvents], row: int) -> list[str]:
    """Return a sentence about the strongest events of a row, for each history."""
    sentences = []
    for events in shown:
        count = int(events.counts[row])
        if not events.strongest[row]:
            said = "no event" if not count else f"none of its {count} events has a weight"
            sentences.append(f"<p>History {html.escape(events.history)}: {said}.</p>")
            continue
        words = "; ".join(_in_words(event) for event in events.strongest[row])
        of = f"{count} event{'' if count == 1 else 's'}"
        sentences.append(f"<p>Strongest of the {of} of {html.escape(events.history)}: {words}.</p>")
    return sentences


def _in_words(event):
    """Return such as `<b>2 events ago</b>, seen_item = 7, with the candidate's seen_category (+0.5)`."""
    ago = f"<b>{event['place']} event{'' if event['place'] == 1 else 's'} ago</b>"
    values = [f"{html.escape(name)} = {html.escape(value)}" for name, value in event["values"].items() if value]
    same = " and ".join(map(html.escape, event["same"]))
    return ", ".join([ago, *values, *([f"with the candidate's {same}"] if same else [])]) + f" ({event['weight']:+.3g})"


def event_lines(shown: Sequence[ShownEvents], row: int) -> list[dict[str, Any]]:
    """Return the lines of a table about the strongest events of a row."""
    return [
        {
            "history": events.history,
            "rank": rank,
            "place": event["place"],
            "values": ", ".join(f"{name} = {value}" for name, value in event["values"].items() if value),
            "as_candidate": " ".join(event["same"]),
            "weight": event["weight"],
        }
        for events in shown
        for rank, event in enumerate(events.strongest[row], start=1)
    ]
