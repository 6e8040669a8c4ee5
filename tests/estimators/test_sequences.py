"""Estimators with columns of events: lists or texts, in order, compared with FrameEncoder and with one another."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from ctrzoo.estimators import CTRClassifier, CTRRegressor

OPTIONS = {"hyperparameters": {"embedding_dim": 4, "deep_units": (8,)}, "epochs": 1, "random_state": 0}
OPTIONS |= {"categorical": ["item"], "validation_fraction": 0}


def rows_with_events(rows=200, seed=0):
    """Return a frame whose label is whether the newest event is the candidate, and the labels."""
    random = np.random.default_rng(seed)
    seen = [[f"i{number}" for number in random.integers(0, 4, random.integers(0, 5))] for _ in range(rows)]
    items = [f"i{number}" for number in random.integers(0, 4, rows)]
    labels = [int(bool(events) and events[-1] == item) for events, item in zip(seen, items, strict=True)]
    return pd.DataFrame({"item": items, "seen": seen}), np.array(labels)


def test_the_schema_has_the_sequence_and_its_newest_events():
    frame, labels = rows_with_events()
    model = CTRClassifier("din", sequence={"seen": 3}, encoding={"share": {"seen": "item"}}, **OPTIONS)
    model.fit(frame, labels)
    field = model.model_.schema.fields[1]
    assert (field.name, field.kind, field.num_slots, field.share) == ("seen", "sequence", 3, "item")
    (ids,) = model.encoder_.features(pd.DataFrame({"item": ["i0"], "seen": [["i3", "i0", "i1", "i2"]]}))["ids"]
    assert ids.tolist() == [1, 1, 2, 3]  # the values are sorted, so i0 has the first id


def test_lists_texts_and_polars_frames_are_one_table():
    frame, labels = rows_with_events()
    texts = frame.assign(seen=frame["seen"].map("|".join))
    model = CTRClassifier("bst", sequence=["seen"], encoding={"share": {"seen": "item"}}, **OPTIONS).fit(frame, labels)
    expected = model.predict_proba(frame)
    np.testing.assert_array_equal(model.predict_proba(texts), expected)
    np.testing.assert_array_equal(model.predict_proba(pl.from_pandas(frame)), expected)
    again = clone(model).fit(texts, labels)
    np.testing.assert_allclose(again.predict_proba(frame), expected, rtol=1e-6)
    backwards = frame.assign(seen=[events[::-1] for events in frame["seen"]])
    assert np.abs(model.predict_proba(backwards) - expected).max() > 1e-6  # the order counts


def test_the_newest_event_is_learned():
    frame, labels = rows_with_events(3000)
    options = {**OPTIONS, "epochs": 25, "learning_rate": 0.02, "batch_size": 256}
    options["hyperparameters"] = {
        "embedding_dim": 8,
        "deep_units": (16,),
        "position_dim": 4,
        "attention_activation": "relu",
    }
    model = CTRClassifier("din", sequence=["seen"], encoding={"share": {"seen": "item"}}, **options).fit(frame, labels)
    test, clicks = rows_with_events(500, seed=1)
    assert (model.predict(test) == clicks).mean() > 0.95
    base_rate = max(clicks.mean(), 1 - clicks.mean())
    assert base_rate < 0.85  # so it is no constant


def test_models_of_histories_without_a_sequence_and_sequences_in_the_wrong_place():
    frame, labels = rows_with_events(50)
    with pytest.raises(ValueError, match="The model reads histories, and the schema has none"):
        CTRClassifier("din", **OPTIONS).fit(frame[["item"]], labels)
    with pytest.raises(ValueError, match="`encoding` names no columns. Pass `sequence` to CTRRegressor itself"):
        CTRRegressor("pooled", encoding={"sequence": ["seen"]}, **OPTIONS).fit(frame, labels)
    with pytest.raises(ValueError, match="`sequence` must be a list of column names. Received the text 'seen'"):
        CTRClassifier("pooled", sequence="seen", **OPTIONS).fit(frame, labels)
