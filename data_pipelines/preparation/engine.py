"""From a raw table to a prepared folder, in two passes and little memory, on all cores.

The first pass reads the raw table once, in chunks, and stores each chunk in a compact form: numbers, and each text
column as a dictionary with one index per row. Then each field fits its vocabulary or scaling to all chunks. The second
pass turns chunks into ids and numbers, divided by shard, and assembles the shards, with training rows in random order.
Each chunk, field and shard is a file that is written atomically. Rerunning an interrupted preparation therefore resumes
it and gives the same bytes. Chunks and shards are on disk at once, fields before the second pass; until then, checksums
tell which of them a power failure damaged.
"""

from __future__ import annotations

import ast
import dataclasses
import errno
import json
import os
import pathlib
import re
import time
import typing
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.files import replaced
from ctrzoo.stores import as_path, is_url

from ..encoding.fields import TableEncoding
from ..encoding.histories import columns_of_histories
from ..encoding.sharing import sharing
from ..errors import RowError
from ..progress import StepProgress, console
from ..raw.layout import layout_of
from ..raw.sources import check_needed
from ..storage.remote import check_target
from ..storage.writing import FORMAT_VERSION, SPLITS, Split, block_tensors, check_name, publish, write_metadata
from .column_draft import MARKER
from .crossed_chunk import CrossedChunk
from .division import Division, shard_rows
from .extension import report_of
from .first_pass import ChunkFiles, column, compact
from .fitted_field import FittedField
from .history_log import HistoryLog, with_smaller_chunks
from .numbers import numbers_of_chunk
from .parallel import ARRAY_LOCK, in_order
from .report import write_report
from .report_page import write_page
from .second_pass import EncodedFiles, encode_chunk
from .splits import ByColumn
from .state import kept_state

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from ..raw.sources import Chunk, Source
    from .extension import Extension
    from .first_pass import CompactChunk
    from .plan import TablePlan

# What prepares a table, called like `prepare_table`.
Engine = Callable[..., typing.Any]
BAD_ROWS = ("error", "skip")
# By default, a table of which more rows are unusable is refused: then it or its schema is wrong, not a few rows.
MOST_SKIPPED = 0.05
CORRECT = "Correct the table or its schema"


def prepare_table(
    folder: Path,
    name: str,
    plan: TablePlan,
    source: Source,
    *,
    options: Config | None = None,
    bad_rows: str = "error",
    most_skipped: float | None = None,
    shuffle_seed: int = 0,
    extension: Extension | None = None,
) -> Config:
    """Prepare a raw table into a folder.

    Args:
        folder: The folder to create, or its URL in a store, to which it is uploaded at the end. It must not exist; an
            interrupted preparation of it is resumed.
        name: Name of the data set: letters, digits and underscores.
        plan: The `TablePlan`.
        source: A source of `ctrzoo.data_pipelines.raw.sources`.
        options: The options of the data set, JSON-serializable.
        bad_rows: What to do with rows that cannot be used: `"error"` or `"skip"`.
        most_skipped: The largest share of the rows that `"skip"` may leave out, 0 to 1; by default 0.05.
        shuffle_seed: Seed for the order of the training rows.
        extension: How vocabularies grow, if the folder keeps all counts: an `Extension`.

    Returns:
        The report, as in `report.json`.

    Raises:
        FileExistsError: If the folder already exists, or another process created it meanwhile.
        ValueError: If the table does not match the plan; the message gives file, row and column.
        OSError: If a file cannot be read or written.
    """
    check_name(name)
    if bad_rows not in BAD_ROWS:
        raise ValueError(f"`bad_rows` must be 'error' or 'skip'. Received: {bad_rows!r}.")
    check_share(most_skipped, bad_rows)
    known = source.columns()
    of_histories = (column for history in plan.histories for column in history.needed)
    check_needed(source.describe()["files"][0][0], dict.fromkeys([*plan.needed_columns(), *of_histories]), known)
    source = with_smaller_chunks(source, plan.histories) if plan.histories else source
    folder = as_path(folder) if is_url(folder) else pathlib.Path(folder).absolute()
    if is_url(folder):
        check_target(folder)
    options = options or {}
    description = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "plan": plan.describe(),
        "source": source.describe(),
        "options": options,
        "bad_rows": bad_rows,
        "seed": shuffle_seed,
        "shard_rows": shard_rows(),
        **({"extension": extension.describe()} if extension else {}),
    }
    try:
        with kept_state(folder, description) as state:
            job = _Job(state, name, plan, source, bad_rows, most_skipped, shuffle_seed, extension)
            return _prepare(job, folder, options, description["source"])
    except (OSError, pl.exceptions.PolarsError) as error:
        # Polars, which writes the vocabularies, gives no errno for it.
        if getattr(error, "errno", None) != errno.ENOSPC and os.strerror(errno.ENOSPC) not in str(error):
            raise
        where = "the cache folder" if is_url(folder) else folder
        message = f"the disk of {where} is full. Free space and rerun the command to resume"
        raise OSError(errno.ENOSPC, message) from None


