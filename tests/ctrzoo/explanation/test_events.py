"""Weights of events by recency, compared with loops over rows."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation.events import event_explanations, event_weights, events_like_the_candidate, events_there
from tests.ctrzoo.explanation.planted_history import GAINS, KIND, SCHEMA, Planted, events_of, planted_rows


@pytest.fixture(scope="module")
def features():
    return planted_rows(np.random.default_rng(1), 300)


def test_mean_weights_are_those_of_loops(features):
    found = event_weights(Planted((3, -1.5, 0.75, 0)), features, "log", batch_size=64)
    for place in range(4):
        sizes, of_items, of_kinds = [], {True: [], False: []}, {True: [], False: []}
        for row in range(300):
            events, (_, item, kind) = events_of(features, row), features["ids"][row, :3]
            if len(events) > place:
                size = GAINS[place] if events[place][1] == kind else 0
                sizes.append(size)
                of_items[events[place][0] == item].append(size)
                of_kinds[events[place][1] == kind].append(size)
        assert found.mean[place] == pytest.approx(np.mean(sizes))
        for column, split in (("seen", of_items), ("seen_kind", of_kinds)):
            same, others = found.alike[column]
            assert same[place] == pytest.approx(np.mean(split[True]))
            assert others[place] == pytest.approx(np.mean(split[False]))
    assert found.explanation == "events_1"


def test_a_place_without_events_has_no_mean(features):
    short = {name: np.where(np.isin(np.arange(11), [5, 6, 9, 10]), 0, array) for name, array in features.items()}
    found = event_weights(Planted(), short, "log")
    assert np.isnan(found.mean[2:]).all() and not np.isnan(found.mean[:2]).any()


def test_an_event_of_which_one_column_is_unknown_is_there_and_not_like_the_candidate(features):
    ids, values = (features[name][:1].copy() for name in ("ids", "values"))
    ids[:, 3:], values[:, 3:] = 0, 0
    ids[0, [7, 8]], values[0, [7, 8]] = ids[0, KIND], 1  # the items of both events are unknown
    row = {"ids": ids, "values": values}
    assert events_there(SCHEMA, row, "log").tolist() == [[True, True, False, False]]
    alike = events_like_the_candidate(SCHEMA, row, "log")
    assert alike["seen"].tolist() == [[False] * 4] and alike["seen_kind"].tolist() == [[True, True, False, False]]


def test_which_models_weigh_events(features):
    assert event_explanations(models.build("din", SCHEMA, deep_units=(4,))) == {"log": "events_1"}
    assert event_explanations(models.build("pooled", SCHEMA, deep_units=(4,))) == {}
    assert event_explanations(Planted(explained="events")) == {"log": "events"}
    assert event_weights(models.build("pooled", SCHEMA, deep_units=(4,)), features, "log") is None
