"""Rows of a table, by whichever operation TensorFlow has for the case."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.explanation.explainer import explain_rows, mean_explanations
from ctrzoo.lookup import for_this_process, look_up
from ctrzoo.models import build
from ctrzoo.training.strategy import ReplicatedStep
from tests.small_data import random_rows

TABLE = np.arange(12, dtype="float32").reshape(6, 2)
IDS = np.array([[5, 0, 5], [1, 5, 0]], "int32")
SPECIFICATION = tf.TensorSpec((None, 3), tf.int32)
GATHERS = {"ResourceGather", "ResourceGatherNd"}


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


def test_a_graph_that_may_be_exported_gathers():
    table = keras.Variable(TABLE)

    def look(exportable):
        return tf.function(lambda ids: look_up(table, ids, exportable=exportable), input_signature=[SPECIFICATION])

    exported, kept = look(True), look(False)
    assert operations(exported) & GATHERS == {"ResourceGather"} and operations(kept) & GATHERS == {"ResourceGatherNd"}
    with for_this_process():
        known = look(True)
        assert operations(known) & GATHERS == {"ResourceGatherNd"}
    assert operations(look(True)) & GATHERS == {"ResourceGather"}  # the context has ended
    for function in (exported, kept, known):
        np.testing.assert_array_equal(function(IDS), TABLE[IDS])


def test_training_and_prediction_take_the_faster_operation(mixed_schema, monkeypatch):
    taken, gather = [], tf.gather
    kind = type(keras.Variable(TABLE).value)
    gather_nd = kind.gather_nd

    def gather_of(source, *args, **options):
        if isinstance(source, tf.Variable):
            taken.append("gather")
        return gather(source, *args, **options)

    def gather_nd_of(*args, **options):
        taken.append("gather_nd")
        return gather_nd(*args, **options)

    monkeypatch.setattr(tf, "gather", gather_of)
    monkeypatch.setattr(kind, "gather_nd", gather_nd_of)
    features, labels = random_rows(mixed_schema, 8, np.random.default_rng(0))
    model = build("poly2", mixed_schema, num_buckets=16)
    model.compile("sgd")
    step = ReplicatedStep(model)
    batch = {name: tf.constant(array) for name, array in features.items()}
    ways = {
        "fit": lambda: model.fit(features, labels, verbose=0),
        "predict": lambda: model.predict(features, verbose=0),
        "evaluate": lambda: model.evaluate(features, labels, verbose=0),
        "train": lambda: step.train((batch, tf.constant(labels))),
        "evaluation": lambda: step.predict(batch),
        "a loop": lambda: tf.function(lambda: model(batch, training=True))(),
        "explanations of rows": lambda: explain_rows(model, features),
        "mean explanations": lambda: mean_explanations(model, [(batch, labels)]),
        "without a graph": lambda: model(batch),
    }
    for way, run in ways.items():
        taken.clear()
        run()
        assert set(taken) == {"gather_nd"}, f"{way}: {taken}"
    taken.clear()
    tf.function(lambda: model(batch))()
    assert set(taken) == {"gather"}


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
    # Outside of the strategy, as several hosts evaluate.
    np.testing.assert_array_equal(look_up(table, tf.constant(IDS)), TABLE[IDS])
    np.testing.assert_array_equal(tf.function(lambda: look_up(table, tf.constant(IDS)))(), TABLE[IDS])
