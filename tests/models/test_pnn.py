import numpy as np
import pytest

from ctrzoo.layers import FactorizedInnerProducts
from ctrzoo.models import PNN
from ctrzoo.schema import Field, Schema
from tests.models.pairwise import flatten, mlp, pairs_of
from tests.models.reference import check_model, random_weights

pytestmark = pytest.mark.usefixtures("float64")

VARIANTS = ("inner", "outer", "factorized_inner", "factorized_outer")


def products(variant, kernel, e):
    """Return numbers of pairs, or for each hidden unit a sum over all i and j."""
    everyone = range(len(e))
    if variant == "inner":
        return [e[i] @ e[j] for i, j in pairs_of(e)]
    if variant == "outer":
        return [np.sum(kernel[p] * np.outer(e[i], e[j])) for p, (i, j) in enumerate(pairs_of(e))]
    if variant == "factorized_inner":
        return sum(kernel[i] * kernel[j] * (e[i] @ e[j]) for i in everyone for j in everyone)
    return sum(np.outer(e[i], e[j]).ravel() @ kernel for i in everyone for j in everyone)


def pnn(variant):
    def reference(weights, embedded, batch):
        signals = np.array([products(variant, weights.get("products/kernel"), e) for e in embedded])
        linear_kernel, product_kernel = np.split(weights["signal/kernel"], [flatten(embedded).shape[1]])
        if variant in ("inner", "outer"):
            signals = signals @ product_kernel
        hidden = flatten(embedded) @ linear_kernel + signals + weights["signal/bias"]
        return mlp(weights, np.maximum(hidden, 0), ["deep/hidden_0"])

    return reference


@pytest.mark.parametrize("variant", VARIANTS)
def test_equals_the_slow_reference(mixed_schema, variant):
    check_model(PNN(mixed_schema, variant, embedding_dim=3, deep_units=(6, 5)), pnn(variant))


@pytest.mark.parametrize(
    "variant, products",
    [
        ("inner", 6 * 400),
        ("outer", 6 * 400 + 6 * 256),
        ("factorized_inner", 4 * 400),
        ("factorized_outer", 256 * 400),
    ],
)
def test_parameters(mixed_schema, variant, products):
    expected = 20 * 16 + (4 * 16 + 1) * 400 + products + 401 * 400 + 401
    assert PNN(mixed_schema, variant).count_params() == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_penalty_covers_all_hidden_kernels(mixed_schema, variant):
    model = PNN(mixed_schema, variant, embedding_dim=3, deep_units=(6, 5), deep_l2=0.1)
    paths = ["signal/kernel", "deep/hidden_0/kernel"] + ["products/kernel"] * variant.startswith("factorized")
    weights = random_weights(model)
    np.testing.assert_allclose(sum(model.losses), 0.05 * sum(np.sum(weights[path] ** 2) for path in paths))


def test_wrong_arguments_are_refused(mixed_schema):
    with pytest.raises(ValueError, match="one of inner, outer, factorized_inner"):
        PNN(mixed_schema, variant="product")
    with pytest.raises(ValueError, match="at least one hidden layer"):
        PNN(mixed_schema, deep_units=())
    with pytest.raises(ValueError, match="at least two fields"):
        PNN(Schema([Field("user", vocabulary_size=9)]))
    with pytest.raises(ValueError, match="units"):
        FactorizedInnerProducts(0)
