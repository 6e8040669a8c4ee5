"""The order of interactions that a model can express, by mixed differences of its logit over three fields.

The mixed difference over some fields is 0 if and only if no term of the logit depends on all of them together.
"""

import itertools

import numpy as np
import pytest

from ctrzoo.models import build
from ctrzoo.schema import Field, Schema
from tests.models.pairwise import assign, outputs
from tests.models.reference import random_weights

pytestmark = pytest.mark.usefixtures("float64")

SCHEMA = Schema([Field(name, vocabulary_size=2) for name in "abc"])
CROSSES = tuple(itertools.combinations("abc", 2))
SMALL, MLP = {"embedding_dim": 4}, {"embedding_dim": 4, "deep_units": (8,)}
# The highest order, and a model with hyperparameters and weights.
CASES = {
    "lr": (1, "lr", {}, {}),
    "poly2": (2, "poly2", {"num_buckets": 64}, {}),
    "the crosses of wide_deep": (2, "wide_deep", {"crosses": CROSSES, "num_buckets": 64, "deep_units": ()}, {}),
    "fm": (2, "fm", SMALL, {}),
    "ffm": (2, "ffm", SMALL, {}),
    "hofm of order 3": (3, "hofm", {"order": 3, **SMALL}, {}),
    # The softmax divides by a sum over all pairs, so that the weight of a pair depends on the other fields.
    "afm": (3, "afm", SMALL, {}),
    "afm of equal weights": (2, "afm", SMALL, {"attentional/score_kernel": 0.0}),
    "nfm": (3, "nfm", MLP, {}),
    "deepfm": (3, "deepfm", MLP, {}),
    # The top MLP combines inner products of different pairs.
    "dlrm": (3, "dlrm", MLP, {}),
    "dlrm without a top MLP": (2, "dlrm", {**MLP, "deep_units": ()}, {}),
}


def mixed_difference(logits, fields):
    """Return the mixed difference over some fields, the others at their first value; `logits` is `(2, 2, 2)`."""
    for field in range(logits.ndim):
        first = np.take(logits, [0], axis=field)
        logits = np.take(logits, [1], axis=field) - first if field in fields else first
    return float(logits.item())


def test_the_difference_of_known_functions():
    a, b, c = np.indices((2, 2, 2))
    assert mixed_difference(3.0 * a * b * c + a * b + c, (0, 1, 2)) == 3
    assert mixed_difference(3.0 * a * b * c + a * b + c, (0, 1)) == 1
    assert mixed_difference(2.0 * a * b - 5 * b * c + a, (0, 1, 2)) == mixed_difference(1.0 * a * b, (0, 2)) == 0


@pytest.mark.parametrize("case", CASES)
def test_highest_order(case):
    order, name, hyperparameters, fixed = CASES[case]
    model = build(name, SCHEMA, **hyperparameters)
    random_weights(model)
    assign(model, fixed)
    rows = np.array(list(itertools.product((1, 2), (3, 4), (5, 6))), "int32")
    logits = np.ravel(outputs(model, {"ids": rows, "values": np.ones(rows.shape)})[0]).reshape(2, 2, 2)
    for size in (2, 3):
        for fields in itertools.combinations(range(3), size):
            difference = abs(mixed_difference(logits, fields)) / np.abs(logits).max()
            assert difference < 1e-12 if size > order else difference > 1e-4, fields
