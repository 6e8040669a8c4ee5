"""The hooks of Keras and TensorFlow that ctrzoo uses and that no version promises; a failure here names its user."""

import importlib
import re

import keras
import numpy as np
import pytest

from tests.architecture import CHECKOUT, sources


def test_whether_a_graph_is_compiled_by_xla():
    """Used by ctrzoo/lookup.py."""
    import tensorflow as tf

    module = importlib.import_module("tensorflow.python.ops.control_flow_util")
    found = []

    def body():
        found.append(module.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
        return tf.constant(1.0)

    tf.function(body)()
    tf.function(body, jit_compile=True)()
    assert found == [False, True]


def test_the_layers_within_a_model():
    """Used by ctrzoo/model.py, ctrzoo/pretrained.py and ctrzoo/training/strategy.py."""
    model = keras.Sequential([keras.layers.Dense(2), keras.Sequential([keras.layers.Dense(3, name="inner")])])
    assert "inner" in [layer.name for layer in model._flatten_layers()]


def test_the_variables_of_an_optimizer():
    """Used by ctrzoo/optimizers: the place of a variable, and all that are trained."""
    variables = [keras.Variable(np.ones(2)) for _ in range(2)]
    optimizer = keras.optimizers.SGD()
    optimizer.build(variables)
    assert [optimizer._get_variable_index(variable) for variable in variables] == [0, 1]
    assert [id(variable) for variable in optimizer._trainable_variables] == [id(variable) for variable in variables]


def test_a_weight_that_is_added_to_a_built_layer():
    """Used by ctrzoo/layers/embedding.py."""
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    with pytest.raises(ValueError, match="cannot add new elements"):
        layer.add_weight(name="more", shape=(1,))
    layer._tracker.unlock()
    layer.add_weight(name="more", shape=(1,))
    layer._tracker.lock()
    assert len(layer.weights) == 3


def test_the_order_of_sums_can_be_freed_again():
    """Used by estimators/randomness.py."""
    config = importlib.import_module("tensorflow.python.framework.config")
    was_fixed, found = config.is_op_determinism_enabled(), []
    for switch in (config.enable_op_determinism, config.disable_op_determinism):
        switch()
        found.append(config.is_op_determinism_enabled())
    if was_fixed:
        config.enable_op_determinism()
    assert found == [True, False]


TENSORFLOW = {"ctrzoo/lookup.py", "estimators/randomness.py"}


@pytest.mark.parametrize("pattern, users", [(r"tensorflow\.python", TENSORFLOW), (r"keras\.src", set())])
def test_no_other_file_uses_private_modules(pattern, users):
    found = {str(path) for path in sources() if re.search(pattern, (CHECKOUT / path).read_text(encoding="utf-8"))}
    assert found == users, f"{pattern}: guard the new use by a test in this file"
