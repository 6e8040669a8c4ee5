"""The prepared folder on disk: blocks of rows in TFRecord shards, written whole or not at all.

One `tf.train.Example` holds up to 4,096 rows as raw little-endian bytes: `ids` (int32, the slots of
categorical and multi-valued fields, in schema order), `numbers` (float32, the slots of numerical fields
and the weights of weighted ones, in schema order) and `label` (uint8). An Example a row would be written
40 and read 10 times slower. The folder is in the format of TensorFlow Datasets:
`tfds.builder_from_directory(folder)` reads it without ctrzoo.
"""

import fcntl
import json
import os
import pathlib
import re
import shutil
import typing
import uuid

import numpy as np

from ctrzoo.suggest import unknown

FORMAT_VERSION = 2
SPLITS = ("train", "valid", "test")
BLOCK_ROWS = 4096
SHARD_BLOCKS = 128
SHUFFLE_BUCKETS = 64


class Block(typing.NamedTuple):
    """Some rows of a table, as they are stored.

    Args:
        ids: int32 `(rows, stored slots)`: global ids of categorical and multi-valued fields, 0 if absent.
        numbers: float32 `(rows, number slots)`: scaled numbers, 0 if missing; weights of the ids of
            weighted fields, 0 for padding.
        labels: `(rows,)`, 0 or 1.
    """

    ids: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray


def stored_slots(schema):
    """Return the indices of the slots whose ids are stored: all but the numerical ones."""
    return [slot for slot, field in enumerate(schema.slot_fields) if schema.fields[field].kind != "numerical"]


def number_slots(schema):
    """Return the indices of the slots whose numbers are stored: scaled numbers and weights of ids."""
    owners = [schema.fields[field] for field in schema.slot_fields]
    return [slot for slot, field in enumerate(owners) if field.kind == "numerical" or field.weighted]


def stored_widths(schema):
    """Return what the shards and the schema must agree on."""
    return {"ids": len(stored_slots(schema)), "numbers": len(number_slots(schema)), "vocabulary": schema.num_ids}


def block_features(schema):
    """Return the features of a block as TensorFlow Datasets describes them."""
    import tensorflow_datasets as tfds

    widths = stored_widths(schema)
    features = {"label": tfds.features.Tensor(shape=(None,), dtype=np.uint8, encoding="bytes")}
    for name, dtype in (("ids", np.int32), ("numbers", np.float32)):
        if widths[name]:
            features[name] = tfds.features.Tensor(shape=(None, widths[name]), dtype=dtype, encoding="bytes")
    return tfds.features.FeaturesDict(features)


