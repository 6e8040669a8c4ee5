"""Synthetic clicks that depend on a history: on whether, and how recently, the candidate's category was seen.

A row has up to `LENGTH` earlier events, each an item and its category, and a candidate. Most events are of a few
categories that interest the user, and the candidate often copies the category of an event. The logit falls with the
place of the newest event of the candidate's category, counted from the newest event. Three AUCs are known: of the true
probabilities, the best one without the order of the events, and the best one without events.

The order-free ceiling is exact. Given the interests, the places of the events are exchangeable, and the candidate
copies a uniformly chosen place. So with n events of which m match, the newest match is at place r with the probability
C(n - r, m - 1) / C(n, m).
"""

from __future__ import annotations

import math

import numpy as np

from ctrzoo.schema import Field, Schema

from ..encoding.features import Block
from .click_truth import BLOCK_ROWS, GRID, STREAMS, auc_and_log_loss, bias_of, inverse_distribution, steps_of

LENGTH = 20
ITEMS_PER_CATEGORY = 10
NUM_INTERESTS = 4
# Probabilities: a row has no event; an event is of an interest; the candidate's category is that of an event.
NO_HISTORY, OF_INTEREST, COPIED = 0.1, 0.8, 0.4
# How much a match at place r counts: `DECAY ** (r - 1)`, up to the place `FARTHEST`.
DECAY, FARTHEST = 0.8, 8
LOGIT_DEVIATIONS = {"first": 0.6, "pairs": 0.7, "history": 1.3}
PAIRS = (("device", "site"), ("device", "hour"))
PAIR_RANK = 3
# Rows of the calibration, in blocks.
CALIBRATION_BLOCKS = 13
# Number of ids, and the exponent of their Zipf distribution; the last is of the items of a category.
ZIPF = {
    "device": (8, 0.7),
    "hour": (24, 0.3),
    "site": (40, 0.6),
    "category": (50, 0.6),
    "item": (ITEMS_PER_CATEGORY, 0.8),
}
SIZES = {name: size for name, (size, _) in ZIPF.items()} | {"item": ZIPF["category"][0] * ITEMS_PER_CATEGORY}
SCHEMA = Schema(
    (
        *(Field(name, vocabulary_size=size) for name, size in SIZES.items()),
        Field("seen_item", "sequence", SIZES["item"], LENGTH, share="item", events="seen"),
        Field("seen_category", "sequence", SIZES["category"], LENGTH, share="category", events="seen"),
    ),
    label="click",
)
_BASE = tuple(SIZES)
_BASE_FIELDS = SCHEMA.fields[: len(_BASE)]
# What rows show of the history: the events, the place of the newest match (the true feature), or nothing.
SHOWN = {
    "events": SCHEMA,
    "place": Schema((*_BASE_FIELDS, Field("place", vocabulary_size=FARTHEST + 1)), label="click"),
    "nothing": Schema(_BASE_FIELDS, label="click"),
}
# What a match at each place counts; 0 stands for none.
_GAINS = np.array([0.0, *(DECAY ** np.arange(FARTHEST))])


