"""What vocabularies cost per value on Spark's driver and workers: `python -m ctrzoo.experiments.scale.vocabularies`.

The driver's part of a preparation is repeated without Spark, on as many values as asked for: the values as Spark
returns them, the fitted fields, and what is sent to each Python worker, which then finds the ids of a chunk's texts.
Each part has a process of its own. What a value costs is the slope from the fewest to the most values.
"""

from __future__ import annotations

import json
import pathlib
import pickle
import subprocess
import sys
import tempfile
import time

import numpy as np
import polars as pl
import pyarrow as pa
from absl import app, flags

from ctrzoo.files import write_json
from ctrzoo.memory import peak_bytes

from ...data_pipelines.encoding.field import FieldEncoding
from ...data_pipelines.encoding.fields import TableEncoding
from ...data_pipelines.encoding.fitting import fit_vocabulary
from ...data_pipelines.preparation.fitted_field import ids_of
from .measuring import RESULTS

FLAGS = flags.FLAGS
NUM_FIELDS = 26
LOOKED_UP = 100_000  # texts whose ids a worker finds in each field: a chunk's different values


def counted(num_values: int) -> pa.Table:
    """Return values as Spark returns them: a field, a text of 8 hexadecimal digits, and a count."""
    numbers = np.arange(num_values, dtype=np.uint32)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    texts = np.empty((num_values, 8), np.uint8)
    for place in range(8):
        texts[:, place] = digits[((numbers * np.uint32(0x9E3779B1)) >> np.uint32(4 * place)) & 15]
    ends = np.arange(0, 8 * num_values + 1, 8, dtype=np.int32)
    column = pa.StringArray.from_buffers(num_values, pa.py_buffer(ends), pa.py_buffer(texts))
    fields = pa.array((numbers % NUM_FIELDS).astype(np.int32))
    return pa.table({"field": fields, "text": column, "count": pa.array(np.full(num_values, 10, np.int64))})


def drive(num_values: int, path: pathlib.Path) -> dict[str, float]:
    """Do the driver's part; write what workers are sent.

    Args:
        num_values: Values of all fields.
        path: The file to write.

    Returns:
        `seconds` and `driver_bytes`, `sent_bytes` and `file_bytes`.
    """
    table, start = counted(num_values), time.process_time()
    found = pl.DataFrame(pl.from_arrow(table))
    fields = []
    for index in range(NUM_FIELDS):
        values = found.filter(pl.col("field") == index)
        field = FieldEncoding(f"C{index}", min_count=10, missing="category", type="text")
        fields.append(fit_vocabulary(field, [(values["text"], values["count"].to_numpy())]))
    encoding = TableEncoding(fields)
    with open(path, "wb") as file:
        pickle.dump(encoding, file, protocol=pickle.HIGHEST_PROTOCOL)
    seconds, peak = time.process_time() - start, peak_bytes()
    with tempfile.TemporaryDirectory() as folder:
        encoding.save(folder)
        size = (pathlib.Path(folder) / "vocabulary.parquet").stat().st_size
    return {
        "seconds": seconds,
        "driver_bytes": peak,
        "sent_bytes": path.stat().st_size,
        "file_bytes": size,
    }


def work(path: pathlib.Path) -> dict[str, float]:
    """Do a worker's part: read what it is sent and find the ids of the texts of two chunks.

    Returns:
        `worker_bytes`, `read_seconds` of what it is sent, `lookup_seconds` of the second chunk, and `index_seconds`,
        which the first chunk takes longer.
    """
    start = time.process_time()
    with open(path, "rb") as file:
        encoding = pickle.load(file)
    read_seconds = time.process_time() - start
    texts = pl.Series(pl.from_arrow(counted(NUM_FIELDS * LOOKED_UP)["text"].combine_chunks()))
    seconds = []
    for _ in range(2):
        start = time.process_time()
        for index, field in enumerate(encoding.fields):
            ids_of(field, texts[index::NUM_FIELDS])
        seconds.append(time.process_time() - start)
    return {
        "worker_bytes": peak_bytes(),
        "read_seconds": read_seconds,
        "index_seconds": seconds[0] - seconds[1],
        "lookup_seconds": seconds[1],
    }


def measure(num_values: int) -> dict[str, float]:
    """Return what both parts cost, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sent"
        parts = [
            _apart(f"drive({num_values}, pathlib.Path({str(path)!r}))"),
            _apart(f"work(pathlib.Path({str(path)!r}))"),
        ]
    return {"values": num_values, **parts[0], **parts[1]}


def _apart(call):
    code = f"from ctrzoo.experiments.scale.vocabularies import *; print(json.dumps({call}))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def main(argv: list[str]) -> None:
    """Measure and write the file."""
    del argv
    found = [measure(int(values)) for values in FLAGS.values]
    for each in found:
        print(json.dumps(each))
    write_json(FLAGS.path, found)


if __name__ == "__main__":
    flags.DEFINE_list("values", ["4000000", "8000000", "16000000"], "Numbers of values, separated by commas.")
    flags.DEFINE_string("path", str(RESULTS / "vocabularies.json"), "The file to write.")
    app.run(main)
