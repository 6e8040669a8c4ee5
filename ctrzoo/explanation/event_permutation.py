"""What a history, its order and each of its events are worth to a model, measured by shuffling and dropping them."""

from __future__ import annotations

import typing

import numpy as np

from ctrzoo.explanation.events import events_there, slots_of
from ctrzoo.explanation.scorer import Scorer
from ctrzoo.schema import Schema
from ctrzoo.types import Features


class HistoryImportance(typing.NamedTuple):
    """What changes of a history cost: how much worse the metric becomes.

    Args:
        history: What is lost when whole histories are shuffled between rows, `(repeats,)`.
        order: What is lost when the events of each row are put into random order, `(repeats,)`.
        order_logit: Root mean square of the change of the logit by that, `(repeats,)`. Zero if the model does not read
            the order.
        events: What is lost when the event of a place is left out, `(places,)`, the newest first.
        event_logits: Root mean square of the change of the logit by that, over the rows with such an event,
            `(places,)`; NaN without such rows.
        counts: How many rows have an event at the place, `(places,)`.
    """

    history: np.ndarray
    order: np.ndarray
    order_logit: np.ndarray
    events: np.ndarray
    event_logits: np.ndarray
    counts: np.ndarray


def history_importance(
    scorer: Scorer, schema: Schema, features: Features, history: str, repeats: int = 3, seed: int = 0
) -> HistoryImportance:
    """Measure what a history is worth to a model, whatever it says of itself.

    An event is left out as if it had not happened: older events move one place up. Cost: `2 * repeats` predictions of
    all rows, and one for each place.

    Args:
        scorer: A `Scorer` of the rows.
        schema: Their `Schema`.
        features: Their features, `{"ids": (rows, slots), "values": (rows, slots)}`.
        history: Name of the history.
        repeats: How many permutations to try.
        seed: Seed of the permutations.
    """
    random = np.random.default_rng(seed)
    slots = [slots_of(schema, name) for name in schema.histories[history]]
    there = events_there(schema, features, history)
    lengths, places = there.sum(axis=1), there.shape[1]
    between, order, order_logit = np.zeros((3, repeats))
    for repeat in range(repeats):
        others = random.permutation(len(there))
        between[repeat] = scorer.lost(scorer.logits(_with(features, slots, lambda cells, rows=others: cells[rows])))
        keys = np.where(there, random.random(there.shape), 2)  # absent slots stay last
        mixed = scorer.logits(_with(features, slots, _taken(np.argsort(keys, axis=1))))
        order[repeat] = scorer.lost(mixed)
        order_logit[repeat] = _root_mean_square(mixed - scorer.base, scorer.weights)
    events, event_logits = np.zeros(places), np.full(places, np.nan)
    for place in range(places):
        rows = lengths > place
        if not rows.any():
            continue
        left_out = np.where(rows, lengths - 1 - place, places)
        # All rows, because batches of other sizes would be compiled anew.
        sources = np.arange(places) + (np.arange(places) >= left_out[:, None])
        logits = scorer.logits(_with(features, slots, _taken(sources)))
        events[place] = scorer.lost(logits)
        weights = None if scorer.weights is None else scorer.weights[rows]
        event_logits[place] = _root_mean_square(logits[rows] - scorer.base[rows], weights)
    counts = (lengths[:, None] > np.arange(places)).sum(axis=0)
    return HistoryImportance(between, order, order_logit, events, event_logits, counts)


def _with(features, slots, change):
    """Return features in which the slots of each column are changed alike."""
    changed = {}
    for name, array in features.items():
        changed[name] = np.array(array)
        for own in slots:
            changed[name][:, own] = change(changed[name][:, own])
    return changed


def _taken(sources):
    """Return a function that takes the cells `(rows, slots)` of these slots; one past the last slot is absent."""
    return lambda cells: np.take_along_axis(np.pad(cells, ((0, 0), (0, 1))), sources, axis=1)


def _root_mean_square(numbers, weights):
    if weights is not None and not weights.any():
        return np.nan
    return np.sqrt(np.average(numbers**2, weights=weights))
