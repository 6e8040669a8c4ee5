"""The prepared folder on disk: blocks of rows in TFRecord shards, written atomically.

One `tf.train.Example` holds up to 4,096 rows as raw little-endian bytes: `ids` (int32, the slots of categorical and
multi-valued fields, in schema order), `numbers` (float32, the slots of numerical fields and vectors, and the weights of
weighted ones, in schema order) and `label` (uint8, or float32 if labels are numbers). Where the table has such columns,
`weight` (float32), `group` (int64, a hash), `time` (int64, microseconds since 1970) and `id` (texts) follow. With one
Example per row, writing would be 40 times slower and reading 10 times. The folder is in the format of TensorFlow
Datasets: `tfds.builder_from_directory(folder)` reads it without ctrzoo.
"""

from __future__ import annotations

import fcntl
import json
import pathlib
import re
import shutil
import typing
import uuid
from collections.abc import Mapping

import numpy as np
import polars as pl

from ctrzoo import __version__
from ctrzoo.files import synchronize
from ctrzoo.stores import is_url, local_path
from ctrzoo.suggest import unknown

from ..encoding.features import Block, stored_widths
from ..encoding.labels import Label
from ..encoding.roles import COLUMNS, LONGEST_ID, Roles
from .checksums import CHECKSUM_FILE, write_checksums
from .remote import upload
from .shuffling import Shuffler
from .tfrecord import write_example, write_tfds_metadata

if typing.TYPE_CHECKING:
    from ctrzoo.schema import Schema
    from ctrzoo.types import Config, Path

    from ..encoding.fields import TableEncoding

FORMAT_VERSION = 3
# Folders without what version 3 added are written in version 2, which earlier versions of ctrzoo read.
READABLE_VERSIONS = (2, 3)
SPLITS = ("train", "valid", "test")
BLOCK_ROWS = 4096
SHARD_BLOCKS = 128


def block_tensors(schema: Schema, roles: Roles | None = None) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    """Return type and shape of a block's features, `{name: (dtype, shape)}`.

    Args:
        schema: The `Schema`.
        roles: The `Roles`; by default clicks without further columns.
    """
    roles, widths = roles or Roles(), stored_widths(schema)
    wide = {name: (dtype, (None, widths[name])) for name, dtype in (("ids", "int32"), ("numbers", "float32"))}
    return {
        "label": ("uint8" if roles.the_label.kind == "binary" else "float32", (None,)),
        **{name: tensor for name, tensor in wide.items() if widths[name]},
        **{role: (COLUMNS[role], (None,)) for role in roles.columns},
    }


def write_blocks(
    file: typing.IO[bytes],
    tensors: Mapping[str, tuple[str, tuple[int | None, ...]]],
    block: Block,
    keep_groups: bool = False,
) -> list[int]:
    """Write rows to an open shard, up to 4,096 per example; return the number of rows of each example.

    Args:
        file: The shard, open for writing bytes.
        tensors: What `block_tensors` returned.
        block: The `Block`.
        keep_groups: Whether an example ends where a group ends, unless the group has more rows than an example.
    """
    arrays = {"ids": block.ids, "numbers": block.numerical, "label": block.labels, **block.columns}
    starts = _starts(len(block.labels), block.columns["group"] if keep_groups else None)
    stops = [*starts[1:], len(block.labels)] if starts else []
    for start, stop in zip(starts, stops, strict=True):
        features = {name: _bytes(arrays[name][start:stop], dtype) for name, (dtype, _) in tensors.items()}
        write_example(file, features)
    return [stop - start for start, stop in zip(starts, stops, strict=True)]


def _starts(rows, groups):
    """Return where the blocks begin."""
    if groups is None:
        return list(range(0, rows, BLOCK_ROWS))
    firsts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if rows else np.empty(0, int)
    starts = [0] if rows else []
    while starts and starts[-1] + BLOCK_ROWS < rows:
        end = starts[-1] + BLOCK_ROWS
        first = int(firsts[np.searchsorted(firsts, end, "right") - 1])
        starts.append(first if first > starts[-1] else end)
    return starts


