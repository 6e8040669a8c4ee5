"""`--warm_start`: day by day is one run in that order, bit for bit, whatever happens in between."""

import io
import json
import os
import pathlib
import random
import time

import keras
import numpy as np
import pytest
from rich.console import Console

from ctrzoo import models
from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.experiments.experiment import run_experiment
from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.warm import start_from
from ctrzoo.training import TrainingOptions, set_seed, train
from tests.programs import Program, run_program

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
# CTRZOO_KILLS=12 pytest tests/experiments/test_warm.py -k killed
KILLS = int(os.environ.get("CTRZOO_KILLS", "1"))
SCHEMA = {
    "label": "click",
    "fields": [{"name": "site", "min_count": 2}, {"name": "user"}, {"name": "price", "kind": "numerical"}],
}
MODEL = {"embedding_dim": 4, "deep_units": (8,), "deep_dropout": 0.3}
OPTIONS = {"epochs": 1, "batch_size": 32, "learning_rate": 0.01, "seed": 7}
ROWS = 640


def write(path, day, new_values, count=ROWS):
    """Rows of a day, each value of the day at least twice."""
    chance = random.Random(day)
    first = 15 * day if new_values else 0
    lines = ["click,site,user,price"]
    for row in range(count):
        site, user = first + row % 20, first + (row // 2) % 30
        click = int(chance.random() < (0.8 if (site + user) % 2 else 0.2))
        lines.append(f"{click},s{site},u{user},{chance.random():.3f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def prepared_days(folder, new_values):
    for day in range(2):
        tables = {"train": write(folder / f"day{day}.csv", day, new_values)}
        for split in ("valid", "test"):
            tables[split] = write(folder / f"{split}{day}.csv", day, new_values, 96)
        how = {"extend": folder / f"day{day - 1}"} if day else {"schema": SCHEMA, "keep_counts": True}
        prepare_own_table(folder / f"day{day}", f"day{day}", tables, **how)
    return folder


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    return prepared_days(tmp_path_factory.mktemp("days"), new_values=False)


@pytest.fixture(scope="module")
def growing_days(tmp_path_factory):
    return prepared_days(tmp_path_factory.mktemp("growing"), new_values=True)


def settings_of(dataset, optimizer="lazy_adam", **others):
    return Settings(
        dataset=str(dataset), model="deepfm", optimizer=optimizer, **OPTIONS, hyperparameters=MODEL, **others
    )


def weights_of(run):
    return keras.models.load_model(run / "model.keras").get_weights()


class BothDays:
    """The training rows of both days, one after the other, as one epoch."""

    def __init__(self, folder):
        self.days = [load(folder / f"day{day}") for day in range(2)]
        self.schema, self.name = self.days[0].schema, "both"
        self.num_rows = {**self.days[1].num_rows, "train": 2 * ROWS}

    def dataset(self, split, batch_size, shuffle=None, **position):
        first, last = (day.dataset(split, batch_size, shuffle, **position) for day in self.days)
        return first.concatenate(last) if split == "train" and shuffle is None else last


@pytest.mark.parametrize(
    "optimizer", ["lazy_adam", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("adam", "ftrl"))]
)
def test_day_by_day_is_one_run_in_that_order_bit_for_bit(days, tmp_path, optimizer):
    run_experiment(settings_of(days / "day0", optimizer), tmp_path, None, tmp_path / "run0")
    second = settings_of(days / "day1", optimizer, warm_start=str(tmp_path / "run0"))
    run_experiment(second, tmp_path, None, tmp_path / "run1")
    both = BothDays(days)
    assert both.days[0].schema == both.days[1].schema
    set_seed(OPTIONS["seed"])
    model = models.build("deepfm", both.schema, **MODEL, negative_rate=1.0)
    train(model, both, TrainingOptions(optimizer=optimizer, **OPTIONS), console=Console(quiet=True))
    for mine, expected in zip(weights_of(tmp_path / "run1"), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)
    again = keras.models.load_model(tmp_path / "run1" / "model.keras")
    assert int(again.optimizer.iterations) == 2 * ROWS // OPTIONS["batch_size"]
    # The first day alone gives something else.
    assert not np.array_equal(weights_of(tmp_path / "run0")[0], weights_of(tmp_path / "run1")[0])


@pytest.fixture(scope="module")
def first_run(growing_days):
    run = growing_days / "run0"
    run_experiment(settings_of(growing_days / "day0"), growing_days, None, run)
    return run


def test_before_the_first_step_known_rows_are_predicted_as_before(growing_days, first_run):
    old, new = (load(growing_days / f"day{day}") for day in range(2))
    assert new.schema.num_ids > old.schema.num_ids
    set_seed(OPTIONS["seed"])
    model = models.build("deepfm", new.schema, **MODEL, negative_rate=1.0)
    earlier = keras.models.load_model(first_run / "model.keras")
    model.compile(type(earlier.optimizer).from_config(earlier.optimizer.get_config()))
    model.optimizer.build(model.trainable_variables)
    console = Console(file=io.StringIO(), width=300)
    start_from(first_run, "deepfm", new, console).apply(model)
    # Rows of the first day, encoded by each of the two encodings.
    block = old.arrays("test")[0]
    rows = old.encoding.decode(*_stored(old, block))
    features = new.encoding.features(rows)
    np.testing.assert_array_equal(earlier.predict_on_batch(block), model.predict_on_batch(features))
    kept, added = old.schema.num_ids, new.schema.num_ids - old.schema.num_ids
    said = (
        f"deepfm: goes on after 20 steps of {first_run}: the rows of {kept} ids are kept, {added} are new, 0 are left"
    )
    assert said in console.file.getvalue()


def _stored(data, features):
    """Ids and numbers as they are stored: those of categorical fields, and those of numerical ones."""
    numerical = [field.kind == "numerical" for field in data.schema.fields]
    return features["ids"][:, np.logical_not(numerical)], features["values"][:, numerical]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": "fm", "hyperparameters": {"embedding_dim": 4}},
            "a finished run of 'fm': .*baselines/fm/model.keras not found",
        ),
        ({"hyperparameters": {**MODEL, "embedding_dim": 8}}, "embedding_dim=4, the new one embedding_dim=8"),
        ({"optimizer": "sgd"}, "The earlier optimizer was"),
        ({"warm_start": "nowhere"}, "--warm_start needs the folder of a finished run of 'deepfm': nowhere"),
        ({"dataset": "synthetic", "dataset_options": {"num_rows": 300}}, "does not say which value each id stands for"),
        ({"baselines": ("lr",)}, "a finished run of 'lr': .*not found. Its own model is 'deepfm': --model=deepfm"),
    ],
)
def test_what_cannot_go_on_is_refused(growing_days, first_run, tmp_path, change, message):
    settings = {**settings_of(growing_days / "day1", warm_start=str(first_run)).__dict__, **change}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run_experiment(Settings(**settings), tmp_path, None, tmp_path / "run1")
    assert not list(tmp_path.glob("run1/**/[0-9]*.zip"))