def check_share(most_skipped: float | None, bad_rows: str) -> None:
    """Raise an error if the share of rows that may be skipped is none, or no rows are skipped."""
    if most_skipped is None:
        return
    if isinstance(most_skipped, bool) or not isinstance(most_skipped, (int, float)) or not 0 <= most_skipped <= 1:
        raise ValueError(f"`most_skipped` must be a share of the rows, 0 to 1. Received: {most_skipped!r}.")
    if bad_rows != "skip":
        raise ValueError("`most_skipped` is for --bad_rows=skip, which skips rows. Pass both, or neither.")


@dataclasses.dataclass(frozen=True)
class _Job:
    """A preparation job. Each step skips what an earlier process has finished in its folder.

    Args:
        state: The preparation's hidden folder, with one subfolder per step.
        name: Name of the data set.
        plan: The `TablePlan`.
        source: The raw table.
        bad_rows: `"error"` or `"skip"`.
        most_skipped: The largest share of the rows to skip; None for the default.
        seed: Seed for the order of the training rows.
        extension: How vocabularies grow; None keeps no counts.
    """

    state: pathlib.Path
    name: str
    plan: TablePlan
    source: Source
    bad_rows: str
    most_skipped: float | None
    seed: int
    extension: Extension | None = None

    def chunk(self, number: int) -> ChunkFiles:
        """Return the files of a compact chunk."""
        return ChunkFiles(self.state / "chunks", number)


class _Chunk(typing.NamedTuple):
    """A chunk after the first pass: its files and its facts."""

    files: ChunkFiles
    stats: Config


class _Encoded(typing.NamedTuple):
    """A chunk after the second pass: its files, and where the rows of each shard end and counts for the report."""

    files: EncodedFiles
    stats: Config


def _prepare(job: _Job, folder: pathlib.Path, options: Config, described: Config) -> Config:
    """Run the steps one after the other; return the report."""
    start = time.monotonic()
    seconds = {}

    def timed(step, function, *arguments):
        began = time.monotonic()
        result = function(job, *arguments)
        seconds[step] = round(time.monotonic() - began, 3)
        return result

    for step in ("histories", "chunks", "fields", "rows", "prepared"):
        (job.state / step).mkdir(exist_ok=True)
    rows = timed("histories", _with_histories) if job.plan.histories else job.source
    chunks = timed("read", _read, rows)
    _check_unchanged(job.source, described)
    division, assigned = timed("divide", _divide, chunks)
    encoding, fitted = timed("fit", _fit, chunks)
    encoded = timed("encode", _encode, chunks, division, assigned, encoding, fitted)
    splits = timed("write", _write, division, encoding, encoded)
    prepared = job.state / "prepared"
    rate = job.plan.negatives.share
    write_metadata(prepared, job.name, encoding.schema, splits, options, encoding, negative_rate=rate)
    counts = np.sum([chunk.stats["counts"] for chunk in encoded], axis=0)
    stats = [chunk.stats for chunk in chunks]
    growth = _write_growth(job, encoding, fitted) if job.extension else None
    numbers = [chunk.stats["numbers"] for chunk in encoded if "numbers" in chunk.stats]
    report = write_report(prepared, job.name, encoding, splits, stats, counts, seconds, start, rate, growth, numbers)
    write_page(prepared, encoding)
    publish(prepared, folder)
    return report


