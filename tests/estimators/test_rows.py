"""Rows in memory: batches in the documented order."""

import numpy as np
import pytest

from ctrzoo.estimators.rows import Rows, RowsInMemory
from ctrzoo.schema import Field, Schema


def rows(count, weighted):
    ids = np.arange(count, dtype="int32")[:, None]
    weights = np.arange(count, dtype="float32") if weighted else None
    return Rows({"ids": ids, "values": np.ones((count, 1), "float32")}, ids[:, 0].astype("float32"), weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_batches(weighted):
    data = RowsInMemory(Schema([Field("user", vocabulary_size=9)]), rows(7, weighted), rows(3, weighted), "binary")
    assert data.num_rows == {"train": 7, "valid": 3, "test": 3}
    batches = list(data.dataset("train", 3, seed=5, start_epoch=2, skip_batches=1))
    order = np.random.default_rng((5, 2)).permutation(7)[3:]
    assert [len(batch[1]) for batch in batches] == [3, 1]
    assert all(len(batch) == 2 + weighted for batch in batches)
    assert np.concatenate([batch[0]["ids"] for batch in batches])[:, 0].tolist() == order.tolist()
    for column in batches[0][1:]:
        assert np.ravel(column).tolist() == order[:3].tolist()
    plain = next(iter(data.dataset("train", 9, shuffle=False)))
    assert plain[0]["ids"][:, 0].numpy().tolist() == list(range(7)) and plain[1].shape == (7, 1)
    assert next(iter(data.dataset("valid", 9)))[1][:, 0].numpy().tolist() == [0, 1, 2]
