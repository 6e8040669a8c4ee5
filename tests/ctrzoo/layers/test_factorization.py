"""Sums over fields, which are computed otherwise where XLA compiles for a CPU."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import AnovaKernel, BiInteraction, PairwiseInteraction
from ctrzoo.layers.factorization import sum_of_fields
from tests.models.pairwise import TOY

with_and_without_xla = pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "xla"])


def vectors_of(num_fields, rows=5):
    return np.random.default_rng(num_fields).normal(size=(rows, num_fields, 3)).astype("float32")


@with_and_without_xla
@pytest.mark.parametrize("num_fields", [1, 2, 40])
def test_the_sum_and_its_gradient(num_fields, jit_compile):
    vectors, upstream = vectors_of(num_fields), np.array([1.0, -2.0, 4.0], "float32")

    @tf.function(jit_compile=jit_compile, input_signature=[tf.TensorSpec([None, num_fields, 3])])
    def value_and_gradient(vectors):
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            total = sum_of_fields(vectors)
            loss = tf.reduce_sum(total * upstream)
        return total, tape.gradient(loss, vectors)

    total, gradient = value_and_gradient(vectors)
    np.testing.assert_allclose(total, vectors.astype("float64").sum(axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(gradient, np.broadcast_to(upstream, vectors.shape))


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a GPU sums fast")
def test_xla_is_given_a_product_and_others_a_sum():
    def kinds(jit_compile):
        compiled = tf.function(sum_of_fields, jit_compile=jit_compile, input_signature=[tf.TensorSpec([None, 40, 3])])
        return {operation.type for operation in compiled.get_concrete_function().graph.get_operations()}

    assert "Sum" in kinds(False) and not any("MatMul" in kind for kind in kinds(False))
    assert "Sum" not in kinds(True) and any("MatMul" in kind for kind in kinds(True))


@with_and_without_xla
@pytest.mark.parametrize("layer, axes", [(PairwiseInteraction, (1,)), (BiInteraction, ())])
def test_pair_terms_are_sums_over_pairs(layer, axes, jit_compile):
    vectors = vectors_of(9)
    pairs = sum(vectors[:, i] * vectors[:, j] for i, j in itertools.combinations(range(9), 2))
    expected = pairs.sum(axis=axes, keepdims=True) if axes else pairs
    np.testing.assert_allclose(tf.function(layer(), jit_compile=jit_compile)(vectors), expected, rtol=1e-4, atol=1e-4)


def anova(states, order):
    """Sum over all combinations of fields, by the definition."""
    combinations = itertools.combinations(states, order)
    return sum(math.prod(numbers) for fields in combinations for numbers in zip(*fields, strict=True))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("num_fields", range(1, 8))
@pytest.mark.parametrize("order", range(2, 6))
def test_anova_kernel_equals_combinations_and_the_scalar_recursion(num_fields, order):
    states = np.random.default_rng(num_fields).normal(size=(2, num_fields, 3))
    kernels = np.asarray(AnovaKernel(order)(states))[:, 0]
    np.testing.assert_allclose(kernels, [anova(e, order) for e in states], rtol=1e-10, atol=1e-12)
    sums = np.zeros((order + 1, 2, 3))
    sums[0] = 1
    for field in range(num_fields):
        for degree in range(order, 0, -1):
            sums[degree] += states[:, field] * sums[degree - 1]
    np.testing.assert_allclose(kernels, sums[order].sum(-1), rtol=1e-10, atol=1e-12)


def test_worked_example():
    np.testing.assert_array_equal([AnovaKernel(order)(TOY)[0, 0] for order in (2, 3, 4)], [3.0, -4.0, 0.0])
