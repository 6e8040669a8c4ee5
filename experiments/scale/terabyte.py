"""Criteo's terabyte of clicks, in numbers: the tables of `docs/understand/scale.md`.

All figures follow from measured points, from the formulas in `strategies.py` and `preparing.py`, and from the data of a
device in `costs.py`. The numbers of rows and of values are given: 4.4 billion rows of 13 numbers and 26 categories,
of which 188 million values occur at least 10 times.
"""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Mapping, Sequence

from .costs import A100, Device
from .measuring import RESULTS
from .preparing import MEASURED, PerValue, engine_of, shard_bytes
from .strategies import STRATEGIES, Step
from .workload import Workload, deepfm

ROWS, VALUES, NUM_IDS, NUM_NUMBERS = 4_400_000_000, 188_000_000, 26, 13
WIDTHS = (8, 16, 32, 64, 128)
UNITS, BATCH = (400, 400), 65_536
DEVICES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# Rows of a full shard, and how many shards the 16 bits hold that a row's shard is stored in.
SHARD_ROWS, MOST_SHARDS = 524_288, 2**16
# Bytes of a row's cells in memory: 245 of text and a 4-byte offset for each of 40 cells. A chunk has 64 MiB of them.
CHUNK_ROWS = (64 << 20) // (245 + 4 * 40)
# Bytes of a row of a batch: 8 per slot, 4 of the label.
ROW_BYTES = 8 * (NUM_IDS + NUM_NUMBERS) + 4
Row = Mapping[str, object]


def workload(width: int, batch_size: int = BATCH) -> Workload:
    """Return DeepFM's workload; each number has a row in the tables too."""
    return deepfm(VALUES + NUM_NUMBERS, NUM_IDS + NUM_NUMBERS, width, UNITS, batch_size)


