"""What preparation costs: time by rows and cores, bytes of the folder, and the cost of a vocabulary per value."""

from __future__ import annotations

import dataclasses
import math

BLOCK_ROWS = 4096
# Of a block of rows in a shard: the frame of its record, and the names and sizes of its features.
BLOCK_BYTES = 80
# Rows and processor seconds of `docs/use/spark.md`: Criteo-shaped text of 39 fields, vocabularies of at least 10 rows.
MEASURED = {
    "one machine": ((1e6, 13.5), (5e6, 55.0)),
    "Spark": ((1e6, 115.6), (5e6, 209.8)),
}


@dataclasses.dataclass(frozen=True)
class Engine:
    """What an engine costs: `fixed + rows / rate` processor seconds.

    Attributes:
        fixed: Seconds that do not depend on the rows.
        rate: Rows per processor second.
    """

    fixed: float
    rate: float

    def core_seconds(self, rows: float) -> float:
        """Return the processor seconds of so many rows.

        >>> Engine(fixed=10, rate=100).core_seconds(1000)
        20.0
        """
        return self.fixed + rows / self.rate

    def elapsed(self, rows: float, cores: int, serial: float = 0.0) -> float:
        """Return the elapsed seconds on so many cores, all busy.

        Args:
            rows: Rows.
            cores: Cores of all executors.
            serial: Seconds of the driver during which executors wait.

        >>> Engine(fixed=10, rate=100).elapsed(1000, cores=4, serial=3)
        8.0
        """
        return serial + self.core_seconds(rows) / cores


def engine_of(points: tuple[tuple[float, float], tuple[float, float]]) -> Engine:
    """Return the engine whose line goes through two measured points `(rows, processor seconds)`.

    >>> engine_of(((100, 11), (300, 13)))
    Engine(fixed=10.0, rate=100.0)
    """
    (rows, seconds), (more_rows, more_seconds) = points
    rate = (more_rows - rows) / (more_seconds - seconds)
    return Engine(seconds - rows / rate, rate)


def shard_bytes(rows: int, ids: int, numbers: int) -> int:
    """Return the bytes of the shards of a split: 4 per id and number, 1 per label, and the frames of blocks.

    Args:
        rows: Rows.
        ids: Stored ids of a row: the slots of categorical and multi-valued fields.
        numbers: Stored numbers of a row.
    """
    return rows * (4 * ids + 4 * numbers + 1) + BLOCK_BYTES * math.ceil(rows / BLOCK_ROWS)


@dataclasses.dataclass(frozen=True)
class PerValue:
    """What a value of a vocabulary costs, see `vocabularies.py`.

    Attributes:
        seconds: Processor seconds of the driver.
        driver_bytes: Bytes of memory of the driver.
        sent_bytes: Bytes that each Python worker is sent.
        worker_bytes: Bytes of memory of each Python worker.
        file_bytes: Bytes of `vocabulary.parquet`.
    """

    seconds: float
    driver_bytes: float
    sent_bytes: float
    worker_bytes: float
    file_bytes: float
