"""Synthetic clicks with known truth: the fields that interact, each row's probability, the best possible AUC.

A model that finds less than was planted has a defect; one that finds more has seen the answer. Rows come from
counter-based random numbers, so row i of a split does not depend on the number of rows. Any number of rows can be
streamed with little memory.
"""

from __future__ import annotations

import typing

import numpy as np

from ctrzoo.schema import Field, Schema

from ..encoding.features import Block, stored_slots
from ..progress import rows_progress
from ..storage.writing import SPLITS, PreparedWriter
from .click_truth import (
    BLOCK_ROWS,
    GRID,
    PROBABILITIES,
    STREAMS,
    auc_and_log_loss,
    bias_of,
    inverse_distribution,
    steps_of,
)
from .synthetic_history import LOGIT_DEVIATIONS as HISTORY_DEVIATIONS
from .synthetic_history import PAIRS as HISTORY_PAIRS
from .synthetic_history import SHOWN, Ceilings, HistoryClickModel

if typing.TYPE_CHECKING:
    from ctrzoo.types import Path

LOGIT_DEVIATIONS = {"first": 0.7, "second": 1.1, "third": 0.5}
PAIRS = (
    ("site", "advertiser"),
    ("hour", "category"),
    ("device", "site"),
    ("device", "price"),
    ("category", "interests"),
)
TRIPLE = ("hour", "device", "advertiser")
# Five pairs of rank 3 fit into the 16 dimensions of a typical embedding.
PAIR_RANK = 3
TRIPLE_RANK = 2
# Number of ids of a categorical or multi-valued field, and the exponent of its Zipf distribution.
ZIPF = {
    "user": (1000, 0.8),
    "device": (8, 0.7),
    "hour": (24, 0.3),
    "site": (40, 0.6),
    "category": (20, 0.5),
    "advertiser": (30, 0.6),
    "campaign": (200, 0.8),
    "interests": (20, 0.4),
}
SCHEMA = Schema(
    (
        *(Field(name, vocabulary_size=ZIPF[name][0]) for name in ("user", "device", "hour", "site")),
        *(Field(name, vocabulary_size=ZIPF[name][0]) for name in ("category", "advertiser", "campaign")),
        Field("price", "numerical"),
        Field("recency", "numerical"),
        Field("interests", "multivalued", vocabulary_size=ZIPF["interests"][0], num_slots=5),
    ),
    label="click",
)


