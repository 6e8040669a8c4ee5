"""Synthetic clicks with histories: the rows, the truth behind them, and the ceilings."""

import itertools

import numpy as np
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.datasets.synthetic_history import (
    FARTHEST,
    LENGTH,
    SCHEMA,
    SHOWN,
    Ceilings,
    HistoryClickModel,
    places_of_newest,
)
from ctrzoo.validation import check_ids


@pytest.fixture(scope="module")
def model():
    return HistoryClickModel(data_seed=0)


@pytest.fixture(scope="module")
def rows(model):
    """Return local ids from 0 by field, -1 where absent, and the probabilities, of 300,000 rows."""
    blocks = [model.block_and_truths("train", index) for index in range(18)]
    ids = np.concatenate([block.ids for block, _ in blocks])
    ends = np.cumsum([field.num_slots for field in SCHEMA.fields])
    columns = np.split(ids, ends[:-1], axis=1)
    first = dict(zip(SCHEMA.names, SCHEMA.first_ids, strict=True))
    local = {
        name: np.where(column > 0, column - first[name], -1) for name, column in zip(SCHEMA.names, columns, strict=True)
    }
    local = {name: column[:, 0] if column.shape[1] == 1 else column for name, column in local.items()}
    truths = {name: np.concatenate([known[name] for _, known in blocks]) for name in blocks[0][1]}
    return local, np.concatenate([block.labels for block, _ in blocks]), truths


def newest_match(local, row):
    """Return the place of the newest event of the candidate's category, counted from the newest; 0 for none."""
    events = [one for one in local["seen_category"][row] if one >= 0]
    return next((place for place, one in enumerate(reversed(events), 1) if one == local["category"][row]), 0)


