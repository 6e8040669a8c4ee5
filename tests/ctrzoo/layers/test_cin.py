"""The compressed interaction network equals its equations as loops over maps and fields."""

import numpy as np
import pytest

from ctrzoo.layers import CompressedInteraction

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("split_half", [True, False])
def test_the_network_equals_its_equations(split_half):
    embedded = np.random.default_rng(0).normal(size=(2, 3, 5))
    layer = CompressedInteraction((4, 2), split_half=split_half, activation="tanh")
    found = np.asarray(layer(embedded))
    assert found.shape == (2, layer.output_dim) == (2, 4 if split_half else 6)
    for row, fields in enumerate(embedded):
        maps, put_out = fields, []
        for number, (width, kernel) in enumerate(zip(layer.units, layer.kernels, strict=True), start=1):
            weights = np.asarray(kernel).reshape(len(maps), 3, width)
            new = np.zeros((width, 5))
            for h in range(width):
                for i, j in np.ndindex(len(maps), 3):
                    new[h] += weights[i, j, h] * maps[i] * fields[j]
            new = np.tanh(new)
            halved = split_half and number == 1
            maps = new[: width // 2] if halved else new
            put_out.append((new[width // 2 :] if halved else new).sum(axis=1))
        np.testing.assert_allclose(found[row], np.concatenate(put_out), rtol=1e-9)


@pytest.mark.parametrize(
    ("units", "message"), [((), "at least one layer"), ((0,), "at least 1 map"), ((3, 2), "even number")]
)
def test_wrong_numbers_of_maps_are_refused(units, message):
    with pytest.raises(ValueError, match=message):
        CompressedInteraction(units)
