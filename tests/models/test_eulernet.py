import numpy as np
import pytest

from ctrzoo.models import build
from tests.models.rowwise import check_rows, embed, random_rows


def normalized(weights, name, numbers):
    centred = numbers - np.mean(numbers)
    return weights[f"{name}/gamma"] * centred / np.sqrt(np.mean(centred**2) + 1e-5) + weights[f"{name}/beta"]


def euler_layer(weights, name, vectors):
    """One layer by loops over vectors, dimensions and powers, with Python's complex numbers."""
    number, dim = vectors.shape
    powers = weights[f"{name}/power_kernel"]
    products = np.zeros((powers.shape[1], dim), complex)
    for k in range(powers.shape[1]):
        for c in range(dim):
            product = np.exp(weights[f"{name}/modulus_bias"][c, k] + 1j * weights[f"{name}/phase_bias"][c, k])
            for j in range(number):
                z = vectors[j, c]
                product *= np.sqrt(abs(z) ** 2 + 1e-8) ** powers[j, k] * np.exp(1j * np.angle(z) * powers[j, k])
            products[k, c] = product
    kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
    parts = []
    for part in (np.real, np.imag):
        linear = np.maximum(part(vectors).ravel() @ kernel + bias, 0).reshape(products.shape)
        parts.append(linear + part(products))
    if f"{name}/real_norm/gamma" in weights:
        for index, norm in enumerate(("real_norm", "imaginary_norm")):
            parts[index] = np.array([normalized(weights, f"{name}/{norm}", row) for row in parts[index]])
    return parts[0] + 1j * parts[1]


@pytest.mark.parametrize(
    "options", [{"units": (3,), "layer_norm": False}, {"units": (4, 2)}, {"units": (5, 4)}], ids=["one", "norm", "wide"]
)
def test_eulernet_equals_the_reference(float64, mixed_schema, options):
    def reference(weights, schema, ids, values):
        embedded = embed(weights["embedding/table"], schema, ids, values)
        vectors = np.empty(embedded.shape, complex)
        vectors.real = weights["complex_fields/modulus"] * np.cos(embedded)
        vectors.imag = weights["complex_fields/modulus"] * np.sin(embedded)  # may be -0.0, at the phase -pi
        for number in range(1, len(options["units"]) + 1):
            vectors = euler_layer(weights, f"euler_{number}", vectors)
        kernel, bias = weights["output/kernel"][:, 0], weights["output/bias"][0]
        return vectors.real.ravel() @ kernel + bias + vectors.imag.ravel() @ kernel + bias

    check_rows("eulernet", mixed_schema, reference, embedding_dim=3, **options)


def test_parameters(mixed_schema):
    model = build("eulernet", mixed_schema, embedding_dim=3, units=(5,))
    assert model.count_params() == 20 * 3 + 4 + (4 * 5 + 2 * 3 * 5 + 12 * 15 + 15 + 4 * 3) + 15 + 1


def test_penalties(mixed_schema):
    model = build("eulernet", mixed_schema, embedding_dim=3, units=(5, 2), interaction_l2=0.2)
    weights, batch, _ = random_rows(model)
    model(batch)
    paths = [f"euler_{number}/{name}" for number in (1, 2) for name in ("power_kernel", "kernel")]
    np.testing.assert_allclose(sum(model.losses), 0.1 * sum(np.sum(weights[path] ** 2) for path in paths), rtol=1e-5)
