"""Time several implementations in turns, each in its own process.

All of them warm up first. Then each round times each once: A B C A B C. Only medians, and medians of ratios within a
round, are kept. A temporary slowdown of the machine therefore affects all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import ctrzoo
from ctrzoo.types import Config

from .work import PEERS, Work

if TYPE_CHECKING:
    from .work import Work


THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
MOST_CALLS = 2000
WARM_CALLS = 16  # all batches in memory: the first access to a row of a large table is a page fault
WARM_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The measurements of one `Work`; times are medians over rounds, in milliseconds per call.

    Attributes:
        work: The `Work`.
        error: Why numbers are missing, or an empty text.
        wall_ms: Wall-clock time.
        cpu_ms: CPU time over all cores.
        samples_per_second: Rows over wall-clock time.
        peak_megabytes: Peak memory of the process, libraries included.
        ratio: Wall-clock time divided by that of the first in the race.
        cpu_ratio: The same for CPU time.
        calls: Total number of timed calls.
    """

    work: Work
    error: str = ""
    wall_ms: float = float("nan")
    cpu_ms: float = float("nan")
    samples_per_second: float = float("nan")
    peak_megabytes: float = float("nan")
    ratio: float = float("nan")
    cpu_ratio: float = float("nan")
    calls: int = 0

    def to_dict(self) -> Config:
        """Return a flat dictionary without the schema."""
        numbers = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "work"}
        work = {key: value for key, value in dataclasses.asdict(self.work).items() if key != "schema"}
        return {**work, "cores": len(self.work.cores), **numbers}


def race(
    works: Sequence[Work], rounds: int = 3, seconds: float = 0.3, peers_python: str | None = None
) -> list[Measurement]:
    """Measure works in turns.

    Args:
        works: The `Work` objects; ratios are relative to the first.
        rounds: How often each is timed.
        seconds: Approximate seconds per timing in a round.
        peers_python: The Python that runs other libraries; by default the current one.

    Returns:
        A `Measurement` for each work.
    """
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(_Contender(work, peers_python)) for work in works]
        running = [contender for contender in started if contender.is_ready()]
        for contender in running:
            contender.calibrate(seconds)
        for _ in range(rounds):
            for contender in running:
                contender.time()
        for contender in running:
            contender.finish()
        return [contender.measurement(started[0]) for contender in started]


class _Contender:
    def __init__(self, work, peers_python):
        self.work, self.error, self.times, self.calls, self.peak = work, "", [], 1, float("nan")
        python = peers_python if peers_python and work.implementation in PEERS else sys.executable
        self._command = [python, "-m", "ctrzoo.experiments.benchmarks.worker", json.dumps(dataclasses.asdict(work))]

    def __enter__(self):
        threads = dict.fromkeys(THREAD_SETTINGS, str(len(self.work.cores)))
        self._stack = contextlib.ExitStack()
        self._log = self._stack.enter_context(tempfile.TemporaryFile("w+"))
        path = self._stack.enter_context(import_path())
        environment = {**os.environ, **threads, "PYTHONPATH": path, "TF_USE_LEGACY_KERAS": "1"}
        if self.work.implementation not in PEERS:
            environment.pop("TF_USE_LEGACY_KERAS")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log}
        self._process = subprocess.Popen(self._command, text=True, env=environment, **pipes)
        assert self._process.stdin and self._process.stdout, "both are pipes"
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()
        self._stack.close()

    def is_ready(self):
        self.error = self._read().get("error", "")
        return not self.error

    def calibrate(self, seconds):
        """Warm up, then choose the number of calls that makes a round of about the requested length."""
        spent = 0.0
        for _ in range(WARM_CALLS):
            if spent < WARM_SECONDS:
                spent += self._call(1)["wall"]
        self.calls = int(min(MOST_CALLS, max(1, seconds / self._call(2)["wall"] * 2)))

    def time(self):
        self.times.append({key: 1000 * value / self.calls for key, value in self._call(self.calls).items()})

    def finish(self):
        self._stdin.close()
        self.peak = self._read()["peak_megabytes"]

    def measurement(self, first):
        if self.error:
            return Measurement(self.work, self.error)
        ratio = {"wall": float("nan"), "cpu": float("nan")}
        if first.times:
            pairs = list(zip(self.times, first.times, strict=True))
            ratio = {key: statistics.median(own[key] / its[key] for own, its in pairs) for key in ratio}
        wall = statistics.median(time["wall"] for time in self.times)
        cpu = statistics.median(time["cpu"] for time in self.times)
        rate = 1000 * self.work.rows_per_call / wall
        calls = self.calls * len(self.times)
        return Measurement(self.work, "", wall, cpu, rate, self.peak, ratio["wall"], ratio["cpu"], calls)

    def _call(self, count):
        self._stdin.write(f"{count}\n")
        self._stdin.flush()
        return self._read()

    def _read(self):
        line = self._stdout.readline()
        if line:
            return json.loads(line)
        self._log.seek(0)
        last = (self._log.read().strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"The process that measures {self.work.implementation} {self.work.model} ended: {last}")


@contextlib.contextmanager
def import_path() -> Iterator[str]:
    """Yield a folder from which any Python can import `ctrzoo` and nothing else that is installed with it."""
    package = pathlib.Path(ctrzoo.__file__).resolve().parent
    if (package.parent / "WORKSPACE.md").is_file():
        yield str(package.parent)
        return
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "ctrzoo").symlink_to(package)
        yield folder