def _write_growth(job, encoding, fitted):
    """Write what an extension of the folder will need; return what the report says of it."""
    owners = {field.name: one for field, one in zip(encoding.fields, fitted, strict=True) if field.share is None}
    changes = {name: change for name, one in owners.items() if (change := one.change())}
    job.extension.save(job.state / "prepared", {name: owners[name].seen() for name in changes})
    return report_of(job.extension, changes)


# Pass 1


def _check_unchanged(source, described):
    """Raise an error if the files are not those that they were before they were read.

    Folders are left out: their times change with any file in them, such as those that are being prepared.
    """
    for before, after in zip(described["files"], source.describe()["files"], strict=True):
        if before != after and not pathlib.Path(after[0]).is_dir():
            raise ValueError(f"{after[0]} changed while it was read. Rerun the command to read the table again.")


def _with_histories(job: _Job) -> HistoryLog:
    """Find the histories of all rows; return the table with their columns."""
    log = HistoryLog(job.state / "histories", job.name, job.source, job.plan.histories, job.bad_rows)
    log.build()
    return log


def _read(job: _Job, source: Source | HistoryLog) -> list[_Chunk]:
    """Parse the raw table and store its chunks in compact form."""
    positions = []
    while (stats := job.chunk(len(positions)).stats()) is not None:
        positions.append(stats["place"])
    needed = job.plan.needed_columns()

    def process(item):
        number, chunk = item
        files = job.chunk(number)
        return files.stats() or read_chunk(files, number, chunk, job.plan, needed, job.bad_rows)

    chunks = []
    with StepProgress(f"{job.name}: reading") as progress:
        for stats in in_order(process, enumerate(source.chunks(positions))):
            chunks.append(_Chunk(job.chunk(len(chunks)), stats))
            progress.advance(stats["rows"], stats["place"]["share"])
    path = job.source.describe()["files"][0][0]
    check_read(path, job.plan, [chunk.stats for chunk in chunks], job.most_skipped)
    return chunks


def check_read(path: str, plan: TablePlan, stats: Sequence[Config], most_skipped: float | None) -> None:
    """Raise an error if too many rows were skipped, or if the label's values are not what the plan says.

    Args:
        path: What to call the table in messages.
        plan: The `TablePlan`.
        stats: The stats of each chunk.
        most_skipped: The largest share of the rows to skip; None for the default.

    Raises:
        ValueError: As said.
    """
    left_out, bad = (sum(chunk[key] for chunk in stats) for key in ("left_out", "bad"))
    rows = left_out + sum(chunk["rows"] for chunk in stats)
    most = MOST_SKIPPED if most_skipped is None else most_skipped
    if bad > most * (rows + bad):
        first = next(chunk for chunk in stats if chunk["bad"])
        raise ValueError(
            f"{first['first_bad']}. {bad:,} of {rows + bad:,} rows cannot be used, but --bad_rows=skip leaves out at "
            f"most {100 * most:g}%. {first['advice'] or CORRECT}. For an own table, --most_skipped allows more."
        )
    if not rows:
        raise ValueError(f"{path} has no rows that can be used.")
    plan.label.check_found(sorted({value for chunk in stats for value in chunk["label_values"]}))


