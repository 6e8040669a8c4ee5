"""Gradients of some rows: their numbers, and on JAX the sums of repeated rows."""

import json

import numpy as np
import tensorflow as tf

from ctrzoo.optimizers.row_gradient import dense, is_of_rows, values_of, with_values
from tests.ctrzoo.on_jax import needs_jax, run_on_jax

ON_JAX = """
import json
import numpy as np
from keras import ops
from ctrzoo.optimizers.row_gradient import RowGradient, dense, is_of_rows, merged, values_of, with_values
values = ops.convert_to_tensor(np.arange(10, dtype="float32").reshape(5, 2))
gradient = RowGradient(values, ops.convert_to_tensor(np.array([3, 1, 3, 0, 3])), (4, 2))
assert is_of_rows(gradient) and not is_of_rows(values) and values_of(values) is values
sums = merged(gradient)
print(json.dumps([np.asarray(part).tolist() for part in (sums.indices, sums.values, dense(gradient), dense(sums))]))
"""


def test_numbers_of_rows_and_of_all():
    values, ids = tf.constant([[1.0], [2.0]]), tf.constant([2, 2])
    rows = tf.IndexedSlices(values, ids, tf.constant([3, 1]))
    assert is_of_rows(rows) and not is_of_rows(values)
    assert values_of(rows) is values and values_of(values) is values
    changed = with_values(rows, 2 * values)
    np.testing.assert_array_equal(changed.values, [[2], [4]])
    assert changed.indices is ids and with_values(values, ids) is ids
    np.testing.assert_array_equal(dense(rows), [[0], [0], [3]])


@needs_jax
def test_repeated_rows_add_up_on_jax():
    (line,) = run_on_jax(ON_JAX)
    ids, sums, all_rows, of_sums = json.loads(line)
    # By hand: row 0 is [6, 7], row 1 is [2, 3], row 3 is [0 + 4 + 8, 1 + 5 + 9]; two places are left over.
    assert ids[:3] == [0, 1, 3] and min(ids[3:]) >= 4 and len(set(ids)) == 5
    assert sums == [[6, 7], [2, 3], [12, 15], [0, 0], [0, 0]]
    assert all_rows == of_sums == [[6, 7], [2, 3], [0, 0], [12, 15]]