class HistoryClickModel:
    """The truth behind synthetic clicks with histories; the methods are those of `ClickModel`.

    Args:
        data_seed: Non-negative seed for the effects and the rows.
        shown: What the rows show of the history, of `SHOWN`. Their base fields and labels are the same.

    Attributes:
        gains: What the newest match adds to the logit, by its place; 0 stands for none, `(FARTHEST + 1,)`.
        bias: The constant term of the logit, which sets the share of clicks to 25 %.

    >>> model = HistoryClickModel(data_seed=0)
    >>> model.block("train", 0).ids.shape
    (16384, 45)
    """

    def __init__(self, data_seed: int = 0, shown: str = "events"):
        if not 0 <= data_seed < 2**63:
            raise ValueError(f"`data_seed` must be a whole number of at least 0. Received: {data_seed}.")
        if shown not in SHOWN:
            raise ValueError(f"`shown` must be one of {', '.join(SHOWN)}. Received: {shown!r}.")
        self.data_seed, self.shown = data_seed, shown
        self._inverse = {name: inverse_distribution(*zipf) for name, zipf in ZIPF.items()}
        drawn = [self._draw("calibration", index)[:2] for index in range(CALIBRATION_BLOCKS)]
        rows = {name: np.concatenate([base[name] for base, _ in drawn]) for name in _BASE}
        places = np.concatenate([_place_and_counts(base, events)[0] for base, events in drawn])
        random = self._random("truth", 0)
        self.weights = {name: _centred(random.standard_normal((1, SIZES[name])), rows[name])[0] for name in _BASE}
        scale = LOGIT_DEVIATIONS["first"] / np.std(sum(self.weights[name][rows[name]] for name in _BASE))
        self.weights = {name: scale * weights for name, weights in self.weights.items()}
        self.factors = {
            pair: [_centred(random.standard_normal((PAIR_RANK, SIZES[name])), rows[name]) for name in pair]
            for pair in PAIRS
        }
        scale = LOGIT_DEVIATIONS["pairs"] / np.std(self._pairs(rows))
        for factors in self.factors.values():
            factors[0] *= scale
        of_rows = _GAINS[places]
        self.gains = LOGIT_DEVIATIONS["history"] * (_GAINS - of_rows.mean()) / of_rows.std()
        self.bias = float(bias_of(self._base(rows) + self.gains[places]))
        counts = np.zeros((SIZES["category"], FARTHEST + 1))
        np.add.at(counts, (rows["category"], places), 1)
        counts[counts.sum(axis=1) == 0] = np.bincount(places, minlength=FARTHEST + 1)  # a category that did not occur
        # How likely each place is without a history, by the category of the candidate.
        self._places_of_category = counts / counts.sum(axis=1, keepdims=True)

    def block(self, split: str, index: int) -> Block:
        """Return 16,384 rows of a split as a `Block`; the same index always gives the same rows."""
        return self.block_and_truths(split, index)[0]

    def block_and_truths(self, split: str, index: int) -> tuple[Block, dict[str, np.ndarray]]:
        """Return a block, and the probability of a click of each row by what is known of it.

        Returns:
            The `Block`, and float64 `(rows,)` arrays: `full`, from which the labels are drawn; `order_free`, without
            the order of the events; `no_history`, without the events.
        """
        base, events, random = self._draw(split, index)
        places, numbers, matches = _place_and_counts(base, events)
        logits = np.asarray(self.bias + self._base(base))
        likely = {
            "full": np.eye(FARTHEST + 1)[places],
            "order_free": _PLACES[numbers, matches],
            "no_history": self._places_of_category[base["category"]],
        }
        by_place = 1 / (1 + np.exp(-(logits[:, None] + self.gains)))
        truths = {name: (shares * by_place).sum(axis=1) for name, shares in likely.items()}
        labels = (random.random(BLOCK_ROWS) < truths["full"]).astype(np.uint8)
        ids = _ids_of(base, {"events": events, "place": [places]}.get(self.shown, []), SHOWN[self.shown])
        return Block(ids, np.empty((BLOCK_ROWS, 0), np.float32), labels), truths

    def _random(self, stream, index):
        # The key differs from that of the rows without histories.
        return np.random.Generator(
            np.random.Philox(key=self.data_seed + ((len(STREAMS) + STREAMS[stream]) << 64), counter=index << 128)
        )

    def _draw(self, stream, index):
        """Return the base fields by name and the events, oldest first and -1 where absent, and a generator."""
        random = self._random(stream, index)

        def draw(name, *shape):
            return self._inverse[name][random.integers(2**16, size=(BLOCK_ROWS, *shape))]

        base = {name: draw(name) for name in ("device", "hour", "site")}
        numbers = np.where(random.random(BLOCK_ROWS) < NO_HISTORY, 0, random.integers(1, LENGTH + 1, BLOCK_ROWS))
        interests = draw("category", NUM_INTERESTS)
        chosen = np.take_along_axis(interests, random.integers(NUM_INTERESTS, size=(BLOCK_ROWS, LENGTH)), axis=1)
        is_interest = random.random((BLOCK_ROWS, LENGTH)) < OF_INTEREST
        events = np.where(is_interest, chosen, draw("category", LENGTH))
        items = ITEMS_PER_CATEGORY * events + draw("item", LENGTH)
        is_there = np.arange(LENGTH) < numbers[:, None]
        events, items = np.where(is_there, events, -1), np.where(is_there, items, -1)
        copied = (random.random(BLOCK_ROWS) < COPIED) & (numbers > 0)
        source = (random.random(BLOCK_ROWS) * numbers).astype(int)
        base["category"] = np.where(copied, events[np.arange(BLOCK_ROWS), source], draw("category"))
        base["item"] = ITEMS_PER_CATEGORY * base["category"] + draw("item")
        return base, (items, events), random

    def _pairs(self, rows):
        effects = (
            (left[:, rows[pair[0]]] * right[:, rows[pair[1]]]).sum(axis=0)
            for pair, (left, right) in self.factors.items()
        )
        return sum(effects)

    def _base(self, rows):
        """Return the part of the logit without the history."""
        return sum(self.weights[name][rows[name]] for name in _BASE) + self._pairs(rows)