def _divide(job: _Job, chunks: list[_Chunk]) -> tuple[Division, list[np.ndarray] | None]:
    """Divide the rows into splits and shards; return the splits of the rows of each chunk unless these store them."""
    assigned = None
    if job.plan.split.needs_all_labels:
        path = job.state / "chunks" / "splits.npy"
        if not path.is_file():
            labels = np.concatenate([chunk.files.labels() for chunk in chunks])
            with replaced(path) as temporary:
                np.save(temporary, job.plan.split.assign_all(labels))
        ends = np.cumsum([chunk.stats["rows"] for chunk in chunks])
        assigned = np.split(np.load(path), ends[:-1])
        rows = np.array([np.bincount(splits, minlength=3) for splits in assigned])
    else:
        rows = np.array([chunk.stats["splits"] for chunk in chunks])
    stats = [chunk.stats for chunk in chunks]
    check_splits(job.name, job.plan, stats, rows.sum(axis=0), lambda: _train_positives(chunks, assigned))
    return Division(rows, job.seed, job.plan.roles.keep_groups), assigned


def check_splits(
    name: str, plan: TablePlan, stats: Sequence[Config], rows: np.ndarray, train_positives: Callable[[], int]
) -> None:
    """Check that each split has rows, and the training rows both labels if rows were skipped.

    Args:
        name: Name of the data set.
        plan: The `TablePlan`.
        stats: The stats of each chunk.
        rows: The number of rows of each split, `(3,)`.
        train_positives: Function that returns the number of training rows with a label above 0.

    Raises:
        ValueError: If they lack them.
    """
    if not rows[0]:
        raise ValueError(f"Data set '{name}' has no row in the split 'train'. Change the split.")
    empty = [split for split in plan.split.requested() if not rows[SPLITS.index(split)]]
    if empty and isinstance(plan.split, ByColumn):
        raise ValueError(
            f"Data set '{name}' has no row in the split '{empty[0]}'. Compare `valid_from` and `test_from` with "
            f"the values of the column '{plan.split.column}'."
        )
    if empty:
        console.print(f"{name}: the table has no rows for the split {' and '.join(map(repr, empty))}")
    if not any(chunk["bad"] for chunk in stats) or plan.label.kind != "binary":
        return
    positives = train_positives()
    if positives in (0, rows[0]):
        first = next(chunk for chunk in stats if chunk["bad"])
        raise ValueError(
            f"{first['first_bad']}. Without such rows, all labels of the split 'train' are {int(positives > 0)}. "
            f"{first['advice'] or CORRECT}."
        )


def _train_positives(chunks, assigned):
    """Return the number of training rows with a label above 0."""
    if assigned is None:
        return sum(chunk.stats["train_positives"] for chunk in chunks)
    splits = zip(chunks, assigned, strict=True)
    return sum(int(chunk.files.labels()[of_rows == 0].sum()) for chunk, of_rows in splits)


def _fit(job: _Job, chunks: list[_Chunk]) -> tuple[TableEncoding, list[FittedField]]:
    """Fit vocabularies and scalings; return the encoding and, for each field, the ids of the chunks' dictionaries."""
    stats, files = [chunk.stats for chunk in chunks], [chunk.files for chunk in chunks]
    fitted = [
        FittedField(job.state / "fields" / f"{index:04d}", [chunk["sizes"][index] for chunk in stats])
        for index in range(len(job.plan.fields))
    ]

    histories = columns_of_histories(job.plan.fields).values()

    def process(index):
        field = job.plan.fields[index]
        if not fitted[index].is_complete:
            read = crossed if field.cross else files
            growing = job.extension and job.extension.growing(index)
            shared = sharing(job.plan.fields, index)
            together = next((places for places in histories if index in places), ())
            fitted[index].fit(field, index, read, stats, job.plan.fit_on, shared, growing, together)
        of_plan = {key: getattr(field, key) for key in ("column", "share", "cross")}
        return dataclasses.replace(fitted[index].encoding(), **of_plan)

    fields = list(job.plan.fields)
    crossed = [CrossedChunk(job.chunk(number), fields) for number in range(len(chunks))]
    # Crosses come last: the types and buckets of their parts decide their values.
    crosses = [index for index, field in enumerate(fields) if field.cross]
    others = [index for index, field in enumerate(fields) if not field.cross]
    with StepProgress(f"{job.name}: fitting vocabularies") as progress:
        for before, indices in ((0, others), (len(others), crosses)):
            for number, field in enumerate(in_order(process, indices)):
                fields[indices[number]] = field
                progress.advance(0, (before + number + 1) / len(fitted))
        os.sync()  # once for all fields: the second pass deletes what they were fitted to
    return TableEncoding(fields, roles=job.plan.roles, table=layout_of(job.source)), fitted


