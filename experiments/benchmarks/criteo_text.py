"""Synthetic raw text of any size, in the format of Criteo's display advertising data.

`python -m ctrzoo.experiments.benchmarks.criteo_text --path=rows.txt --rows=5000000`

The text is tab-separated, without a header: the label, 13 whole numbers, 26 categories of 8 hexadecimal digits; missing
cells are empty. Vocabularies have the sizes of Criteo's 45.8 million rows, and the k-th most frequent value has a share
close to 1 / (k ln n). Five million rows therefore hold several million values, most of them rare.
"""

import numpy as np
import pyarrow as pa
import pyarrow.csv
from absl import app, flags

from ctrzoo.files import replaced
from ctrzoo.types import Path

CHUNK_ROWS = 25_000
NUM_CATEGORIES = (
    *(1460, 583, 10_131_227, 2_202_608, 305, 24, 12_517, 633, 3, 93_145, 5683, 8_351_593, 3194),
    *(27, 14_992, 5_461_306, 10, 5652, 2173, 4, 7_046_547, 18, 15, 286_181, 105, 142_572),
)
# Measured on the first 10,000 rows of Criteo's data, rounded.
NUMBER_MISSING = (0.45, 0.0, 0.2, 0.2, 0.05, 0.25, 0.05, 0.0, 0.05, 0.45, 0.05, 0.77, 0.2)
NUMBER_MEDIANS = (1, 4, 7, 4, 2500, 40, 3, 7, 40, 0.5, 1, 0.5, 5)
NUMBER_LARGEST = (210, 18_500, 65_500, 280, 1_620_000, 12_200, 1660, 680, 7340, 6, 80, 98, 770)
CATEGORY_MISSING = {2: 4, 3: 4, 5: 13, 11: 4, 15: 4, 18: 45, 19: 45, 20: 4, 21: 82, 23: 4, 24: 45, 25: 45}
# Fields with few values, on which the label depends.
TELLING = (5, 8, 13, 16, 22)

_HEXADECIMAL = np.frombuffer(b"".join(b"%04x" % number for number in range(65_536)), np.uint32)


def criteo_rows(rows: int, seed: int | list[int]) -> pa.Table:
    """Return synthetic rows.

    Args:
        rows: Number of rows.
        seed: A whole number or a list of whole numbers.

    Returns:
        A `pyarrow.Table` of 40 columns: the label, numbers (int32), categories (text); null means missing.
    """
    random = np.random.default_rng(seed)
    columns, logits = {}, np.full(rows, -1.5, np.float32)
    for field, (missing, median, largest) in enumerate(
        zip(NUMBER_MISSING, NUMBER_MEDIANS, NUMBER_LARGEST, strict=True)
    ):
        power = np.log2(np.log1p(largest) / np.log1p(median))
        numbers = np.exp(random.random(rows, np.float32) ** power * np.log1p(largest)).astype(np.int32) - 1
        # In Criteo, only the second number can be negative.
        numbers -= field == 1
        columns[f"I{field + 1}"] = pa.array(numbers, mask=random.random(rows, np.float32) < missing)
    for field, size in enumerate(NUM_CATEGORIES):
        precision = np.float64 if size > 1_000_000 else np.float32
        ranks = np.exp(random.random(rows, precision) * precision(np.log(size + 1))).astype(np.uint32)
        values = _scrambled(ranks + np.uint32(field << 26))
        if field in TELLING:
            logits += (values >> 16).astype(np.float32) / 65_536 - 0.4
        missing = CATEGORY_MISSING.get(field, 0) / 100
        columns[f"C{field + 1}"] = _text(values, random.random(rows, np.float32) < missing if missing else None)
    labels = random.random(rows, np.float32) < 1 / (1 + np.exp(-logits))
    return pa.table({"label": labels.astype(np.int8), **columns})


def write_criteo_text(path: Path, rows: int, seed: int = 0) -> None:
    """Write synthetic rows. A larger file begins with the rows of a smaller one whose size is a multiple of 25,000.

    Args:
        path: The file to write.
        rows: Number of rows.
        seed: A whole number; the same seed gives the same file.
    """
    layout = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none", batch_size=4096)
    with replaced(path) as temporary, open(temporary, "wb") as file:
        for chunk, first in enumerate(range(0, rows, CHUNK_ROWS)):
            table = criteo_rows(min(CHUNK_ROWS, rows - first), [seed, chunk])
            pyarrow.csv.write_csv(table, file, layout)


def _scrambled(numbers):
    """Map uint32 one-to-one onto scrambled uint32 (the last steps of MurmurHash3)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        numbers ^= numbers >> np.uint32(shift)
        numbers *= np.uint32(factor)
    return numbers ^ (numbers >> np.uint32(16))


def _text(values, missing):
    """Convert uint32 to text of 8 hexadecimal digits."""
    digits = _HEXADECIMAL[values.view(np.uint16)]
    ends = np.arange(0, 8 * len(values) + 1, 8, dtype=np.int32)
    present = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(digits), present)


def _main(_):
    write_criteo_text(_PATH.value, _ROWS.value, _SEED.value)


if __name__ == "__main__":
    _PATH = flags.DEFINE_string("path", None, "The file to write.", required=True)
    _ROWS = flags.DEFINE_integer("rows", 5_000_000, "Number of rows.", lower_bound=1)
    _SEED = flags.DEFINE_integer("seed", 0, "Seed for the rows.")
    app.run(_main)
