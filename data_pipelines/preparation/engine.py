"""From a raw table to a prepared folder, in two passes and little memory, on all cores.

The first pass reads the raw table once, in chunks, and keeps each in a compact form: numbers, and the texts of a
column as a dictionary and the places in it. Then each field learns its vocabulary or scaling from all chunks. The
second pass turns chunks into ids and numbers, divided by shard, and puts the shards together, the training rows in
random order. Each chunk, field and shard is a file that is complete or not there, so rerunning an
interrupted preparation resumes it, and gives the same bytes.
"""

from __future__ import annotations

import errno
import os
import pathlib
import time
import typing

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.files import replaced
from ctrzoo.suggest import unknown

from ..encoding.features import Block
from ..encoding.fields import TableEncoding
from ..errors import RowError
from ..progress import StepProgress
from ..storage.shuffling import order_within_shard, random_shards
from ..storage.writing import (
    BLOCK_ROWS,
    FORMAT_VERSION,
    SHARD_BLOCKS,
    SPLITS,
    Split,
    block_tensors,
    check_name,
    publish,
    write_blocks,
    write_metadata,
)
from .first_pass import ChunkFiles, compact
from .fitted_field import FittedField
from .parallel import in_order
from .report import write_report
from .second_pass import EncodedFiles, encode_chunk
from .state import kept_state

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from ..raw.sources import Source
    from .plan import TablePlan

BAD_ROWS = ("error", "skip")


def prepare_table(
    folder: Path,
    name: str,
    plan: TablePlan,
    source: Source,
    *,
    options: Config | None = None,
    bad_rows: str = "error",
    shuffle_seed: int = 0,
) -> Config:
    """Make a prepared folder of a raw table.

    Args:
        folder: The folder to make. It must not exist; an interrupted preparation of it is resumed.
        name: Name of the data set: letters, digits and underscores.
        plan: The `TablePlan`.
        source: A source of `ctrzoo.data_pipelines.raw.sources`.
        options: The options of the data set, for JSON.
        bad_rows: What to do with rows that cannot be used: `"error"` or `"skip"`.
        shuffle_seed: Seed of the order of the training rows.

    Returns:
        The report, as in `report.json`.

    Raises:
        FileExistsError: If the folder is there, or being made by another process.
        ValueError: If the table is not as the plan says; names file, row and column.
        OSError: If a file cannot be read or written.
    """
    check_name(name)
    if bad_rows not in BAD_ROWS:
        raise ValueError(f"`bad_rows` must be 'error' or 'skip'. Received: {bad_rows!r}.")
    known = source.columns()
    for column in plan.needed_columns():
        if column not in known:
            raise ValueError(f"{source.describe()['files'][0][0]}: {unknown('column', column, known)}")
    folder = pathlib.Path(folder).absolute()
    options = options or {}
    description = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "plan": plan.describe(),
        "source": source.describe(),
        "options": options,
        "bad_rows": bad_rows,
        "seed": shuffle_seed,
        "shard_rows": _shard_rows(),
    }
    try:
        with kept_state(folder, description) as state:
            preparation = _Preparation(state, name, plan, source, bad_rows, shuffle_seed)
            return preparation.run(folder, options)
    except (OSError, pl.exceptions.PolarsError) as error:
        # Polars, which writes the vocabularies, has no number for it.
        if getattr(error, "errno", None) != errno.ENOSPC and os.strerror(errno.ENOSPC) not in str(error):
            raise
        message = f"the disk of {folder} is full. Free space and rerun the command to resume"
        raise OSError(errno.ENOSPC, message) from None


def _shard_rows():
    return BLOCK_ROWS * SHARD_BLOCKS


