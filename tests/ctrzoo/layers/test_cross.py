import io
import zipfile

import h5py
import keras
import numpy as np
import pytest

from ctrzoo.layers import CrossV1, CrossV2, MixtureCrossLayer


def weighted(layer, dim, **arrays):
    """Build a layer and set its weights by name; those not named become zero."""
    layer.build((None, dim), (None, dim))
    for weight in layer.weights:
        weight.assign(np.asarray(arrays.get(weight.name, np.zeros(weight.shape))))
    return layer


def random(*shape):
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape).astype("float32")


def test_two_vector_layers_of_the_worked_example():
    x0 = np.array([[1.0, 2.0]])
    layer = weighted(CrossV1(), 2, kernel=[[0.5], [-1.0]], bias=[0.1, 0.2])
    x1 = layer(x0, x0)
    np.testing.assert_allclose(x1, [[-0.4, -0.8]], rtol=1e-6)
    np.testing.assert_allclose(layer(x0, x1), [[0.3, 0.6]], rtol=1e-6)


def test_without_bias_a_vector_layer_only_stretches_its_input():
    x0, layer = random(5, 3), weighted(CrossV1(), 3, kernel=random(3, 1))
    ratio = np.asarray(layer(x0, layer(x0, x0))) / x0
    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(3, axis=1), rtol=1e-4)


def test_the_matrix_layer_of_the_worked_example():
    x0 = np.array([[1.0, 2.0]])
    layer = weighted(CrossV2(), 2, kernel=np.transpose([[1.0, 0.0], [2.0, -1.0]]), bias=[0.5, 0.0])
    np.testing.assert_allclose(layer(x0, x0), [[2.5, 2.0]])


@pytest.mark.filterwarnings("error")
def test_a_single_expert_has_the_weight_1():
    x0, down, middle, up = random(5, 3), random(1, 3, 2), random(1, 2, 2), random(1, 2, 3)
    layer = MixtureCrossLayer(rank=2, num_experts=1, activation="linear")
    layer = weighted(layer, 3, down_kernel=down, middle_kernel=middle, up_kernel=up)
    expected = x0 * (x0 @ down[0] @ middle[0] @ up[0]) + x0
    np.testing.assert_allclose(layer(x0, x0), expected, rtol=1e-5, atol=1e-6)


def test_a_matrix_with_equal_rows_is_the_vector_layer():
    x0, x, vector = random(5, 3), random(5, 3) + 1, random(3, 1)
    full = weighted(CrossV2(), 3, kernel=np.repeat(vector, 3, axis=1))
    np.testing.assert_allclose(full(x0, x), weighted(CrossV1(), 3, kernel=vector)(x0, x), rtol=1e-5)


def test_low_rank_at_full_rank_is_the_full_matrix():
    x0, x, matrix, bias = random(5, 3), random(5, 3) + 1, random(3, 3), random(3)
    low = weighted(CrossV2(rank=3), 3, down_kernel=matrix, up_kernel=np.eye(3), bias=bias)
    full = weighted(CrossV2(), 3, kernel=matrix, bias=bias)
    np.testing.assert_allclose(low(x0, x), full(x0, x), rtol=1e-5)


def test_a_mixture_of_one_linear_expert_is_low_rank():
    x0, x, down, up, bias = random(5, 3), random(5, 3) + 1, random(3, 2), random(2, 3), random(3)
    mixture = MixtureCrossLayer(rank=2, num_experts=1, activation="linear")
    mixture = weighted(mixture, 3, down_kernel=[down], middle_kernel=[np.eye(2)], up_kernel=[up], bias=bias)
    low = weighted(CrossV2(rank=2), 3, down_kernel=down, up_kernel=up, bias=bias)
    np.testing.assert_allclose(mixture(x0, x), low(x0, x), rtol=1e-5)


def test_the_penalty_is_half_the_squared_norm():
    layer = weighted(CrossV2(l2=0.1), 2, kernel=[[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(sum(layer.losses), 0.1 / 2 * 30, rtol=1e-6)


@pytest.mark.parametrize("layer", [CrossV1(), CrossV2(rank=2), MixtureCrossLayer(rank=2)])
def test_unequal_sizes_are_refused(layer):
    with pytest.raises(ValueError, match="same last dimension"):
        layer(np.ones((2, 3)), np.ones((2, 4)))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`rank` must be at least 1, or None"):
        CrossV2(rank=0)
    with pytest.raises(ValueError, match="`num_experts` must be at least 1"):
        MixtureCrossLayer(num_experts=0)
    with pytest.raises(ValueError, match="'softmax' or 'sigmoid'"):
        MixtureCrossLayer(gate="relu")


def test_a_penalty_is_given_once():
    with pytest.raises(ValueError, match="Give one of them"):
        CrossV1(l2=0.1, kernel_regularizer="l2")


@pytest.mark.parametrize(
    "kind, new, old", [(CrossV1, "cross_v1", "cross_layer"), (CrossV2, "cross_v2", "matrix_cross_layer")]
)
def test_a_file_of_version_0_1_0_holds_the_weights_under_the_old_name_of_the_class(kind, new, old, tmp_path):
    inputs = keras.Input((3,))
    states = kind(bias_initializer="normal")(inputs, inputs)
    model = keras.Model(inputs, kind(bias_initializer="normal")(inputs, states))
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as saved, zipfile.ZipFile(tmp_path / "old.keras", "w") as older:
        for name in saved.namelist():
            content = saved.read(name)
            if name.endswith(".h5"):
                stream = io.BytesIO(content)
                with h5py.File(stream, "a") as file:
                    for suffix in ("", "_1"):
                        file.move(f"layers/{new}{suffix}", f"layers/{old}{suffix}")
                content = stream.getvalue()
            older.writestr(name, content)
    rows = random(5, 3)
    for name in ("new", "old"):
        loaded = keras.models.load_model(tmp_path / f"{name}.keras")
        np.testing.assert_array_equal(loaded(rows), model(rows))
