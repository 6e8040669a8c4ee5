"""Rows of divided tables, compared with NumPy: lookups, their gradients, rows read and written in place."""

import keras
import numpy as np

from ctrzoo.divided_rows import division_of
from tests.ctrzoo.on_jax import needs_jax, run_on_jax

SCRIPT = """
import jax, keras, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from ctrzoo.distribution import table_layout, table_mesh
from ctrzoo.divided_rows import division_of, look_up_divided, read_divided, write_divided

random, devices = np.random.default_rng(0), keras.distribution.list_devices()
array = random.random((12, 3)).astype("float32")
for mesh in (table_mesh(devices), keras.distribution.DeviceMesh((2, 2), ("batch", "rows"), devices)):
    with keras.distribution.ModelParallel(layout_map=table_layout(mesh)).scope():
        table = keras.Variable(array, name="table")
        other = keras.Variable(array, name="kernel")
    division, parts = division_of(table), mesh.shape[1]
    assert division_of(other) is None
    assert {shard.data.shape for shard in table.value.addressable_shards} == {(12 // parts, 3)}
    for shape in ((8, 2), (7,), ()):
        ids = random.integers(0, 12, shape).astype("int32")
        factors = random.random((*shape, 3)).astype("float32")
        found = jax.jit(lambda table, ids: look_up_divided(table, ids, division))(table.value, ids)
        np.testing.assert_array_equal(found, array[ids])
        rows = shape[0] // 4 if shape and shape[0] % 4 == 0 else (shape or (None,))[0]
        assert {(shard.data.shape or (None,))[0] for shard in found.addressable_shards} == {rows if shape else 3}

        def weighted(table):
            return (look_up_divided(table, ids, division) * factors).sum()

        gradient, expected = jax.jit(jax.grad(weighted))(table.value), np.zeros_like(array)
        np.add.at(expected, ids, factors)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6)
        assert gradient.sharding.is_equivalent_to(division, 2)
    ids = np.array([1, 2, 5, 6, 11, 12, 40], "int32")  # those from 12 are beyond the table
    read = jax.jit(lambda table: read_divided(table, ids, division))(table.value)
    assert read.shape == (parts, 7, 3)
    np.testing.assert_array_equal(read.sum(axis=0)[:5], array[ids[:5]])
    assert not np.asarray(read)[:, 5:].any()
    written = jax.jit(lambda table, rows: write_divided(table, rows * 2, ids, division))(table.value, read)
    expected = array.copy()
    expected[ids[:5]] *= 2
    np.testing.assert_array_equal(written, expected)
    assert written.sharding.is_equivalent_to(division, 2)
    print(parts)
"""


@needs_jax
def test_they_are_those_of_numpy_on_a_line_and_a_grid_of_devices():
    assert run_on_jax(SCRIPT, num_devices=4) == ["4", "2"]


def test_other_variables_are_not_divided():
    assert division_of(keras.Variable(np.zeros((4, 2)))) is None
