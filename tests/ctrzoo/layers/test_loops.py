"""Few layers loop over fields, none over pairs: a graph has as many operations for 24 fields as for 6."""

import keras
import pytest
import tensorflow as tf

from ctrzoo.schema import Field, Schema
from tests.ctrzoo.layers.cases import CASES, arrays

# These work on the pairs at one distance at a time, see `ctrzoo.layers.pair_networks`; a network sorts the candidates
# of the selection, see `ctrzoo.layers.top_k`; or they have one matrix product for all pairs of a field, see
# `ctrzoo.layers.product`. The numbers are the most operations that a field may add.
LOOPING = {
    "AttentionalInteraction": 8,
    "BilinearInteraction": 19,
    "EdgeGates": 5,
    "InteractionGraph": 5,
    "GraphInteraction": 21,
    "OuterProducts": 19,
    "ReferenceGraphInteraction": 21,
    "WeightedPairs": 19,
}


def operations(case, num_fields):
    """Return how many operations TensorFlow runs for a call, those of inner functions too."""
    others = {}
    if "schema" in case.arguments:
        others["schema"] = Schema([Field(f"field_{number}", vocabulary_size=9) for number in range(num_fields)])
    if case.name == "NumericalValues":
        others["schema"] = Schema([Field(f"field_{number}", "numerical") for number in range(num_fields)])
    if "apart" in case.arguments:
        history = Field("seen", "sequence", vocabulary_size=9, num_slots=4)
        others["schema"] = Schema([*others["schema"].fields, history])
    if "pairs" in case.arguments:
        others["pairs"] = None
    layer = case.layer(**others)
    inputs = arrays(case.inputs, fields=num_fields)
    layer(*inputs)
    signature = keras.tree.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), inputs)
    definition = tf.function(lambda *tensors: layer(*tensors)).get_concrete_function(*signature).graph.as_graph_def()
    return len(definition.node) + sum(len(function.node_def) for function in definition.library.function)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_graph_does_not_grow_with_the_fields(case):
    few, many = operations(case, 6), operations(case, 24)
    assert few >= 1
    allowed = LOOPING.get(case.name, 0)
    assert many - few <= 18 * allowed, f"{(many - few) / 18} operations more per field"
    if not allowed:
        assert many == few


def test_a_loop_over_fields_is_found():
    class Looped(keras.layers.Layer):
        def call(self, states):
            return sum(keras.ops.relu(states[:, field]) for field in range(states.shape[1]))

    case = next(case for case in CASES if case.name == "PairProducts")
    looped = type(
        "LoopedCase", (), {"name": "Looped", "arguments": {}, "inputs": "embedded", "layer": lambda self: Looped()}
    )()
    assert operations(case, 6) == operations(case, 24)
    assert operations(looped, 24) - operations(looped, 6) >= 18