def _bytes(column, dtype):
    if dtype == "string":
        return column.tolist()
    return column.astype(np.dtype(dtype).newbyteorder("<"), copy=False).tobytes()


class Split(typing.NamedTuple):
    """What was written for a split.

    Args:
        rows: Number of rows.
        positives: Number of rows with a label above 0.
        shards: Size of each shard in bytes, by file name.
        blocks: Number of blocks in each shard.
        block_rows: Rows of each block, by file name, if blocks differ in their rows or bytes.
    """

    rows: int
    positives: int
    shards: dict
    blocks: list
    block_rows: dict = {}


def write_metadata(
    folder: pathlib.Path,
    name: str,
    schema: Schema,
    splits: Mapping[str, Split],
    options: Config,
    encoding: TableEncoding | None,
    roles: Roles | None = None,
    negative_rate: float = 1.0,
) -> None:
    """Write all files of a prepared folder except its shards.

    Checksums that an interrupted preparation left are deleted: they are those of other files.

    Args:
        folder: The folder that holds the shards.
        name: Name of the data set.
        schema: The `Schema`.
        splits: `{split: Split}`.
        options: What the preparation depends on, for JSON.
        encoding: The `TableEncoding`, or None for synthetic data.
        roles: The `Roles`; by default those of the encoding.
        negative_rate: The share of the negative training rows that were kept.
    """
    (folder / CHECKSUM_FILE).unlink(missing_ok=True)
    roles = roles or (encoding.roles if encoding else Roles())
    description = f"{name}: each example is a block of up to {BLOCK_ROWS} rows; see schema.json."
    write_tfds_metadata(folder, name, description, block_tensors(schema, roles), splits)
    config = {"ctrzoo_version": __version__, **schema.to_dict()}
    (folder / "schema.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    if encoding is not None:
        encoding.save(folder)
    counts = ("rows", "positives", "shards", *(["block_rows"] if has_uneven_blocks(roles) else []))
    preparation = {
        "ctrzoo_version": __version__,
        **_version_of(roles, negative_rate),
        "name": name,
        "options": options,
        "widths": stored_widths(schema),
        "splits": {split: {key: getattr(written, key) for key in counts} for split, written in splits.items()},
    }
    (folder / "preparation.json").write_text(json.dumps(preparation, indent=2), encoding="utf-8")


def has_uneven_blocks(roles: Roles) -> bool:
    """Return whether blocks differ in their rows or bytes, so that readers must know the rows of each."""
    return roles.keep_groups or "id" in roles.columns


def _version_of(roles, negative_rate):
    """Return the format version and what it needs: the older one if that says everything."""
    label = roles.the_label.kind
    if label == "binary" and not roles.columns and negative_rate == 1:
        return {"format_version": READABLE_VERSIONS[0]}
    columns = {role: COLUMNS[role] for role in roles.columns}
    return {
        "format_version": FORMAT_VERSION,
        "label_kind": label,
        "columns": columns,
        "keep_groups": roles.keep_groups,
        **({"negative_rate": negative_rate} if negative_rate < 1 else {}),
    }


def publish(partial: pathlib.Path, folder: pathlib.Path) -> None:
    """Rename a complete folder to its final name, with its checksums, once all of it is on disk.

    If the final place is in a store, the folder is uploaded instead, see `upload`.

    Raises:
        FileExistsError: If another process has created the folder in the meantime.
    """
    write_checksums(partial)
    if is_url(folder):
        upload(partial, folder)
        return
    for path in (*partial.iterdir(), partial):
        synchronize(path)
    try:
        partial.rename(folder)
    except OSError as reason:
        if folder.exists():
            raise FileExistsError(f"Another process created {folder} in the meantime.") from reason
        raise
    synchronize(folder.parent)


def check_name(name: str) -> None:
    """Raise an error for a name that TensorFlow Datasets would not find.

    Raises:
        ValueError: If it is not letters, digits and underscores.
    """
    if not re.fullmatch(r"[a-zA-Z]\w*", name):
        raise ValueError(f"A data set's name must be letters, digits and underscores. Received: {name!r}.")


class PreparedWriter:
    """Writes a prepared folder, as a context manager.

    Rows go into a hidden folder next to the target. It is renamed once everything is on disk, so the folder exists
    either with all its rows or not at all, however the writing ends. The rows of `train` are shuffled across the whole
    split, in bounded memory: each row goes to one of 64 files at random, and each file is shuffled in memory.

    Args:
        folder: The folder to create. It must not exist.
        name: Name of the data set: letters, digits and underscores.
        schema: The `Schema` of the rows.
        encoding: The `TableEncoding` that produced the ids and numbers, if any.
        options: What the preparation depends on, JSON-serializable.
        shuffle_seed: Seed for the order of the `train` rows.
        roles: The `Roles`, whose columns each block has; by default those of the encoding.

    Raises:
        FileExistsError: If the folder already exists.
        ValueError: If the name or a block does not fit, or groups are to be kept together.

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

    def __init__(
        self,
        folder: Path,
        name: str,
        schema: Schema,
        encoding: TableEncoding | None = None,
        options: Config | None = None,
        shuffle_seed: int = 0,
        roles: Roles | None = None,
    ):
        check_name(name)
        self.roles = roles or (encoding.roles if encoding else Roles(schema.label))
        if self.roles.keep_groups:
            raise ValueError("A `PreparedWriter` shuffles single rows. Remove `keep_groups`, or prepare a table.")
        self.folder = local_path(folder, "The folder of a `PreparedWriter`").absolute()
        self.name = name
        self.schema = schema
        self.encoding = encoding
        self.options = options or {}
        self.shuffle_seed = shuffle_seed

    def __enter__(self):
        if self.folder.exists():
            raise FileExistsError(f"{self.folder} exists. Delete it, or choose another folder.")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(self.folder)
        self._partial = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex[:8]}.partial")
        self._partial.mkdir()
        # Held until this process ends: it shows other writers that this folder is not a leftover.
        self._lock = open(self._partial / ".lock", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        tensors = block_tensors(self.schema, self.roles)
        self._splits = {split: _SplitWriter(self._partial, self.name, split, tensors) for split in SPLITS}
        widths = stored_widths(self.schema)
        label = np.dtype(tensors["label"][0]).newbyteorder("<")
        columns = [
            (role, f"S{LONGEST_ID}" if role == "id" else np.dtype(COLUMNS[role]).newbyteorder("<"))
            for role in self.roles.columns
        ]
        wide = [("ids", "<i4", (widths["ids"],)), ("numbers", "<f4", (widths["numbers"],))]
        self._row_dtype = np.dtype([*wide, ("label", label), *columns])
        self._shuffler = Shuffler(self._partial, self._row_dtype, self.shuffle_seed)
        return self

    def add(self, split: str, block: Block) -> None:
        """Append a block of any number of rows to a split.

        Raises:
            ValueError: If the split is unknown, the arrays do not fit the schema, an id is not a whole number, or a
                label is not 0 or 1.
        """
        if split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
        rows = np.empty(len(block.labels), self._row_dtype)
        for key, array in (("ids", block.ids), ("numbers", block.numerical)):
            if np.shape(array) != rows[key].shape:
                raise ValueError(f"`{key}` must have the shape {rows[key].shape}. Received: {np.shape(array)}.")
            with np.errstate(invalid="ignore", over="ignore"):  # values that do not fit are rejected below
                rows[key] = array
        changed = np.asarray(block.ids)[rows["ids"] != block.ids]
        if len(changed):
            raise ValueError(f"Ids must be 32-bit whole numbers. Received: {changed[0]}.")
        labels = np.reshape(np.asarray(block.labels, np.float64), len(rows))
        kind = self.roles.the_label.kind
        rows["label"] = Label(self.schema.label, kind=kind).read(pl.Series(self.schema.label, labels))
        self._add_columns(rows, block.columns)
        if len(rows) and (rows["ids"].min(initial=0) < 0 or rows["ids"].max(initial=0) >= self.schema.num_ids):
            raise ValueError(f"Ids must lie in 0 to {self.schema.num_ids - 1}, the range of the schema.")
        if not np.isfinite(rows["numbers"]).all():
            raise ValueError("Numbers must be finite. Write a missing number as 0.")
        (self._shuffler if split == "train" else self._splits[split]).add(rows)

    def _add_columns(self, rows, columns):
        if sorted(columns) != sorted(self.roles.columns):
            raise ValueError(
                f"A block needs the columns {', '.join(self.roles.columns) or 'of its rows only'}. "
                f"Received: {', '.join(columns) or 'none'}."
            )
        for role, column in columns.items():
            if np.shape(column) != (len(rows),):
                raise ValueError(f"`{role}` must have the shape ({len(rows)},). Received: {np.shape(column)}.")
            if role == "weight" and not (np.isfinite(column) & (np.asarray(column) >= 0)).all():
                raise ValueError("Weights must be finite numbers of at least 0.")
            if role == "id" and np.asarray(column).dtype.itemsize > LONGEST_ID:
                raise ValueError(f"An id must have at most {LONGEST_ID:,} bytes.")
            rows[role] = column

    def add_json(self, filename: str, content: typing.Any) -> None:
        """Write an additional file, such as the truth behind synthetic data."""
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
        splits = {
            split: Split(
                writer.rows, writer.positives, writer.shard_sizes(), writer.shard_blocks, writer.shard_block_rows()
            )
            for split, writer in written.items()
        }
        write_metadata(self._partial, self.name, self.schema, splits, self.options, self.encoding, self.roles)
        publish(self._partial, self.folder)
        (self.folder / ".lock").unlink()


class _SplitWriter:
    """Cuts rows into blocks, and blocks into shards."""

    def __init__(self, folder, name, split, tensors):
        self._folder, self._name, self._split, self._tensors = folder, name, split, tensors
        self._pending = None
        self._writer = None
        self.rows = self.positives = 0
        self._block_rows: list[list[int]] = []

    def add(self, rows):
        self.rows += len(rows)
        self.positives += int((rows["label"] > 0).sum())
        if self._pending is not None:
            rows = np.concatenate([self._pending, rows])
        whole = len(rows) - len(rows) % BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            self._write(rows[start : start + BLOCK_ROWS])
        self._pending = rows[whole:]

    def _write(self, rows):
        if self._writer is None:
            self._writer = open(self._path(len(self._block_rows)), "wb")
            self._block_rows.append([])
        columns = {role: rows[role] for role in COLUMNS if role in rows.dtype.names}
        block = Block(rows["ids"], rows["numbers"], rows["label"], columns)
        self._block_rows[-1] += write_blocks(self._writer, self._tensors, block)
        if len(self._block_rows[-1]) == SHARD_BLOCKS:
            self.discard()

    def close(self):
        """Write the remaining rows and give the shards their final names; return the number of rows."""
        if self._pending is not None and len(self._pending):
            self._write(self._pending)
        self.discard()
        for index in range(len(self._block_rows)):
            self._path(index).rename(self._path(index, len(self._block_rows)))
        return self.rows

    def discard(self):
        """Close the open shard."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @property
    def shard_blocks(self):
        """The number of blocks of each shard."""
        return [len(rows) for rows in self._block_rows]

    def shard_sizes(self):
        """Return the size of each shard in bytes, by file name."""
        return {path.name: path.stat().st_size for path in self._paths()}

    def shard_block_rows(self):
        """Return the rows of each block, by file name."""
        return {path.name: rows for path, rows in zip(self._paths(), self._block_rows, strict=True)}

    def _paths(self):
        return [self._path(index, len(self._block_rows)) for index in range(len(self._block_rows))]

    def _path(self, index, total=None):
        ending = "" if total is None else f"-of-{total:05d}"
        return self._folder / f"{self._name}-{self._split}.tfrecord-{index:05d}{ending}"


def _remove_leftovers(folder):
    """Delete what killed runs left of this folder; a live run holds its lock."""
    for leftover in folder.parent.glob(f".{folder.name}.*.partial"):
        try:
            with open(leftover / ".lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover)
        except BlockingIOError:
            continue
        except OSError:
            shutil.rmtree(leftover, ignore_errors=True)
