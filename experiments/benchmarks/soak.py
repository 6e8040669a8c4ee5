"""Train for an hour on synthetic rows shaped like Criteo's, to check that memory stays flat.

`python -m ctrzoo.experiments.benchmarks.soak --workdir=runs/soak --minutes=60`

writes `memory.csv` and `memory.png`, the resident memory every second, next to the files of the run. The run does
everything that a long run does: epochs, validation, checkpoints, pictures for TensorBoard.
"""

import _thread
import csv
import io
import os
import pathlib
import shutil
import signal
import threading
import time
from collections.abc import Sequence

import numpy as np
from absl import app, flags
from matplotlib.figure import Figure
from rich.console import Console

from ctrzoo.files import replaced, write_text
from ctrzoo.schema import Field, Schema
from ctrzoo.types import Path

# 13 numbers and 26 categories; vocabularies as after removing rare values, a million ids in total.
SIZES = (1200, 550, 330_000, 100_000, 300, 20, 10_000, 600, 3, 35_000, 5000, 250_000, 3100)
SIZES += (26, 10_500, 160_000, 10, 4400, 2000, 4, 100_000, 17, 15, 50_000, 90, 35_000)
SCHEMA = Schema(
    (
        *(Field(f"I{number}", "numerical") for number in range(1, 14)),
        *(Field(f"C{number}", vocabulary_size=size) for number, size in enumerate(SIZES, start=1)),
    )
)
BLOCK_ROWS = 50_000


def write_rows(folder: Path, rows: int, seed: int = 0) -> None:
    """Create a prepared folder of random rows whose label depends on a few fields."""
    from ...data_pipelines import Block, PreparedWriter

    random = np.random.default_rng(seed)
    firsts = np.array(SCHEMA.first_ids[13:])
    with PreparedWriter(folder, "soak", SCHEMA) as writer:
        for split, count in (("train", rows), ("valid", rows // 10), ("test", rows // 10)):
            for first in range(0, count, BLOCK_ROWS):
                size = min(BLOCK_ROWS, count - first)
                ids = (np.array(SIZES) ** random.random((size, 26))).astype(np.int32) - 1
                numbers = random.standard_normal((size, 13), np.float32)
                logits = numbers[:, 0] + np.where(ids[:, 5] % 2, 0.7, -0.7) * np.where(ids[:, 8] % 2, 1, -1) - 1
                labels = random.random(size) < 1 / (1 + np.exp(-logits))
                writer.add(split, Block((ids + firsts).astype(np.int32), numbers, labels.astype(np.uint8)))


def resident_megabytes() -> float:
    """Return the memory of this process that is in RAM."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def watch(samples: list[tuple[float, float]], seconds: float) -> None:
    """Sample memory every second, then interrupt the main thread."""
    start = time.monotonic()
    while (now := time.monotonic() - start) < seconds:
        samples.append((round(now, 1), round(resident_megabytes(), 1)))
        time.sleep(1)
    _thread.interrupt_main()


def growth(samples: Sequence[tuple[float, float]]) -> float:
    """Return the growth of memory in the second half of the time, in MB per hour, ignoring peaks at checkpoints.

    >>> growth([(second, 500 + second / 36 + 200 * (second % 60 < 5)) for second in range(0, 3600)])
    100.0
    """
    times, sizes = np.array(samples[len(samples) // 2 :], float).T
    windows = np.array_split(np.arange(len(times)), max(2, int(np.ptp(times) // 60)))
    lowest = [window[np.argmin(sizes[window])] for window in windows]
    return round(float(np.polyfit(times[lowest] / 3600, sizes[lowest], 1)[0]), 1)


def draw(samples: Sequence[tuple[float, float]], title: str, path: pathlib.Path) -> None:
    """Draw memory over time."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    seconds, megabytes = np.array(samples).T
    axes.plot(seconds / 60, megabytes)
    axes.set(xlabel="minutes", ylabel="resident memory, MB", ylim=(0, None), title=title)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main(_: Sequence[str]) -> None:
    """Train until the time is up; write and draw the memory."""
    from ctrzoo.training import TrainingOptions, set_seed, train

    from ... import data_pipelines, models

    # Shells start background processes with SIGINT ignored; then nothing would end the training.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    workdir = pathlib.Path(FLAGS.workdir)
    workdir.mkdir(parents=True)
    try:
        write_rows(workdir / "data", FLAGS.rows)
        data = data_pipelines.load(workdir / "data")
        set_seed(0)
        model = models.build(FLAGS.model, data.schema)
        samples = []
        threading.Thread(target=watch, args=(samples, 60 * FLAGS.minutes), daemon=True).start()
        endless = {"epochs": 10**6, "patience": 10**6, "checkpoint_minutes": FLAGS.minutes / 20}
        try:
            train(model, data, TrainingOptions(**endless), folder=workdir, console=Console(markup=False))
        except KeyboardInterrupt:
            print(f"{FLAGS.minutes:g} minutes are up. Memory grew by {growth(samples):.0f} MB per hour at the end.")
    finally:
        shutil.rmtree(workdir / "data", ignore_errors=True)
    text = io.StringIO()
    csv.writer(text).writerows([("seconds", "megabytes"), *samples])
    write_text(workdir / "memory.csv", text.getvalue())
    draw(samples, f"{FLAGS.model}, {FLAGS.rows:,} rows", workdir / "memory.png")


if __name__ == "__main__":
    FLAGS = flags.FLAGS
    flags.DEFINE_string("workdir", None, "A new folder for the run and its memory record.", required=True)
    flags.DEFINE_string("model", "deepfm", "The model.")
    flags.DEFINE_float("minutes", 60, "How long to train.")
    flags.DEFINE_integer("rows", 500_000, "Rows per epoch.")
    app.run(main)