class PreparedWriter:
    """Writes a prepared folder, as a context manager.

    Rows go into a hidden folder beside the target, which is renamed when everything is on disk. So
    the folder is there with all its rows or not at all, however the writing ends. The rows of
    `train` are shuffled across the whole split, in bounded memory: each row goes to one of 64 files
    by chance, and each file is shuffled in memory.

    Args:
        folder: The folder to make. It must not exist.
        name: Name of the data set: letters, digits and underscores.
        schema: The `Schema` of the rows.
        vocabularies: What the ids and numbers mean, for JSON.
        options: What the preparation depends on, for JSON.
        shuffle_seed: Seed of the order of the `train` rows.

    Raises:
        FileExistsError: If the folder is there already.
        ValueError: If the name or a block does not fit.

    >>> import tempfile
    >>> from ctrzoo.data_pipelines import load
    >>> from ctrzoo.schema import Field, Schema
    >>> schema = Schema([Field("user", vocabulary_size=3), Field("age", "numerical")])
    >>> folder = tempfile.mkdtemp() + "/small"
    >>> with PreparedWriter(folder, "small", schema) as writer:
    ...     writer.add("train", Block(np.array([[1], [3]]), np.array([[0.5], [0.0]]), np.array([1, 0])))
    >>> load(folder).num_rows
    {'train': 2}
    """

    def __init__(self, folder, name, schema, vocabularies=None, options=None, shuffle_seed=0):
        if not re.fullmatch(r"[a-zA-Z]\w*", name):
            raise ValueError(f"A data set's name must be letters, digits and underscores. Received: {name!r}.")
        self.folder = pathlib.Path(folder).absolute()
        self.name = name
        self.schema = schema
        self.vocabularies = vocabularies or {}
        self.options = options or {}
        self.shuffle_seed = shuffle_seed

    def __enter__(self):
        if self.folder.exists():
            raise FileExistsError(f"{self.folder} exists. Delete it, or choose another folder.")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(self.folder)
        self._partial = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex[:8]}.partial")
        self._partial.mkdir()
        # Held until this process ends: tells another writer that this folder is no leftover.
        self._lock = open(self._partial / ".lock", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        features = block_features(self.schema)
        self._splits = {split: _SplitWriter(self._partial, self.name, split, features) for split in SPLITS}
        widths = stored_widths(self.schema)
        self._row_dtype = np.dtype(
            [("ids", "<i4", (widths["ids"],)), ("numbers", "<f4", (widths["numbers"],)), ("label", "u1")]
        )
        self._shuffler = _Shuffler(self._partial, self._row_dtype, self.shuffle_seed)
        self._features = features
        return self

    def add(self, split, block):
        """Append a block of any number of rows to a split.

        Raises:
            ValueError: If the split is unknown or the arrays do not fit the schema.
        """
        if split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
        rows = np.empty(len(block.labels), self._row_dtype)
        for key, array in (("ids", block.ids), ("numbers", block.numbers)):
            if np.shape(array) != rows[key].shape:
                raise ValueError(f"`{key}` must have the shape {rows[key].shape}. Received: {np.shape(array)}.")
            rows[key] = array
        rows["label"] = np.reshape(block.labels, len(rows))
        if len(rows) and (rows["ids"].min(initial=0) < 0 or rows["ids"].max(initial=0) >= self.schema.num_ids):
            raise ValueError(f"Ids must lie in 0 to {self.schema.num_ids - 1}, as the schema says.")
        if not np.isfinite(rows["numbers"]).all():
            raise ValueError("Numbers must be finite. Write a missing number as 0.")
        (self._shuffler if split == "train" else self._splits[split]).add(rows)

    def add_json(self, filename, content):
        """Write a further file, such as the truth behind made-up data."""
        (self._partial / filename).write_text(json.dumps(content, indent=2), encoding="utf-8")

    def __exit__(self, kind, error, traceback):
        try:
            if error is None:
                self._finish()
        finally:
            self._lock.close()
            self._shuffler.close()
            for writer in self._splits.values():
                writer.discard()
            shutil.rmtree(self._partial, ignore_errors=True)

    def _finish(self):
        for rows in self._shuffler.drain():
            self._splits["train"].add(rows)
        written = {split: writer for split, writer in self._splits.items() if writer.close()}
        if "train" not in written:
            raise ValueError(f"Data set '{self.name}' has no row in the split 'train'.")
        self._write_tfds_metadata(written)
        (self._partial / "schema.json").write_text(self.schema.to_json(), encoding="utf-8")
        self.add_json("vocabularies.json", self.vocabularies)
        preparation = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "options": self.options,
            "widths": stored_widths(self.schema),
            "splits": {
                split: {"rows": writer.rows, "positives": writer.positives, "shards": writer.shard_sizes()}
                for split, writer in written.items()
            },
        }
        self.add_json("preparation.json", preparation)
        for path in (*self._partial.iterdir(), self._partial):
            _sync(path)
        try:
            self._partial.rename(self.folder)
        except OSError as reason:
            if self.folder.exists():
                raise FileExistsError(f"{self.folder} was made by somebody else in the meantime.") from reason
            raise
        (self.folder / ".lock").unlink()
        _sync(self.folder.parent)

    def _write_tfds_metadata(self, written):
        import tensorflow_datasets as tfds

        tfds.folder_dataset.write_metadata(
            data_dir=self._partial,
            features=self._features,
            split_infos=[
                tfds.core.SplitInfo(
                    name=split,
                    shard_lengths=writer.shard_blocks,
                    num_bytes=sum(writer.shard_sizes().values()),
                    filename_template=tfds.core.ShardedFileTemplate(data_dir=self._partial, split=split),
                )
                for split, writer in written.items()
            ],
            check_data=False,
            description=f"{self.name}: each example is a block of up to {BLOCK_ROWS} rows; see schema.json.",
        )


