"""What MLflow is told of an experiment."""

from ctrzoo import models
from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.tracking.recording import UnrecordedRun, parameters_of


def test_parameters_are_settings_options_and_hyperparameters(mixed_schema):
    hyperparameters = {"embedding_dim": 3, "units": (4,)}
    settings = Settings(
        model="graphfm", baselines=("fm",), epochs=7, hyperparameters=hyperparameters, dataset_options={"num_rows": 9}
    )
    model = models.build("fm", mixed_schema, embedding_dim=3)
    found = parameters_of(settings, model, "fm")
    assert (found["model"], found["task"], found["epochs"], found["num_rows"]) == ("fm", "classification", 7, 9)
    assert found["embedding_dim"] == 3 and found["linear_l2"] == models.hyperparameters_of("fm")["linear_l2"]
    # 18 ids and a number, each with an embedding and a weight, and the bias.
    assert found["num_parameters"] == sum(weight.size for weight in model.get_weights())
    assert not {"units", "hyperparameters", "dataset_options", "baselines"} & set(found)


def test_without_tracking_nothing_happens():
    with UnrecordedRun() as run:
        run.log_result({}, models)
        run.log_files()
