"""Batch normalization of every model that has it: the momentum is an option, and its default suits few steps."""

import inspect

import keras
import numpy as np
import pytest

from ctrzoo.models import MODELS, build, hyperparameters_of
from tests.models.cases import rows, small_hyperparameters, with_history

WITH = [name for name in MODELS if "deep_batch_norm" in hyperparameters_of(name)]


def norms(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.parametrize("name", WITH)
def test_the_momentum_reaches_every_batch_normalization(name, mixed_schema):
    mixed_schema = with_history(mixed_schema)
    switches = {option: True for option in hyperparameters_of(name) if option.endswith("batch_norm")}
    sizes = {**small_hyperparameters(name), "deep_units": (8, 6), **switches}
    momenta = {option: 0.7 for option in hyperparameters_of(name) if option.endswith("batch_norm_momentum")}
    model = build(name, mixed_schema, **sizes, **momenta)
    assert len(norms(model)) >= 2 and {layer.momentum for layer in norms(model)} == {0.7}
    assert {layer.momentum for layer in norms(build(name, mixed_schema, **sizes))} == {0.9}


def test_every_model_with_batch_normalization_has_the_option():
    for name in MODELS:
        defaults = hyperparameters_of(name)
        for option in [key for key in defaults if key.endswith("batch_norm")]:
            assert defaults[f"{option}_momentum"] == 0.9, name
    source = "".join(inspect.getsource(inspect.getmodule(model)) for model in MODELS.values())
    assert source.count("BatchNormalization(") == source.count("BatchNormalization(\n") + source.count(
        "BatchNormalization(momentum="
    )


def test_fifty_steps_are_enough_for_the_moving_statistics(mixed_schema):
    """With a momentum of 0.99 they would hold 60 % of their initial values after 50 steps, with 0.9 half a percent."""
    features, _ = rows(mixed_schema, 64)
    model = build("deepfm", mixed_schema, deep_units=(8,), deep_batch_norm=True)
    (norm,) = norms(model)
    inputs = keras.Model(model.input, model.get_layer("flat_embedding").output)(features)
    hidden = np.asarray(model.get_layer("deep").steps[0](inputs))
    for _ in range(50):
        model(features, training=True)
    np.testing.assert_allclose(norm.moving_mean, hidden.mean(axis=0) * (1 - 0.9**50), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, hidden.var(axis=0) * (1 - 0.9**50) + 0.9**50, rtol=1e-4)
