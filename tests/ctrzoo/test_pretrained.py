"""Pretrained vectors in the tables of models: which rows they set, and which they leave."""

import io
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from rich.console import Console

from ctrzoo import models, optimizers
from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.optimizers.registry import OPTIMIZERS
from ctrzoo.pretrained import load_pretrained
from ctrzoo.training import TrainingOptions, train
from tests.small_data import SmallData

FRAME = pd.DataFrame({"click": [0, 1, 1], "item": ["x", "y", "z"], "last": ["z", "x", None], "age": [1.0, 2.0, 3.0]})
VECTORS = {"z": [1, 2, 3, 4], "x": [5, 6, 7, 8], "other": [9, 9, 9, 9]}


@pytest.fixture(scope="module")
def encoder():
    return FrameEncoder("click", categorical=["item", "last"], numerical=["age"], share={"last": "item"}).fit(FRAME)


def tables_of(model):
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.weights}


def test_rows_of_matched_values_are_set_and_all_others_stay(encoder):
    model = models.build("deepfm", encoder.schema, embedding_dim=4, deep_units=(3,))
    before = tables_of(model)
    loaded = load_pretrained(model, encoder, "last", VECTORS)
    assert loaded == (2, 1, 1, ("embedding/table",))
    after = tables_of(model)
    expected = before["embedding/table"].copy()
    expected[1], expected[3] = VECTORS["x"], VECTORS["z"]  # x, y and z have the ids 1 to 3
    np.testing.assert_array_equal(after.pop("embedding/table"), expected)
    assert all((before[path] == array).all() for path, array in after.items())


def test_a_model_predicts_and_learns_with_the_vectors(encoder, tmp_path):
    model = models.build("fm", encoder.schema, embedding_dim=4)
    features, labels = encoder.encode(FRAME)
    model.compile("adam", "binary_crossentropy")
    model.predict(features, verbose=0)  # its graph, made before, must read the new rows
    load_pretrained(model, encoder.encoding, "item", VECTORS)
    item, last = np.array(VECTORS["x"]), np.array(VECTORS["z"])
    table = tables_of(model)["embedding/table"]
    age = table[4] * features["values"][0, 2]
    logit = item @ last + (item + last) @ age  # the linear part starts at zero
    expected = 1 / (1 + np.exp(-logit))
    np.testing.assert_allclose(model.predict(features, verbose=0)[0, 0], expected, rtol=1e-5)
    model.fit(features, labels, epochs=1, verbose=0)
    assert (tables_of(model)["embedding/table"][1] != VECTORS["x"]).any()
    model.save(tmp_path / "m.keras")
    loaded: Any = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(features, verbose=0), model.predict(features, verbose=0))


def test_what_does_not_fit_is_refused_and_changes_nothing(encoder):
    model = models.build("fm", encoder.schema, embedding_dim=4)
    before = tables_of(model)
    other = FrameEncoder("click", categorical=["item"]).fit(FRAME)
    for arguments, message in (
        ((encoder, "item", {"x": [1, 2]}), "have 2 numbers, but the embedding tables of the model 'FM|fm' have 1, 4"),
        ((encoder, "item", {"q": [1, 2, 3, 4]}), "None of the 1 values"),
        ((encoder, "item", {"x": [1, 2, 3, 4], "y": [1]}), "row 2: the vector has 1 numbers, expected 4"),
        ((encoder, "age", VECTORS), "Field 'age' has no vocabulary"),
        ((other, "item", VECTORS), "built for a schema that differs from the encoding's"),
    ):
        with pytest.raises(ValueError, match=message):
            load_pretrained(model, *arguments)
    assert all((before[path] == array).all() for path, array in tables_of(model).items())


MAKERS = {
    **{name: lambda entry=entry: entry.build(0.05) for name, entry in OPTIMIZERS.items()},
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, weight_decay=0.1),
    "decay": lambda: optimizers.LazyAdam(0.05, weight_decay=0.1),
    "keras_adamw": lambda: keras.optimizers.AdamW(0.05, weight_decay=0.1, clipnorm=1.0),
    "keras_momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
}