# Pass 2


def _encode(
    job: _Job,
    chunks: list[_Chunk],
    division: Division,
    assigned: list[np.ndarray] | None,
    encoding: TableEncoding,
    fitted: list[FittedField],
) -> list[_Encoded]:
    """Turn chunks into ids and numbers, divided by shard."""
    num_shards = division.first_shards[-1]
    files = [EncodedFiles(job.state / "rows", number, encoding) for number in range(len(chunks))]

    def process(number):
        stats = files[number].stats()
        if stats is None:
            with chunks[number].files.arrays() as arrays:
                try:
                    splits = arrays["split"] if assigned is None else assigned[number]
                    block, counts = encode_chunk(arrays, number, encoding, fitted, splits)
                    numbers_of_fields = numbers_of_chunk(arrays, number, encoding, splits)
                except RowError as error:  # the fitted scale makes a number too large
                    raise ValueError(f"{job.name}: {error.reason}. Choose another `transform`.") from None
            groups = block.columns["group"] if job.plan.roles.keep_groups else None
            shards = division.shards(number, splits, groups)
            files[number].save(block, shards, num_shards, counts, numbers_of_fields)
            stats = files[number].stats()
        chunks[number].files.delete()
        return stats

    encoded = []
    total = sum(chunk.stats["rows"] for chunk in chunks)
    with StepProgress(f"{job.name}: encoding") as progress:
        for number, stats in enumerate(in_order(process, range(len(chunks)))):
            encoded.append(_Encoded(files[number], stats))
            progress.advance(chunks[number].stats["rows"], progress.rows / total if total else 1)
    return encoded


def _write(job: _Job, division: Division, encoding: TableEncoding, encoded: list[_Encoded]) -> dict[str, Split]:
    """Assemble the shards; return what was written for each split."""
    tensors = block_tensors(encoding.schema, encoding.roles)
    paths = [job.state / "prepared" / filename for filename in division.filenames(job.name)]

    def process(shard):
        counts_path = job.state / "rows" / f"shard-{shard:06d}.npy"
        if not counts_path.is_file():
            parts = (chunk.files.read(shard, chunk.stats) for chunk in encoded)
            with replaced(paths[shard]) as temporary, open(temporary, "wb") as file:
                counts = division.write_shard(file, shard, parts, tensors)
            with replaced(counts_path) as temporary:
                np.save(temporary, counts)
        with ARRAY_LOCK:
            return np.load(counts_path).tolist()

    shards = []
    total = int(division.rows.sum())
    with StepProgress(f"{job.name}: writing") as progress:
        for shard in in_order(process, range(len(paths))):
            shards.append(shard)
            progress.advance(shard[0], progress.rows / total)
    splits = {}
    for index, split in enumerate(SPLITS):
        chosen = slice(division.first_shards[index], division.first_shards[index + 1])
        if shards[chosen]:
            written = [(rows, positives, block_rows) for rows, positives, *block_rows in shards[chosen]]
            rows, positives, block_rows = zip(*written, strict=True)
            sizes = {path.name: path.stat().st_size for path in paths[chosen]}
            by_name = {path.name: counts for path, counts in zip(paths[chosen], block_rows, strict=True)}
            splits[split] = Split(sum(rows), sum(positives), sizes, [len(counts) for counts in block_rows], by_name)
    return splits