def per_value(path: pathlib.Path = RESULTS / "vocabularies.json") -> tuple[PerValue, float, float]:
    """Return what a value costs, and the seconds per value of reading and indexing, and of a chunk's lookups.

    These are slopes from the fewest to the most measured values, so that what does not grow with them cancels.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    first, last = found[0], found[-1]
    slopes = {name: (last[name] - first[name]) / (last["values"] - first["values"]) for name in first}
    costs = PerValue(**{name: slopes[name] for name in PerValue.__annotations__})
    return costs, slopes["read_seconds"] + slopes["index_seconds"], slopes["lookup_seconds"]


def per_byte(path: pathlib.Path = RESULTS / "saving.json") -> dict[str, float]:
    """Return the processor seconds per byte of saving and of restoring a checkpoint."""
    last = json.loads(path.read_text(encoding="utf-8"))[-1]
    return {name: last[f"{name}_processor"] / last["bytes"] for name in ("save", "restore")}


def folder_rows() -> list[Row]:
    """Return the sizes of the prepared folder."""
    shards, costs = shard_bytes(ROWS, NUM_IDS, NUM_NUMBERS), per_value()[0]
    return [
        _row("shards", f"{shards / 1e9:,.0f} GB", f"{shards / ROWS:.2f} bytes per row"),
        _row("number of shards", f"{math.ceil(ROWS / SHARD_ROWS):,}", f"{SHARD_ROWS:,} rows each"),
        _row(
            "`vocabulary.parquet`",
            f"{VALUES * costs.file_bytes / 1e9:.1f} GB",
            f"{costs.file_bytes:.1f} bytes per value",
        ),
    ]


def _row(what, figure, how):
    return {"what": what, "figure": figure, "how": how}


def preparation_rows() -> list[Row]:
    """Return the preparation time by engine and cores."""
    costs, read, lookup = per_value()
    engines = {name: engine_of(points) for name, points in MEASURED.items()}
    serial = VALUES * costs.seconds
    chunks = math.ceil(ROWS / CHUNK_ROWS)
    rows = []
    for name, cores in (("one machine", 16), *(("Spark", cores) for cores in (16, 64, 256, 1024))):
        row = {"engine": name, "cores": f"{cores:,}"}
        row["rows only"] = _hours(engines[name].elapsed(ROWS, cores))
        # Each core has a Python worker, which reads the vocabularies once.
        more = VALUES * (read + chunks * lookup / cores) if name == "Spark" else 0
        row["and vocabularies"] = _hours(engines[name].elapsed(ROWS, cores, serial) + more)
        rows.append(row)
    return rows


def _hours(seconds):
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def memory_rows(device: Device = A100) -> list[Row]:
    """Return the bytes of the tables by width, and the devices that they need if divided."""
    rows = []
    for width in WIDTHS:
        found = workload(width)
        held = (1 + found.moments) * found.table_bytes
        rows.append(
            {
                "width": width,
                "tables": f"{found.table_bytes / 1e9:.1f} GB",
                "with moments": f"{held / 1e9:.0f} GB",
                "on each device": "fits" if _fits(STRATEGIES["mirrored"](found, 1), device) else "does not fit",
                "devices, `divided_batch`": fewest_devices("divided_batch", found, device),
                "devices, `owner_updates`": fewest_devices("owner_updates", found, device),
            }
        )
    return rows


def fewest_devices(strategy: str, found: Workload, device: Device = A100) -> int:
    """Return the fewest devices, a power of two, whose memory suffices.

    Raises:
        ValueError: If no number of devices suffices.
    """
    for doublings in range(21):
        if _fits(STRATEGIES[strategy](found, 2**doublings), device):
            return 2**doublings
    raise ValueError(f"The weights that {strategy} holds on each device take more than its {device.memory:,.0f} bytes.")


def _fits(step: Step, device: Device) -> bool:
    """Return whether a device holds its weights and what a step needs besides."""
    return step.held_bytes + step.buffer_bytes <= device.memory


def step_rows(width: int, num_devices: Sequence[int] = (1, 8, 64), device: Device = A100) -> list[Row]:
    """Return a step of all strategies in parts."""
    found, rows = workload(width), []
    for count in num_devices:
        for name, strategy in STRATEGIES.items():
            step = strategy(found, count)
            if not _fits(step, device):
                rows.append(
                    {
                        "devices": count,
                        "strategy": f"`{name}`",
                        **dict.fromkeys(_TITLES, ""),
                        _TITLES[0]: "does not fit",
                    }
                )
                continue
            parts, seconds = device.prices(count).parts(step), device.prices(count).seconds(step)
            cells = [f"{step.held_bytes / 1e9:.1f}", f"{step.sent_bytes / 1e6:,.1f}"]
            cells += [f"{1e3 * value:.1f}" for value in parts.values()]
            cells += [
                f"{1e3 * seconds:.1f}",
                f"{100 * parts['exchange'] / seconds:.0f} %",
                f"{BATCH / seconds / 1e6:.2f}M",
            ]
            rows.append({"devices": count, "strategy": f"`{name}`", **dict(zip(_TITLES, cells, strict=True))})
    return rows


_TITLES = ("held, GB", "sent, MB", "computing, ms", "memory, ms", "exchange, ms", "step, ms", "exchange", "rows/s")


def rows_per_second(strategy: str, width: int, num_devices: int, device: Device = A100) -> float | None:
    """Return the rows per second of a strategy; None if a device does not hold its part."""
    found = workload(width)
    step = STRATEGIES[strategy](found, num_devices)
    if not _fits(step, device):
        return None
    return found.batch_size / device.prices(num_devices).seconds(step)


def host_rows(device: Device = A100) -> list[Row]:
    """Return what hosts exchange of the rows of a batch: each receives the rows that the others read."""
    rows = []
    for hosts in (2, 8, 32):
        received = BATCH * ROW_BYTES * (hosts - 1) / hosts
        needed = BATCH * ROW_BYTES / hosts / device.per_host
        rows.append(
            {
                "hosts": hosts,
                "received per host and step": f"{received / 1e6:.1f} MB",
                "time": f"{1e3 * received / device.far:.2f} ms",
                "by all hosts": f"{hosts * received / 1e6:,.0f} MB",
                "a device's part of the batch": f"{needed / 1e6:.2f} MB",
            }
        )
    return rows


def checkpoint_rows() -> list[Row]:
    """Return the size of a checkpoint by width, and the time that one core takes to write and to read it."""
    costs, rows = per_byte(), []
    for width in WIDTHS:
        best = _best_bytes(width)
        row = {
            "width": width,
            "weights and moments": f"{3 / 4 * best / 1e9:.0f} GB",
            "and best weights": f"{best / 1e9:.0f} GB",
        }
        rows.append(row | {name: _hours(best * seconds) for name, seconds in costs.items()})
    return rows


def limit_rows(device: Device = A100) -> list[Row]:
    """Return where each design breaks."""
    costs, read, lookup = per_value()
    chunks = math.ceil(ROWS / CHUNK_ROWS)
    received = f"{BATCH * ROW_BYTES / 1e6:.0f} MB"
    found = [
        _limit("the driver collects all values", f"{costs.driver_bytes:.0f} bytes per value"),
        _limit("each Python worker holds the vocabularies", f"{costs.worker_bytes:.0f} bytes per value and core"),
        _limit("on Spark, it reads and indexes them", f"{1e9 * read:.0f} ns per value and core"),
        _limit("on Spark, each chunk is looked up in them", f"{1e9 * lookup:.1f} ns per value and chunk"),
        _limit("the shard of a row has 16 bits", f"at most {MOST_SHARDS:,} shards of {SHARD_ROWS:,} rows"),
        _limit("stratified folds need all labels", "11 bytes per row, on one machine"),
        _limit("`mirrored`", "each device holds all tables and updates all rows of the batch"),
        _limit("`mirrored_dense`", "each step sends and updates whole tables"),
        _limit("`divided_tables`", "each device computes the whole batch"),
        _limit("`divided_batch`", "each device handles all looked-up rows and their gradients"),
        _limit("hosts exchange whole batches", "each host receives all rows"),
        _limit("the first host writes the checkpoint", f"{1e9 * per_byte()['save']:.2f} s of one core per GB"),
    ]
    figures = [
        f"{VALUES * costs.driver_bytes / 1e9:.0f} GB in one process, {_hours(VALUES * costs.seconds)} of one core",
        f"{VALUES * costs.worker_bytes / 1e9:.0f} GB, of which {VALUES * costs.sent_bytes / 1e9:.1f} GB are sent",
        f"{_hours(VALUES * read)} on each core, once",
        f"{chunks:,} chunks: {VALUES * chunks * lookup / 3600:,.0f} core hours",
        f"{MOST_SHARDS * SHARD_ROWS / 1e9:.1f} billion rows",
        f"{11 * ROWS / 1e9:.0f} GB; a split by a hash needs none",
        f"width {_widest('mirrored', device)} at most; {_sent('mirrored', 8)} on 8 devices, {_sent('mirrored')} on 64",
        f"{_sent('mirrored_dense')}",
        f"{1e3 * workload(16).flops * BATCH / device.flops:.1f} ms of arithmetic on any number of devices",
        f"{_sent('divided_batch')} on 64 devices; only {_sent('owner_updates')} are needed",
        f"{received} per host and step, so W hosts receive W times {received}",
        f"{_hours(_best_bytes(128) * per_byte()['save'])} at width 128, while all devices wait",
    ]
    return [{**limit, "here": figure} for limit, figure in zip(found, figures, strict=True)]


def _limit(design, grows):
    return {"design": design, "what it costs": grows}


def _sent(strategy, num_devices=64):
    """Return what a device sends per step at width 16, in words."""
    size = STRATEGIES[strategy](workload(16), num_devices).sent_bytes
    return f"{size / 1e9:.1f} GB per step" if size >= 1e9 else f"{size / 1e6:.0f} MB per step"


def _best_bytes(width):
    """Return the bytes of a checkpoint with the best weights."""
    found = workload(width)
    return (2 + found.moments) * (found.table_bytes + found.dense_bytes)


def _widest(strategy, device):
    fitting = [width for width in WIDTHS if _fits(STRATEGIES[strategy](workload(width), 1), device)]
    return max(fitting, default=0)
