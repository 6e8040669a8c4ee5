"""Rows of a table, by whichever operation TensorFlow has for the case."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.lookup import look_up

TABLE = np.arange(12, dtype="float32").reshape(6, 2)
IDS = np.array([[5, 0, 5], [1, 5, 0]], "int32")


def operations(function):
    return {operation.type for operation in function.get_concrete_function().graph.get_operations()}


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("variable", [keras.Variable, tf.Variable])
def test_rows_and_their_gradient(variable, jit_compile):
    table = variable(TABLE)
    source = table.value if variable is keras.Variable else table

    def rows_and_gradient():
        with tf.GradientTape() as tape:
            rows = look_up(table, tf.constant(IDS))
            loss = tf.reduce_sum(rows * tf.constant([1.0, 2.0])[:, None, None])
        gradient = tape.gradient(loss, source)
        assert isinstance(gradient, tf.IndexedSlices)  # of the rows that were read, not of the table
        return rows, tf.convert_to_tensor(gradient)

    rows, gradient = tf.function(rows_and_gradient, jit_compile=jit_compile)()
    np.testing.assert_array_equal(rows, TABLE[IDS])
    expected = np.zeros_like(TABLE)
    np.add.at(expected, IDS, np.array([1.0, 2.0], "float32")[:, None, None])
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32"])
def test_ids_of_any_whole_number(dtype, jit_compile):
    table = keras.Variable(TABLE)
    rows = tf.function(lambda ids: look_up(table, ids), jit_compile=jit_compile)(tf.constant(IDS.astype(dtype)))
    np.testing.assert_array_equal(rows, TABLE[IDS])


def test_the_faster_operation_is_taken_unless_xla_compiles():
    table = keras.Variable(TABLE)

    @tf.function
    def plain():
        return look_up(table, tf.constant(IDS))

    @tf.function(jit_compile=True)
    def compiled():
        return look_up(table, tf.constant(IDS))

    assert "ResourceGatherNd" in operations(plain)
    assert "ResourceGatherNd" not in operations(compiled)


def test_an_id_outside_the_table_is_refused_on_a_cpu():
    for wrong in (6, -1):
        with tf.device("CPU"), pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
            look_up(keras.Variable(TABLE), tf.constant([0, wrong]))


def test_rows_of_a_variable_on_several_devices():
    # `test_optimizers` and `test_strategy` train on several devices; one is enough to have such a variable.
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        table = keras.Variable(TABLE)
        assert isinstance(table.value, tf.distribute.DistributedValues)
        np.testing.assert_array_equal(look_up(table, tf.constant(IDS)), TABLE[IDS])
