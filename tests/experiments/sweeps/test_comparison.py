"""Our results next to printed ones."""

import pytest

from ctrzoo.experiments.published import read_published
from ctrzoo.experiments.sweeps.comparison import compare, compared_rows
from ctrzoo.experiments.sweeps.figure3 import report_neighborhood
from ctrzoo.experiments.sweeps.grid import grid
from ctrzoo.experiments.sweeps.plan import plan
from ctrzoo.experiments.sweeps.results import rows_of
from tests.experiments.sweeps.published_rows import group_of


def test_comparison_finds_published_rows():
    groups = [group_of("graphfm (paper)", 0.8545), group_of("autoint+", 0.8480), group_of("hoafm", 0.84)]
    ours = compared_rows(groups, [read_published("graphfm_table2"), read_published("autoint_table5")])
    assert [row["published_auc"] for row in ours] == [0.8535, 0.8488, None]
    assert ours[0]["auc_difference"] == pytest.approx(0.001) and ours[1]["auc_difference"] == pytest.approx(-0.0008)


def test_comparison_and_surface_are_written_for_a_half_finished_sweep(tmp_path):
    chosen = grid(dataset="movielens_1m", model="graphfm", seed=1, num_neighbors=[(7, 1, 1), (7, 1, 2), (7, 2, 1)])
    rows = rows_of(plan(chosen, tmp_path, tmp_path))
    rows[0] |= {"state": "finished", "test_auc": 0.85, "test_log_loss": 0.4}
    compare(rows, ["graphfm_table2"], tmp_path)
    assert "0 of 1 rows reach the published AUC" in (tmp_path / "comparison.md").read_text()
    compare(rows, [], tmp_path)
    alone = (tmp_path / "comparison.md").read_text()
    assert (
        alone.startswith("# Test metrics\n") and "0.8500" in alone and "reach" not in alone and "Sources" not in alone
    )
    report_neighborhood(rows, tmp_path)
    assert (tmp_path / "neighborhood_movielens_1m.png").read_bytes().startswith(b"\x89PNG")
    written = (tmp_path / "neighborhood.md").read_text()
    assert "| 1 | 0.8500 (1) | 0.8500 |" in written and "variance" not in written
