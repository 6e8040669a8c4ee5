"""The cross layers of HoAFM: the worked example."""

import numpy as np
import pytest

from ctrzoo.layers import (
    HighOrderCross,
)

TOY = np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])


def test_equal_weights_of_cross_layers_follow_the_worked_example():
    layer = HighOrderCross(num_layers=1, return_explanations=True)
    layer.build(TOY.shape)
    layer.kernel.assign(np.ones((1, 3, 2, 2)))
    for output, expected in [([[1, 0]], 4.2426), ([[0, 1]], 0)]:
        layer.output_kernel.assign(output)
        np.testing.assert_allclose(layer(TOY)[0], [[expected]], atol=1e-4)


@pytest.mark.parametrize("sum_orders", [True, False])
def test_the_layers_equal_loops_over_fields(sum_orders):
    layer = HighOrderCross(num_layers=3, sum_orders=sum_orders, return_explanations=True, dtype="float64")
    embedded = np.random.default_rng(0).normal(size=(2, 4, 3))
    logit, pairs, weights = layer(embedded)
    kernel, output_kernel = np.asarray(layer.kernel), np.asarray(layer.output_kernel)
    for row, e in enumerate(embedded):
        states, expected = e, 0.0
        for number in range(3):
            crossed = np.zeros_like(e)
            for i in range(4):
                others = [j for j in range(4) if j != i]
                norms = np.sqrt((kernel[number, i] ** 2).sum(axis=0))
                for place, j in enumerate(others):
                    share = kernel[number, i, place] / norms
                    crossed[i] += e[i] * share * states[j]
                    np.testing.assert_allclose(weights[row, number, i, j], np.mean(share**2), rtol=1e-10)
            if sum_orders or number == 2:
                expected += output_kernel[number if sum_orders else 0] @ crossed.sum(axis=0)
            states = np.where(crossed > 0, crossed, 0.2 * crossed)
        # TensorFlow keeps the slope of a leaky ReLU in float32.
        np.testing.assert_allclose(logit[row, 0], expected, rtol=1e-7)
        np.testing.assert_allclose(np.triu(pairs[row], 1).sum(), expected, rtol=1e-7)


def test_one_field_and_no_layer_are_refused():
    with pytest.raises(ValueError, match="at least 2 fields. Received: 1"):
        HighOrderCross()(TOY[:, :1])
    with pytest.raises(ValueError, match="`num_layers` must be at least 1"):
        HighOrderCross(num_layers=0)
