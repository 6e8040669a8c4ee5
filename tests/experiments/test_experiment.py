"""One experiment: what it refuses before it trains, and what it writes after."""

import csv
import io
import types

import pytest
from rich.console import Console

from ctrzoo import models
from ctrzoo.experiments import experiment as experiment
from ctrzoo.experiments.experiment import _explain
from ctrzoo.experiments.settings import Settings
from ctrzoo.explanation.explainer import mean_strengths
from ctrzoo.schema import Field, Schema
from ctrzoo.training import TrainingOptions, set_seed, train
from tests.small_data import SmallData


def test_data_without_rows_to_choose_the_epoch_by_are_refused(monkeypatch):
    data = types.SimpleNamespace(folder="d", num_rows={"train": 5, "valid": 0})
    monkeypatch.setattr(experiment.data_pipelines, "load", lambda folder, **_: data)
    with pytest.raises(ValueError, match="d has no rows in valid and test.*change `split`"):
        experiment._load(Settings(dataset="d"), None, None)


def test_one_field_has_no_pairs_to_draw(tmp_path):
    schema = Schema([Field("a", vocabulary_size=3)])
    assert experiment._explain(models.build("fm", schema), SmallData(schema), tmp_path) == []
    assert not any(tmp_path.iterdir())


@pytest.fixture
def data(mixed_schema):
    return SmallData(mixed_schema)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def fresh_model(data, name="fm", seed=1):
    set_seed(seed)
    return models.build(name, data.schema, embedding_dim=4)


def test_field_names_with_dollars_commas_and_quotes(console, tmp_path):
    schema = Schema([Field("$_in_$", vocabulary_size=9), Field('b "x", c', vocabulary_size=9)])
    data = SmallData(schema)
    train(fresh_model(data), data, TrainingOptions(epochs=1), folder=tmp_path, console=console)
    _explain(fresh_model(data), data, tmp_path)
    with open(tmp_path / "interactions.csv", newline="") as file:
        (pair,) = csv.DictReader(file)
    assert {pair["field"], pair["other_field"]} == set(schema.names)


def test_pairs_of_many_rows_are_those_of_the_first_ones(data, tmp_path, monkeypatch):
    titles, asked = [], []
    monkeypatch.setattr(experiment, "EVALUATION_BATCH", 8)
    monkeypatch.setattr(experiment, "EXPLAINED_BATCHES", 2)
    monkeypatch.setattr(experiment, "plot_interactions", lambda *arguments: titles.append(arguments[3]))
    monkeypatch.setattr(
        experiment, "mean_strengths", lambda model, rows: asked.append(len(list(rows))) or mean(model, rows)
    )
    mean = mean_strengths
    _explain(fresh_model(data), data, tmp_path)
    assert asked == [2] and titles == ["fm: mean strength of pairs, first 16 test rows"]


@pytest.mark.parametrize(("task", "rate"), [("classification", 0.2), ("ranking", 1)])
def test_a_model_of_clicks_corrects_for_the_share_of_negatives_of_its_data(task, rate):
    schema = Schema([Field("user", vocabulary_size=3)])
    data = types.SimpleNamespace(schema=schema, negative_rate=0.2)
    assert experiment._build("lr", data, Settings(model="lr"), task).negative_rate == rate
