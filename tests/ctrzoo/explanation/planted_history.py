"""A model made by hand that counts events of the candidate's kind, the newer the more."""

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.recency import by_recency
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Field, Schema

GAINS = (3.0, 1.5, 0.75, 0.0)
SCHEMA = Schema(
    [
        Field("user", vocabulary_size=4),
        Field("item", vocabulary_size=6),
        Field("kind", vocabulary_size=3),
        Field("seen", "sequence", 6, 4, share="item", events="log"),
        Field("seen_kind", "sequence", 3, 4, share="kind", events="log"),
    ]
)
KIND, FIRST_ITEM, FIRST_KIND = 2, 5, 11  # the slot of the candidate's kind, and the first ids
SEEN, SEEN_KIND = slice(3, 7), slice(7, 11)


class Planted(CTRModel):
    """The gain of the place of each event of the candidate's kind, added up; these are its weights, too."""

    def __init__(self, gains=GAINS, explained="events_1", schema=SCHEMA, **kwargs):
        features = feature_inputs(schema)
        ids, there = features["ids"], features["values"][:, SEEN_KIND] != 0
        is_match = ops.cast(ops.equal(ids[:, SEEN_KIND], ids[:, KIND : KIND + 1]), "float32")
        weights = by_recency(is_match, there) * ops.convert_to_tensor([gains], "float32")
        logit = ops.sum(weights, axis=1, keepdims=True) - 1.0
        super().__init__(schema, features, logit, {explained: weights} if explained else None, **kwargs)
        self.gains, self.explained = gains, explained


def planted_rows(random, rows=600):
    """Return features of random rows with up to four events, oldest first; an item has the kind of a third of them."""
    ids, values = np.zeros((rows, 11), "int32"), np.zeros((rows, 11), "float32")
    values[:, :3] = 1
    for row in range(rows):
        item, count = random.integers(6), random.integers(5)
        ids[row, :3] = 1 + random.integers(4), FIRST_ITEM + item, FIRST_KIND + item % 3
        events = random.integers(6, size=count)
        ids[row, 3 : 3 + count], ids[row, 7 : 7 + count] = FIRST_ITEM + events, FIRST_KIND + events % 3
        values[row, 3 : 3 + count] = values[row, 7 : 7 + count] = 1
    return {"ids": ids, "values": values}


def events_of(features, row):
    """Return the ids of items and kinds of a row's events as a list of pairs, the newest first."""
    pairs = zip(features["ids"][row, SEEN].tolist(), features["ids"][row, SEEN_KIND].tolist(), strict=True)
    return [pair for pair in pairs if pair != (0, 0)][::-1]


def logit_by_hand(events, kind, gains=GAINS):
    """Return the logit of a row from its events, the newest first."""
    return sum(gain for gain, (_, seen) in zip(gains, events, strict=False) if seen == kind) - 1


def logits_by_hand(features, gains=GAINS):
    """Return the logits of all rows."""
    return np.array(
        [
            logit_by_hand(events_of(features, row), features["ids"][row, KIND], gains)
            for row in range(len(features["ids"]))
        ]
    )


def planted_history(seed=0):
    """Return the model, rows, and labels drawn from its probabilities."""
    random = np.random.default_rng(seed)
    features = planted_rows(random)
    labels = (random.random(len(features["ids"])) < 1 / (1 + np.exp(-logits_by_hand(features)))).astype(int)
    keras.utils.set_random_seed(seed)
    return Planted(), features, labels
