import numpy as np
import pytest

from ctrzoo.models import build
from tests.models.rowwise import check_rows, dense, embed, mlp, random_rows

SIZES = {"embedding_dim": 3, "num_layers": 2, "num_fm": 2, "num_linear": 3, "rank": 2, "fm_units": (5,)}


def normalized(weights, name, numbers):
    centred = numbers - np.mean(numbers)
    return weights[f"{name}/gamma"] * centred / np.sqrt(np.mean(centred**2) + 1e-5) + weights[f"{name}/beta"]


def wukong_layer(weights, name, vectors, options):
    """One layer by loops over vectors, from all inner products."""
    number = len(vectors)
    gram = [[vectors[i] @ vectors[j] for j in range(number)] for i in range(number)]
    products = gram
    if f"{name}/projection_kernel" in weights:
        projection = weights[f"{name}/projection_kernel"]
        products = [
            [sum(gram[i][j] * projection[j, k] for j in range(number)) for k in range(projection.shape[1])]
            for i in range(number)
        ]
    flat = normalized(weights, f"{name}/product_norm", np.ravel(products))
    found = list(np.reshape(np.maximum(mlp(weights, f"{name}/mlp", flat), 0), (-1, vectors.shape[1])))
    kernel = weights[f"{name}/linear_kernel"]
    found += [sum(kernel[i, m] * vectors[i] for i in range(number)) for m in range(kernel.shape[1])]
    residual = weights.get(f"{name}/residual_kernel", np.eye(number))
    bias = weights.get(f"{name}/residual_bias", np.zeros((len(found), 1)))
    for m in range(len(found)):
        found[m] = found[m] + sum(residual[i, m] * vectors[i] for i in range(number)) + bias[m]
        if options.get("layer_norm", True):
            found[m] = normalized(weights, f"{name}/norm", found[m])
    return np.array(found)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rank": None, "layer_norm": False},
        {"num_linear": 2, "deep_units": ()},
    ],
    ids=["ranked", "all", "same_number"],
)
def test_wukong_equals_the_reference(float64, mixed_schema, options):
    options = {"deep_units": (4,), **SIZES, **options}

    def reference(weights, schema, ids, values):
        vectors = embed(weights["embedding/table"], schema, ids, values)
        for number in (1, 2):
            vectors = wukong_layer(weights, f"wukong_{number}", vectors, options)
        flat = vectors.ravel()
        return mlp(weights, "deep", flat) if options["deep_units"] else dense(weights, "output", flat)

    check_rows("wukong", mixed_schema, reference, **options)


def test_parameters(mixed_schema):
    """Layer 1 maps the residual of four vectors to five; layer 2 has five of them."""
    model = build("wukong", mixed_schema, deep_units=(4,), **SIZES)
    first = 4 * 2 + 2 * (4 * 2) + (8 + 1) * 5 + (5 + 1) * 6 + 4 * 3 + 4 * 5 + 2 * 3
    second = 5 * 2 + 2 * (5 * 2) + (10 + 1) * 5 + (5 + 1) * 6 + 5 * 3 + 2 * 3
    assert model.count_params() == 20 * 3 + first + second + (15 + 1) * 4 + 5


def test_penalties(mixed_schema):
    model = build("wukong", mixed_schema, interaction_l2=0.2, **SIZES)
    weights, batch, _ = random_rows(model)
    model(batch)
    kernels = [path for path in weights if path.startswith("wukong") and path.endswith("kernel")]
    assert len(kernels) == 2 * 4 + 1
    expected = 0.1 * sum(np.sum(weights[path] ** 2) for path in kernels if "output" not in path)
    np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-5)
