"""How fast prepared rows are read, and how well they are shuffled.

`taskset -c 0 python -m ctrzoo.experiments.benchmarks.reading` measures one core. It reports rows per second of
processor time, from blocks of rows in TFRecord shards to shuffled batches `({"ids", "values"}, label)`. The comparison
has one `tf.train.Example` per row, parsed by `tf.io.parse_example` one batch at a time.
"""

import json
import pathlib
import tempfile
import time
from typing import Any

import numpy as np
from absl import app, flags

from ctrzoo.schema import Field, Schema
from ctrzoo.types import Config, Path

from ...data_pipelines import Block, PreparedWriter, load

NUM_NUMBERS, NUM_CATEGORIES, VOCABULARY = 13, 26, 20_000
READERS = ("blocks", "blocks_alternating", "blocks_cached", "examples", "examples_by_field")
EXAMPLE_BUFFER = 10_000


def measure(rows: int = 1_000_000, batch_size: int = 4096, repetitions: int = 3, folder: Path | None = None) -> Config:
    """Measure reading speed and the quality of the shuffle.

    Args:
        rows: Rows of the synthetic data; a tenth of them for the slow readers.
        batch_size: Rows per batch.
        repetitions: Number of passes over the data; the result is their median. Readers take turns.
        folder: Where to put the data; a temporary folder by default.

    Returns:
        A dictionary: rows per second of processor time for each of `READERS` (blocks of rows with all numbers first,
        with kinds that alternate from field to field, and kept in memory; Examples with 3 and with 40 features per
        row), the ratios of `"blocks"` to the last two, and `shuffle_quality` for reading only and for the whole path
        from a sorted table.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        temporary = pathlib.Path(temporary)
        datasets = _datasets(temporary, rows, batch_size)
        seconds = {reader: [] for reader in READERS}
        for repetition in range(repetitions + 1):
            for reader, (dataset, count) in datasets.items():
                start = time.process_time()
                found = sum(len(label) for _, label in dataset)
                if repetition:  # the first pass warms up
                    seconds[reader].append((time.process_time() - start) / count)
                if found != count:
                    raise RuntimeError(f"'{reader}' read {found:,} rows, expected {count:,}.")
        speeds = {reader: 1 / float(np.median(times)) for reader, times in seconds.items()}
        return {
            "rows_per_second": speeds,
            "ratio_to_examples": speeds["blocks"] / speeds["examples"],
            "ratio_to_examples_by_field": speeds["blocks"] / speeds["examples_by_field"],
            "shuffle_of_reading": shuffle_quality(_order(temporary / "numbered", "valid")),
            "shuffle_of_writing_and_reading": shuffle_quality(_order(temporary / "numbered", "train")),
        }


def shuffle_quality(order: np.ndarray) -> dict[str, float]:
    """Measure how well a sorted table was shuffled.

    Args:
        order: The number of each row, `(rows,)`, in reading order.

    Returns:
        A dictionary of
        `mean_travel`: mean distance of a row from its place, as a fraction of the table; 1/3 if shuffled perfectly;
        `label_autocorrelation`: correlation of neighboring labels, if the first half of the table had label 0 and the
        other half 1; 0 if shuffled perfectly;
        `share_deviation`: standard deviation of the share of label 1 in batches of 4,096, relative to that of random
        batches; 1 if shuffled perfectly.

    >>> shuffle_quality(np.arange(100_000))["label_autocorrelation"] > 0.99
    True
    """
    labels = order >= len(order) // 2
    batch = min(4096, len(order) // 2)
    shares = labels[: len(order) // batch * batch].reshape(-1, batch).mean(axis=1)
    return {
        "mean_travel": float(np.abs(order - np.arange(len(order))).mean() / len(order)),
        "label_autocorrelation": float(np.corrcoef(labels[1:], labels[:-1])[0, 1]),
        "share_deviation": float(shares.std() / np.sqrt(0.25 / batch)),
    }


def _datasets(folder, rows, batch_size):
    """Write the data and return `{reader: (tf.data.Dataset, rows)}`."""
    numbers = [Field(f"I{number}", "numerical") for number in range(NUM_NUMBERS)]
    categories = [Field(f"C{number}", vocabulary_size=VOCABULARY) for number in range(NUM_CATEGORIES)]
    pairs = zip(categories[::2], numbers, categories[1::2], strict=True)
    schemas = {
        "blocks": Schema((*numbers, *categories)),
        "blocks_alternating": Schema(tuple(field for fields in pairs for field in fields)),
    }
    for name, schema in schemas.items():
        with PreparedWriter(folder / name, name, schema) as writer:
            for part in _blocks(schema, rows):
                writer.add("train", part)
    schema = Schema((Field("number", "numerical"),))
    with PreparedWriter(folder / "numbered", "numbered", schema) as writer:
        block = Block(np.empty((rows, 0), np.int32), np.arange(rows, dtype=np.float32)[:, None], np.zeros(rows))
        writer.add("train", block)
        writer.add("valid", block)
    few = rows // 10
    found = {name: (load(folder / name).dataset("train", batch_size), rows) for name in schemas}
    found["blocks_cached"] = (load(folder / "blocks").dataset("train", batch_size, cache=True), rows)
    block = next(_blocks(schemas["blocks"], few))
    for name, by_field in (("examples", False), ("examples_by_field", True)):
        found[name] = (_examples(folder / f"{name}.tfrecord", block, by_field, batch_size), len(block.labels))
    return found


def _blocks(schema, rows):
    random = np.random.default_rng(0)
    firsts = [first for first, field in zip(schema.first_ids, schema.fields, strict=True) if field.kind != "numerical"]
    for start in range(0, rows, 100_000):
        count = min(100_000, rows - start)
        ids = np.array(firsts) + random.integers(0, VOCABULARY, (count, NUM_CATEGORIES))
        ids[random.random(ids.shape) < 0.1] = 0
        yield Block(ids.astype(np.int32), random.random((count, NUM_NUMBERS), np.float32), random.integers(0, 2, count))


def _examples(path, block, by_field, batch_size):
    """Write one `tf.train.Example` per row, with one feature per field or per kind; return the batches."""
    import tensorflow as tf

    def feature(values):
        if np.issubdtype(values.dtype, np.floating):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    columns = {"label": block.labels[:, None], "ids": block.ids, "numbers": block.numerical}
    if by_field:
        columns = {"label": block.labels[:, None]}
        columns |= {f"ids{slot}": block.ids[:, slot : slot + 1] for slot in range(NUM_CATEGORIES)}
        columns |= {f"numbers{slot}": block.numerical[:, slot : slot + 1] for slot in range(NUM_NUMBERS)}
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in range(len(block.labels)):
            features = {name: feature(values[row]) for name, values in columns.items()}
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    specification = {
        name: tf.io.FixedLenFeature(values.shape[1:], tf.float32 if values.dtype == np.float32 else tf.int64)
        for name, values in columns.items()
    }
    own_ids = tf.range(1, NUM_NUMBERS + 1)

    def to_features(serialized):
        row: Any = tf.io.parse_example(serialized, specification)  # TensorFlow's hints include ragged tensors
        ids, numbers = (
            tf.concat([row[name] for name in columns if name.startswith(kind)], axis=1) for kind in ("ids", "numbers")
        )
        ids = tf.cast(ids, tf.int32)
        return {
            "ids": tf.concat([tf.zeros_like(numbers, tf.int32) + own_ids, ids], axis=1),
            "values": tf.concat([numbers, tf.cast(ids > 0, tf.float32)], axis=1),
        }, tf.cast(row["label"], tf.float32)

    records = tf.data.TFRecordDataset(str(path)).shuffle(EXAMPLE_BUFFER).batch(batch_size).map(to_features)
    options = tf.data.Options()
    options.autotune.enabled = False
    return records.prefetch(8).with_options(options)


def _order(folder, split):
    batches = load(folder).dataset(split, 4096, shuffle=True).as_numpy_iterator()
    return np.concatenate([features["values"][:, 0] for features, _ in batches])


def _main(_):
    print(json.dumps(measure(_ROWS.value, _BATCH_SIZE.value), indent=2))


if __name__ == "__main__":
    _ROWS = flags.DEFINE_integer("rows", 1_000_000, "Rows of the synthetic data.", lower_bound=10_000)
    _BATCH_SIZE = flags.DEFINE_integer("batch_size", 4096, "Rows per batch.", lower_bound=1)
    app.run(_main)
