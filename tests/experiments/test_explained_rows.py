"""Samples of rows and of whole groups, and what is said of single ones."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from ctrzoo import models
from ctrzoo.experiments.explained_rows import places_in_words, read_rows, rows_of, sample_rows, worth_a_look
from tests.experiments.planted_tables import prepared


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("data"), "ranking", 1200, weight="weight")


@pytest.fixture(scope="module")
def model(data):
    model = models.build("fm", data.schema, task="ranking")
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    return model


def test_rows_are_those_of_their_numbers_in_the_order_asked(data):
    features, labels = data.arrays("train")
    numbers = [700, 3, 799, 0]
    found, found_labels = rows_of(data, "train", numbers)
    for name in features:
        np.testing.assert_array_equal(found[name], features[name][numbers])
    np.testing.assert_array_equal(found_labels, labels[numbers, 0])


def test_a_sample_has_its_weights_and_groups(data):
    rows = sample_rows(data, "train", 100, seed=3)
    assert len(rows.numbers) == 100 and (np.diff(rows.numbers) > 0).all()
    for name, found in (("weight", rows.weights), ("group", rows.groups)):
        np.testing.assert_array_equal(found, data.column("train", name)[rows.numbers])
    assert len(sample_rows(data, "test", 10**6, seed=3).numbers) == data.num_rows["test"]


def test_a_sample_of_groups_has_all_their_rows(data):
    groups = data.column("train", "group")
    rows = sample_rows(data, "train", 95, seed=3, whole_groups=True)
    assert len(rows.numbers) == 100  # ten rows each
    np.testing.assert_array_equal(rows.numbers, np.flatnonzero(np.isin(groups, rows.groups)))
    assert sample_rows(data, "train", 90, seed=3, whole_groups=True).numbers.shape == (90,)
    assert set(rows.groups) != set(sample_rows(data, "train", 95, seed=4, whole_groups=True).groups)
    everything = sample_rows(data, "test", 10**6, seed=3, whole_groups=True)
    np.testing.assert_array_equal(everything.numbers, np.arange(data.num_rows["test"]))


def test_places_are_those_among_all_rows_of_the_group(data, model):
    features, labels = data.arrays("test")
    scores, groups = model.predict(features, verbose=0)[:, 0], data.column("test", "group")
    numbers = np.array([150, 7, 33])
    words = places_in_words(model, data, "test", numbers, "ndcg@10")
    for number, found in zip(numbers, words, strict=True):
        members = groups == groups[number]
        place = 1 + (scores[members] > scores[number]).sum()
        gains = 2.0 ** labels[members, 0] - 1
        value = f", NDCG@10 {ndcg_score(gains[None], scores[members][None], k=10):.3f}" if gains.any() else ""
        assert found == f"place {place} of 10 in its group{value}"
    assert places_in_words(model, data, "test", np.array([], int), "ndcg@10") == []


def test_rows_worth_a_look_are_of_the_best_and_the_worst_group(data, model):
    rows = read_rows(data, "test", np.arange(data.num_rows["test"]))
    scores = model.predict(rows.features, verbose=0)[:, 0]
    values = {}
    for group in np.unique(rows.groups):
        members = np.flatnonzero(rows.groups == group)
        if rows.labels[members].any():
            gains = 2.0 ** rows.labels[members] - 1
            values[group] = ndcg_score(gains[None], scores[members][None], k=10)
    best, worst, highest = worth_a_look(model, rows, 3, "ndcg@10")
    assert values[rows.groups[best]] == pytest.approx(max(values.values()))
    assert rows.groups[worst] == rows.groups[highest] == min(values, key=values.get)
    assert scores[worst] == scores[rows.groups == rows.groups[worst]].max()
    assert rows.labels[highest] == rows.labels[rows.groups == rows.groups[worst]].max()
    assert worth_a_look(model, rows, 0, "ndcg@10") == []
