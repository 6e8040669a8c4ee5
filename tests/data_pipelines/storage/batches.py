"""What batches of a prepared folder hold, to compare."""

import numpy as np

ROWS = 70_000


def rows_and_labels(dataset):
    """The row numbers, which are the prices, and labels in the order of one pass."""
    batches = [(features["values"][:, 3], labels[:, 0]) for features, labels in dataset.as_numpy_iterator()]
    return [np.concatenate(part) for part in zip(*batches, strict=True)]


def batches_of(dataset, count=None):
    """All of some batches, a row each: ids, values, label."""
    batches = [
        np.concatenate([features["ids"], features["values"], labels], axis=1)
        for features, labels in dataset.take(-1 if count is None else count).as_numpy_iterator()
    ]
    return batches


def assert_same_batches(found, expected):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
