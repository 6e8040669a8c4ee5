"""What programs read from the source files of the models is what the models are."""

import pytest

from ctrzoo import models
from ctrzoo.experiments import catalog
from tests.experiments.test_cli import python


def test_the_names_are_those_of_the_registry(monkeypatch):
    monkeypatch.setattr(catalog, "_loaded", lambda: None)
    assert list(catalog.model_names()) == list(models.MODELS)


@pytest.mark.parametrize("name", models.MODELS)
def test_hyperparameters_and_defaults_are_those_of_the_model(name, monkeypatch):
    monkeypatch.setattr(catalog, "_loaded", lambda: None)
    found, expected = catalog.hyperparameters_of(name), models.hyperparameters_of(name)
    assert expected.pop("task") == "classification"  # a setting of its own
    assert {key: eval(entry.default) for key, entry in found.items()} == expected
    assert list(catalog.hyperparameter_names(name)) == list(expected)
    assert all(entry.meaning for entry in found.values()) and catalog.summary_of(name).endswith(".")


def test_models_that_a_program_registers_are_known(monkeypatch):
    monkeypatch.setitem(models.MODELS, "mine", models.MODELS["deepfm"])
    assert "mine" in catalog.model_names() and "deep_units" in catalog.hyperparameter_names("mine")


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from ctrzoo.experiments import catalog; print(catalog.model_names()[0], "
        "[name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    assert python(code).stdout == "lr []\n"
