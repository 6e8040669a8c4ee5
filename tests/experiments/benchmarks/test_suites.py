"""The suites of measurements."""

import pytest

from ctrzoo import models
from ctrzoo.experiments.benchmarks import suites
from ctrzoo.experiments.benchmarks.hyperparameters import HYPERPARAMETERS, VARIANTS
from ctrzoo.experiments.benchmarks.options import Options
from ctrzoo.experiments.benchmarks.shapes import SHAPES
from ctrzoo.experiments.benchmarks.work import Work


def test_more_cores_than_there_are_are_refused():
    with pytest.raises(ValueError, match="--cores requests 9999 cores"):
        next(suites.train(Options(models=("lr",), shapes=("tiny",), cores=(9999,))))


def test_histories_are_measured_with_tables_of_four_sizes(monkeypatch):
    monkeypatch.setattr(suites, "race", lambda works, *_: works)
    (works,) = suites.histories(Options())
    assert [work.make_schema().num_ids - 1 for work in works] == [10**4, 10**5, 10**6, 10**7]
    assert {(work.model, work.mode, work.implementation) for work in works} == {("din", "train", "ctrzoo")}
    assert {work.make_schema().fields[-1].num_slots for work in works} == {50}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_are_models_of_the_zoo_with_other_settings(variant):
    work = Work("ctrzoo", variant, SHAPES["tiny"].to_dict(), hyperparameters=HYPERPARAMETERS[variant])
    model, plain = (
        models.build(work.zoo_model, work.make_schema(), **settings) for settings in (work.hyperparameters, {})
    )
    assert model.count_params() != plain.count_params() or model.get_config() != plain.get_config()
