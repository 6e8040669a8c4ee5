"""Settings: who wins, what is refused."""

import pytest

from ctrzoo.data_pipelines import prepare
from ctrzoo.experiments.settings import Settings, find_dataset, parse_assignment, resolve, upgraded


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def get_config():\n    return {'epochs': 7, 'batch_size': 64, 'units': (8, 8), 'num_rows': 100}\n")
    return str(path)


def test_file_then_flag_then_assignment(config):
    settings, used = resolve({"epochs": 5}, ["batch_size=32", "num_heads=4", "data_seed=3"], config)
    assert used == config
    assert (settings.epochs, settings.batch_size) == (5, 32)
    assert settings.hyperparameters == {"units": (8, 8), "num_heads": 4}
    assert settings.dataset_options == {"num_rows": 100, "data_seed": 3}


def test_tuned_settings_are_found_by_name():
    settings, used = resolve({"dataset": "movielens_1m"})
    assert used.endswith("movielens_1m/graphfm.py")
    assert settings.hyperparameters["num_neighbors"] == (7, 4, 2)
    assert resolve({"dataset": "movielens_1m"}, config="none") == (Settings(dataset="movielens_1m"), None)


def test_settings_of_the_data_set_serve_models_without_their_own():
    assert resolve({"dataset": "criteo", "model": "graphfm"})[0].hyperparameters["num_neighbors"] == (39, 20, 5)
    settings, used = resolve({"dataset": "criteo", "model": "fm"})
    assert used.endswith("criteo/defaults.py") and settings.optimizer == "lazy_adam"


def test_tuned_settings_are_those_of_the_assigned_data_set_and_model():
    settings, used = resolve({"model": "graphfm"}, ["dataset=movielens_1m", "model=fm"])
    assert used.endswith("movielens_1m/fm.py") and (settings.dataset, settings.model) == ("movielens_1m", "fm")


def test_values_are_python_or_text():
    settings, _ = resolve({"model": "graphfm"}, ["formulation=paper", "units=(8,)", "use_selection=False"], "none")
    assert settings.hyperparameters == {"formulation": "paper", "units": (8,), "use_selection": False}


def test_settings_stored_before_one_was_added_are_the_same_run():
    settings = Settings(model="fm", seed=3, hyperparameters={"units": (8, 8)})
    stored = settings.to_dict()
    del stored["cpu_replicas"]
    assert settings.differences(stored) == {}
    assert settings.differences({**stored, "seed": 4}) == {"seed": (4, 3)}
    assert settings.changed() == {"model": "fm", "seed": 3, "hyperparameters": {"units": [8, 8]}}


def test_settings_stored_by_version_0_1_are_read_under_todays_names():
    stored = {"model": "fm", "optimizer": "adam", "branches": 2, "learning_rate_decay": 0.3}
    settings = Settings(model="fm", optimizer="lazy_adam", cpu_replicas=2, plateau_factor=0.3)
    assert settings.differences(upgraded(stored, "0.1.0")) == {}
    assert upgraded({**stored, "optimizer": "dense_adam"}, "0.1.0")["optimizer"] == "adam"
    assert upgraded(settings.to_dict(), "0.2.0") == settings.to_dict()


