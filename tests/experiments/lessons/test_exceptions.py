"""Crosses memorize exceptions; an FM with too few dimensions cannot, by a bound from singular values."""

import numpy as np
import pytest

from ctrzoo.experiments.lessons import exceptions
from ctrzoo.experiments.lessons.exceptions import CROSSES, EXCEPTIONS, SIZE, errors, learn, true_logits, write_lesson


@pytest.fixture(scope="module")
def found():
    return {label: learn(label) for label in (CROSSES, "FM, 6 dims")}


def test_linear_weights_leave_a_rank_of_one_for_each_exception():
    effects = np.tile([1, -1], SIZE // 2)
    deviations = true_logits() - effects[:, None] - effects
    assert np.count_nonzero(deviations) == np.linalg.matrix_rank(deviations) == EXCEPTIONS
    assert np.linalg.matrix_rank(true_logits()) == EXCEPTIONS + 2


def test_crosses_know_all_exceptions_with_a_weight_each(found):
    of_crosses = errors(found[CROSSES])
    assert of_crosses["parameters"] == 1 + SIZE + SIZE + EXCEPTIONS
    assert max(of_crosses["error_of_exceptions"], of_crosses["error_elsewhere"]) < 0.02
    assert of_crosses["share_of_zeros"] == 1


def test_fm_knows_all_exceptions_with_a_dimension_each(found):
    of_fm = errors(found["FM, 6 dims"])
    assert of_fm["parameters"] == 1 + 2 * SIZE * 7
    assert max(of_fm["error_of_exceptions"], of_fm["error_elsewhere"]) < 0.03
    assert of_fm["share_of_zeros"] == 0


@pytest.mark.nightly
def test_fm_with_one_dimension_is_wrong_by_more_than_its_rank_allows():
    """Its logits have rank 3 at most, because those of linear terms have rank 2."""
    of_fm = learn("FM, 1 dim")
    logits = np.log(of_fm["rates"] / (1 - of_fm["rates"]))
    bound = np.sqrt((np.linalg.svd(true_logits(), compute_uv=False)[3:] ** 2).sum())
    assert bound > 2 and np.linalg.norm(logits - true_logits()) > bound
    assert errors(of_fm)["error_of_exceptions"] > 0.3 and errors(of_fm)["error_elsewhere"] > 0.1
    assert errors(of_fm)["share_of_zeros"] == 0


def test_files(tmp_path, found, monkeypatch):
    monkeypatch.setattr(exceptions, "MODELS", tuple(found))
    monkeypatch.setattr(exceptions, "learn", found.get)
    rows = write_lesson(tmp_path / "new")
    assert [row["model"] for row in rows] == list(found)
    assert (tmp_path / "new" / "exceptions.csv").is_file()
    assert (tmp_path / "new" / "exceptions.png").stat().st_size > 5_000