def embedded(model, features):
    """What the layer makes of the fields item and last."""
    return np.asarray(model.get_layer("embedding")(features))[:, :2]


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("name", MAKERS)
def test_rows_that_are_not_trained_stay_bit_for_bit_while_others_learn(name, l2, encoder):
    model = models.build("fm", encoder.schema, embedding_dim=4, embedding_l2=l2)
    features, labels = encoder.encode(FRAME)
    model.compile(MAKERS[name](), "binary_crossentropy")
    model.fit(features, labels, batch_size=1, verbose=0)  # momentum and graphs from before
    assert load_pretrained(model, encoder, "item", VECTORS, trainable=False).matched == 2
    before = embedded(model, features)
    vectors = np.array([VECTORS["x"], VECTORS["z"]], "float32")
    np.testing.assert_array_equal(before[[0, 2], 0], vectors)
    model.fit(features, labels, batch_size=2, epochs=3, verbose=0)
    after = embedded(model, features)
    np.testing.assert_array_equal(after[[0, 2], 0], vectors)  # item: x, y, z
    np.testing.assert_array_equal(after[[0, 1], 1], vectors[::-1])  # last: z, x
    assert (after[1, 0] != before[1, 0]).any()


def test_rows_that_are_not_trained_survive_files_and_become_trained_again(encoder, tmp_path):
    model = models.build("fm", encoder.schema, embedding_dim=4)
    features, labels = encoder.encode(FRAME)
    load_pretrained(model, encoder, "item", VECTORS, trainable=False)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    by_weights = models.build("fm", encoder.schema, embedding_dim=4)
    by_weights.load_weights(tmp_path / "m.weights.h5")
    loaded: Any = keras.saving.load_model(tmp_path / "m.keras")
    model.export(tmp_path / "exported", verbose=False)
    served: Any = tf.saved_model.load(str(tmp_path / "exported"))
    expected = model.predict(features, verbose=0)
    tensors = {key: tf.constant(array) for key, array in features.items()}
    np.testing.assert_allclose(served.serve(tensors), expected, rtol=1e-6)
    for one in (by_weights, loaded):
        np.testing.assert_array_equal(one.predict(features, verbose=0), expected)
        one.compile(optimizers.LazyAdam(0.1), "binary_crossentropy")
        one.fit(features, labels, verbose=0)
        np.testing.assert_array_equal(embedded(one, features)[0, 0], VECTORS["x"])
    load_pretrained(loaded, encoder, "item", {"x": VECTORS["x"]})
    np.testing.assert_array_equal(embedded(loaded, features)[0, 0], VECTORS["x"])
    loaded.fit(features, labels, verbose=0)
    assert (embedded(loaded, features)[0, 0] != VECTORS["x"]).any()
    np.testing.assert_array_equal(embedded(loaded, features)[2, 0], VECTORS["z"])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_trainer_and_its_checkpoints_keep_rows_that_are_not_trained(jit_compile, encoder, tmp_path):
    data = SmallData(encoder.schema, num_rows=64)
    features, _ = encoder.encode(FRAME)

    def run(epochs):
        model = models.build("deepfm", encoder.schema, embedding_dim=4, deep_units=(3,))
        load_pretrained(model, encoder, "item", VECTORS, trainable=False)
        before = embedded(model, features)
        options = TrainingOptions(epochs=epochs, batch_size=16, learning_rate=0.05, jit_compile=jit_compile)
        result = train(model, data, options, folder=tmp_path, console=Console(file=io.StringIO()))
        after = embedded(model, features)
        np.testing.assert_array_equal(after[[0, 2], 0], np.array([VECTORS["x"], VECTORS["z"]], "float32"))
        assert (after[1, 0] != before[1, 0]).any()
        return result, after

    first, trained = run(2)
    again, restored = run(2)  # finished: it restores the best weights only
    np.testing.assert_array_equal(restored, trained)
    assert len(first["history"]) == len(again["history"]) == 2


def test_rows_beside_a_vector_are_set_and_stay():
    encoding = TableEncoding(
        [
            FieldEncoding("emb", "vector", length=2),
            FieldEncoding("city", values=["Oslo", "Rome"]),
            FieldEncoding("big", values=list("abcd"), compositional=2),
        ]
    )
    model = models.build("fm", encoding.schema, embedding_dim=2)
    load_pretrained(model, encoding, "city", {"Rome": [1, 2]}, trainable=False)
    layer = model.get_layer("embedding")
    features = {"ids": np.array([[1, 2, 4, 5, 8]], "int32"), "values": np.array([[3, -1, 1, 1, 1]], "float32")}
    table = np.array(layer.table)
    expected = [3 * table[1] - table[2], [1, 2], table[5] + table[8]]
    np.testing.assert_allclose(layer(features)[0], expected, rtol=1e-5)
    model.compile("adam", model.default_loss)
    model.fit(features, np.ones((1, 1)), verbose=0)
    assert np.all(np.array(layer.table)[[1, 2, 5, 8]] != table[[1, 2, 5, 8]])
    np.testing.assert_array_equal(layer(features)[0, 1], [1, 2])