def _marker(reason):
    """Return the text that stands for a missing number, if this is why a row cannot be used."""
    match = re.match("column .* must hold finite numbers, not (['\"].*['\"])$", reason)
    cell = ast.literal_eval(match[1]) if match else ""
    return cell if re.search(MARKER, cell) else None


def _vector(matrix, path, row_numbers):
    """Return the length of a chunk's vectors, and where the first of them is."""
    present = np.flatnonzero(~np.isnan(matrix[:, :1]).all(axis=1))
    if not len(present):
        return [0, path]
    if len(matrix) < len(row_numbers):  # negative rows were left out
        return [matrix.shape[1], f"{path}, rows {row_numbers[0]:,} to {row_numbers[-1]:,}"]
    return [matrix.shape[1], f"{path}, row {int(row_numbers[present[0]]):,}"]


def read_chunk(
    files: CompactChunk, number: int, chunk: Chunk, plan: TablePlan, needed: dict[str, bool], bad_rows: str
) -> Config:
    """Parse and store a chunk; return its stats.

    Args:
        files: Where to store it.
        number: The number of the chunk.
        chunk: The `Chunk`.
        plan: The `TablePlan`.
        needed: What `plan.needed_columns` returned.
        bad_rows: `"error"` or `"skip"`.

    Raises:
        ValueError: If rows cannot be used and `bad_rows` is `"error"`; the message names the first.
    """
    table, numbers, bad = chunk.parse(needed)
    advice = {}
    while True:
        try:
            arrays, dictionaries = compact(table, plan, number, chunk.split)
            break
        except RowError as error:
            bad = [*bad, *((int(numbers[row]), error.reason) for row in error.rows)]
            advice[error.reason] = error.advice
            kept = np.ones(len(table), bool)
            kept[error.rows] = False
            table, numbers = table.filter(pa.array(kept)), numbers[kept]
    row, reason = min(bad) if bad else (0, "")
    if bad and bad_rows == "error":
        few = len(bad) <= MOST_SKIPPED * (len(bad) + len(table))
        if marker := _marker(reason):
            advice[reason] = (
                f"If {marker!r} marks a missing number, write missing: [{json.dumps(marker)}] into the schema"
            )
            few = False
        one_class = bool(advice.get(reason)) and len(np.unique(arrays["label"])) < 2
        mend = "Pass --bad_rows=skip to skip such rows" if few and not one_class else advice.get(reason) or CORRECT
        raise ValueError(f"{chunk.path}, row {row:,}: {reason}. {mend}.")
    rows = len(arrays["label"])
    learn = arrays["split"] == 0 if plan.fit_on == "train" else np.ones(rows, bool)
    lengths = [arrays.get(f"lengths_{index}", np.zeros(rows, int))[learn] for index in range(len(plan.fields))]
    stats = {
        "rows": rows,
        "left_out": len(table) - rows,
        "bad": len(bad),
        "first_bad": f"{chunk.path}, row {row:,}: {reason}" if bad else None,
        "advice": advice.get(reason, ""),
        "label_values": plan.label.values_of(column(table, plan.label.column)),
        "label_sum": float(arrays["label"].sum(dtype=np.float64)),
        "weight_sum": float(arrays["weight"].sum(dtype=np.float64)) if "weight" in arrays else None,
        "train_positives": int(arrays["label"][arrays["split"] == 0].sum()) if "split" in arrays else None,
        "place": chunk.position,
        "sizes": [len(texts) for texts, _ in dictionaries],
        "longest": [int(field.max(initial=0)) for field in lengths],
        "vectors": [
            _vector(arrays[f"numbers_{index}"], chunk.path, numbers) if field.kind == "vector" else None
            for index, field in enumerate(plan.fields)
        ],
        "splits": np.bincount(arrays["split"], minlength=3).tolist() if "split" in arrays else None,
    }
    files.save(arrays, dictionaries, stats)
    return stats
