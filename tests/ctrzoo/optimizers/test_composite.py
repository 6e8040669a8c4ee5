"""One optimizer for some variables, another for the others."""

import keras
import numpy as np
import pytest

from ctrzoo.optimizers.composite import CompositeOptimizer
from ctrzoo.optimizers.grda import GRDA


def variable(values, name="gates"):
    return keras.Variable(np.asarray(values, "float32"), name=name)


def small_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, name="body"), keras.layers.Dense(1, name="gates")]
    )


def fitted(model, optimizer, epochs=2, jit_compile=False):
    features = np.random.default_rng(0).normal(size=(32, 3))
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    model.fit(features, features.sum(axis=1, keepdims=True), epochs=epochs, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("jit_compile", [False, True])  # on a GPU, Keras compiles with XLA unless told otherwise
def test_fit_starts_from_the_weights_of_the_model(jit_compile):
    before = small_model().get_weights()
    model = fitted(small_model(), CompositeOptimizer("adam", GRDA(1e-12), "gates"), jit_compile=jit_compile)
    for index, weight in enumerate(model.get_weights()):
        assert np.allclose(weight, before[index], rtol=0, atol=1e-7) == (index >= 2)


def test_each_part_moves_as_under_its_own_optimizer():
    def step(optimizer):
        variables = [variable([0.3, 0.2], "body"), variable([0.6], "gates")]
        optimizer.build(variables)
        for _ in range(3):
            optimizer.apply([keras.ops.convert_to_tensor([0.1, -0.4]), keras.ops.convert_to_tensor([0.1])], variables)
        return [np.asarray(each) for each in variables]

    both = step(CompositeOptimizer("adam", GRDA(), "gates"))
    np.testing.assert_array_equal(both[0], step(keras.optimizers.Adam())[0])
    np.testing.assert_array_equal(both[1], step(GRDA())[1])


def test_variables_are_excluded_from_the_weight_decay_of_both():
    body, gates = variable([0.5], "body"), variable([0.6], "gates")
    rates = {"learning_rate": 0.1, "weight_decay": 0.5}
    optimizer = CompositeOptimizer(keras.optimizers.SGD(**rates), keras.optimizers.SGD(**rates), "gates")
    optimizer.exclude_from_weight_decay(var_names=["gates"])
    optimizer.apply([keras.ops.zeros(1), keras.ops.zeros(1)], [body, gates])
    assert float(body[0]) == pytest.approx(0.5 - 0.1 * 0.5 * 0.5) and float(gates[0]) == pytest.approx(0.6)


def test_callbacks_set_the_learning_rate_of_the_default():
    optimizer = CompositeOptimizer("adam", GRDA(), "gates")
    optimizer.learning_rate = 0.5
    assert float(optimizer.default.learning_rate) == 0.5 and float(optimizer.special.learning_rate) == 1.0
    fitted(small_model(), optimizer)
    assert int(optimizer.iterations) == int(optimizer.special.iterations) == 2


def test_a_compiled_model_goes_on_after_saving_as_it_would_have(tmp_path):
    model = fitted(small_model(), CompositeOptimizer("adam", GRDA(c=0.01), "gates"))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, CompositeOptimizer) and loaded.optimizer.special.c == 0.01
    features = np.random.default_rng(1).normal(size=(32, 3))
    for each in (model, loaded):
        each.fit(features, features[:, :1], epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("pattern", ["nothing", ""])
def test_a_pattern_that_divides_nothing_is_refused(pattern):
    with pytest.raises(ValueError, match="must match some variables and not others"):
        CompositeOptimizer("adam", GRDA(), pattern).build(small_model().trainable_variables)
