"""Prepared folders as `tf.data` batches and as arrays."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import re
import typing
from collections.abc import Sequence
from typing import Any

import numpy as np

from ctrzoo.schema import Schema
from ctrzoo.stores import as_path, is_url
from ctrzoo.suggest import unknown

from ..encoding.features import assemble, number_slots, stored_slots, stored_widths
from ..encoding.fields import ENCODING_FILE, VOCABULARY_FILE, FieldEncoding, TableEncoding
from ..encoding.roles import COLUMNS
from .checksums import check_checksums
from .epochs import (
    ShardPlan,
    as_written,
    blocks_of_epoch,
    index_blocks,
    number_blocks,
    pick,
    read_blocks,
    stored_rows,
)
from .parts import Part, batches_of_part, batches_of_parts, divided_shards, row_range, seed_of_part
from .remote import LocalCopy
from .shuffling import shuffled_groups, shuffled_rows
from .tfrecord import check_records
from .writing import FORMAT_VERSION, READABLE_VERSIONS, SPLITS

if typing.TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

    from ctrzoo.types import Features, Path

ARRAY_ROWS = 65_536
# Texts show so many numbers of a vector.
MOST_SHOWN = 4
# Bytes of a split that `ctrzoo-train` keeps in memory.
SMALL_SPLIT = 2**27
# The files that tell one data set from another.
FINGERPRINTED = ("preparation.json", "schema.json", ENCODING_FILE, VOCABULARY_FILE)


class PreparedData:
    """A prepared data set: its schema, its counts, its rows.

    Args:
        folder: A folder that `prepare` or `PreparedWriter` made, or its URL in a store. Of a store, files are copied
            to `local_folder` first: shards when they are first needed, each once.
        cache_bytes: `dataset` keeps splits in memory that take no more than so many bytes there.

    Attributes:
        folder: The folder.
        local_folder: Where its files are read: the folder itself, or the local copy of one in a store.
        schema: The `Schema`, which is what a model needs.
        name: Name of the data set.
        num_rows: Rows of each split, `{"train": ..., "valid": ..., "test": ...}`.
        num_positives: Rows with a label above 0 of each split.
        label_kind: `"binary"`, `"real"` or `"graded"`, see `Label`.
        columns: Further columns of the rows: some of weight, group, time and id.
        keep_groups: Whether the training rows of a group are next to each other.
        negative_rate: The share of the negative training rows that the preparation kept. Pass it to the model, whose
            probabilities are then those of all rows.
        options: The options of the preparation.
        truth: What is known of synthetic data, None for real data.

    Raises:
        FileNotFoundError: If the folder or a part of it is missing.
        ValueError: If the folder was damaged, edited, or written in another format.
        OSError: If a store cannot be reached, or the disk lacks space for the copy.
    """

    def __init__(self, folder: Path, cache_bytes: int = 0):
        self.cache_bytes = cache_bytes
        self._copy = LocalCopy(as_path(folder)) if is_url(folder) else None
        self.folder = as_path(folder).absolute()
        self.local_folder = self._copy.folder if self._copy else self.folder
        if not self.local_folder.is_dir():
            raise FileNotFoundError(f"There is no folder {self.folder}. Make it with `prepare`, or correct the path.")
        if not (self.local_folder / "preparation.json").is_file():
            raise FileNotFoundError(
                f"{self.folder} has no preparation.json, so it is not a prepared data set. Prepare it again, elsewhere."
            )
        check_checksums(self.local_folder)
        try:
            self._read_metadata()
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{self.folder}: preparation.json or schema.json is damaged ({error!r}). Delete the folder and prepare "
                "it again."
            ) from None

    def _read_metadata(self):
        preparation = self._read_json("preparation.json")
        version = preparation.get("format_version")
        if version not in READABLE_VERSIONS:
            raise ValueError(
                f"{self.folder} has format version {version}, this ctrzoo reads version {FORMAT_VERSION}. It was "
                f"written by ctrzoo {preparation.get('ctrzoo_version', '0.1.0')}; install it, or delete the folder and "
                "prepare again."
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
        self.label_kind = preparation.get("label_kind", "binary")
        self.columns = tuple(preparation.get("columns", ()))
        self.keep_groups = preparation.get("keep_groups", False)
        self.negative_rate = float(preparation.get("negative_rate", 1.0))
        self.truth = self._read_json("truth.json") if (self.local_folder / "truth.json").is_file() else None
        splits = preparation["splits"]
        self.num_rows = {split: splits[split]["rows"] for split in SPLITS if split in splits}
        self.num_positives = {split: splits[split]["positives"] for split in self.num_rows}
        self._indices, self._cached = {}, {}
        self._shards = {split: dict(splits[split]["shards"]) for split in self.num_rows}
        self._block_rows = {split: splits[split].get("block_rows") for split in self.num_rows}
        for split in self.num_rows:
            for shard, size in splits[split]["shards"].items():
                self._check_shard(shard, size)

    def __repr__(self):
        rows = ", ".join(f"{split} {count:,}" for split, count in self.num_rows.items())
        return f"<PreparedData {self.name}: {rows} rows, {self.schema.num_fields} fields, {self.folder}>"

    @functools.cached_property
    def encoding(self) -> TableEncoding | None:
        """The `TableEncoding` that turns raw cells into ids and numbers; None for synthetic data."""
        folder = self.local_folder
        is_there = any((folder / name).is_file() for name in (ENCODING_FILE, VOCABULARY_FILE))
        return TableEncoding.load(folder) if is_there else None

    @property
    def _label_type(self):
        return "uint8" if self.label_kind == "binary" else "float32"

    @functools.cached_property
    def fingerprint(self) -> str:
        """What tells this data from any other: a hash of its vocabularies, options, counts and sizes.

        The version of ctrzoo that wrote the folder is left out: the same data keep their fingerprint.
        """
        paths = (self.local_folder / name for name in FINGERPRINTED)
        contents = (path.read_bytes() for path in paths if path.is_file())
        contents = (re.sub(rb'\n *"ctrzoo_version": "[^"]*",', b"", content) for content in contents)
        return hashlib.sha256(b"".join(contents)).hexdigest()[:16]

    def _read_json(self, filename):
        path = self.local_folder / filename
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Delete the folder and prepare it again.")
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not valid JSON ({error}). Delete the folder and prepare it again.") from None

    def _check_shard(self, shard, size):
        path = self.folder / shard
        found = self._copy.size(shard) if self._copy else path.stat().st_size if path.is_file() else None
        if found is None:
            raise FileNotFoundError(f"{path} is missing. Delete the folder and prepare it again.")
        if found != size:
            raise ValueError(
                f"{path} has {found:,} bytes, it was written with {size:,}. Delete the folder and prepare it again."
            )

    def dataset(
        self,
        split: str,
        batch_size: int,
        shuffle: bool | None = None,
        seed: int = 0,
        drop_remainder: bool = False,
        repeat: bool = False,
        start_epoch: int = 0,
        skip_batches: int = 0,
        num_shards: int = 1,
        shard_index: int = 0,
        num_parts: int = 1,
        parts: Sequence[int] | None = None,
        cache: bool | None = None,
        columns: Sequence[str] = (),
        by_group: bool = False,
    ) -> tf.data.Dataset:
        """Return a split as batches for `model.fit`.

        The order of the rows of an epoch depends only on `seed` and the number of the epoch: on no
        other seed, and on no earlier epoch. Two ways to read several epochs:

        - `fit(dataset(...), epochs=3)`: each iteration of a shuffled dataset is the next epoch.
        - `fit(dataset(..., repeat=True), steps_per_epoch=n, epochs=3)`, `n` batches being an epoch: one
          endless iteration over all epochs, which is the same whenever it begins anew. A run that
          was interrupted after `step` steps resumes, as if it had not been, with
          `start_epoch, skip_batches = divmod(step, n)`; what comes before is not read.

        Several workers: `strategy.distribute_datasets_from_function(lambda context: data.dataset("train",
        context.get_per_replica_batch_size(1024), num_shards=context.num_input_pipelines,
        shard_index=context.input_pipeline_id))`. Each reads its own part of every epoch. Replicas of
        one worker share a dataset, as `fit` does by itself.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            batch_size: Rows per batch, of one shard.
            shuffle: Whether to shuffle rows; by default only for `"train"`.
            seed: Seed of the orders, a whole number.
            drop_remainder: Whether each epoch leaves out the rows that do not fill a batch (other rows
                in each, if shuffled). All batches have the same static shape then.
            repeat: Whether an iteration continues forever, instead of ending with the epoch.
            start_epoch: Number of the first epoch, from 0.
            skip_batches: Batches of the first epoch that are left out.
            num_shards: Parts that each epoch is divided into: every row is in one, their sizes differ by
                at most one row, and all have the same number of batches.
            shard_index: Which part to read, from 0.
            num_parts: Parts that the files are divided into, for several hosts. Each batch has `batch_size / num_parts`
                rows of each part, one part after the other; those of a part that has ended are missing. Every row is
                in one batch of an epoch. If the files cannot be divided about equally, the rows of all files are.
            parts: The parts that this process reads, by default all. It opens only their files (`divides_files`). Its
                batches have no rows of other parts, and end with the last row of its own.
            cache: Whether to keep the rows of the split in memory, `8 * slots + 4` bytes each, as long as this
                object lives; by default if they take no more than its `cache_bytes`.
            columns: Further columns to return, of `PreparedData.columns`.
            by_group: Whether labels have a second column, the number of the row's group within the batch, as losses
                of groups take it. If rows are shuffled, whole groups are, which needs `keep_groups` data. A group that
                does not fit into a batch continues in the next one, as a group of its own there.

        Returns:
            A `tf.data.Dataset` of `({"ids": int32 (batch, num_slots), "values": float32 (batch,
            num_slots)}, label float32 (batch, 1))`, and the weight, float32 `(batch, 1)`, if rows have weights. If
            `columns` are given, weights (ones without such a column) and `{name: (batch,)}` always follow. The number
            of batches is known, unless the first epoch is not whole.

        Raises:
            ValueError: If the split or a column is unknown, a number is out of range, there are too few rows for
                so many shards, or the data have no groups, or not those of training rows together.
        """
        self._check_split(split)
        shuffle = split == "train" if shuffle is None else shuffle
        self._check_columns(columns, by_group, shuffle)
        start, source = (start_epoch, skip_batches), (split, shuffle, cache, tuple(columns), by_group)
        if num_parts > 1:
            _check_parts(batch_size, num_parts, drop_remainder or num_shards > 1)
            chosen = range(num_parts) if parts is None else parts
            own = [self._part(split, num_parts, part) for part in chosen]
            share, functions = batch_size // num_parts, []
            steps = -(-max(part.rows for part in own) // share)
            if parts is None:  # otherwise other parts may have more batches
                _check_start(*start, steps)
            for number, part in zip(chosen, own, strict=True):
                by_files = len(part.shards) < len(self._shards[split])
                order, to_features = self._source(*source, seed_of_part(seed, number) if by_files else seed, part)
                # Two parts of a batch have no group in common.
                numbered = as_written(functools.partial(_number_groups, tuple(columns), number * share))
                numbered = numbered if by_group else None
                functions.append(functools.partial(batches_of_part, part, order, to_features, numbered, share))
            batches_of_epoch = functools.partial(batches_of_parts, functions, steps, start)
        else:
            share = ShardPlan(self.num_rows[split], batch_size, drop_remainder, num_shards, shard_index)
            _check_start(*start, share.num_batches)
            steps = share.num_batches
            batches_of_epoch = functools.partial(_batches_of_epoch, share, *self._source(*source, seed), start)
        batches = _epoch_numbers(start_epoch, repeat, shuffle).flat_map(as_written(batches_of_epoch))
        if by_group and num_parts == 1:
            batches = batches.map(as_written(functools.partial(_number_groups, tuple(columns), 0)))
        if repeat or skip_batches == 0:
            batches = _with_length(batches, None if repeat else steps)
        return batches.prefetch(8).with_options(_options(is_sharded=num_shards > 1 or num_parts > 1))

    def part_rows(self, split: str, num_parts: int, parts: Sequence[int] | None = None) -> list[int]:
        """Return the number of rows of parts of a split, see `dataset`; it opens only their files.

        Args:
            split: The split.
            num_parts: Parts that the split is divided into.
            parts: The parts, by default all.

        Raises:
            ValueError: If the split is unknown.
        """
        self._check_split(split)
        return [self._part(split, num_parts, part).rows for part in (range(num_parts) if parts is None else parts)]

    def divides_files(self, split: str, num_parts: int) -> bool:
        """Return whether parts of a split have files of their own; otherwise they have rows of all files.

        Raises:
            ValueError: If the split is unknown.
        """
        self._check_split(split)
        return divided_shards(self._shards[split], num_parts) is not None

    def _part(self, split, num_parts, part):
        divided = divided_shards(self._shards[split], num_parts)
        if divided is None:
            return Part(tuple(self._shards[split]), *row_range(self.num_rows[split], num_parts, part))
        return Part(divided[part], 0, int(self._index(split, divided[part]).rows.sum()))

    def _source(self, split, shuffle, cache, columns, by_group, seed, part=None):
        """Return a function from an epoch and a range of rows to these rows, and one from rows to what a batch has."""
        shards = tuple(self._shards[split]) if part is None else part.shards
        stored = tuple(column for column in self.columns if column in ("weight", *columns, *["group"] * by_group))
        # Groups are shuffled by a column, of which rows in memory know only the number.
        from_memory = self._is_cached(split, cache) and not (by_group and shuffle)
        source = self._from_memory if from_memory else self._from_files
        returned = (*columns, *["group"] * (by_group and "group" not in columns)) if columns or by_group else None
        read, to_features = source(split, shards, stored, returned)
        in_order = (shuffled_groups if by_group else shuffled_rows) if shuffle else stored_rows
        return functools.partial(in_order, self._index(split, shards), read, seed), to_features

    def _check_columns(self, columns, by_group, shuffle):
        for column in columns:
            if column not in self.columns:
                raise ValueError(f"{self.name}: {unknown('column', column, self.columns)}")
        if by_group and "group" not in self.columns:
            raise ValueError(
                f"{self.name} has no groups. Name a column as `group` in the schema and prepare the table again."
            )
        if by_group and shuffle and not self.keep_groups:
            raise ValueError(
                f"The training rows of a group are not together in {self.name}. Write keep_groups: true into the "
                "schema and prepare the table again."
            )

    def _is_cached(self, split, cache):
        """Tell whether the rows of a split are kept in memory: as asked for, else if they fit."""
        fits = self.num_rows[split] * (8 * self.schema.num_slots + 4) <= self.cache_bytes
        return fits if cache is None else cache

    def _index(self, split, shards):
        """Return where the blocks of some shards of a split are; those of all must have the split's rows."""
        if (split, shards) not in self._indices:
            self._fetch(shards)
            paths = [str(self.local_folder / shard) for shard in shards]
            index = index_blocks(paths, functools.partial(_count_rows, self._label_type), self._block_rows[split])
            found = int(index.rows.sum())
            if len(shards) == len(self._shards[split]) and found != self.num_rows[split]:
                raise ValueError(
                    f"{self.folder} has {found:,} rows in '{split}', preparation.json says {self.num_rows[split]:,}. "
                    "Delete the folder and prepare it again."
                )
            self._indices[split, shards] = index
        return self._indices[split, shards]

    def _fetch(self, shards):
        """Copy the shards of a folder in a store that are not here yet."""
        if self._copy:
            self._copy.fetch(shards)

    def _from_files(self, split, shards, stored, returned):
        """Return functions from blocks to a `tf.data.Dataset` of their rows, and from rows to what a batch has.

        Args:
            split: The split.
            shards: The shards of the rows.
            stored: The further columns to read.
            returned: The columns of the dictionary that a batch has after its weights; None for batches without it,
                which have weights only if rows have them.
        """
        decode = functools.partial(_decode, stored_widths(self.schema), {"label": self._label_type, **_types(stored)})
        read = functools.partial(read_blocks, self._index(split, shards), decode)
        return read, as_written(functools.partial(_to_features, self.schema, stored, returned))

    def _from_memory(self, split, shards, stored, returned):
        """Return the same two, with the numbers of rows for the rows."""
        import tensorflow as tf

        key, index = (split, shards, stored, returned), self._index(split, shards)
        if key not in self._cached:
            read, to_features = self._from_files(split, shards, stored, returned)
            with tf.device("CPU:0"), self._naming_damage():
                pieces = list(read(blocks_of_epoch(index, None, 0, index.rows.sum())).map(to_features))
                self._cached[key] = tf.nest.map_structure(lambda *columns: tf.concat(columns, axis=0), *pieces)
        whole = self._cached[key]

        def to_features_of(rows):
            return tf.nest.map_structure(lambda column: pick(column, rows["row"]), whole)

        return functools.partial(number_blocks, index), to_features_of

    def arrays(self, split: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return a whole split as `({"ids": ..., "values": ...}, labels)` of NumPy arrays, in stored order.

        Raises:
            ValueError: If the split is unknown.
        """
        self._check_split(split)
        with self._naming_damage():
            batches = list(self.dataset(split, ARRAY_ROWS, shuffle=False).as_numpy_iterator())
        features = {key: np.concatenate([batch[0][key] for batch in batches]) for key in ("ids", "values")}
        return features, np.concatenate([batch[1] for batch in batches])

    def column(self, split: str, name: str) -> np.ndarray:
        """Return a column of a whole split, `(rows,)`, in stored order.

        Args:
            split: The split.
            name: One of `columns`: `weight` (float32), `group` (int64, a hash), `time` (int64, microseconds since 1970
                in UTC) or `id` (bytes).

        Raises:
            ValueError: If the split or the column is unknown.
        """
        with self._naming_damage():
            rows = self.dataset(split, ARRAY_ROWS, shuffle=False, columns=(name,))
            return np.concatenate([columns[name] for *_, columns in rows.as_numpy_iterator()])

    def check_shards(self) -> None:
        """Read all rows, and compare them with the checksums that were stored with them.

        Reading a damaged shard raises TensorFlow's `DataLossError`, which does not name the shard; this does.

        Raises:
            ValueError: If a shard is damaged.
        """
        for shards in self._shards.values():
            self._fetch(shards)
            for shard in shards:
                check_records(self.local_folder / shard)

    @contextlib.contextmanager
    def _naming_damage(self):
        import tensorflow as tf

        try:
            yield
        except tf.errors.DataLossError:
            self.check_shards()
            raise

    def frame(self, split: str) -> pd.DataFrame:
        """Return a whole split as a pandas frame: raw cells as far as `encoding.decode` knows them, and the label.

        Rows are in stored order.

        Raises:
            ValueError: If the split is unknown, or synthetic data has no raw cells.
        """
        features, labels = self.arrays(split)
        if self.encoding is None:
            raise ValueError(f"{self.name} was made without an encoding of raw cells. Use `arrays`.")
        frame = _raw_cells(self.encoding, features).to_pandas()
        frame[self.schema.label] = labels[:, 0].astype(np.uint8) if self.label_kind == "binary" else labels[:, 0]
        for role in self.columns:
            column, name = self.column(split, role), getattr(self.encoding.roles, role)
            if name in frame:  # a field, whose cells say more
                continue
            texts = [text.decode() for text in column] if role == "id" else None
            frame[name] = texts or (column.astype("datetime64[us]") if role == "time" else column)
        return frame

    def texts(self, features: Features) -> list[list[str]]:
        """Return what the fields of rows hold, as texts to read: a list of rows, each a list of one text per field.

        Ids of data without an encoding of raw cells are written as `#3`, the third of their field.

        Args:
            features: `{"ids": (rows, num_slots), "values": (rows, num_slots)}`.
        """
        return [
            [_text(cell) for cell in row] for row in _raw_cells(self.encoding or _unnamed(self.schema), features).rows()
        ]

    def event_texts(self, features: Features) -> dict[str, list[list[str | None]]]:
        """Return the events of rows as texts to read: for each sequence a list of rows, each a list of its events.

        Args:
            features: `{"ids": (rows, num_slots), "values": (rows, num_slots)}`.

        Returns:
            The events by field, the oldest first; None for a value that is not known. Such values of the newest events
            are left out.
        """
        sequences = [field.name for field in self.schema.fields if field.kind == "sequence"]
        frame = _raw_cells(self.encoding or _unnamed(self.schema), features).select(sequences)
        return {name: frame[name].to_list() for name in sequences}

    def _check_split(self, split):
        if split not in self.num_rows:
            raise ValueError(f"{self.name}: {unknown('split', split, self.num_rows)}")


def load(folder: Path, cache_bytes: int = 0) -> PreparedData:
    """Open a prepared folder; see `PreparedData`."""
    return PreparedData(folder, cache_bytes)


def _check_start(start_epoch, skip_batches, num_batches):
    if start_epoch < 0 or not 0 <= skip_batches < max(num_batches, 1):
        raise ValueError(
            f"`start_epoch` must be at least 0, `skip_batches` at least 0 and less than the {num_batches} "
            f"batches of an epoch. Received: {start_epoch}, {skip_batches}."
        )


def _check_parts(batch_size, num_parts, other_division):
    if batch_size % num_parts:
        raise ValueError(f"The batch size must be a multiple of the {num_parts} parts. Received: {batch_size}.")
    if other_division:
        raise ValueError("`num_parts` divides an epoch itself. Leave out `drop_remainder` and `num_shards`.")


def _epoch_numbers(start_epoch, repeat, shuffle):
    """Return a dataset of the numbers of epochs: all, the next one of each iteration, or always the first."""
    import tensorflow as tf

    if repeat:
        return tf.data.Dataset.range(start_epoch, np.iinfo(np.int64).max)
    if shuffle:
        numbers = itertools.count(start_epoch)
        return tf.data.Dataset.from_generator(lambda: [next(numbers)], output_signature=tf.TensorSpec([], tf.int64))
    return tf.data.Dataset.from_tensors(np.int64(start_epoch))


def _batches_of_epoch(share, rows_of_epoch, to_features, start, number):
    """Return the batches of an epoch as a dataset.

    Args:
        share: The `ShardPlan`.
        rows_of_epoch: `shuffled_rows` or `stored_rows` with its first arguments given.
        to_features: Function from rows to features and labels.
        start: The first epoch, and how many of its batches are left out.
        number: The number of the epoch, an int64 tensor.
    """
    import tensorflow as tf

    start_epoch, skip_batches = start
    skipped = tf.where(number == start_epoch, np.int64(skip_batches), np.int64(0))
    rows = rows_of_epoch(number, share.start, share.stop, skipped * share.batch_size)
    sizes = share.batch_size if share.drop_remainder else tf.constant(share.batch_sizes)[skipped:]
    return rows.map(to_features).prefetch(1).rebatch(sizes, drop_remainder=share.drop_remainder)


def _with_length(batches, num_batches):
    """State the number of batches, None if there is no end."""
    import tensorflow as tf

    length = tf.data.INFINITE_CARDINALITY if num_batches is None else num_batches
    return batches.apply(tf.data.experimental.assert_cardinality(length))


def _options(is_sharded):
    import tensorflow as tf

    options = tf.data.Options()
    # What is not sharded yet is sharded by rows and not by files, as passes know no files.
    policy = tf.data.experimental.AutoShardPolicy
    options.experimental_distribute.auto_shard_policy = policy.OFF if is_sharded else policy.DATA
    # Autotuning waits for seconds at the end of each pass, with nothing here to tune.
    options.autotune.enabled = False
    return options


def _raw_cells(encoding, features):
    schema = encoding.schema
    return encoding.decode(features["ids"][:, stored_slots(schema)], features["values"][:, number_slots(schema)])


def _unnamed(schema):
    """Return an encoding that knows the fields of a schema, but no texts."""
    return TableEncoding(
        FieldEncoding(
            field.name,
            field.kind,
            hash_buckets=None if field.holds_numbers else _most_values(field),
            max_values=field.values_per_row,
            compositional=field.compositional,
            length=field.num_slots if field.kind == "vector" else None,
            weight_separator=":" if field.weighted else None,
            share=field.share,
            cross=field.cross,
        )
        for field in schema.fields
    )


def _most_values(field):
    """Return the number of values that the ids of a field can have."""
    if field.compositional is None:
        return field.vocabulary_size
    return (field.vocabulary_size - field.compositional) * field.compositional


def _text(cell):
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1e4 else f"{cell:.4g}"
    if isinstance(cell, list) and cell and isinstance(cell[0], float):
        numbers = ", ".join(f"{number:.3g}" for number in cell[:MOST_SHOWN])
        return f"[{numbers}{f', ... ({len(cell)} numbers)' if len(cell) > MOST_SHOWN else ''}]"
    if isinstance(cell, list):
        return ", ".join("(unknown)" if value is None else value for value in cell) or "(none)"
    return "(absent)" if cell is None else cell or "(empty)"


def _types(columns):
    return {name: COLUMNS[name] for name in columns}


def _decode(widths, types, serialized):
    """Return the rows of a block.

    Args:
        widths: What `stored_widths` returned.
        types: The type of the label and of each further column to read, by name.
        serialized: The block as it is in the file.
    """
    import tensorflow as tf

    names = [name for name in ("ids", "numbers") if widths[name]]
    specification: dict[str, Any] = {name: tf.io.FixedLenFeature([], tf.string) for name in (*names, *types)}
    if "id" in types:
        specification["id"] = tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True)
    block = tf.io.parse_single_example(serialized, specification)
    rows = {name: block[name] if name == "id" else tf.io.decode_raw(block[name], types[name]) for name in types}
    labels = rows["label"]
    rows["label"] = labels[:, None]
    for name, dtype in (("ids", tf.int32), ("numbers", tf.float32)):
        shape = [tf.size(labels), widths[name]]
        rows[name] = tf.reshape(tf.io.decode_raw(block[name], dtype), shape) if widths[name] else tf.zeros(shape, dtype)
    return rows


def _count_rows(label_type, serialized):
    import tensorflow as tf

    label = tf.io.parse_single_example(serialized, {"label": tf.io.FixedLenFeature([], tf.string)})["label"].numpy()
    others = label.translate(None, b"\0\1") if label_type == "uint8" else b""
    if others:
        raise ValueError(f"Labels must be 0 or 1. A block of the prepared rows holds {others[0]}. Prepare them again.")
    return len(label) // np.dtype(label_type).itemsize


def _to_features(schema, stored, returned, rows):
    """Return rows as features and labels, then weights and further columns if there are any."""
    import tensorflow as tf

    features, labels = assemble(schema, rows["ids"], rows["numbers"]), tf.cast(rows["label"], tf.float32)
    weights = rows["weight"] if "weight" in stored else None
    if returned is None:
        return (features, labels) if weights is None else (features, labels, weights)
    columns = {name: rows[name] for name in returned}
    return features, labels, tf.ones_like(labels[:, 0]) if weights is None else weights, columns


def _number_groups(requested, first, features, labels, weights, columns):
    """Return a batch with the number of the row's group, counted from `first`, as the second column of the labels."""
    import tensorflow as tf

    numbers = tf.cast(tf.unique(columns["group"]).idx + first, tf.float32)
    labels = tf.concat([labels, numbers[:, None]], axis=1)
    columns = {name: columns[name] for name in requested}
    return (features, labels, weights, columns) if requested else (features, labels, weights)
