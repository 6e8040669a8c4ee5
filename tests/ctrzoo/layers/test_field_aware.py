"""The pair term of field-aware factorization machines."""

import numpy as np
import pytest

from ctrzoo.layers import FieldAwareInteraction

pytestmark = pytest.mark.usefixtures("float64")


def test_worked_example():
    towards = np.array([[[9.0, 1.0, 2.0], [3.0, 9.0, -1.0], [0.5, 4.0, 9.0]]])
    logit, pairs = FieldAwareInteraction(return_explanations=True)(towards)
    assert np.array(logit) == 1 * 3 + 2 * 0.5 - 1 * 4
    np.testing.assert_array_equal(np.triu(pairs[0]), [[0, 3, 1], [0, 0, -4], [0, 0, 0]])


def test_a_width_that_does_not_fit_the_fields_is_refused():
    with pytest.raises(ValueError, match="multiple of the 3 fields"):
        FieldAwareInteraction()(np.ones((1, 3, 4)))