@pytest.mark.parametrize(
    ("flags", "assignments", "message"),
    [
        ({"model": "graphfn"}, [], "Unknown model 'graphfn'. Did you mean 'graphfm'?"),
        ({"baselines": "lr,fn"}, [], "Unknown model 'fn'. Did you mean"),
        ({"dataset": "sintetic"}, [], "Unknown data set 'sintetic'. Did you mean 'synthetic'?"),
        ({}, ["num_headz=3"], "Unknown setting 'num_headz'. Did you mean 'num_heads'?"),
        ({}, ["epochs"], "--set needs key=value"),
        ({}, ["epochs=0"], "'epochs' must be a whole number of at least 1"),
        ({}, ["learning_rate=fast"], "'learning_rate' must be a number above 0"),
        ({"seed": -1}, [], "'seed' must be"),
        ({}, ['model=["lr"]'], "The setting 'model' must be a text. Received: ['lr']"),
        ({}, ['dataset=["synthetic"]'], "The setting 'dataset' must be a text"),
        ({}, ["baselines=None"], "The setting 'baselines' must be names of models, such as 'lr,fm'. Received: None"),
        ({"optimizer": "lazy_adm"}, [], "Unknown optimizer 'lazy_adm'. Did you mean 'lazy_adam'?"),
        ({"optimizer": "dense_adam"}, [], "The optimizer 'dense_adam' was renamed to 'adam'"),
    ],
)
def test_what_is_refused(flags, assignments, message):
    with pytest.raises(ValueError) as error:
        resolve(flags, assignments, "none")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = 1\n", "failed: AttributeError"), ("def get_config():\n    return 3\n", "must return a dictionary")],
)
def test_broken_configuration_files(tmp_path, text, message):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        resolve({}, config=str(path))
    with pytest.raises(ValueError, match="The configuration file .* does not exist"):
        resolve({}, config=str(tmp_path / "absent.py"))


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A data folder with a prepared table called `clicks`, and a working folder with tables."""
    monkeypatch.chdir(tmp_path)
    for folder in ("data/clicks", "elsewhere", "logs"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("data/clicks", "elsewhere"):
        (tmp_path / folder / "preparation.json").touch()
    for table in ("clicks.csv", "logs/day-1.csv.gz", "logs/day-2.csv.gz"):
        (tmp_path / table).touch()
    return tmp_path


def test_a_data_set_is_found_by_its_name_or_path(prepared):
    assert find_dataset("clicks", "data") == str(prepared / "data" / "clicks")
    assert resolve({"dataset": "clicks", "model": "lr"}, data_dir="data")[0].dataset == str(prepared / "data/clicks")
    assert find_dataset("elsewhere", "data") == "elsewhere"
    assert find_dataset("criteo", "data") == find_dataset("criteo") == "criteo"
    (prepared / "clicks").mkdir()  # a folder of that name which holds something else
    assert find_dataset("clicks", "data") == str(prepared / "data" / "clicks")
    (prepared / "clicks" / "preparation.json").touch()
    assert find_dataset("clicks", "data") == "clicks"


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("clicks.csv", "'clicks.csv' is a table. It seems to be prepared as {}/data/clicks: run ctrzoo-train"),
        ("day.parquet", "`ctrzoo-prepare --table=day.parquet --schema=day.yaml --infer_schema`, edit it, prepare"),
        ("day.parquet", "then run `ctrzoo-train --dataset=day`."),
        ("logs", "`ctrzoo-prepare '--table=logs/*.csv.gz' --schema="),
        ("logs/*.csv.gz", "`ctrzoo-prepare '--table=logs/*.csv.gz' --schema="),
        ("click", "Unknown data set 'click'. Did you mean 'clicks'? Folders of `ctrzoo-prepare` are found by name in"),
    ],
)
def test_a_table_is_no_data_set_yet(prepared, dataset, message):
    with pytest.raises(ValueError) as error:
        find_dataset(dataset, "data")
    assert message.format(prepared) in str(error.value)


def test_the_protocol_is_an_option_of_benchmarks(prepared):
    settings, _ = resolve({"dataset": "criteo", "model": "lr", "protocol": "clean"}, config="none")
    assert settings.dataset_options == {"protocol": "clean"}
    with pytest.raises(ValueError, match="clicks' has no choice of protocol. Leave out --protocol; it is for criteo"):
        resolve({"dataset": "clicks", "model": "lr", "protocol": "clean"}, data_dir="data")


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), (" false", False), ("True", True), ("False", False), ("truely", "truely")]
)
def test_truth_values_may_be_written_as_in_yaml(text, value):
    assert parse_assignment(f"histories={text}") == ("histories", value)


def test_an_option_written_as_in_yaml_names_the_same_folder(tmp_path):
    written = dict(parse_assignment(text) for text in ("histories=true", "num_rows=500"))
    assert prepare("synthetic", tmp_path, **written) == prepare("synthetic", tmp_path, histories=True, num_rows=500)
    plain = prepare("synthetic", tmp_path, num_rows=500)
    written = dict(parse_assignment(text) for text in ("histories=false", "num_rows=500"))
    assert prepare("synthetic", tmp_path, **written) == plain  # no histories, which the text 'false' would plant
