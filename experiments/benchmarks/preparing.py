"""How fast raw text is prepared, compared with a plain two-pass Python script.

`python -m ctrzoo.experiments.benchmarks.preparing --rows=1000000` generates text in Criteo's format. It prepares the
text both ways, each in its own process, and prints rows per second and peak memory.
"""

import collections
import json
import math
import multiprocessing
import pathlib
import tempfile
import time

import numpy as np
from absl import app, flags

from ctrzoo.memory import peak_bytes
from ctrzoo.types import Config, Path

from ...data_pipelines import load
from ...data_pipelines.datasets.criteo import prepare_criteo
from .criteo_text import write_criteo_text

NUM_NUMBERS, NUM_COLUMNS = 13, 40
MIN_COUNT = 11


def measure(rows: int = 1_000_000, plain_rows: int | None = None, folder: Path | None = None) -> Config:
    """Measure both ways of preparing.

    Args:
        rows: Rows of synthetic text.
        plain_rows: Rows of the same text that the plain script prepares; by default all. The script needs about
            1.5 kB of memory per row.
        folder: Where to put the data; a temporary folder by default.

    Returns:
        A dictionary: for `"ctrzoo"` and `"plain"`, the `rows_per_second`, `cpu_seconds_per_million_rows`,
        `peak_memory_bytes` and `feature_size`; and the `ratio` of the speeds.

    Raises:
        RuntimeError: If both prepared the same rows but the vocabularies differ in size.
    """
    plain_rows = plain_rows or rows
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        temporary = pathlib.Path(temporary)
        found = {}
        for name, work, count in (("ctrzoo", _prepare, rows), ("plain", plain_preparation, plain_rows)):
            raw = temporary / f"{count}.txt"
            if not raw.exists():
                write_criteo_text(raw, count)
            (temporary / name).mkdir()
            found[name] = _in_own_process(work, raw, temporary / name, count)
    if rows == plain_rows and found["ctrzoo"]["feature_size"] != found["plain"]["feature_size"]:
        raise RuntimeError(f"The vocabularies differ: {found}.")
    return {**found, "ratio": found["ctrzoo"]["rows_per_second"] / found["plain"]["rows_per_second"]}


def plain_preparation(raw: Path, folder: Path) -> int:
    """Prepare Criteo's text as a short script would: counts in dictionaries, rows in lists, arrays saved at the end.

    Values in more than 10 rows get an id; the others share one id per field. Numbers above 2 become floor(ln(x)^2).
    The rows are divided into ten stratified parts.

    Args:
        raw: The raw text.
        folder: An existing folder for the arrays.

    Returns:
        The number of ids, including 0.
    """
    counts = [collections.defaultdict(int) for _ in range(NUM_NUMBERS + 1, NUM_COLUMNS)]
    with open(raw, encoding="utf-8") as file:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            for field, cell in enumerate(cells[NUM_NUMBERS + 1 :]):
                counts[field][cell] += 1
    ids_of, next_id = [], NUM_NUMBERS + 1
    for field_counts in counts:
        kept = [value for value, count in field_counts.items() if count >= MIN_COUNT]
        ids_of.append((next_id, {value: next_id + 1 + place for place, value in enumerate(kept)}))
        next_id += 1 + len(kept)
    ids, values, labels = [], [], []
    with open(raw, encoding="utf-8") as file:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            labels.append(int(cells[0]))
            row_ids, row_values = list(range(1, NUM_NUMBERS + 1)), []
            for cell in cells[1 : NUM_NUMBERS + 1]:
                number = float(cell) if cell else 0.0
                row_values.append(math.floor(math.log(number) ** 2) if number > 2 else number)
            for (rare, field_ids), cell in zip(ids_of, cells[NUM_NUMBERS + 1 :], strict=True):
                row_ids.append(field_ids.get(cell, rare))
                row_values.append(1.0 if cell else 0.0)
            ids.append(row_ids)
            values.append(row_values)
    ids, values, labels = np.array(ids, np.int32), np.array(values, np.float32), np.array(labels, np.uint8)
    random = np.random.default_rng(2018)
    order = np.concatenate([random.permutation(np.flatnonzero(labels == label)) for label in (0, 1)])
    for part in range(10):
        chosen = order[part::10]
        for name, array in (("ids", ids), ("values", values), ("labels", labels)):
            np.save(pathlib.Path(folder) / f"{name}{part}.npy", array[chosen])
    return next_id


def _prepare(raw, folder):
    prepare_criteo(folder / "criteo", raw)
    return load(folder / "criteo").schema.num_ids


def _in_own_process(work, raw, folder, rows):
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(work, raw, folder, rows, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def _measured(work, raw, folder, rows, sender):
    start, start_cpu = time.monotonic(), time.process_time()
    feature_size = work(raw, folder)
    seconds, cpu_seconds = time.monotonic() - start, time.process_time() - start_cpu
    sender.send(
        {
            "rows": rows,
            "rows_per_second": rows / seconds,
            "cpu_seconds_per_million_rows": cpu_seconds / rows * 1e6,
            "peak_memory_bytes": peak_bytes(),
            "feature_size": feature_size,
        }
    )


def _main(_):
    print(json.dumps(measure(_ROWS.value, _PLAIN_ROWS.value), indent=2))


if __name__ == "__main__":
    _ROWS = flags.DEFINE_integer("rows", 1_000_000, "Rows of synthetic text.", lower_bound=1000)
    _PLAIN_ROWS = flags.DEFINE_integer("plain_rows", None, "Rows that the plain script prepares; by default all.")
    app.run(_main)