def test_rows_are_those_of_the_formulas(rows):
    local, labels, _ = rows
    lengths = (local["seen_item"] >= 0).sum(axis=1)
    np.testing.assert_array_equal(local["seen_item"] // 10, local["seen_category"])  # -1 stays -1
    np.testing.assert_array_equal(local["item"] // 10, local["category"])
    np.testing.assert_array_equal(local["seen_item"] >= 0, np.arange(LENGTH) < lengths[:, None])
    counts = np.bincount(lengths, minlength=LENGTH + 1) / len(lengths)
    np.testing.assert_allclose(counts, [0.1, *[0.9 / LENGTH] * LENGTH], atol=0.003)
    places = np.array([newest_match(local, row) for row in range(20_000)])
    assert abs(np.mean((places > 0) & (places <= FARTHEST)) - 0.402) < 0.012
    assert abs(np.mean(places > 0) - 0.441) < 0.012
    assert abs(labels.mean() - 0.25) < 0.004


def test_the_truth_is_the_sum_of_the_planted_effects(model, rows):
    local, _, truths = rows
    # What a match adds, by its place, as published for these distributions.
    expected = [-0.969, 2.366, 1.699, 1.166, 0.739, 0.397, 0.124, -0.094, -0.269]
    np.testing.assert_allclose(model.gains, expected, atol=0.01)
    for row in range(200):
        place = newest_match(local, row)
        logit = model.bias + model.gains[place if place <= FARTHEST else 0]
        logit += sum(weights[local[name][row]] for name, weights in model.weights.items())
        for (left, right), (one, other) in model.factors.items():
            logit += one[:, local[left][row]] @ other[:, local[right][row]]
        assert truths["full"][row] == pytest.approx(1 / (1 + np.exp(-logit)))
    base = np.sum([weights[local[name]] for name, weights in model.weights.items()], axis=0)
    assert np.std(base) == pytest.approx(0.6, abs=0.01)


def test_the_chance_of_places_is_that_of_all_orders():
    table = places_of_newest()
    for events, matches in ((1, 1), (4, 2), (6, 1), (5, 5), (3, 0)):
        kinds = [1] * matches + [0] * (events - matches)
        firsts = [order.index(1) + 1 if matches else 0 for order in itertools.permutations(kinds)]
        np.testing.assert_allclose(table[events, matches], np.bincount(firsts, minlength=FARTHEST + 1) / len(firsts))
    assert table[20, 1, 0] == pytest.approx(12 / 20)  # too far away


def test_ceilings(rows):
    """The AUCs that are known for these formulas, of another seed's effects, within what seeds differ by."""
    _, labels, truths = rows
    known = Ceilings()
    known.add(labels, truths)
    results = known.results()
    for name, expected in (("full", 0.851), ("order_free", 0.830), ("no_history", 0.677)):
        assert results[name]["expected_auc"] == pytest.approx(expected, abs=0.006)
        assert results[name]["auc"] == pytest.approx(results[name]["expected_auc"], abs=0.004)
        # What is known less of gives probabilities that are right on average, in each tenth of the rows.
        for part in np.array_split(np.argsort(truths[name]), 10):
            assert truths[name][part].mean() == pytest.approx(truths["full"][part].mean(), abs=0.006)
    # The AUC of rows counted as p clicks and 1 - p others, by sorting.
    order = np.argsort(truths["order_free"][:5000])
    some = Ceilings()
    some.add(labels[:5000], {name: truth[:5000] for name, truth in truths.items()})
    clicks = truths["full"][:5000][order]
    before = np.cumsum(1 - clicks) - (1 - clicks) / 2
    exact = (clicks * before).sum() / (clicks.sum() * (1 - clicks).sum())
    assert some.results()["order_free"]["expected_auc"] == pytest.approx(exact, abs=1e-4)


def test_what_is_shown_of_a_history_changes_nothing_else(tmp_path):
    """The same rows, labels and ceilings; the place of the newest match, by a loop, or nothing."""
    prepared = {
        shown: load(prepare("synthetic", tmp_path, num_rows=1000, data_seed=3, histories=True, shown=shown))
        for shown in SHOWN
    }
    (events, labels), truth = prepared["events"].arrays("train"), prepared["events"].truth
    for shown in ("place", "nothing"):
        data = prepared[shown]
        features, own_labels = data.arrays("train")
        check_ids(features, data.schema)
        np.testing.assert_array_equal(features["ids"][:, :5], events["ids"][:, :5])
        np.testing.assert_array_equal(own_labels, labels)
        assert data.truth == truth and not data.schema.histories
    assert prepared["nothing"].schema.names == ("device", "hour", "site", "category", "item")
    schema, places = prepared["place"].schema, prepared["place"].arrays("train")[0]["ids"][:, 5]
    assert schema.names[5] == "place" and schema.first_ids[5] + FARTHEST + 1 == schema.num_ids
    first = SCHEMA.first_ids[SCHEMA.names.index("category")]
    for row in range(len(labels)):
        candidate, seen = events["ids"][row, 3] - first, events["ids"][row, -LENGTH:]
        local = {"category": [candidate], "seen_category": [[one - first if one else -1 for one in seen]]}
        place = newest_match(local, 0)
        assert places[row] - schema.first_ids[5] == (place if place <= FARTHEST else 0)
    assert len(set(places.tolist())) == FARTHEST + 1


def test_what_is_shown_must_be_known_and_have_a_history(tmp_path):
    with pytest.raises(ValueError, match="`shown` must be one of events, place, nothing. Received: 'all'"):
        prepare("synthetic", tmp_path, num_rows=100, histories=True, shown="all")
    with pytest.raises(ValueError, match="`shown` is for rows with histories. Received: 'place'. Set histories=true"):
        prepare("synthetic", tmp_path, num_rows=100, shown="place")


def test_prepared_rows_and_their_truth(tmp_path):
    data = load(prepare("synthetic", tmp_path, num_rows=2000, data_seed=3, histories=True))
    assert data.num_rows == {"train": 1600, "valid": 200, "test": 200}
    assert data.schema.histories == {"seen": ("seen_item", "seen_category")}
    assert {field.name: field.share for field in data.schema.fields if field.share} == {
        "seen_item": "item",
        "seen_category": "category",
    }
    for split in data.num_rows:
        features, labels = data.arrays(split)
        check_ids(features, data.schema)
        assert data.truth["bayes"][split]["rows"] == len(labels)
    block = HistoryClickModel(3).block("valid", 0)
    np.testing.assert_array_equal(data.arrays("valid")[0]["ids"], block.ids[:200])
    aucs = [data.truth[name]["train"]["expected_auc"] for name in ("bayes", "order_free", "no_history")]
    assert aucs == sorted(aucs, reverse=True)
    longer = load(prepare("synthetic", tmp_path, num_rows=3000, data_seed=3, histories=True))
    np.testing.assert_array_equal(longer.arrays("valid")[0]["ids"][:200], block.ids[:200])
