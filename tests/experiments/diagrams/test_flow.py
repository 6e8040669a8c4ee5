"""What a diagram reads from a model, on a small model of which all parts are known."""

import keras
import pytest

from ctrzoo.experiments.diagrams.flow import Part, parts_of


@pytest.fixture(scope="module")
def model():
    ids = keras.Input((3,), name="ids")
    first = keras.layers.Dense(4, name="first")(ids)
    hidden = keras.layers.Dropout(0.5, name="dropout")(first)
    second = keras.layers.Dense(4, use_bias=False, name="second")(hidden)
    return keras.Model(ids, first + second, name="small")


def test_parts_have_the_model_s_shapes_weights_and_arrows(model):
    assert parts_of(model, ["row", "first", "second", "Add 1"]) == {
        "row": Part("Input", (3,), 0, ()),
        "first": Part("Dense", (4,), 3 * 4 + 4, ("row",)),
        "second": Part("Dense", (4,), 4 * 4, ("first",)),  # through the dropout, which is not shown
        "Add 1": Part("Add", (4,), 0, ("first", "second")),
    }


def test_a_diagram_cannot_leave_out_weights(model):
    with pytest.raises(ValueError, match="layout of small leaves out second, which have weights"):
        parts_of(model, ["row", "first", "Add 1"])


def test_a_diagram_cannot_show_what_is_not_there(model):
    with pytest.raises(ValueError, match="small has no third. It has ids, first, dropout, second, Add 1"):
        parts_of(model, ["row", "first", "second", "third"])
