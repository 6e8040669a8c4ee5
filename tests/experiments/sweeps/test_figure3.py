"""What numbers of neighbors change, beyond the noise of seeds."""

from ctrzoo.experiments.sweeps.figure3 import report_neighborhood
from ctrzoo.experiments.sweeps.grid import grid
from ctrzoo.experiments.sweeps.plan import plan
from ctrzoo.experiments.sweeps.results import rows_of


def test_cells_that_differ_beyond_the_noise_of_seeds_are_told(tmp_path):
    aucs = {(7, 1, 1): (0.82, 0.84), (7, 1, 2): (0.85, 0.87), (7, 2, 1): (0.85, 0.85)}
    chosen = grid(dataset="movielens_1m", model="graphfm", seed=[1, 2], num_neighbors=list(aucs))
    rows = rows_of(plan(chosen, tmp_path, tmp_path))
    for row in rows:
        auc = aucs[row["choices"]["num_neighbors"]][row["seed"] - 1]
        row |= {"state": "finished", "test_auc": auc, "test_log_loss": 0.4}
    report_neighborhood(rows, tmp_path)
    written = (tmp_path / "neighborhood.md").read_text()
    assert "| 1 | 0.8300 ± 0.0141 (2) | 0.8600 ± 0.0141 (2) | 0.8450 |" in written
    assert "| all | 0.8400 | 0.8600 | |" in written
    # By hand: means 0.83, 0.86, 0.85 have the variance 0.0014 / 3 / 2 and deviate by 0.0153; variances 2e-4, 2e-4, 0
    # have the mean 1.333e-4, its root is 0.0115; F = 2 * 2.333e-4 / 1.333e-4, p = (1 + 2 * F / 3) ** -1.5.
    assert "means of 3 cells" in written and "deviation of 0.0153; seeds within a cell, 0.0115" in written
    assert "F = 3.50, p = 0.16." in written
    # Seeds differ by 0.02, 0.02, 0 in the cells, so that cells and seeds leave half of 2 * (0.02 / 3)^2 + (0.04 / 3)^2,
    # 1.333e-4 with two degrees of freedom. Without layer 2's number 0.83 and 0.85 have one mean, 4e-4 more; without
    # layer 3's 0.83 and 0.86, 9e-4 more. p = 1 - sqrt(F / (F + 2)).
    assert "Layer 2's number, given the other's and the seed: F = 6.00, p = 0.13." in written
    assert "Layer 3's number, given the other's and the seed: F = 13.50, p = 0.067." in written
    # Printed at (1, 1), (1, 2), (2, 1): 0.8500, 0.8518, 0.8513.
    assert "best at (3, 3). Our best is at (1, 2). Correlation of our means" in written
    assert "numbers of 3 cells: 1.00 (p = 0.039)" in written


def test_a_cell_of_more_seeds_says_more_of_their_noise(tmp_path):
    aucs = {(7, 1, 1): (0.80, 0.82, 0.84), (7, 1, 2): (0.85, 0.85, None)}
    chosen = grid(dataset="movielens_1m", model="graphfm", seed=[0, 1, 2], num_neighbors=list(aucs))
    rows = rows_of(plan(chosen, tmp_path, tmp_path))
    for row in rows:
        auc = aucs[row["choices"]["num_neighbors"]][row["seed"]]
        row |= {"state": "waiting" if auc is None else "finished", "test_auc": auc}
    report_neighborhood(rows, tmp_path)
    # By hand: squared deviations 8e-4 and 0 over two degrees of freedom and one, the root of 2.667e-4.
    assert "seeds within a cell, 0.0163. One-way" in (tmp_path / "neighborhood.md").read_text()
