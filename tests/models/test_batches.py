"""The score of a row does not depend on the rows that are scored with it."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import graphfm
from ctrzoo.layers.pair_networks import scores_of_pairs
from ctrzoo.schema import Field, Schema
from tests.models.cases import EACH

SCHEMA = Schema(
    [
        *(Field(f"category_{number}", vocabulary_size=20) for number in range(4)),
        Field("age", "numerical"),
        Field("price", "numerical"),
        Field("tags", "multivalued", vocabulary_size=6, num_slots=3),
        Field("seen", "sequence", vocabulary_size=20, num_slots=5, share="category_0"),
    ]
)
ROWS = 64


def rows_with_gaps():
    """Return features of which 30 % are absent: ties of GraphFM's selection."""
    random = np.random.default_rng(0)
    ids, values = np.zeros((ROWS, SCHEMA.num_slots), "int32"), np.zeros((ROWS, SCHEMA.num_slots), "float32")
    for slot, owner in enumerate(SCHEMA.slot_fields):
        field, present = SCHEMA.fields[owner], random.random(ROWS) < 0.7
        if field.kind == "numerical":
            ids[:, slot], values[:, slot] = SCHEMA.first_ids[owner], np.where(present, random.normal(size=ROWS), 0)
        else:
            drawn = SCHEMA.first_ids[owner] + random.integers(field.vocabulary_size, size=ROWS)
            ids[:, slot], values[:, slot] = np.where(present, drawn, 0), present
    seen = np.flatnonzero(np.equal(SCHEMA.slot_fields, SCHEMA.names.index("seen")))
    values[:, seen] = np.arange(len(seen)) < random.integers(0, len(seen) + 1, (ROWS, 1))  # events come first
    return {"ids": ids, "values": values}


@pytest.mark.parametrize("case", EACH)
def test_a_row_has_the_same_score_in_every_batch(case):
    features, model = rows_with_gaps(), case.random(SCHEMA)
    explainer = model.explainer()
    together = explainer.predict_on_batch(features)["logit"]
    scale = 1 + np.abs(together).max()
    for size in (1, 2, 3, 5, 8, 16, 31, 33, 63):
        for start in range(0, ROWS, size):
            part = {name: array[start : start + size] for name, array in features.items()}
            alone = explainer.predict_on_batch(part)["logit"]
            np.testing.assert_allclose(alone / scale, together[start : start + size] / scale, atol=2e-6)


def test_equal_edges_of_absent_fields_are_equal_to_the_last_digit(monkeypatch):
    def rounded_by_place(*arguments):
        """Round as products of matrices do on some processors: differently, depending on the place of a number."""
        scores = scores_of_pairs(*arguments)
        noise = np.random.default_rng(3).uniform(-3e-7, 3e-7, size=scores.shape)
        return scores * (1 + keras.ops.cast(noise, scores.dtype))

    monkeypatch.setattr(graphfm, "scores_of_pairs", rounded_by_place)
    states = np.random.default_rng(0).normal(size=(37, 9, 6)).astype("float32")
    states[:, 2:7][np.random.default_rng(1).random((37, 5)) < 0.5] = 0
    layer = graphfm.ReferenceGraphInteraction(8, num_neighbors=9, return_explanations=True)
    layer(states)
    layer.set_weights([np.random.default_rng(2).normal(scale=0.3, size=weight.shape) for weight in layer.get_weights()])
    edges = np.asarray(layer(states)[2])
    absent = ~states.any(axis=-1)
    pairs = absent[:, :, None] | absent[:, None, :]
    assert len(np.unique(edges[pairs])) == 1
    hidden = np.maximum(np.asarray(layer.hidden_bias), 0) @ np.asarray(layer.score_kernel)[:, 0]
    np.testing.assert_allclose(edges[pairs], 1 / (1 + np.exp(-hidden - np.asarray(layer.score_bias)[0])), rtol=1e-6)
