"""Measurements in turns, and their ratios. No test looks at a clock."""

import dataclasses

import numpy as np

from ctrzoo.experiments.benchmarks import race
from ctrzoo.experiments.benchmarks.shapes import SHAPES
from ctrzoo.experiments.benchmarks.work import Work

TINY = SHAPES["tiny"]
WORK = Work("ctrzoo", "lr", TINY.to_dict(), shape="tiny", batch_size=8)


class Contender:
    """Stands for a process whose calls take known times; the second is slowed by half in each odd round."""

    seconds = {"ctrzoo": [0.002, 0.004, 0.002], "keras": [0.004, 0.012, 0.004]}

    def __init__(self, work, peers_python):
        self.work, self.error, self.times, self.calls, self.peak = work, "", [], 5, 100.0

    __enter__, measurement = (lambda self: self), race._Contender.measurement

    def __exit__(self, *_): ...
    def calibrate(self, seconds): ...
    def finish(self): ...

    def is_ready(self):
        self.error = "absent" if self.work.implementation == "deepctr" else ""
        return not self.error

    def time(self):
        wall = 1000 * self.seconds[self.work.implementation][len(self.times)]
        self.times.append({"wall": wall, "cpu": wall / 2})


def test_ratios_are_medians_of_ratios_within_a_round(monkeypatch):
    monkeypatch.setattr(race, "_Contender", Contender)
    works = [dataclasses.replace(WORK, implementation=name) for name in ("ctrzoo", "keras", "deepctr")]
    first, second, absent = race.race(works, rounds=3)
    assert (first.wall_ms, first.cpu_ms, first.samples_per_second, first.ratio) == (2.0, 1.0, 4000.0, 1.0)
    assert (second.wall_ms, second.ratio, second.cpu_ratio, second.calls) == (4.0, 2.0, 2.0, 15)
    assert absent.error == "absent" and np.isnan(absent.wall_ms)
