"""What a measuring process does, and what is made of its numbers. No test looks at a clock."""

import dataclasses

import keras
import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.benchmarks import race, suites
from ctrzoo.experiments.benchmarks.keras_calls import calls_of
from ctrzoo.experiments.benchmarks.options import Options
from ctrzoo.experiments.benchmarks.report import markdown_table, rows_of, write_results
from ctrzoo.experiments.benchmarks.shapes import SHAPES
from ctrzoo.experiments.benchmarks.work import Work

TINY = SHAPES["tiny"]
WORK = Work("ctrzoo", "lr", TINY.to_dict(), shape="tiny", batch_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(suites, "FOLDER_ROWS", 100)
    with patch.context():
        return suites.write_folder(tmp_path_factory.mktemp("data") / "rows", TINY)


@pytest.mark.parametrize(("mode", "steps"), [("train", 3), ("fit", 3), ("together", 3), ("input", 0), ("predict", 0)])
def test_a_call_makes_the_steps_it_is_asked_for(mode, steps, folder):
    model, optimizer = models.build("lr", TINY), keras.optimizers.Adam()
    work = dataclasses.replace(WORK, mode=mode, folder=folder, num_rows=20)
    calls_of(model, optimizer, work)(3)
    assert optimizer.iterations == steps


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


def test_results_are_written_with_a_chart_and_say_what_failed(tmp_path):
    works = [WORK, dataclasses.replace(WORK, implementation="fuxictr")]
    rows = rows_of(
        [race.Measurement(works[0], "", 2.0, 1.5, 4000.0, 512.3, 1.0, 1.0, 9), race.Measurement(works[1], "no torch")]
    )
    assert markdown_table(rows)[2:] == [
        "| tiny | 1 | lr | 8 | ctrzoo | 4,000 | 2.00 | 1.50 | 512 | 1.00 | 1.00 |",
        "| tiny | 1 | lr | 8 | fuxictr |  |  |  |  |  | no torch |",
    ]
    write_results(tmp_path / "out", {"train": rows}, "ctrzoo-bench")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["results.json", "results.md", "train.png"]


def test_rows_of_other_programs_become_a_table_without_a_chart(tmp_path):
    rows = [{"vocabulary": 10_000, "milliseconds": 4.5, "times_faster": None}, {"vocabulary": 1, "milliseconds": 0.25}]
    assert markdown_table(rows) == [
        "| vocabulary | milliseconds | times_faster |",
        "| --- | --- | --- |",
        "| 10,000 | 4.50 | – |",
        "| 1 | 0.25 | – |",
    ]
    write_results(tmp_path, {"vocabulary": rows}, "ctrzoo-bench")
    assert not (tmp_path / "vocabulary.png").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"models": ("deepfn",)}, "Unknown model 'deepfn'. Did you mean 'deepfm'"),
        ({"shapes": ("criteoo",)}, "Did you mean 'criteo'"),
        ({"baselines": ("fuxi",)}, "Did you mean 'fuxictr'"),
        ({"rounds": 0}, "must be at least 1"),
    ],
)
def test_wrong_options_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Options(**wrong)


def test_more_cores_than_there_are_are_refused():
    with pytest.raises(ValueError, match="--cores asks for 9999 cores"):
        next(suites.train(Options(models=("lr",), shapes=("tiny",), cores=(9999,))))
