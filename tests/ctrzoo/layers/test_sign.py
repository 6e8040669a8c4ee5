import keras
import numpy as np
import pytest

from ctrzoo.layers import EdgeGates, HardConcrete


def test_gates_in_evaluation():
    np.testing.assert_allclose(HardConcrete()(np.array([0.0])), [0.5])
    gates = np.asarray(HardConcrete()(np.array([-9.0, -2.399, -2.39, 2.39, 2.399, 9.0])))
    assert (gates == 0).tolist() == [True, True, False, False, False, False]
    assert (gates == 1).tolist() == [False, False, False, False, True, True]


def test_the_penalty_is_the_mean_probability_with_natural_logarithms():
    layer = HardConcrete(l0=0.5)
    layer(np.zeros((2, 3)))
    np.testing.assert_allclose(layer.losses, [0.5 * 0.8296], atol=3e-5)
    np.testing.assert_allclose(HardConcrete().probability(np.zeros(1)), [0.8296], atol=5e-5)


def test_in_training_gates_are_open_as_often_as_the_probability_says():
    keras.utils.set_random_seed(0)
    layer, loc = HardConcrete(), np.repeat([[-1.0], [0.0], [1.0]], 20_000, axis=1)
    gates = np.asarray(layer(loc, training=True))
    np.testing.assert_allclose((gates > 0).mean(axis=1), layer.probability(loc[:, 0]), atol=0.01)
    # By symmetry of the noise, a gate at loc is 1 as often as one at -loc is 0.
    np.testing.assert_allclose((gates == 1).mean(axis=1), (gates == 0).mean(axis=1)[::-1], atol=0.01)
    assert not np.array_equal(gates, layer(loc, training=True))


def test_half_precision_keeps_gates_finite():
    gates = np.asarray(HardConcrete(dtype="mixed_float16")(np.full((4, 5000), 30.0, "float16"), training=True))
    assert gates.dtype == np.float16 and np.isfinite(gates).all()


def test_training_drops_hidden_outputs_of_the_edge_network():
    keras.utils.set_random_seed(0)
    states = np.random.default_rng(0).normal(size=(2, 3, 4))
    layer = EdgeGates(units=8, dropout=0.999)
    np.testing.assert_array_equal(layer(states), layer(states))
    layer.hard_concrete.temperature = 1e-3  # near to zero or one, by the sign of loc plus noise
    assert set(np.unique(layer(states, training=True))) <= {0.0, 1.0}


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="beyond 0 and 1"):
        HardConcrete(low=0.0)
    with pytest.raises(ValueError, match="`temperature` must be positive"):
        HardConcrete(temperature=0.0)
    with pytest.raises(ValueError, match="`units` must be at least 1"):
        EdgeGates(units=0)
