"""Weights of pairs in hash buckets: their spread, chosen pairs, refusals."""

import itertools

import numpy as np
import pytest

from ctrzoo.layers import HashedPairs
from ctrzoo.schema import Field, Schema
from tests.models.reference import random_batch

pytestmark = pytest.mark.usefixtures("float64")


def mix(number):
    number = ((number ^ (number >> 16)) * 0x85EBCA6B) % 2**32
    number = ((number ^ (number >> 13)) * 0xC2B2AE35) % 2**32
    return number ^ (number >> 16)


def bucket(first, second, salt, num_buckets):
    return mix((mix(mix(salt) ^ first) + second) % 2**32) % num_buckets


def slot_pairs(schema):
    """Yield the slots of each pair of different fields, with the pair's number."""
    numbers = {pair: 1 + k for k, pair in enumerate(itertools.combinations(range(schema.num_fields), 2))}
    for s, t in itertools.combinations(range(schema.num_slots), 2):
        pair = schema.slot_fields[s], schema.slot_fields[t]
        if pair in numbers:
            yield s, t, numbers[pair]


def test_buckets_are_spread_evenly():
    counts = np.bincount([bucket(first, second, 1, 64) for first in range(1, 101) for second in range(101, 201)])
    assert np.sum((counts - 156.25) ** 2 / 156.25) < 103  # 0.1 % of chi-squared with 63 degrees of freedom


def test_chosen_pairs_only_and_in_either_order(mixed_schema):
    batch, weights = random_batch(mixed_schema)[0], np.random.default_rng(0).normal(size=(50, 1))
    layers = [
        HashedPairs(mixed_schema, 50, pairs, return_explanations=True)
        for pairs in (None, [("tags", "user")], [("user", "tags")])
    ]
    for layer in layers:
        layer.build(None)
        layer.table.assign(weights)
    everything, chosen, again = (np.array(layer(batch)[1]) for layer in layers)
    np.testing.assert_allclose(chosen[:, 0, 3], everything[:, 0, 3], rtol=1e-12)
    np.testing.assert_array_equal(chosen, again)
    chosen[:, 0, 3] = chosen[:, 3, 0] = 0
    assert not chosen.any()


@pytest.mark.parametrize("pairs", [[("user", "usr")], [("user", "user")], [("user",)]])
def test_a_wrong_pair_is_refused(mixed_schema, pairs):
    with pytest.raises(ValueError, match="two different fields of user, age"):
        HashedPairs(mixed_schema, pairs=pairs)


@pytest.mark.parametrize("num_buckets", [0, 2**31])
def test_a_wrong_number_of_buckets_is_refused(mixed_schema, num_buckets):
    with pytest.raises(ValueError, match="num_buckets"):
        HashedPairs(mixed_schema, num_buckets)


def test_a_maximum_is_refused():
    schema = Schema([Field("user"), Field("tags", "multivalued", vocabulary_size=3, num_slots=2, pooling="max")])
    with pytest.raises(ValueError, match="the pooling 'max' of the field 'tags' has no effect"):
        HashedPairs(schema)


def test_one_column_of_values_is_not_stretched_to_all_slots(mixed_schema):
    features, _ = random_batch(mixed_schema)
    with pytest.raises(ValueError, match=r"Ids and values must have the shape \(batch, 6\)"):
        HashedPairs(mixed_schema, 9)({**features, "values": features["values"][:, :1]})
