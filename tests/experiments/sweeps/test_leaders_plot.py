"""The picture of a leaderboard: labels of 40 crowded models overlap neither each other nor points."""

import itertools

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from ctrzoo.experiments.sweeps.leaders_plot import limits, place_labels, plot_leaders
from tests.experiments.sweeps.test_leaders import leader


def boxes(axes, texts, centers):
    """Return `(left, bottom, right, top)` of labels in pixels, measured from drawn texts."""
    shown = [axes.text(0, 0, text, fontsize=8).get_window_extent() for text in texts]
    sizes = np.array([(box.width, box.height) for box in shown])
    return np.hstack([centers - sizes / 2, centers + sizes / 2])


def overlap(first, second):
    return (first[:2] < second[2:]).all() and (second[:2] < first[2:]).all()


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_40_models_do_not_overlap(seed):
    random = np.random.default_rng(seed)
    figure = Figure(figsize=(8, 5.4), dpi=120)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = np.clip(random.normal(0.6, 0.15, (40, 2)), 0.03, 0.97)
    texts = [f"model number {number}"[: random.integers(3, 16)] for number in range(40)]
    pixels = axes.transData.transform(points)
    found = boxes(axes, texts, place_labels(axes, pixels, texts))
    assert not [pair for pair in itertools.combinations(range(40), 2) if overlap(*found[list(pair)])]
    assert not [1 for box, point in itertools.product(found, pixels) if overlap(box, np.tile(point, 2))]
    inside = axes.get_window_extent().extents
    assert (found[:, :2] >= inside[:2]).all() and (found[:, 2:] <= inside[2:]).all()


def test_labels_of_free_points_are_next_to_them():
    axes = Figure(figsize=(8, 5.4), dpi=120).subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    pixels = axes.transData.transform([(0.2, 0.2), (0.8, 0.8)])
    distances = np.linalg.norm(place_labels(axes, pixels, ["fm", "lr"]) - pixels, axis=1)
    assert (distances < 30).all()


def test_limits_leave_out_what_is_far_from_the_quartiles():
    values = np.array([0.0, 10.0, 11.0, 12.0, 13.0])  # quartiles 10 and 12: values from 7 to 15 stay
    assert limits(values) == pytest.approx((9.7, 13.3))
    assert limits(-values) == pytest.approx((-13.3, -9.7))
    assert limits(-values, keep_highest=True) == pytest.approx((-14.3, 1.3))
    assert limits(np.array([2.0])) == pytest.approx((1.9, 2.1))


@pytest.mark.parametrize("score", ["test_auc", "mean_rank"])
def test_the_picture_has_a_panel_for_each_data_set_and_cost(score, tmp_path):
    leaders = [
        leader(f"m${number}", 0.5 + number / 50, 1.0 + number, 10**number, dataset=dataset, device=device)
        for dataset, number, device in itertools.product(("clicks", "views"), range(1, 4), ("CPU", "GPU"))
    ]
    heights = []
    for costs in (("seconds",), ("seconds", "parameters")):
        plot_leaders(leaders, tmp_path / "board.png", score, "A note.", costs)
        heights.append(matplotlib.image.imread(tmp_path / "board.png").shape[0])
    assert heights[1] == pytest.approx(2 * heights[0], abs=2)
