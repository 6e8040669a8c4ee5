"""CIN and xDeepFM."""

import numpy as np
import pytest

from ctrzoo.models import build
from ctrzoo.schema import Field, Schema
from tests.models.rowwise import assign, check_rows, embed, linear, mlp, toy

pytestmark = pytest.mark.usefixtures("float64")


def compressed(weights, embedded, split_half, activation):
    """Sum pooled feature maps, map by map and pair by pair."""
    n, maps, pooled, number = len(embedded), embedded, [], 1
    while f"cin/kernel_{number}" in weights:
        kernel = weights[f"cin/kernel_{number}"]
        following = np.zeros((kernel.shape[1], embedded.shape[1]))
        for h in range(kernel.shape[1]):
            for i in range(len(maps)):
                for j in range(n):
                    following[h] += kernel[i * n + j, h] * maps[i] * embedded[j]
        following = activation(following)
        is_last = f"cin/kernel_{number + 1}" not in weights
        half = 0 if is_last or not split_half else len(following) // 2
        pooled.extend(following[half:].sum(axis=1))
        maps, number = following[:half] if half else following, number + 1
    return np.array(pooled)


@pytest.mark.parametrize(
    "options",
    [
        {"units": (4, 2, 3)},
        {"units": (3, 2), "split_half": False},
        {"units": (3,)},
        {"units": (4, 3), "activation": "tanh"},
    ],
)
def test_cin_equals_the_reference(mixed_schema, options):
    def reference(weights, schema, ids, values):
        embedded = embed(weights["embedding/table"], schema, ids, values)
        activation = np.tanh if "activation" in options else np.asarray
        maps = compressed(weights, embedded, options.get("split_half", True), activation)
        return linear(weights, schema, ids, values) + maps @ weights["output/kernel"][:, 0]

    check_rows("cin", mixed_schema, reference, embedding_dim=3, **options)


def test_xdeepfm_equals_the_reference(mixed_schema):
    def reference(weights, schema, ids, values):
        embedded = embed(weights["embedding/table"], schema, ids, values)
        maps = compressed(weights, embedded, True, np.asarray)
        deep = mlp(weights, "deep", embedded.ravel())
        return linear(weights, schema, ids, values) + maps @ weights["output/kernel"][:, 0] + deep

    check_rows("xdeepfm", mixed_schema, reference, embedding_dim=3, units=(4, 3), deep_units=(5, 4))


@pytest.mark.parametrize(("kernel", "expected"), [(np.triu(np.ones((3, 3)), 1), 3), (np.ones((3, 3)), 25)])
def test_one_map_is_the_pair_term_of_fm_or_the_square_of_the_sum(kernel, expected):
    model, batch = toy("cin", units=(1,))
    assign(model, {"cin/kernel_1": kernel.reshape(9, 1), "output/kernel": [[1.0]]})
    np.testing.assert_allclose(model.explainer()(batch)["logit"], [[expected]])


@pytest.mark.parametrize(("split_half", "expected"), [(True, 1_864_200), (False, 39 * 39 * 200 + 2 * 39 * 200 * 200)])
def test_parameter_counts_at_the_shape_of_criteo(split_half, expected):
    schema = Schema([Field(f"field_{index}") for index in range(39)])
    model = build("cin", schema, split_half=split_half)
    assert model.get_layer("cin").count_params() == expected
    assert model.get_layer("output").count_params() == (400 if split_half else 600)


def test_wrong_numbers_of_maps_are_refused(mixed_schema):
    with pytest.raises(ValueError, match="even number of maps"):
        build("cin", mixed_schema, units=(3, 2))
    with pytest.raises(ValueError, match="at least one layer.s size"):
        build("xdeepfm", mixed_schema, units=())
