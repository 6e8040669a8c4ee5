"""Data sets by name: a folder for each choice of options, made once."""

import json
import subprocess
import sys

import pytest

from ctrzoo import data_pipelines
from ctrzoo.data_pipelines import DATASETS, load, options_of, prepare
from ctrzoo.data_pipelines.preparation.engine import prepare_table
from tests.data_pipelines.datasets.test_avazu import write_avazu


def test_a_prepared_folder_is_used_again(tmp_path, monkeypatch):
    folder = prepare("synthetic", tmp_path, num_rows=100)
    monkeypatch.setitem(DATASETS, "synthetic", pytest.fail)
    monkeypatch.setattr(
        data_pipelines,
        "options_of",
        lambda name: {"num_rows": 300_000, "data_seed": 0, "histories": False, "shown": "events"},
    )
    assert prepare("synthetic", tmp_path, num_rows=100) == folder


def test_an_engine_prepares_the_table_of_a_data_set(tmp_path):
    prepared = []

    def engine(folder, name, plan, source, **options):
        prepared.append((name, plan.split.seed, options["options"]["protocol"], source.columns()[0]))
        return prepare_table(folder, name, plan, source, **options)

    write_avazu(tmp_path / "train.csv", range(400))
    folder = prepare("avazu", tmp_path, tmp_path / "train.csv", engine=engine, protocol="clean", split_seed=7)
    assert prepared == [("avazu", 7, "clean", "click")] and sum(load(folder).num_rows.values()) == 400
    with pytest.raises(ValueError, match="'synthetic' is not made from a table. Leave out the engine"):
        prepare("synthetic", tmp_path, engine=engine)


def test_other_options_are_another_folder(tmp_path):
    folders = [prepare("synthetic", tmp_path, num_rows=100, data_seed=seed) for seed in (0, 1)]
    assert len(set(folders)) == 2
    assert all(len(folder.name) == len("synthetic-01234567") for folder in folders)
    assert [load(folder).options["data_seed"] for folder in folders] == [0, 1]


def test_default_options_have_the_plain_name(tmp_path, monkeypatch):
    monkeypatch.setattr(
        DATASETS["synthetic"],
        "__kwdefaults__",
        {"num_rows": 100, "data_seed": 0, "histories": False, "shown": "events"},
    )
    assert prepare("synthetic", tmp_path).name == "synthetic"
    assert prepare("synthetic", tmp_path, data_seed=0).name == "synthetic"


def test_a_folder_of_other_options_is_not_used(tmp_path):
    folder = prepare("synthetic", tmp_path, num_rows=100)
    preparation = json.loads((folder / "preparation.json").read_text())
    preparation["options"]["data_seed"] = 7
    (folder / "preparation.json").write_text(json.dumps(preparation))
    (folder / "checksums.json").unlink()
    with pytest.raises(ValueError, match="Delete the folder"):
        prepare("synthetic", tmp_path, num_rows=100)


def test_wrong_names_are_answered_with_the_near_one(tmp_path):
    with pytest.raises(ValueError, match="Unknown data set 'movielens1m'. Did you mean 'movielens_1m'?"):
        prepare("movielens1m", tmp_path)
    with pytest.raises(ValueError, match="Unknown option 'splitseed'. Did you mean 'split_seed'?"):
        prepare("movielens_1m", tmp_path, splitseed=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_options_that_json_can_hold(name):
    assert json.loads(json.dumps(options_of(name))) == options_of(name)


def test_importing_does_not_load_tensorflow():
    script = "import sys, ctrzoo.data_pipelines; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
