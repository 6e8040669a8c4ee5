"""Crosses memorize exceptions; an FM with too few dimensions cannot, by a bound from singular values."""

import numpy as np
import pytest

from ctrzoo.experiments.lessons import exceptions
from ctrzoo.experiments.lessons.exceptions import CROSSES, EXCEPTIONS, SIZE, errors, learn, true_logits, write_lesson


@pytest.fixture(scope="module")
def found():
    return {label: learn(label) for label in (CROSSES, "FM, 1 dim", "FM, 6 dims")}


def test_exceptions_are_a_matrix_of_full_rank():
    effects = np.tile([1, -1], SIZE // 2)
    deviations = true_logits() - effects[:, None] - effects
    assert np.linalg.matrix_rank(deviations) == EXCEPTIONS == np.count_nonzero(deviations)


def test_crosses_know_all_exceptions_with_a_weight_each(found):
    of_crosses = errors(found[CROSSES])
    assert of_crosses["parameters"] == 1 + SIZE + SIZE + EXCEPTIONS
    assert max(of_crosses["error_of_exceptions"], of_crosses["error_elsewhere"]) < 0.02
    assert of_crosses["share_of_zeros"] == 1


def test_fm_needs_a_dimension_for_each_exception(found):
    large = errors(found["FM, 6 dims"])
    assert large["parameters"] == 1 + 2 * SIZE * 7
    assert max(large["error_of_exceptions"], large["error_elsewhere"]) < 0.03
    # Logits of an FM with one dimension have rank 3 at most: linear terms have rank 2.
    rates = found["FM, 1 dim"]["rates"]
    bound = np.sqrt((np.linalg.svd(true_logits(), compute_uv=False)[3:] ** 2).sum())
    assert bound > 2 and np.linalg.norm(np.log(rates / (1 - rates)) - true_logits()) > bound
    small = errors(found["FM, 1 dim"])
    assert small["error_of_exceptions"] > 0.3 and small["error_elsewhere"] > 0.1


@pytest.mark.parametrize("label", ["FM, 1 dim", "FM, 6 dims"])
def test_embeddings_add_something_to_every_pair(found, label):
    assert errors(found[label])["share_of_zeros"] == 0


def test_files(tmp_path, found, monkeypatch):
    monkeypatch.setattr(exceptions, "MODELS", tuple(found))
    monkeypatch.setattr(exceptions, "learn", found.get)
    rows = write_lesson(tmp_path / "new")
    assert [row["model"] for row in rows] == list(found)
    assert (tmp_path / "new" / "exceptions.csv").is_file()
    assert (tmp_path / "new" / "exceptions.png").stat().st_size > 5_000
