"""A model made by hand in which one pair of fields interacts and one field acts alone."""

from ctrzoo.schema import Field, Schema

SCHEMA = Schema([Field(name, vocabulary_size=6) for name in ("site", "user", "ad", "hour")])
SITE, USER, AD, HOUR = range(4)


def logits_by_hand(table, weights, ids):
    """Return site x ad plus hour, from the rows of the tables."""
    return table[ids[:, SITE], 0] * table[ids[:, AD], 0] + weights[ids[:, HOUR], 0]