class ClickModel:
    """The truth behind the synthetic clicks: a logit of planted effects of order one, two and three.

    As in a factorization machine, every field has a factor vector in each effect it takes part in: the vector of a
    categorical field's id, a number times the vector of a numerical field, or the mean of the vectors of a
    multi-valued field's ids. An effect is the sum over dimensions of the product of its fields' factors. The vectors
    are centered, so fewer than all fields of an effect of order two or three carry no information about the click.
    Fields are independent of each other.

    Args:
        data_seed: Non-negative seed for the effects and the rows.

    Attributes:
        factors: Factor vectors `(rank, vocabulary_size)` by effect (a tuple of field names) and field.
        bias: The constant term of the logit, which sets the share of clicks to 25 %.

    >>> model = ClickModel(data_seed=0)
    >>> block = model.block("train", 0)
    >>> model.logits(block.ids, block.numerical).shape
    (16384,)
    """

    def __init__(self, data_seed: int = 0):
        if not 0 <= data_seed < 2**63:
            raise ValueError(f"`data_seed` must be a whole number of at least 0. Received: {data_seed}.")
        self.data_seed = data_seed
        self._inverse = {name: inverse_distribution(*zipf) for name, zipf in ZIPF.items()}
        ids, numbers, _ = self._draw("calibration", 0)
        random = self._random("truth", 0)
        self.factors = {}
        for effect in (*((name,) for name in SCHEMA.names), *PAIRS, TRIPLE):
            rank = {1: 1, 2: PAIR_RANK, 3: TRIPLE_RANK}[len(effect)]
            self.factors[effect] = {name: self._centred_vectors(name, rank, random, ids, numbers) for name in effect}
            self._scale(effect, 1 / np.std(self._effect(effect, ids, numbers)))
        for order, target in enumerate(LOGIT_DEVIATIONS.values(), start=1):
            effects = [effect for effect in self.factors if len(effect) == order]
            deviation = np.std(sum(self._effect(effect, ids, numbers) for effect in effects))
            for effect in effects:
                self._scale(effect, target / deviation)
        self.bias = np.float32(0)
        self.bias = bias_of(self.logits(ids, numbers))

    def block(self, split: str, index: int) -> Block:
        """Return 16,384 rows of a split as a `Block`; the same index always gives the same rows."""
        return self._block_and_steps(split, index)[0]

    def logits(self, ids: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Compute the true logit of rows, `(rows,)`, from their stored ids and numbers."""
        return np.asarray(self.bias + sum(self._effect(effect, ids, numbers) for effect in self.factors))

    def probabilities(self, ids: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return the probability from which each row's label was drawn, `(rows,)`."""
        return PROBABILITIES[steps_of(self.logits(ids, numbers))]

    def _block_and_steps(self, split, index):
        ids, numbers, random = self._draw(split, index)
        steps = steps_of(self.logits(ids, numbers))
        labels = random.random(BLOCK_ROWS, np.float32) < PROBABILITIES[steps]
        return Block(ids, numbers, labels.astype(np.uint8)), steps

    def _random(self, stream, index):
        return np.random.Generator(np.random.Philox(key=self.data_seed + (STREAMS[stream] << 64), counter=index << 128))

    def _draw(self, stream, index):
        random = self._random(stream, index)
        numbers = random.standard_normal((len(_NUMBER_COLUMNS), BLOCK_ROWS), np.float32)
        draws = random.integers(2**16, size=(len(stored_slots(SCHEMA)), BLOCK_ROWS), dtype=np.uint16)
        ids = np.empty(draws.shape, np.int32)
        for name, columns in _ID_COLUMNS.items():
            ids[columns] = self._inverse[name][draws[columns]] + _FIRST_IDS[name]
            if columns.stop - columns.start > 1:
                ids[columns] = _some_different(ids[columns], random)
        return ids.T, numbers.T, random

    def _centred_vectors(self, name, rank, random, ids, numbers):
        size = SCHEMA.fields[SCHEMA.names.index(name)].vocabulary_size
        vectors = random.standard_normal((rank, size), np.float32)
        if name in _ID_COLUMNS:
            present = (ids[:, _ID_COLUMNS[name]] > 0).any(axis=1).mean()
            vectors -= _factors(name, vectors, ids, numbers).mean(axis=1, keepdims=True) / present
        return vectors

    def _effect(self, effect, ids, numbers):
        product = np.float32(1)
        for name, vectors in self.factors[effect].items():
            product = product * _factors(name, vectors, ids, numbers)
        return product.sum(axis=0)

    def _scale(self, effect, scale):
        self.factors[effect][effect[0]] *= np.float32(scale)


def prepare_synthetic(
    folder: Path,
    raw: None = None,
    *,
    num_rows: int = 300_000,
    data_seed: int = 0,
    histories: bool = False,
    shown: str = "events",
) -> None:
    """Prepare synthetic clicks into a folder, with `truth.json` next to the rows.

    The truth lists the planted pairs and the triple of fields, and the standard deviation that the effects of each
    order give to the logit. For each split, it gives the AUC and log loss of the true probabilities: on the drawn
    labels, and in expectation over all labels that these rows could have had.

    Args:
        folder: The folder to create.
        raw: Must be None.
        num_rows: Total number of rows over all splits, divided 8:1:1.
        data_seed: Seed for the effects and the rows.
        histories: Whether to plant a history in place of these effects, see
            `ctrzoo.data_pipelines.datasets.synthetic_history`. The truth then also has the ceilings without the order
            of events and without events.
        shown: What the rows show of the history: `"events"`, the events; `"place"`, the place of the newest event of
            the candidate's category, which is the true feature; `"nothing"`. All else of the rows is the same.

    Raises:
        ValueError: If `raw` is given, an option is out of range, or `shown` is given without `histories`.
    """
    if raw is not None:
        raise ValueError("The data set 'synthetic' is generated and reads no file. Leave out `raw` (--raw).")
    if num_rows < 10:
        raise ValueError(f"`num_rows` must be at least 10. Received: {num_rows}.")
    options = {"num_rows": num_rows, "data_seed": data_seed}
    if histories:
        _prepare_histories(folder, num_rows, data_seed, shown, {**options, "histories": True, "shown": shown})
        return
    if shown != "events":
        raise ValueError(f"`shown` is for rows with histories. Received: {shown!r}. Set histories=true, or remove it.")
    model = ClickModel(data_seed)
    tenth = num_rows // 10
    bayes = {}
    with (
        PreparedWriter(folder, "synthetic", SCHEMA, options=options, shuffle_seed=data_seed) as writer,
        rows_progress("synthetic", num_rows) as advance,
    ):
        for split, rows in zip(SPLITS, (num_rows - 2 * tenth, tenth, tenth), strict=True):
            counts = np.zeros((2, len(GRID)), np.int64)
            for index, start in enumerate(range(0, rows, BLOCK_ROWS)):
                block, steps = model._block_and_steps(split, index)
                block = block.rows(slice(rows - start))
                cells = steps[: rows - start] + block.labels * np.int64(len(GRID))
                counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
                writer.add(split, block)
                advance(len(block.labels))
            bayes[split] = _bayes(counts)
        truth = {
            "pairs": PAIRS,
            "triple": TRIPLE,
            "logit_standard_deviations": LOGIT_DEVIATIONS,
            "bias": float(model.bias),
            "bayes": bayes,
        }
        writer.add_json("truth.json", truth)


def _prepare_histories(folder, num_rows, data_seed, shown, options):
    model, tenth, ceilings = HistoryClickModel(data_seed, shown), num_rows // 10, {}
    with (
        PreparedWriter(folder, "synthetic", SHOWN[shown], options=options, shuffle_seed=data_seed) as writer,
        rows_progress("synthetic", num_rows) as advance,
    ):
        for split, rows in zip(SPLITS, (num_rows - 2 * tenth, tenth, tenth), strict=True):
            known = Ceilings()
            for index, start in enumerate(range(0, rows, BLOCK_ROWS)):
                block, truths = model.block_and_truths(split, index)
                kept = slice(rows - start)
                block = block.rows(kept)
                known.add(block.labels, {name: truth[kept] for name, truth in truths.items()})
                writer.add(split, block)
                advance(len(block.labels))
            ceilings[split] = known.results()
        truth = {
            "pairs": HISTORY_PAIRS,
            "gains_of_places": model.gains.tolist(),
            "logit_standard_deviations": HISTORY_DEVIATIONS,
            "bias": model.bias,
            "bayes": {split: known["full"] for split, known in ceilings.items()},
            "order_free": {split: known["order_free"] for split, known in ceilings.items()},
            "no_history": {split: known["no_history"] for split, known in ceilings.items()},
        }
        writer.add_json("truth.json", truth)


def _columns_by_field():
    owners = [SCHEMA.names[SCHEMA.slot_fields[slot]] for slot in stored_slots(SCHEMA)]
    ids = {name: slice(owners.index(name), owners.index(name) + owners.count(name)) for name in dict.fromkeys(owners)}
    return ids, [name for name in SCHEMA.names if name not in ids]


_ID_COLUMNS, _NUMBER_COLUMNS = _columns_by_field()
_FIRST_IDS = dict(zip(SCHEMA.names, SCHEMA.first_ids, strict=True))


def _some_different(ids, random):
    """Keep a random number of each row's ids `(slots, rows)`, from none to all, without duplicates."""
    ids = np.where(np.arange(len(ids))[:, None] < random.integers(len(ids) + 1, size=ids.shape[1]), ids, 0)
    ids = np.sort(ids, axis=0)[::-1]
    ids[1:][ids[1:] == ids[:-1]] = 0
    return ids


def _factors(name, vectors, ids, numbers):
    """Return the factor vector of a field in each row, `(rank, rows)`."""
    if name in _NUMBER_COLUMNS:
        return numbers[:, _NUMBER_COLUMNS.index(name)] * vectors
    local = ids[:, _ID_COLUMNS[name]].T - _FIRST_IDS[name]
    if len(local) == 1:
        return vectors[:, local[0]]
    present = local >= 0
    summed = sum(vectors[:, slot] * there for slot, there in zip(local.clip(min=0), present, strict=True))
    return summed / np.maximum(present.sum(axis=0), 1).astype(np.float32)


def _bayes(counts):
    """Compute AUC and log loss of the true probabilities from the number of rows at each logit and label."""
    probabilities = PROBABILITIES.astype(np.float64)
    rows = counts.sum(axis=0)
    expected = np.stack([rows * (1 - probabilities), rows * probabilities])
    auc, log_loss = auc_and_log_loss(counts, probabilities)
    expected_auc, expected_log_loss = auc_and_log_loss(expected, probabilities)
    return {
        "rows": int(rows.sum()),
        "auc": auc,
        "log_loss": log_loss,
        "expected_auc": expected_auc,
        "expected_log_loss": expected_log_loss,
    }
