"""Programs with objects in stores: what they read and write there, and what they refuse."""

import io
import json
import re

import polars as pl
import pytest

from ctrzoo import data_pipelines
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.experiments import evaluate, explain, export, predict, prepare, sweep, train
from ctrzoo.experiments.cli import check_local
from ctrzoo.experiments.scoring.files import found_files
from ctrzoo.experiments.settings import Settings, find_dataset
from ctrzoo.stores import as_path
from tests.experiments.scored_table import FIRST_TEST_ROW, SCHEMA, cells_of, clicks_frame, run_of, score
from tests.object_store import names, put

PROGRAMS = {module.__name__.rpartition(".")[2]: module for module in (evaluate, explain, export, predict, train)}
PROGRAMS |= {"prepare": prepare, "sweep": sweep}


def test_predictions_of_a_table_in_a_store_are_those_of_a_file(store, tmp_path):
    frame = clicks_frame()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    prepare_own_table(tmp_path / "data", "rows", tmp_path / "rows.csv", SCHEMA)
    run_of(tmp_path / "run", data_pipelines.load(tmp_path / "data"))
    new = frame[FIRST_TEST_ROW:].drop(columns=["click", "day"])
    new.to_parquet(tmp_path / "new.parquet", row_group_size=70)
    put(f"{store}/new/part-0.parquet", (tmp_path / "new.parquet").read_bytes())
    put(f"{store}/new/_SUCCESS", b"")
    flags = [f"--workdir={tmp_path / 'run'}"]
    score(*flags, f"--table={tmp_path / 'new.parquet'}", f"--output={tmp_path / 'out.csv'}")
    for table in (f"{store}/new", f"{store}/new/part-*.parquet", f"{store}/new/part-0.parquet"):
        score(*flags, f"--table={table}", f"--output={store}/out/scores.csv", "--overwrite")
        assert as_path(f"{store}/out/scores.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    score(*flags, f"--table={store}/new", f"--output={store}/out/scores.parquet")
    read = pl.read_parquet(io.BytesIO(as_path(f"{store}/out/scores.parquet").read_bytes()))
    assert [row["key"] for row in cells_of(tmp_path / "out.csv")] == read["key"].to_list()
    assert names(f"{store}/out") == ["scores.csv", "scores.parquet"]


def test_an_output_in_a_store_is_refused_before_the_work(store, tmp_path):
    put(f"{store}/new.csv", b"a\n1\n")
    (tmp_path / "run" / "encoding").mkdir(parents=True)
    output = predict.check_output
    with pytest.raises(FileExistsError, match=r"new.csv exists. Pass --overwrite"):
        output(f"{store}/new.csv", [], False)
    with pytest.raises(ValueError, match=r"new.csv is the table itself"):
        output(f"{store}/new.csv", [as_path(f"{store}/new.csv")], True)
    with pytest.raises(ValueError, match=r"The output must end in .csv or .parquet"):
        output(f"{store}/new.txt", [], True)
    output(f"{store}/new.csv", [], True)


def test_what_a_folder_in_a_store_lacks_is_said(store):
    put(f"{store}/logs/readme", b"")
    with pytest.raises(ValueError, match=re.escape(f"The folder {store}/logs has no file that ends like a table")):
        found_files(f"{store}/logs")
    with pytest.raises(FileNotFoundError, match="none.csv does not exist"):
        found_files(f"{store}/none.csv")


def test_a_data_set_in_a_store_is_taken_as_it_is_and_a_table_is_refused(store):
    assert find_dataset(f"{store}/clicks/") == f"{store}/clicks"
    with pytest.raises(ValueError, match=r"a.csv' is a table, and training reads prepared folders"):
        find_dataset(f"{store}/a.csv")


@pytest.mark.parametrize(
    ("program", "flag"),
    [
        ("train", "workdir"),
        ("train", "data_dir"),
        ("train", "config"),
        ("prepare", "report"),
        ("predict", "workdir"),
        ("predict", "model"),
        ("predict", "encoding"),
        ("evaluate", "output"),
        ("evaluate", "compare"),
        ("explain", "output"),
        ("export", "output"),
        ("sweep", "folder"),
    ],
)
def test_a_url_is_refused_where_it_would_name_a_local_folder(program, flag):
    module = PROGRAMS[program]
    assert flag in module.FLAGS
    urls = {"train": train.URLS, "prepare": prepare.URLS}.get(program, ())
    with pytest.raises(ValueError, match=f"--{flag} must be a local path. Received: s3://bucket/a"):
        check_local({flag: ["runs/a", "s3://bucket/a"] if flag == "compare" else "s3://bucket/a"}, urls)


def test_settings_and_addresses_of_other_things_are_no_paths():
    check_local({"tracking_uri": "http://host:5000", "dataset": "s3://bucket/a", "set": ["dataset=s3://b"]}, train.URLS)
    check_local({"set": ["epochs=3"], "epochs": 3, "table": None}, train.URLS)
    with pytest.raises(ValueError, match="--set must be a local path. Received: warm_start=s3://bucket/a"):
        check_local({"set": ["warm_start=s3://bucket/a"]}, train.URLS)
    with pytest.raises(ValueError, match="--table: what is in memory:// ends with this program"):
        check_local({"table": "memory://a.csv"}, ["table"])


def test_a_run_is_never_written_to_a_store(store, tmp_path, monkeypatch):
    from ctrzoo.experiments.experiment import run_experiment
    from ctrzoo.training import train as train_model

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="`workdir` must be a local path"):
        run_experiment(Settings(), tmp_path, None, "s3://bucket/run")
    with pytest.raises(ValueError, match="`folder` must be a local path"):
        data = prepared(f"{store}/clicks", store)
        train_model(linear_model(data), data, folder="s3://bucket/run")
    assert not list(tmp_path.glob("s3*"))


def prepared(folder, store):
    put(f"{store}/rows.csv", clicks_frame().to_csv(index=False))
    prepare_own_table(folder, "rows", f"{store}/rows.csv", SCHEMA)
    return data_pipelines.load(folder)


def linear_model(data):
    from ctrzoo import models

    return models.build("lr", data.schema)


@pytest.mark.nightly
@pytest.mark.parametrize("where", ["store", "s3"])
def test_training_from_a_store_gives_the_metrics_of_the_local_folder(where, tmp_path, request):
    from ctrzoo.experiments.experiment import run_experiment

    store = request.getfixturevalue(where)
    prepared(f"{store}/clicks", store)
    put(tmp_path / "rows.csv", clicks_frame().to_csv(index=False))
    prepare_own_table(tmp_path / "clicks", "rows", tmp_path / "rows.csv", SCHEMA)
    for name, folder in (("there", f"{store}/clicks"), ("here", str(tmp_path / "clicks"))):
        run_experiment(Settings(dataset=folder, model="fm", epochs=2), tmp_path, None, tmp_path / name)
    there, here = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("there", "here"))
    assert there["test"] == here["test"] and there["valid"] == here["valid"]
    described = json.loads((tmp_path / "there" / "experiment.json").read_text())
    assert described["data"]["folder"] == f"{store}/clicks"
