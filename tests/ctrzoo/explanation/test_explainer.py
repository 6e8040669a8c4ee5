"""Edges of rows and over rows, against loops over rows and pairs."""

import itertools

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation.explainer import (
    edge_statistics,
    explain_rows,
    kinds_of,
    matrices_of,
    mean_strengths,
    strengths_of,
    vectors_of,
    weights_of,
)
from ctrzoo.explanation.kinds import KINDS, Kind
from tests.small_data import SmallData, random_rows


@pytest.fixture
def features(mixed_schema):
    return random_rows(mixed_schema, 37, np.random.default_rng(0))[0]


def model_of(name, schema, **hyperparameters):
    """A model whose embeddings are large enough for its explanations to differ between rows."""
    model = models.build(name, schema, **hyperparameters)
    random = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    return model


def test_statistics_of_edges_are_those_of_loops_over_rows_and_pairs(mixed_schema, features):
    model = model_of("fm", mixed_schema, embedding_dim=3)
    pairs = np.abs(np.asarray(model.explainer()(features)["pairs"], np.float64))
    found = edge_statistics(model, features, top=2, batch_size=10)
    edges = list(itertools.combinations(range(4), 2))
    for i, j in edges:
        np.testing.assert_allclose(found.mean[i, j], np.mean(pairs[:, i, j]), rtol=1e-4)
        np.testing.assert_allclose(found.deviation[i, j], np.std(pairs[:, i, j]), rtol=1e-3, atol=1e-6)
        among = [(i, j) in sorted(edges, key=lambda pair: -row[pair])[:2] and row[i, j] > 0 for row in pairs]
        np.testing.assert_allclose(found.top_share[i, j], np.mean(among))
        assert found.mean[j, i] == found.mean[i, j] and found.top_share[j, i] == found.top_share[i, j]
    assert not np.diag(found.mean).any()


def test_without_pairs_the_strength_is_the_mean_of_all_matrices_in_both_directions(mixed_schema, features):
    model = model_of("autoint", mixed_schema, embedding_dim=4, units=(4, 4))
    explained = explain_rows(model, features, batch_size=20)
    strengths = strengths_of(explained, 4)
    row = 7
    for i, j in itertools.permutations(range(4), 2):
        attentions = [explained[f"attention_{layer}"][row, head] for layer in (1, 2) for head in (0, 1)]
        expected = np.mean([(attention[i, j] + attention[j, i]) / 2 for attention in attentions])
        np.testing.assert_allclose(strengths[row, i, j], expected, rtol=1e-5)
    np.testing.assert_allclose(explained["probability"], np.ravel(model(features)), rtol=1e-5)


def test_a_signed_pair_counts_by_its_size():
    pairs = np.array([[[0.0, -2.0], [-2.0, 0.0]]])
    assert strengths_of({"pairs": pairs}, 2).tolist() == [[[0, 2], [2, 0]]]


def test_a_weight_has_the_sign_of_a_contribution_and_none_beside_a_share():
    pairs = np.array([[[0.0, -2.0], [-2.0, 0.0]]])
    assert weights_of({"pairs": pairs}, 2).tolist() == [[[0, -2], [-2, 0]]]
    # The attention that led to the pairs does not count.
    attention = np.full((1, 1, 2, 2), 0.5)
    assert weights_of({"attention": attention, "pairs": pairs}, 2).tolist() == [[[0, -2], [-2, 0]]]
    # An unknown matrix counts by its size, and all matrices count alike: (|-4| + 0.5) / 2.
    assert weights_of({"attention": attention, "unknown": 2 * pairs}, 2).tolist() == [[[0, 2.25], [2.25, 0]]]
    assert weights_of({"fields": np.ones((1, 2))}, 2) is None


def test_vectors_of_fields_and_of_other_entries():
    explained = {
        "probability": np.ones(1),
        "fields": np.array([[0.5, -2.0]]),
        "orders": np.array([[0.25, 0.75, 0.0]]),
        "pairs": np.ones((1, 2, 2)),
        "unknown": np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]),  # three entries of two fields
    }
    vectors = vectors_of(explained, 2)
    assert {name: vector.tolist() for name, (_, vector) in vectors.items()} == {
        "fields": [[0.5, -2.0]],
        "orders": [[0.25, 0.75, 0.0]],
        "unknown": [[3.0, 4.0]],
    }
    assert [kind.signed for kind, _ in vectors.values()] == [True, False, False]


def test_the_kinds_of_a_model(mixed_schema):
    kinds = kinds_of(models.build("autofis", mixed_schema, embedding_dim=2))
    assert list(kinds) == ["fields", "pairs", "gates"] and all(kind in KINDS for kind in kinds.values())
    assert kinds_of(models.build("dcn", mixed_schema)) == {}


def test_mean_strengths_are_those_of_all_rows(mixed_schema):
    model, data = model_of("fm", mixed_schema, embedding_dim=3), SmallData(mixed_schema, 50)
    pairs = explain_rows(model, data.arrays("train")[0])["pairs"]
    found = mean_strengths(model, data.dataset("train", 20))
    off_diagonal = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(found[off_diagonal], np.abs(pairs).mean(axis=0)[off_diagonal], rtol=1e-4)
    assert not np.diag(found).any()


@pytest.mark.parametrize("name", ["lr", "dcn", "autoint"])
def test_without_a_conclusive_matrix_no_mean_strengths_and_no_pass_over_the_data(name, mixed_schema):
    assert mean_strengths(models.build(name, mixed_schema), dataset=None) is None


def test_every_axis_but_those_of_fields_is_averaged():
    values = np.arange(16.0).reshape(1, 2, 2, 2, 2)
    kind = Kind("attention", ("layer", "head", "field", "field"), "attention")
    assert kind.matrix(values).tolist() == [[[6, 7], [8, 9]]]  # such as (0 + 4 + 8 + 12) / 4


def test_vectors_are_no_matrices_even_if_there_are_as_many_rows_as_fields():
    explained = {"fields": np.ones((4, 4)), "edges": np.ones((4, 4, 4)), "orders": np.ones((4, 3))}
    assert list(matrices_of(explained, 4)) == ["edges"]


def test_a_model_that_explains_no_pairs_has_no_edges(mixed_schema, features):
    assert edge_statistics(model_of("lr", mixed_schema), features) is None


@pytest.mark.parametrize("function", [explain_rows, edge_statistics])
def test_no_rows(function, mixed_schema, features):
    with pytest.raises(ValueError, match="no row"):
        function(model_of("fm", mixed_schema), {name: array[:0] for name, array in features.items()})
