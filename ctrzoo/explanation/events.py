"""The events of histories as a model weighs them: by recency, and by whether they are like the candidate."""

from __future__ import annotations

import typing
from typing import Any

import keras
import numpy as np

from ctrzoo.explanation.explainer import kinds_of
from ctrzoo.model import CTRModel, predict_slices
from ctrzoo.schema import Schema
from ctrzoo.types import Features


class EventWeights(typing.NamedTuple):
    """The mean size of the weights of a history's events, by their place; the newest is first.

    Args:
        explanation: The name of the explanation.
        mean: Mean absolute weight over the rows with an event at the place, `(places,)`; NaN without such rows.
        alike: For each column that shares ids with a candidate, the mean over events that are the candidate's value,
            and over the others, `{column: ((places,), (places,))}`.
    """

    explanation: str
    mean: np.ndarray
    alike: dict[str, tuple[np.ndarray, np.ndarray]]


def slots_of(schema: Schema, name: str) -> np.ndarray:
    """Return the slots of a field.

    >>> from ctrzoo.schema import Field
    >>> slots_of(Schema([Field("ad", vocabulary_size=5), Field("seen", "sequence", 5, num_slots=3)]), "seen")
    array([1, 2, 3])
    """
    return np.flatnonzero(np.asarray(schema.slot_fields) == schema.names.index(name))


def events_there(schema: Schema, features: Features, history: str) -> np.ndarray:
    """Return which slots of a history have an event in any column, booleans `(rows, slots)`, the oldest first."""
    columns = schema.histories[history]
    return np.any([np.asarray(features["values"])[:, slots_of(schema, name)] != 0 for name in columns], axis=0)


def newest_first(numbers: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Reorder `(rows, slots)` so that the newest event comes first, with 0 where there is no event.

    >>> newest_first(np.array([[1, 2, 3, 9]]), np.array([[True, True, True, False]])).tolist()
    [[3, 2, 1, 0]]
    """
    places = np.maximum(there.sum(axis=1, keepdims=True) - 1 - np.arange(there.shape[1]), 0)
    return np.where(there, np.take_along_axis(numbers, places, axis=1), 0)


def events_like_the_candidate(schema: Schema, features: Features, history: str) -> dict[str, np.ndarray]:
    """Return which events have the candidate's value, by column that shares its ids, `(rows, places)`, newest first."""
    there, ids = events_there(schema, features, history), np.asarray(features["ids"])
    found = {}
    for column in schema.histories[history]:
        share = schema.fields[schema.names.index(column)].share
        if share is not None and schema.fields[schema.names.index(share)].kind == "categorical":
            events = ids[:, slots_of(schema, column)]
            same = (events == ids[:, slots_of(schema, share)[:1]]) & (events != 0)
            found[column] = newest_first(same, there)
    return found


def event_explanations(model: CTRModel) -> dict[str, str]:
    """Return the explanation of the events of each history, `{history: name}`; without those that have none.

    The explanation of the kth history is called `events_k`, or `events`, and has an entry for each of its slots.
    """
    kinds, found = kinds_of(model), {}
    outputs: Any = model.explainer().output
    for number, (history, columns) in enumerate(model.schema.histories.items(), start=1):
        slots = len(slots_of(model.schema, columns[0]))
        for name in (f"events_{number}", *(["events"] if number == 1 else [])):
            if name in kinds and kinds[name].axes == ("event",) and outputs[name].shape[1] == slots:
                found[history] = name
    return found


def event_weights(model: CTRModel, features: Features, history: str, batch_size: int = 1024) -> EventWeights | None:
    """Return how a model weighs the events of a history over rows; None if it does not say.

    Args:
        model: A `CTRModel`.
        features: `{"ids": (rows, slots), "values": (rows, slots)}`.
        history: Name of the history.
        batch_size: Rows computed at once.
    """
    explanation = event_explanations(model).get(history)
    if explanation is None:
        return None
    outputs: Any = model.explainer().output
    weights = np.abs(predict_slices(keras.Model(model.input, outputs[explanation]), features, batch_size))
    there = events_there(model.schema, features, history)
    there = newest_first(there, there)
    alike = {
        column: (_means(weights, same), _means(weights, there & ~same))
        for column, same in events_like_the_candidate(model.schema, features, history).items()
    }
    return EventWeights(explanation, _means(weights, there), alike)


def _means(weights, chosen):
    """Return the mean over the chosen rows of each place; NaN without any."""
    counts = chosen.sum(axis=0)
    totals = np.where(chosen, weights, 0).sum(axis=0, dtype=np.float64)
    return np.where(counts, totals / np.maximum(counts, 1), np.nan)
