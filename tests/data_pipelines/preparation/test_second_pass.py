"""A chunk as ids and numbers, and its rows by shard."""

import collections
import types

import numpy as np
import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.preparation import second_pass
from ctrzoo.data_pipelines.preparation.fitted_field import UNSEEN
from ctrzoo.data_pipelines.preparation.second_pass import EncodedFiles, encode_chunk
from tests.data_pipelines.small_table import SCHEMA, random_block

# An encoding of the fields of `SCHEMA`.
ENCODING = TableEncoding(
    FieldEncoding(
        field.name,
        field.kind,
        max_values=field.num_slots if field.kind == "multivalued" else None,
        hash_buckets=None if field.kind == "numerical" else field.vocabulary_size,
    )
    for field in SCHEMA.fields
)


def fitted(ids, before=()):
    """Stand for a `FittedField` of one chunk."""
    return types.SimpleNamespace(ids=lambda chunk: np.array(ids, np.int32), before=lambda chunk: np.array(before))


@pytest.mark.parametrize("piece_rows", [2, 4096])  # rows are put together in pieces
def test_ids_numbers_and_counts_by_hand(monkeypatch, piece_rows):
    monkeypatch.setattr(second_pass, "PIECE_ROWS", piece_rows)
    # Ids: site 1 to 3 (1 is rare), price 4, size 5 to 7, tags 8 and 9.
    encoding = TableEncoding(
        [
            FieldEncoding("site", min_count=2, values=["a", "b"]),
            FieldEncoding("price", "numerical", transform="min_max", offset=1.0, scale=2.0),
            FieldEncoding("size", transform="quantile", boundaries=(1.0, 2.0)),
            FieldEncoding("tags", "multivalued", weight_separator=":", values=["x", "y"], max_values=2),
        ]
    )
    arrays = {
        "label": np.array([1, 0, 1], np.uint8),
        "codes_0": np.array([2, 0, 1], np.uint8),  # missing, "b", rare
        "numbers_1": np.array([1.0, np.nan, 4.0], np.float32),
        "numbers_2": np.array([0.5, 2.0, np.nan]),
        "lengths_3": np.array([2, 0, 3], np.uint8),
        "codes_3": np.array([1, 0, 0, 2, 1], np.uint8),  # y x | | x unknown y
        "weights_3": np.array([5, 6, 7, 8, 9], np.float32),
    }
    parts = [fitted([3, 1, 0]), None, None, fitted([1, 2, UNSEEN])]
    splits = np.array([0, 2, 0], np.uint8)
    block, counts = encode_chunk(arrays, 0, encoding, parts, splits)
    np.testing.assert_array_equal(block.ids, [[0, 5, 9, 8], [3, 7, 0, 0], [1, 0, 8, 9]])
    np.testing.assert_array_equal(block.numerical, [[0, 5, 6], [0, 0, 0], [1.5, 7, 9]])
    assert block.ids.dtype == np.int32 and block.numerical.dtype == np.float32 and block.labels.tolist() == [1, 0, 1]
    # By split: missing cells, rows, rare values, unseen values, values, values cut. An unseen tag is left out, because
    # the field has no rare id.
    assert counts == [
        [[1, 2, 1, 0, 2, 0], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0]],
        [[0, 2, 0, 0, 2, 0], [0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0]],
        [[1, 2, 0, 0, 2, 0], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0]],
        [[0, 2, 0, 1, 5, 0], [0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]],
    ]


def test_ids_that_are_assigned_while_reading():
    encoding = TableEncoding([FieldEncoding("site", min_count=3, assign_ids_online=True, values=["a", "b"])])
    random = np.random.default_rng(0)
    codes, before = random.integers(0, 4, 50), np.array([0, 1, 7, 0])
    arrays = {"label": np.zeros(50, np.uint8), "codes_0": codes}
    splits = np.repeat(np.array([0, 1], np.uint8), 25)
    block, counts = encode_chunk(arrays, 0, encoding, [fitted([2, 3, 1, 0], before)], splits)  # a, b, rare, missing
    occurred, expected = collections.Counter(dict(enumerate(before))), []
    for code in codes:
        expected.append([2, 3, 1, 0][code] if occurred[code] >= 2 else min(1, [2, 3, 1, 0][code]))
        occurred[code] += 1
    assert block.ids[:, 0].tolist() == expected
    for rows, found in ((expected[:25], counts[0][0]), (expected[25:], counts[0][1])):
        assert found == [rows.count(0), 25, rows.count(1), 0, 25, 0]


def test_rows_come_back_by_shard_in_their_order(tmp_path):
    block, shards = random_block(40), np.random.default_rng(1).integers(0, 3, 40)
    block = block._replace(labels=block.labels.astype(np.uint8))
    shards[shards == 1] = 2  # a shard of no rows
    files = EncodedFiles(tmp_path, 5, ENCODING)
    assert files.stats() is None
    files.save(block, shards, 4, [[1, 2, 3, 4]])
    stats = EncodedFiles(tmp_path, 5, ENCODING).stats()
    assert stats["counts"] == [[1, 2, 3, 4]] and stats["ends"][-1] == 40
    for shard in range(4):
        found = files.read(shard, stats)
        for array, expected in zip(found[:3], block[:3], strict=True):
            np.testing.assert_array_equal(array, expected[shards == shard])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 2], np.uint8), "Labels must be 0 or 1. Received: 2."),
        (np.array([0, 1, -1]), "The `labels` of a block must be uint8. Received: int64."),
    ],
)
def test_blocks_that_would_be_stored_as_other_numbers_are_refused(labels, message, tmp_path):
    files = EncodedFiles(tmp_path, 0, ENCODING)
    block = random_block(3)._replace(labels=labels)
    with pytest.raises(ValueError, match=message):
        files.save(block, np.zeros(3, int), 1, [])
    assert not any(tmp_path.iterdir())
