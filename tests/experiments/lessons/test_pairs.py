"""FM's linear sum against the double sum, and the sizes of tables against those of the models."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.lessons import pairs
from ctrzoo.experiments.lessons.pairs import double_sum, linear_sum, table_sizes, write_lesson
from ctrzoo.schema import Field, Schema


@pytest.mark.parametrize("fields", [1, 2, 7])
def test_both_sums_equal_a_loop(fields):
    embedded = np.random.default_rng(fields).normal(size=(6, fields, 3))
    expected = [
        sum(row[i] @ row[j] for i in range(fields) for j in range(i + 1, fields)) if fields > 1 else 0.0
        for row in embedded
    ]
    np.testing.assert_allclose(double_sum(embedded), expected, atol=1e-12)
    np.testing.assert_allclose(linear_sum(embedded), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["fm", "ffm"])
def test_models_have_the_parameters_that_the_formula_says(name):
    sizes = [5, 7, 11]
    schema = Schema([Field(f"f{size}", vocabulary_size=size) for size in sizes])
    model = models.build(name, schema, embedding_dim=4)
    absent = 4 * (1 if name == "fm" else 3)  # the row of the absent id 0
    linear = sum(sizes) + 1 + 1  # with the absent id and the bias
    expected = table_sizes(sizes, 4)[name.upper()]
    assert sum(np.prod(weight.shape) for weight in model.trainable_variables) == expected + absent + linear


def test_poly2_has_a_weight_for_each_pair_of_values():
    assert table_sizes([2, 3, 4], 1)["Poly2"] == len(
        {(a, b) for a in range(9) for b in range(9) if (a < 2) + (a < 5) > (b < 2) + (b < 5)}
    )


def test_files(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "ROWS", 20)
    rows = write_lesson(tmp_path)
    assert all(row["largest_relative_difference"] < 1e-12 for row in rows)
    assert (tmp_path / "pairs.csv").is_file() and (tmp_path / "pairs.png").stat().st_size > 10_000