def test_another_earlier_run_is_not_taken_for_the_same(growing_days, first_run, tmp_path):
    settings = settings_of(growing_days / "day1", warm_start=str(tmp_path / "run0"))
    run_experiment(settings_of(growing_days / "day0"), tmp_path, None, tmp_path / "run0")
    run_experiment(settings, tmp_path, None, tmp_path / "run1")
    content = json.loads((tmp_path / "run1" / "experiment.json").read_text())
    assert content["settings"]["warm_start"] == str(tmp_path / "run0")
    model = keras.models.load_model(tmp_path / "run0" / "model.keras")
    model.weights[0].assign(model.weights[0] + 1)
    model.save(tmp_path / "run0" / "model.keras")
    with pytest.raises(ValueError, match="holds checkpoints of another run: start was"):
        run_experiment(settings, tmp_path, None, tmp_path / "run1")


def command(growing_days, first_run, workdir):
    flags = [f"--{key}={value}" for key, value in {**OPTIONS, "epochs": 12}.items()]
    flags += [f"--set={key}={value}" for key, value in {**MODEL, "patience": 12}.items()]
    flags += ["--model=deepfm", f"--dataset={growing_days / 'day1'}", f"--warm_start={first_run}"]
    return ["ctrzoo.experiments.train", *flags, "--checkpoint_steps=3", f"--workdir={workdir}"]


def newest(folder):
    return max((path.name for path in (folder / "checkpoints").glob("[0-9]*.zip")), default="")


def test_a_killed_warm_started_training_equals_the_undisturbed_one(growing_days, first_run, tmp_path):
    whole = run_program(*command(growing_days, first_run, tmp_path / "whole"), folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    chance, killed = random.Random(5), tmp_path / "killed"
    for kill in range(KILLS):
        process, before = Program(*command(growing_days, first_run, killed), folder=tmp_path), newest(killed)
        while process.poll() is None and newest(killed) == before and kill % 4:
            time.sleep(0.005)
        # Every fourth is killed while it starts, maybe before the first checkpoint.
        time.sleep(chance.uniform(0, 0.2) if kill % 4 else chance.uniform(0, 3))
        assert process.poll() is None, "the run was over before it could be killed"
        process.kill()
    last = run_program(*command(growing_days, first_run, killed), folder=tmp_path)
    assert last.returncode == 0, last.stderr
    for mine, expected in zip(weights_of(killed), weights_of(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert not [path for path in killed.rglob(".*.unfinished*")]
