import itertools

import numpy as np
import pytest

from ctrzoo.models import Poly2
from tests.models.pairwise import assert_pair_matrices, assign, linear, outputs, pair_sum
from tests.models.reference import check_model, embed, random_batch

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


def poly2(schema):
    def reference(weights, _, batch):
        table, logits = weights["hashed_pairs/table"][:, 0], linear(schema, weights, batch)
        for row, (ids, values) in enumerate(zip(batch["ids"].tolist(), batch["values"].tolist(), strict=True)):
            for s, t, salt in slot_pairs(schema):
                logits[row] += table[bucket(ids[s], ids[t], salt, len(table))] * values[s] * values[t]
        return logits

    return reference


@pytest.mark.parametrize("num_buckets", [7, 1000])
def test_equals_the_slow_reference(mixed_schema, num_buckets):
    check_model(Poly2(mixed_schema, num_buckets), poly2(mixed_schema))


def test_equals_fm_when_each_pair_holds_the_product_of_its_vectors(mixed_schema):
    model, (batch, _) = Poly2(mixed_schema), random_batch(mixed_schema)
    vectors = np.random.default_rng(3).normal(size=(mixed_schema.num_ids, 5))
    table, owner = np.zeros((2**20, 1)), {}
    for ids in batch["ids"].tolist():
        for s, t, salt in slot_pairs(mixed_schema):
            index = bucket(ids[s], ids[t], salt, 2**20)
            assert owner.setdefault(index, (ids[s], ids[t], salt)) == (ids[s], ids[t], salt), "a collision"
            table[index] = vectors[ids[s]] @ vectors[ids[t]]
    assign(model, {"hashed_pairs/table": table})
    logits, explanations = outputs(model, batch)
    embedded = embed(mixed_schema, vectors, batch)
    np.testing.assert_allclose(logits, pair_sum(embedded), rtol=1e-10, atol=1e-12)
    assert_pair_matrices(explanations["pairs"], pair_sum(embedded))
    of_pair = np.sum(embedded[:, 0] * embedded[:, 3], axis=-1)
    np.testing.assert_allclose(explanations["pairs"][:, 0, 3], of_pair, atol=1e-12)


def test_unseen_pairs_add_nothing(mixed_schema):
    logits, explanations = outputs(Poly2(mixed_schema), random_batch(mixed_schema)[0])
    assert not logits.any() and not explanations["pairs"].any()
