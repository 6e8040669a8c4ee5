"""Files written by version 0.1.0 are read, and give the numbers that version 0.1.0 gave."""

import csv
import io
import json
import pathlib
import shutil

import keras
import numpy as np
import polars as pl
import pytest
from rich.console import Console

from ctrzoo import data_pipelines, models
from ctrzoo.data_pipelines.encoding.serving import ServingModel
from ctrzoo.experiments.settings import Settings, stored_settings
from ctrzoo.optimizers.rowwise import LazyAdam
from ctrzoo.training import set_seed, train

FILES = pathlib.Path(__file__).parent / "version_0_1"


@pytest.fixture(scope="module")
def data():
    return data_pipelines.load(FILES / "clicks")


@pytest.fixture(scope="module")
def raw_rows():
    return pl.DataFrame(json.loads((FILES / "raw_rows.json").read_text()))


def test_a_prepared_folder_gives_the_same_rows_and_keeps_its_fingerprint(data):
    with np.load(FILES / "arrays.npz") as expected:
        assert data.fingerprint == str(expected["fingerprint"])
        for split in ("train", "valid", "test"):
            features, labels = data.arrays(split)
            for name, array in {**features, "labels": labels}.items():
                # A weight divided by the sum of its row's weights: the last bit depends on the processor.
                rtol = 3e-7 if name == "values" else 0
                np.testing.assert_allclose(array, expected[f"{split}_{name}"], rtol=rtol)
    assert data.num_rows == {"train": 257, "valid": 32, "test": 31}


def test_its_encoding_gives_raw_rows_the_same_ids_and_numbers(data, raw_rows):
    ids, numbers = data.encoding.encode(raw_rows)
    with np.load(FILES / "encoded.npz") as expected:
        np.testing.assert_array_equal(ids, expected["ids"])
        np.testing.assert_allclose(numbers, expected["numbers"], rtol=1e-6)
    site, known, online, *_ = data.encoding.fields
    assert (site.has_oov_id, known.has_oov_id) == (True, True)  # by `min_count`, and by `rare`
    assert (site.assign_ids_online, online.assign_ids_online) == (False, True)  # by `running`


@pytest.mark.parametrize("name", ["graphfm", "dcn_v2", "fignn"])
def test_a_model_predicts_the_same(data, name):
    model = keras.models.load_model(FILES / f"{name}.keras")
    assert type(model) is models.MODELS[name] and not model.schema.differences(data.schema)
    features, labels = data.arrays("test")
    with np.load(FILES / f"{name}.npz") as expected:
        np.testing.assert_allclose(model.predict(features, verbose=0), expected["predictions"], rtol=1e-4, atol=1e-6)
    if name == "graphfm":  # the others were saved without an optimizer
        assert isinstance(model.optimizer, LazyAdam) and model.optimizer.lazy
        assert int(model.optimizer.iterations) == 9  # 257 rows by 32
        model.fit(features, labels, verbose=0)


def test_a_model_with_its_encoding_predicts_the_same_from_raw_rows(raw_rows):
    model = keras.models.load_model(FILES / "serving.keras")
    assert isinstance(model, ServingModel)
    with np.load(FILES / "serving.npz") as expected:
        np.testing.assert_allclose(model.predict(raw_rows, verbose=0), expected["predictions"], rtol=1e-4, atol=1e-6)


def test_an_interrupted_run_is_resumed_and_ends_as_it_would_have(data, tmp_path):
    experiment = json.loads((FILES / "run" / "experiment.json").read_text())
    assert experiment["data"]["fingerprint"] == data.fingerprint
    settings = Settings(**stored_settings(experiment))
    assert (settings.optimizer, settings.plateau_factor, settings.cpu_replicas) == ("lazy_adam", 0.5, 1)
    shutil.copytree(FILES / "run", tmp_path / "run")
    set_seed(settings.seed)
    model = models.build(settings.model, data.schema, **settings.hyperparameters)
    console = Console(file=io.StringIO())
    history = train(model, data, settings.training_options(), folder=tmp_path / "run", console=console)["history"]
    assert "epoch 1/3" not in console.file.getvalue() and "epoch 2/3" in console.file.getvalue()
    with open(FILES / "history.csv", newline="") as file:
        expected = list(csv.DictReader(file))
    for key in ("epoch", "loss", "learning_rate", "train_log_loss", "valid_log_loss", "valid_calibration"):
        found = [row[key] for row in history]
        np.testing.assert_allclose(found, [float(row[key]) for row in expected], rtol=1e-4, err_msg=key)
