"""The surface of AUCs: its grid, what is printed, and which pictures are drawn."""

import numpy as np
import pytest

from ctrzoo.experiments.sweeps.figure3_plot import grid_of, picture_name, plot_neighborhood, published_cells


def test_a_grid_is_sorted_and_has_gaps():
    rows, columns, matrix = grid_of({(4, 2): 0.6, (1, 7): 0.5, (1, 2): None})
    assert (rows, columns) == ([1, 4], [2, 7])
    np.testing.assert_array_equal(matrix, [[np.nan, 0.5], [0.6, np.nan]])


def test_printed_cells_are_known_where_their_numbers_of_neighbors_are():
    cells = published_cells("movielens_1m")
    assert len(cells) == 49 and max(cells.values()) == 0.8541
    assert {row for row, _ in cells} == {column for _, column in cells} == set(range(1, 8))
    assert published_cells("criteo") == {}


def row(neighbors, auc, state="finished"):
    chosen = {"dataset": "mine", "label": "graphfm", "variant": "", "choices": {"num_neighbors": neighbors}}
    scores = dict.fromkeys(("test_log_loss", "valid_auc", "valid_log_loss", "test_calibration", "valid_calibration"))
    costs = dict.fromkeys(("best_epoch", "epochs", "num_parameters", "seconds_per_epoch"))
    return {**chosen, **scores, **costs, "group": str(neighbors), "state": state, "test_auc": auc, "seconds": 1.0}


@pytest.mark.parametrize(
    ("rows", "drawn"),
    [
        ([row((7, 1, 1), None, "failed")], False),
        ([row((7, 1, 1), 0.5)], True),  # one cell is no surface
        ([row((7, 1, 1), 0.5), row((7, 2, 3), 0.6), row((7, 2, 1), None, "open")], True),
    ],
)
def test_a_picture_for_each_data_set_with_finished_runs(tmp_path, rows, drawn):
    plot_neighborhood(rows, tmp_path)
    assert (tmp_path / picture_name("mine")).is_file() == drawn
    assert picture_name("mine") == "neighborhood_mine.png"
