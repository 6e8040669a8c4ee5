"""A small table of all field kinds."""

import json

import numpy as np
import pytest

from ctrzoo.data_pipelines import Block, PreparedWriter
from ctrzoo.data_pipelines.storage import writing
from ctrzoo.schema import Field, Schema

# Kinds alternate, so that slots on disk and in the model are in another order.
SCHEMA = Schema(
    [
        Field("genres", "multivalued", vocabulary_size=6, num_slots=3),
        Field("price", "numerical"),
        Field("city", vocabulary_size=5),
        Field("tags", "multivalued", vocabulary_size=4, num_slots=2, pooling="sum"),
        Field("age", "numerical"),
    ]
)


def random_block(rows, seed=0):
    """Rows of `SCHEMA` with absent values, each marked by its number: `price` is the row number."""
    random = np.random.default_rng(seed)
    first = np.array([1, 1, 1, 8, 13, 13])
    size = np.array([6, 6, 6, 5, 4, 4])
    ids = (first + random.integers(0, size, (rows, 6))) * random.integers(0, 2, (rows, 6))
    numbers = np.stack([np.arange(rows), random.standard_normal(rows)], axis=1)
    return Block(ids.astype(np.int32), numbers.astype(np.float32), random.integers(0, 2, rows))


def stored_block(folder, splits=("train", "valid", "test")):
    """The stored rows of a prepared folder, by TensorFlow's own readers and not by ours."""
    import tensorflow as tf

    widths = json.loads((folder / "preparation.json").read_text())["widths"]
    parts = {"ids": [], "numbers": [], "label": []}
    dtypes = {"ids": np.int32, "numbers": np.float32, "label": np.uint8}
    for split in splits:
        for path in sorted(folder.glob(f"*-{split}.tfrecord*")):
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                features = tf.train.Example.FromString(record).features.feature
                for name in features:
                    parts[name].append(np.frombuffer(features[name].bytes_list.value[0], dtypes[name]))
    ids, numbers, labels = (np.concatenate(part) if part else np.empty(0) for part in parts.values())
    return Block(ids.reshape(len(labels), widths["ids"]), numbers.reshape(len(labels), widths["numbers"]), labels)


def write_small_files(folder, **rows):
    """Write so many rows of each split, in files of 7 blocks of 16 rows; the last file of a split may have fewer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SHARD_BLOCKS", 7)
        patch.setattr(writing, "BLOCK_ROWS", 16)
        with PreparedWriter(folder, "small", SCHEMA) as writer:
            for split, number in rows.items():
                writer.add(split, random_block(number))
