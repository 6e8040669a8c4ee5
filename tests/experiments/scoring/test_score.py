"""Scoring chunks: order, places of rows, limits, names of columns."""

import numpy as np
import pyarrow as pa
import pytest

from ctrzoo import models
from ctrzoo.experiments.scoring.rows import EncodedRows
from ctrzoo.experiments.scoring.score import check_names, score_chunks
from ctrzoo.schema import Field, Schema

MODEL = models.build("lr", Schema([Field("site", vocabulary_size=9)]))


def chunk(ids, places, total, bad=None):
    ids = np.array(ids, np.int32).reshape(-1, 1)
    return EncodedRows(
        {"ids": ids, "values": np.ones(ids.shape, "float32")}, pa.table({}), np.array(places, int), total, bad, [], 0.5
    )


def score(chunks, **options):
    parts = []
    summary = score_chunks(MODEL, chunks, parts.append, title="test", **options)
    return summary, pa.concat_tables(parts)


def test_rows_are_numbered_over_chunks_with_the_bad_ones():
    chunks = [chunk([1, 2], [0, 2], 3, "row 2: bad"), chunk([], [], 2, "row 4: bad"), chunk([3], [0], 1)]
    summary, table = score(iter(chunks), most_skipped=0.5)
    assert table["row"].to_pylist() == [1, 3, 6]
    expected = MODEL.predict(
        {"ids": np.array([[1], [2], [3]], np.int32), "values": np.ones((3, 1), "float32")}, verbose=0
    )
    np.testing.assert_allclose(table["probability"], expected[:, 0], rtol=1e-6)
    assert summary[:3] == (3, 3, "row 2: bad")


def test_the_limit_of_skipped_rows():
    chunks = [chunk(np.arange(19) % 9 + 1, np.arange(19), 20, "row 20: bad")]
    assert score(chunks)[0].skipped == 1  # 5 %
    with pytest.raises(ValueError, match="row 20: bad. 1 of 20 rows cannot be used, .* at most 4%.* --most_skipped"):
        score(chunks, most_skipped=0.04)
    with pytest.raises(ValueError, match="row 1: bad. 1 of 1 rows"):
        score([chunk([], [], 1, "row 1: bad")])
    with pytest.raises(ValueError, match="no rows to score"):
        score([])


@pytest.mark.parametrize(
    ("ids", "task", "reasons"),
    [
        (["probability"], "classification", 0),
        (["a", "a"], "ranking", 0),
        (["reason_2"], "regression", 2),
        (["score"], "ranking", 0),
    ],
)
def test_two_columns_of_one_name_are_refused(ids, task, reasons):
    with pytest.raises(ValueError, match="two columns called"):
        check_names(ids, task, reasons)
    check_names(["score", "reason_3", "row"], "classification", 2)
