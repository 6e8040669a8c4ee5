"""Metrics are found by name, and those of groups are computed once."""

import numpy as np
import pytest

from ctrzoo import metrics
from ctrzoo.metrics import METRICS, Scored, evaluate_scores, main_metrics, metric_of, registry

ROWS = Scored(np.array([0, 1, 1]), np.array([0.2, 0.7, 0.4]), np.array([1, 2, 1]), np.array([5, 5, 6]))


@pytest.mark.parametrize("name", [*METRICS, "ndcg@1", "ndcg@10", "hit_rate@5"])
def test_every_metric_is_computed_from_rows(name):
    (value,) = evaluate_scores(ROWS, [name]).values()
    assert np.isfinite(value)
    assert metric_of(name).format.format(value)


def test_metrics_take_the_weights():
    assert evaluate_scores(ROWS, ["calibration"])["calibration"] == pytest.approx((0.2 + 2 * 0.7 + 0.4) / 3)


def test_metrics_of_one_cut_are_computed_in_one_pass(monkeypatch):
    calls = []
    slow = registry.grouped_metrics
    monkeypatch.setattr(registry, "grouped_metrics", lambda *rows: calls.append(rows) or slow(*rows))
    for names, expected in (
        (["ndcg@3", "mrr", "hit_rate@3", "grouped_auc", "mean_rank"], 1),
        (["mrr", "grouped_auc", "ndcg@3", "hit_rate@3"], 2),
        (["grouped_auc"], 0),  # it needs no places
    ):
        calls.clear()
        found = evaluate_scores(Scored(ROWS.labels, ROWS.scores, None, ROWS.groups), names)
        assert len(calls) == expected
        whole = slow(ROWS.labels, ROWS.scores, ROWS.groups, None, 3)._asdict()
        assert list(found.values()) == [whole[name.split("@")[0]] for name in names]


def test_unknown_metrics_and_missing_groups_are_refused():
    with pytest.raises(ValueError, match="ndcg"):
        metric_of("ndgc@10")
    for name in ("ndcg@0", "auc@3", "ndcg"):
        with pytest.raises(ValueError, match="metric"):
            metric_of(name)
    with pytest.raises(ValueError, match="Name a column as `group`"):
        evaluate_scores(Scored(ROWS.labels, ROWS.scores), ["mrr"])


def test_main_metrics_are_those_to_show():
    assert list(main_metrics(["auc", "calibration", "ndcg@5"])) == ["auc", "ndcg@5"]


def test_the_package_offers_what_its_modules_define():
    assert all(hasattr(metrics, name) for name in metrics.__all__)
