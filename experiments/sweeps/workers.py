"""Run trainings in their own processes, several at a time; other sweeps may share the folder."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ctrzoo.metrics import metric_of

from . import outcome
from .process import TRAIN, start_training, was_killed

if TYPE_CHECKING:
    from .plan import Run


THREAD_SETTINGS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_OF_TABLE = 10


@dataclasses.dataclass(frozen=True)
class _Busy:
    run: typing.Any
    process: subprocess.Popen
    lock: typing.IO


class Workers:
    """Executes all runs that are neither finished nor failed; waits for runs that other sweeps are executing.

    Args:
        runs: The `Run`s.
        number: How many to execute at a time.
        gpus: GPU ids, assigned to the runs in turn; without any, each run chooses.
        train: The training command; a run's arguments are appended.
    """

    def __init__(self, runs: Iterable[Run], number: int = 1, gpus: Sequence[str] = (), train: Sequence[str] = TRAIN):
        self.runs, self.number, self.gpus, self.train = list(runs), number, tuple(gpus), tuple(train)
        self._busy = {}  # place -> what runs there
        self._tried = set()

    def work(
        self,
        changed: Callable[[list[Run]], object] = lambda runs_at_work: None,
        told: Callable[[str], object] = lambda text: None,
    ) -> None:
        """Execute the runs.

        Args:
            changed: Called with this process' current runs, when they change and every ten seconds.
            told: Called with a sentence when a run ends.

        An exception, such as `KeyboardInterrupt`, stops the current runs. The next sweep resumes them from their last
        checkpoints.
        """
        waiting, seen = list(self.runs), None
        try:
            while waiting or self._busy:
                self._collect(told)
                waiting = [run for run in waiting if not self._settled(run)]
                state = (
                    len(waiting),
                    [busy.run for busy in self._busy.values()],
                    int(time.monotonic() / SECONDS_OF_TABLE),
                )
                if state != seen:  # reading the results of a hundred runs takes a while
                    changed(state[1])
                    seen = state
                if waiting or self._busy:
                    time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            for busy in self._busy.values():
                busy.process.terminate()
            for busy in self._busy.values():
                busy.process.wait()
                busy.lock.close()

    def _settled(self, run):
        """Start the run if it and a worker are free; return whether this process is done with it."""
        if outcome.is_finished(run) or outcome.is_failed(run):
            return True
        if any(busy.run == run for busy in self._busy.values()):
            return False
        if run in self._tried:
            return True  # killed externally: the next sweep resumes it
        place = next((place for place in range(self.number) if place not in self._busy), None)
        lock = None if place is None else outcome.take(run)
        if lock is None:
            return False
        if outcome.is_finished(run) or outcome.is_failed(run):  # by another process, just now
            lock.close()
            return True
        self._tried.add(run)
        outcome.record_start(run)
        self._busy[place] = _Busy(run, self._start(run, place, lock), lock)
        return False

    def _start(self, run, place, lock):
        environment = {}
        if self.gpus:
            environment = {"CUDA_VISIBLE_DEVICES": self.gpus[place % len(self.gpus)]}
        elif self.number > 1:
            share = max(1, len(os.sched_getaffinity(0)) // self.number)
            environment = {name: os.environ.get(name, str(share)) for name in THREAD_SETTINGS}
        return start_training(run, lock, self.train, environment)

    def _collect(self, told):
        for place, busy in list(self._busy.items()):
            code = busy.process.poll()
            if code is None:
                continue
            run = busy.run
            if outcome.is_finished(run):
                outcome.record_end(run, "")
                name, value = next(iter(outcome.metrics_of(run)["test"].items()))
                shown = "undefined" if value is None else f"{value:.4f}"
                told(f"{run.name} finished: test {metric_of(name).title} {shown}")
            elif was_killed(code):
                told(f"{run.name} was killed by signal {abs(code) % 128}; the next sweep resumes it")
            else:
                outcome.record_end(run, outcome.last_line(run).removeprefix("ctrzoo-train: "))
                told(f"{run.name} failed: {outcome.reason_of(run)}")
            busy.lock.close()
            del self._busy[place]
