"""Whether the printed order of rows holds beyond the noise of seeds."""

import pytest

from ctrzoo.experiments.published import read_published
from ctrzoo.experiments.sweeps.comparison import compared_rows
from ctrzoo.experiments.sweeps.order import order_lines, orders
from tests.experiments.sweeps.published_rows import group_of


def test_order_of_published_rows_beyond_noise():
    groups = [group_of("fm", 0.87), group_of("autoint", 0.857), group_of("graphfm", 0.86), group_of("hoafm", 0.1)]
    pairs = orders(compared_rows(groups, [read_published("graphfm_table2")]))
    # Two seeds each, deviation 0.001: t is the difference in thousandths, and with two degrees of freedom
    # p = 1 - t / sqrt(t^2 + 2).
    expected = {
        ("autoint", "fm"): (-0.013, 1 - 13 / 171**0.5, "the other way"),
        ("graphfm", "fm"): (-0.01, 1 - 10 / 102**0.5, "the other way"),
        ("graphfm", "autoint"): (0.003, 1 - 3 / 11**0.5, "within noise"),
    }
    assert {(pair["higher"], pair["lower"]) for pair in pairs} == set(expected)
    for pair in pairs:
        difference, p, verdict = expected[pair["higher"], pair["lower"]]
        assert pair["auc_difference"] == pytest.approx(difference) and pair["ours"] == verdict
        assert pair["p"] == pytest.approx(p, rel=1e-6)
    text = "\n".join(order_lines(pairs))
    assert "Of 3 pairs of rows: 0 as printed, 1 within noise, 2 the other way." in text
    assert "| movielens_1m | graphfm | fm | +0.0283 | -0.0100 | 0.0099 | the other way |" in text


def test_order_of_rows_without_spread():
    groups = [{**group_of(name, auc), "test_auc_deviation": 0.0} for name, auc in (("fm", 0.8), ("lr", 0.7))]
    (pair,) = orders(compared_rows(groups, [read_published("graphfm_table2")]))
    assert (pair["higher"], pair["p"], pair["ours"]) == ("fm", 0.0, "as printed")
    groups[0]["test_auc_deviation"] = None  # one seed has no spread, so nothing is said
    assert orders(compared_rows(groups, [read_published("graphfm_table2")])) == [] == order_lines([])