class Ceilings:
    """The AUC and log loss of the probabilities of `block_and_truths`, added up over blocks, in little memory."""

    def __init__(self):
        self._counts, self._expected = {}, {}

    def add(self, labels: np.ndarray, truths: dict[str, np.ndarray]) -> None:
        """Add rows: their labels and probabilities."""
        for name, probabilities in truths.items():
            cells = steps_of(np.log(probabilities) - np.log1p(-probabilities))
            counts = self._counts.setdefault(name, np.zeros((2, len(GRID))))
            counts += [np.bincount(cells, labels == label, len(GRID)) for label in (0, 1)]
            expected = self._expected.setdefault(name, np.zeros((2, len(GRID))))
            full = truths["full"]
            expected += [np.bincount(cells, weights, len(GRID)) for weights in (1 - full, full)]

    def results(self) -> dict[str, dict[str, float]]:
        """Return by name `rows`, `auc` and `log_loss` on the labels, and their expectation over all labels."""
        probabilities = 1 / (1 + np.exp(-GRID))
        results = {}
        for name, counts in self._counts.items():
            auc, log_loss = auc_and_log_loss(counts, probabilities)
            expected_auc, expected_log_loss = auc_and_log_loss(self._expected[name], probabilities)
            results[name] = {
                "rows": int(counts.sum()),
                "auc": auc,
                "log_loss": log_loss,
                "expected_auc": expected_auc,
                "expected_log_loss": expected_log_loss,
            }
        return results


def places_of_newest() -> np.ndarray:
    """Return how likely each place of the newest match is, given the number of events and of matches.

    Returns:
        `(LENGTH + 1, LENGTH + 1, FARTHEST + 1)`, by events, matches and place; place 0 is none, or one too far away.

    >>> places_of_newest()[3, 1].round(3).tolist()
    [0.0, 0.333, 0.333, 0.333, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    table = np.zeros((LENGTH + 1, LENGTH + 1, FARTHEST + 1))
    for events in range(LENGTH + 1):
        for matches in range(1, events + 1):
            for place in range(1, min(FARTHEST, events - matches + 1) + 1):
                table[events, matches, place] = math.comb(events - place, matches - 1) / math.comb(events, matches)
    table[..., 0] = 1 - table.sum(axis=2)
    return table


_PLACES = places_of_newest()


def _place_and_counts(base, events):
    """Return the place of the newest match, 0 for none within `FARTHEST`; the numbers of events and of matches."""
    categories = events[1]
    numbers = (categories >= 0).sum(axis=1)
    is_match = categories == base["category"][:, None]
    # Counted from the newest event, which is the last one that is there.
    places = np.where(is_match, numbers[:, None] - np.arange(LENGTH), LENGTH + 1).min(axis=1)
    return np.where(places <= FARTHEST, places, 0), numbers, is_match.sum(axis=1)


def _centred(vectors, ids):
    """Return vectors `(rank, ids)` whose mean over rows is 0."""
    return vectors - vectors[:, ids].mean(axis=1, keepdims=True)


def _ids_of(base, columns, schema):
    """Return the ids of the base fields and of further columns, `(rows,)` or `(rows, slots)`, -1 where absent."""
    first_ids = dict(zip(schema.names, schema.first_ids, strict=True))
    owners = [field.share or field.name for field in schema.fields]
    local = [*(base[name] for name in _BASE), *columns]
    ids = [np.where(ids >= 0, ids + first_ids[owner], 0) for ids, owner in zip(local, owners, strict=True)]
    return np.concatenate([each.reshape(len(each), -1) for each in ids], axis=1).astype(np.int32)
