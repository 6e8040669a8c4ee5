"""A model made by hand in which one pair of fields interacts and one field acts alone."""

import numpy as np

from ctrzoo import models
from ctrzoo.schema import Field, Schema

SCHEMA = Schema([Field(name, vocabulary_size=6) for name in ("site", "user", "ad", "hour")])
SITE, USER, AD, HOUR = range(4)


def planted_model(random, **options):
    """Return an FM of site x ad and of hour alone, 800 rows, and the tables of vectors and of weights."""
    model = models.build("fm", SCHEMA, embedding_dim=2, **options)
    table, weights = np.zeros((25, 2)), np.zeros((25, 1))
    table[1:7, 0], table[13:19, 0] = random.normal(size=(2, 6)) * 1.5  # the ids of site and of ad
    weights[19:25, 0] = random.normal(size=6)  # those of hour
    by_shape = {weight.shape: weight for weight in model.trainable_weights}
    by_shape[(25, 2)].assign(table)
    by_shape[(25, 1)].assign(weights)
    ids = (random.integers(1, 7, (800, 4)) + np.array([0, 6, 12, 18])).astype("int32")
    return model, {"ids": ids, "values": np.ones((800, 4), "float32")}, table, weights


def logits_by_hand(table, weights, ids):
    """Return site x ad plus hour, from the rows of the tables."""
    return table[ids[:, SITE], 0] * table[ids[:, AD], 0] + weights[ids[:, HOUR], 0]
