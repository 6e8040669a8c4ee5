"""Prepared folders as `tf.data` batches and as arrays."""

import functools
import itertools
import json
import pathlib

import numpy as np

from ctrzoo.data_pipelines.records import FORMAT_VERSION, SPLITS, stored_slots, stored_widths
from ctrzoo.schema import Schema
from ctrzoo.suggest import unknown

SHUFFLE_ROWS = 65_536
SHUFFLE_BLOCKS = 64


class PreparedData:
    """A prepared data set: its schema, its counts, its rows.

    Args:
        folder: A folder that `prepare` or `PreparedWriter` made.

    Attributes:
        schema: The `Schema`, which is what a model needs.
        name: Name of the data set.
        num_rows: Rows of each split, `{"train": ..., "valid": ..., "test": ...}`.
        num_positives: Rows with label 1 of each split.
        vocabularies: What the ids and numbers mean.
        options: The options of the preparation.
        truth: What is known of made-up data, None for real data.

    Raises:
        FileNotFoundError: If the folder or a part of it is missing.
        ValueError: If the folder was damaged, edited, or written in another format.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).absolute()
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {self.folder}. Make it with `prepare`, or correct the path.")
        if not (self.folder / "preparation.json").is_file():
            raise FileNotFoundError(
                f"{self.folder} has no preparation.json, so it is no prepared data set. Prepare it again, elsewhere."
            )
        preparation = self._read_json("preparation.json")
        version = preparation.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"{self.folder} has format version {version}, this ctrzoo reads version {FORMAT_VERSION}. "
                "Delete the folder and prepare it again, or install the ctrzoo that wrote it."
            )
        self.schema = Schema.from_dict(self._read_json("schema.json"))
        widths = stored_widths(self.schema)
        if widths != preparation["widths"]:
            raise ValueError(
                f"{self.folder}/schema.json does not fit the rows: {widths}, the rows have {preparation['widths']}. "
                "Restore schema.json, or delete the folder and prepare it again."
            )
        self.name = preparation["name"]
        self.options = preparation["options"]
        self.vocabularies = self._read_json("vocabularies.json")
        self.truth = self._read_json("truth.json") if (self.folder / "truth.json").is_file() else None
        splits = preparation["splits"]
        self.num_rows = {split: splits[split]["rows"] for split in SPLITS if split in splits}
        self.num_positives = {split: splits[split]["positives"] for split in self.num_rows}
        self._shards = {split: list(splits[split]["shards"]) for split in self.num_rows}
        for split in self.num_rows:
            for shard, size in splits[split]["shards"].items():
                self._check_shard(shard, size)

    def __repr__(self):
        rows = ", ".join(f"{split} {count:,}" for split, count in self.num_rows.items())
        return f"<PreparedData {self.name}: {rows} rows, {self.schema.num_fields} fields, {self.folder}>"

    def _read_json(self, filename):
        path = self.folder / filename
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Delete the folder and prepare it again.")
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not valid JSON ({error}). Delete the folder and prepare it again.") from None

    def _check_shard(self, shard, size):
        path = self.folder / shard
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Delete the folder and prepare it again.")
        found = path.stat().st_size
        if found != size:
            raise ValueError(
                f"{path} has {found:,} bytes, it was written with {size:,}. Delete the folder and prepare it again."
            )

    def dataset(self, split, batch_size, shuffle=None, seed=0, drop_remainder=False):
        """Return a split as batches for `model.fit`.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            batch_size: Rows a batch.
            shuffle: Whether to shuffle rows; by default for `"train"` alone. Each pass over the
                dataset has another order.
            seed: Seed of the orders. The same seed gives the same sequence of orders, unless
                `tf.random.set_seed` is another, on which TensorFlow makes them depend too.
            drop_remainder: Whether to leave out a last batch that is not full.

        Returns:
            A `tf.data.Dataset` of `({"ids": int32 (batch, num_slots), "values": float32 (batch,
            num_slots)}, label float32 (batch, 1))`, whose number of batches is known.

        Raises:
            ValueError: If the split is unknown or the batch size is no positive number.
        """
        import tensorflow as tf

        self._check_split(split)
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        shuffle = split == "train" if shuffle is None else shuffle
        files = tf.data.Dataset.from_tensor_slices([str(self.folder / shard) for shard in self._shards[split]])
        decode = functools.partial(_decode, stored_widths(self.schema))
        to_features = functools.partial(_to_features, self.schema)
        if shuffle:
            blocks = files.shuffle(len(self._shards[split]), seed).interleave(
                tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=1, deterministic=True
            )
            rows = blocks.shuffle(SHUFFLE_BLOCKS, seed).map(decode).rebatch(SHUFFLE_ROWS)
            seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
            rows = tf.data.Dataset.zip(rows, seeds).map(lambda rows, seed: to_features(_permute(rows, seed)))
            rows = rows.prefetch(1)
        else:
            rows = tf.data.TFRecordDataset(files).map(decode).map(to_features)
        batches = rows.rebatch(batch_size, drop_remainder=drop_remainder)
        rest = 0 if drop_remainder else batch_size - 1
        count = (self.num_rows[split] + rest) // batch_size
        batches = batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(8)
        options = tf.data.Options()
        # By rows and not by files: each worker of several then has the stated number of batches.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        # Autotuning waits for seconds at the end of each pass, with nothing here to tune.
        options.autotune.enabled = False
        return batches.with_options(options)

    def arrays(self, split):
        """Return a whole split as `({"ids": ..., "values": ...}, labels)` of NumPy arrays, in stored order.

        Raises:
            ValueError: If the split is unknown.
        """
        self._check_split(split)
        batches = list(self.dataset(split, SHUFFLE_ROWS, shuffle=False).as_numpy_iterator())
        features = {key: np.concatenate([batch[key] for batch, _ in batches]) for key in ("ids", "values")}
        return features, np.concatenate([labels for _, labels in batches])

    def _check_split(self, split):
        if split not in self.num_rows:
            raise ValueError(f"{self.name}: {unknown('split', split, self.num_rows)}")


def load(folder):
    """Open a prepared folder; see `PreparedData`."""
    return PreparedData(folder)


def assemble(schema, ids, numbers):
    """Turn stored ids and numbers into the ids and values of all slots.

    Args:
        schema: The `Schema`.
        ids: int32 `(rows, stored slots)`.
        numbers: float32 `(rows, numerical fields)`.

    Returns:
        `{"ids": int32 (rows, num_slots), "values": float32 (rows, num_slots)}`: the value of a
        present id is 1, or 1/n for the n present ids of a mean-pooled field; an absent id has 0.
    """
    import tensorflow as tf

    present = tf.cast(ids > 0, tf.float32)
    owners = [schema.slot_fields[slot] for slot in stored_slots(schema)]
    mean = [schema.fields[owner].kind == "multivalued" and schema.fields[owner].pooling == "mean" for owner in owners]
    if any(mean):
        # Column s of `together` adds up the slots of the field of slot s, so that values become 1/n.
        together = np.equal.outer(owners, owners) & np.array(mean)
        present /= tf.maximum(present @ together.astype(np.float32), 1.0)
    own_ids = [schema.first_ids[owner] for owner, field in enumerate(schema.fields) if field.kind == "numerical"]
    own_ids = tf.zeros_like(numbers, tf.int32) + tf.constant(own_ids, tf.int32)
    # Whole runs of columns: picking single columns with `gather` takes four times as long.
    all_ids, values, stored, numerical = [], [], 0, 0
    for is_number, run in itertools.groupby(schema.slot_fields, lambda owner: schema.fields[owner].kind == "numerical"):
        width = len(list(run))
        if is_number:
            all_ids.append(own_ids[:, numerical : numerical + width])
            values.append(numbers[:, numerical : numerical + width])
            numerical += width
        else:
            all_ids.append(ids[:, stored : stored + width])
            values.append(present[:, stored : stored + width])
            stored += width
    return {"ids": tf.concat(all_ids, axis=1), "values": tf.concat(values, axis=1)}


def _decode(widths, serialized):
    import tensorflow as tf

    names = [name for name in ("ids", "numbers") if widths[name]]
    specification = {name: tf.io.FixedLenFeature([], tf.string) for name in (*names, "label")}
    block = tf.io.parse_single_example(serialized, specification)
    labels = tf.io.decode_raw(block["label"], tf.uint8)
    rows = {"label": labels[:, None]}
    for name, dtype in (("ids", tf.int32), ("numbers", tf.float32)):
        shape = [tf.size(labels), widths[name]]
        rows[name] = tf.reshape(tf.io.decode_raw(block[name], dtype), shape) if widths[name] else tf.zeros(shape, dtype)
    return rows


def _permute(rows, seed):
    import tensorflow as tf

    count = tf.shape(rows["label"])[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(count), seed)
    return {name: tf.gather(column, order) for name, column in rows.items()}


def _to_features(schema, rows):
    import tensorflow as tf

    return assemble(schema, rows["ids"], rows["numbers"]), tf.cast(rows["label"], tf.float32)
