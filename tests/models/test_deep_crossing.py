import numpy as np
import pytest

from ctrzoo.layers import ResidualUnit
from ctrzoo.models import build
from ctrzoo.schema import Field, Schema
from tests.models.rowwise import check_rows, dense, embed, mlp

pytestmark = pytest.mark.usefixtures("float64")


def reference(weights, schema, ids, values):
    states, number = embed(weights["embedding/table"], schema, ids, values).ravel(), 1
    while f"unit_{number}/change/output/kernel" in weights:
        states = np.maximum(states + mlp(weights, f"unit_{number}/change", states), 0)
        number += 1
    return dense(weights, "output", states)


@pytest.mark.parametrize("layers_per_unit", [1, 2])
def test_deep_crossing_equals_the_reference(mixed_schema, layers_per_unit):
    options = {"embedding_dim": 2, "units": (5, 4), "layers_per_unit": layers_per_unit}
    check_rows("deep_crossing", mixed_schema, reference, **options)


@pytest.mark.parametrize(("layers_per_unit", "expected"), [(1, 4 * (2 * 624 * 100 + 624 + 100)), (4, 155_824)])
def test_parameter_counts_at_the_shape_of_criteo(layers_per_unit, expected):
    schema = Schema([Field(f"field_{index}") for index in range(39)])
    model = build("deep_crossing", schema, layers_per_unit=layers_per_unit)
    units = [layer for layer in model.layers if isinstance(layer, ResidualUnit)]
    assert len(units) == 4 // layers_per_unit
    assert sum(unit.count_params() for unit in units) == expected


def test_a_number_of_layers_that_does_not_divide_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="must divide the number of hidden layers, 3. Received: 2"):
        build("deep_crossing", mixed_schema, units=(4, 4, 4), layers_per_unit=2)