class _Preparation:
    """The steps, each of which leaves out what an earlier process has finished."""

    def __init__(self, state, name, plan, source, bad_rows, seed):
        self.state, self.name, self.plan, self.source = state, name, plan, source
        self.bad_rows, self.seed = bad_rows, seed
        self.folders = {step: state / step for step in ("chunks", "fields", "rows", "prepared")}
        for path in self.folders.values():
            path.mkdir(exist_ok=True)

    def run(self, folder, options):
        start = time.monotonic()
        seconds = {}
        for step in (self.read, self.divide, self.learn, self.encode, self.write):
            began = time.monotonic()
            step()
            seconds[step.__name__] = round(time.monotonic() - began, 3)
        splits = self.written_splits()
        write_metadata(self.folders["prepared"], self.name, self.encoding.schema, splits, options, self.encoding)
        report = write_report(
            self.folders["prepared"], self.name, self.encoding, splits, self.facts, self.counts, seconds, start
        )
        publish(self.folders["prepared"], folder)
        return report

    # Pass 1

    def read(self):
        """Parse the raw table and keep its chunks in compact form; sets `chunks` and `facts`."""
        places = []
        while (facts := self._chunk(len(places)).facts()) is not None:
            places.append(facts["place"])
        needed = self.plan.needed_columns()

        def process(item):
            number, chunk = item
            files = self._chunk(number)
            return files.facts() or _read_chunk(files, number, chunk, self.plan, needed, self.bad_rows)

        self.facts = []
        with StepProgress(f"{self.name}: reading") as progress:
            for facts in in_order(process, enumerate(self.source.chunks(places))):
                self.facts.append(facts)
                progress.advance(facts["rows"], facts["place"]["share"])
        self.chunks = [self._chunk(number) for number in range(len(self.facts))]
        if not sum(facts["rows"] for facts in self.facts):
            raise ValueError(f"{self.source.describe()['files'][0][0]} has no rows that can be used.")

    def _chunk(self, number):
        return ChunkFiles(self.folders["chunks"], number)

    def divide(self):
        """Tell the split of all rows, where it depends on all of them; sets `split_rows` of each chunk."""
        self.needs_all_labels = None
        if self.plan.split.needs_all_labels:
            path = self.folders["chunks"] / "splits.npy"
            if not path.is_file():
                labels = np.concatenate([chunk.labels() for chunk in self.chunks])
                with replaced(path) as temporary:
                    np.save(temporary, self.plan.split.assign_all(labels))
            ends = np.cumsum([facts["rows"] for facts in self.facts])
            self.needs_all_labels = np.split(np.load(path), ends[:-1])
            self.split_rows = [np.bincount(splits, minlength=3) for splits in self.needs_all_labels]
        else:
            self.split_rows = [np.array(facts["splits"]) for facts in self.facts]
        rows = np.sum(self.split_rows, axis=0)
        if not rows[0]:
            raise ValueError(f"Data set '{self.name}' has no row in the split 'train'. Change the split.")
        # The shards of a split follow each other; each split that has rows has at least one.
        self.num_shards = -(-rows // _shard_rows())
        self.first_shards = np.concatenate([[0], np.cumsum(self.num_shards)])

    def learn(self):
        """Learn vocabularies and scalings; sets `encoding` and `learned`."""
        self.learned = [
            FittedField(self.folders["fields"] / f"{index:04d}", [facts["sizes"][index] for facts in self.facts])
            for index in range(len(self.plan.fields))
        ]

        def process(index):
            if not self.learned[index].is_complete:
                arguments = (self.plan.fields[index], index, self.chunks, self.facts, self.plan.fit_on)
                self.learned[index].learn(*arguments)
            return self.learned[index].encoding()

        fields = []
        with StepProgress(f"{self.name}: learning vocabularies") as progress:
            for field in in_order(process, range(len(self.plan.fields))):
                fields.append(field)
                progress.advance(0, len(fields) / len(self.plan.fields))
        self.encoding = TableEncoding(fields, self.plan.label)

    # Pass 2

    def encode(self):
        """Turn chunks into ids and numbers, by shard; sets `ends` and `counts`."""
        before = np.cumsum([np.zeros(3, int), *self.split_rows], axis=0)
        schema = self.encoding.schema
        self.encoded = [EncodedFiles(self.folders["rows"], number, schema) for number in range(len(self.chunks))]

        def process(number):
            facts = self.encoded[number].facts()
            if facts is None:
                with self.chunks[number].arrays() as arrays:
                    try:
                        block, counts = encode_chunk(arrays, number, self.encoding, self.learned)
                    except RowError as error:  # what was learned makes a number too large
                        raise ValueError(f"{self.name}: {error.reason}. Choose another `transform`.") from None
                    splits = self.needs_all_labels[number] if self.needs_all_labels else arrays["split"]
                shards = self._shards(number, splits, before[number])
                self.encoded[number].save(block, shards, self.first_shards[-1], counts)
                facts = self.encoded[number].facts()
            self.chunks[number].delete()
            return facts

        self.ends, counts = [], []
        total = sum(facts["rows"] for facts in self.facts)
        with StepProgress(f"{self.name}: encoding") as progress:
            for number, facts in enumerate(in_order(process, range(len(self.chunks)))):
                self.ends.append(facts["ends"])
                counts.append(facts["counts"])
                rows = self.facts[number]["rows"]
                progress.advance(rows, progress.rows / total if total else 1)
        self.counts = np.sum(counts, axis=0)

    def _shards(self, number, splits, before):
        """Return the shard of each row: by chance for training rows, else in the order of the table."""
        generator = np.random.default_rng((self.seed, 0, number))
        shards = np.empty(len(splits), np.uint16)
        for split in range(3):
            rows = np.flatnonzero(splits == split)
            if split == 0:
                places = random_shards(len(rows), self.num_shards[0], generator)
            else:
                places = (before[split] + np.arange(len(rows))) // _shard_rows()
            shards[rows] = self.first_shards[split] + places
        return shards

    def write(self):
        """Put the shards together; sets `shards`, the rows, positives and blocks of each."""
        tensors = block_tensors(self.encoding.schema)

        def process(shard):
            return self._write_shard(shard, tensors)

        self.shards = []
        total = sum(facts["rows"] for facts in self.facts)
        with StepProgress(f"{self.name}: writing") as progress:
            for shard in in_order(process, range(self.first_shards[-1])):
                self.shards.append(shard)
                progress.advance(shard[0], progress.rows / total)

    def _write_shard(self, shard, tensors):
        path = self._shard_path(shard)
        facts_path = self.folders["rows"] / f"shard-{shard:06d}.npy"
        if not facts_path.is_file():
            parts = [file.read(shard, ends) for file, ends in zip(self.encoded, self.ends, strict=True)]
            arrays = [np.concatenate(part) for part in zip(*parts, strict=True)]
            del parts
            if shard < self.num_shards[0]:
                order = order_within_shard(len(arrays[2]), self.seed, shard)
                arrays = [array[order] for array in arrays]
            with replaced(path) as temporary, open(temporary, "wb") as file:
                blocks = write_blocks(file, tensors, Block(*arrays))
            with replaced(facts_path) as temporary:
                np.save(temporary, [len(arrays[2]), int(arrays[2].sum()), blocks])
        return np.load(facts_path).tolist()

    def _shard_path(self, shard):
        split = int(np.searchsorted(self.first_shards, shard, side="right")) - 1
        number, total = shard - self.first_shards[split], self.num_shards[split]
        filename = f"{self.name}-{SPLITS[split]}.tfrecord-{number:05d}-of-{total:05d}"
        return self.folders["prepared"] / filename

    def written_splits(self):
        """Return what was written of each split, `{split: Split}`."""
        splits = {}
        for index, split in enumerate(SPLITS):
            shards = range(self.first_shards[index], self.first_shards[index + 1])
            if len(shards):
                rows, positives, blocks = zip(*(self.shards[shard] for shard in shards), strict=True)
                paths = [self._shard_path(shard) for shard in shards]
                sizes = {path.name: path.stat().st_size for path in paths}
                splits[split] = Split(sum(rows), sum(positives), sizes, list(blocks))
        return splits


def _read_chunk(files, number, chunk, plan, needed, bad_rows):
    """Parse and keep a chunk; return its facts."""
    table, numbers, bad = chunk.parse(needed)
    while True:
        try:
            arrays, dictionaries = compact(table, plan, number, chunk.split)
            break
        except RowError as error:
            bad = [*bad, *((int(numbers[row]), error.reason) for row in error.rows)]
            kept = np.ones(len(table), bool)
            kept[error.rows] = False
            table, numbers = table.filter(pa.array(kept)), numbers[kept]
    if bad and bad_rows == "error":
        row, reason = min(bad)
        raise ValueError(f"{chunk.path}, row {row:,}: {reason}. Pass --bad_rows=skip to leave such rows out.")
    learn = arrays["split"] == 0 if plan.fit_on == "train" else np.ones(len(table), bool)
    lengths = [arrays.get(f"lengths_{index}", np.zeros(len(table), int))[learn] for index in range(len(plan.fields))]
    facts = {
        "rows": len(table),
        "bad": len(bad),
        "first_bad": f"{chunk.path}, row {min(bad)[0]:,}: {min(bad)[1]}" if bad else None,
        "place": chunk.place,
        "sizes": [len(texts) for texts, _ in dictionaries],
        "longest": [int(field.max(initial=0)) for field in lengths],
        "splits": np.bincount(arrays["split"], minlength=3).tolist() if "split" in arrays else None,
    }
    files.save(arrays, dictionaries, facts)
    return facts