class _SplitWriter:
    """Cuts rows into blocks, and blocks into shards."""

    def __init__(self, folder, name, split, features):
        self._folder, self._name, self._split, self._features = folder, name, split, features
        self._pending = None
        self._writer = None
        self.rows = self.positives = 0
        self.shard_blocks = []

    def add(self, rows):
        self.rows += len(rows)
        self.positives += int(rows["label"].sum())
        if self._pending is not None:
            rows = np.concatenate([self._pending, rows])
        whole = len(rows) - len(rows) % BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            self._write(rows[start : start + BLOCK_ROWS])
        self._pending = rows[whole:]

    def _write(self, rows):
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.io.TFRecordWriter(str(self._path(len(self.shard_blocks))))
            self.shard_blocks.append(0)
        block = {key: np.ascontiguousarray(rows[key]) for key in self._features}
        self._writer.write(self._features.serialize_example(block))
        self.shard_blocks[-1] += 1
        if self.shard_blocks[-1] == SHARD_BLOCKS:
            self.discard()

    def close(self):
        """Write what is left and give the shards their final names; return the number of rows."""
        if self._pending is not None and len(self._pending):
            self._write(self._pending)
        self.discard()
        for index in range(len(self.shard_blocks)):
            self._path(index).rename(self._path(index, len(self.shard_blocks)))
        return self.rows

    def discard(self):
        """Close the open shard."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def shard_sizes(self):
        """Return the size of each shard in bytes, by file name."""
        paths = [self._path(index, len(self.shard_blocks)) for index in range(len(self.shard_blocks))]
        return {path.name: path.stat().st_size for path in paths}

    def _path(self, index, total=None):
        ending = "" if total is None else f"-of-{total:05d}"
        return self._folder / f"{self._name}-{self._split}.tfrecord-{index:05d}{ending}"


class _Shuffler:
    """Brings any number of rows into a random order, with a part of them in memory."""

    def __init__(self, folder, dtype, seed):
        self._random = np.random.default_rng(seed)
        self._dtype = dtype
        self._files = [open(folder / f"rows-{bucket}", "w+b") for bucket in range(SHUFFLE_BUCKETS)]

    def add(self, rows):
        buckets = self._random.integers(SHUFFLE_BUCKETS, size=len(rows), dtype=np.uint8)
        sorted_rows = rows[np.argsort(buckets, kind="stable")]
        ends = np.cumsum(np.bincount(buckets, minlength=SHUFFLE_BUCKETS))
        for file, part in zip(self._files, np.split(sorted_rows, ends[:-1]), strict=True):
            file.write(part.tobytes())

    def drain(self):
        for file in self._files:
            file.seek(0)
            rows = np.fromfile(file, self._dtype)
            os.unlink(file.name)
            yield rows[self._random.permutation(len(rows))]
        self.close()

    def close(self):
        for file in self._files:
            file.close()


def _remove_leftovers(folder):
    """Delete what killed runs left of this folder; a run that is alive holds its lock."""
    for leftover in folder.parent.glob(f".{folder.name}.*.partial"):
        try:
            with open(leftover / ".lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover)
        except BlockingIOError:
            continue
        except OSError:
            shutil.rmtree(leftover, ignore_errors=True)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
