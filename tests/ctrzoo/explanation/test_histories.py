"""Weights next to measured effects: they agree where the weights are true, and not where they are turned around."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation.analysis import analyse
from ctrzoo.explanation.histories import analyse_histories
from ctrzoo.schema import Field, Schema
from tests.ctrzoo.explanation.planted_history import SCHEMA, Planted, planted_history


def test_true_weights_agree_with_the_test():
    model, features, labels = planted_history()
    (history,) = analyse_histories(model, features, labels, repeats=1)
    assert history.agreement()[0] == pytest.approx(1)
    assert history.agreement()[1] > 0.7
    first, *_, last = history.table()
    assert list(first) == [
        "place",
        "rows",
        "weight",
        "weight_same_seen",
        "weight_other_seen",
        "weight_same_seen_kind",
        "weight_other_seen_kind",
        "logit_change",
        "auc_lost",
    ]
    assert first["weight_same_seen_kind"] == pytest.approx(3) and first["weight_other_seen_kind"] == 0
    assert (last["place"], last["weight"]) == (4, 0)


def test_weights_that_are_turned_around_do_not_agree():
    class Turned(Planted):
        """Says that the oldest events count."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self._named_tensors["events_1"] = self._named_tensors["events_1"][:, ::-1]

    _, features, labels = planted_history()
    full = features["values"][:, 3:].all(axis=1)  # with fewer events, a turned list would begin with absent ones
    rows = {name: array[full] for name, array in features.items()}
    (history,) = analyse_histories(Turned(), rows, labels[full], repeats=1)
    assert history.agreement()[0] < 0


def test_models_without_weights_and_schemas_without_histories():
    _, features, labels = planted_history()
    model = models.build("pooled", SCHEMA, deep_units=(4,))
    (history,) = analyse(model, features, labels, repeats=1, most_pairs=1).histories
    assert history.agreement() is None and "weight" not in history.table()[0]
    plain = Schema([Field("user", vocabulary_size=4), Field("item", vocabulary_size=6)])
    rows = {name: array[:, :2] for name, array in features.items()}
    assert analyse(models.build("fm", plain), rows, labels, repeats=1).histories == ()
    with pytest.raises(ValueError, match="`repeats` must be at least 1"):
        analyse_histories(model, features, labels, repeats=0)


def test_a_place_without_events_is_empty_in_the_table():
    model, features, labels = planted_history()
    short = ~features["values"][:, 6].astype(bool)
    rows = {name: array[short] for name, array in features.items()}
    (history,) = analyse_histories(model, rows, labels[short], repeats=1)
    assert history.table()[3]["weight"] is None and history.table()[3]["logit_change"] is None
    assert not np.isnan(history.agreement()).any()
