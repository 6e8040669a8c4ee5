"""Pretrained vectors in the tables of models: which rows they set, and which they leave."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from ctrzoo import models
from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.pretrained import load_pretrained

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
