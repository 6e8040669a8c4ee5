"""Pictures of a run."""

import numpy as np

from ctrzoo import plots
from ctrzoo.plots import LARGEST, interaction_picture


def test_pictures_of_many_fields_stay_of_a_size_that_memory_holds():
    for num_fields, inches in ((10, 1.6 + 3.6), (80, LARGEST)):
        names = [str(number) for number in range(num_fields)]
        height, width, _ = interaction_picture(np.eye(num_fields), names, "pairs").shape
        assert (height, width) == (round(80 * (inches + 0.6)), round(80 * (inches + 1)))


def drawn(monkeypatch, tmp_path, labels, probabilities, weights=None):
    """Return the axes of the calibration picture."""
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    plots.plot_calibration(np.array(labels), np.array(probabilities), tmp_path / "x.png", "fm", weights)
    return figures[0].axes[0]


def test_calibration_by_hand(monkeypatch, tmp_path):
    """Two probabilities are two bins: 0.25 of 4 rows with one click, 0.5 of 4 rows with three."""
    axes = drawn(monkeypatch, tmp_path, [1, 0, 0, 0, 1, 1, 1, 0], [0.25] * 4 + [0.5] * 4)
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.25, 0.25], [0.5, 0.75]])
    assert axes.get_xscale() == axes.get_yscale() == "linear"
    assert axes.get_title() == "fm\npredicted / actual 0.750, calibration error 0.12"  # 3 / 4 clicks, (0 + 0.25) / 2


def test_weights_of_rows_count_in_the_picture(monkeypatch, tmp_path):
    axes = drawn(monkeypatch, tmp_path, [1, 0, 1, 0], [0.25, 0.25, 0.5, 0.5], np.array([1.0, 3.0, 1.0, 1.0]))
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.25, 0.25], [0.5, 0.5]])
    assert "predicted / actual 1.000, calibration error 0" in axes.get_title()


def test_probabilities_of_decades_have_logarithmic_axes(monkeypatch, tmp_path):
    labels = [1, 0, 0, 0] * 3 + [0] * 4
    probabilities = np.repeat([0.001, 0.01, 0.1, 0.0005], 4)
    axes = drawn(monkeypatch, tmp_path, labels, probabilities)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.001, 0.25], [0.01, 0.25], [0.1, 0.25]])
    assert axes.get_ylabel() == "share of clicks (1 bin without a click not shown)"


def test_rows_without_a_click_and_one_bin_are_drawn(monkeypatch, tmp_path):
    assert len(drawn(monkeypatch, tmp_path, [0, 0, 0], [0.0001, 0.1, 0.3]).lines[1].get_xydata()) == 3
    plots_of_one = drawn(monkeypatch, tmp_path, [0, 1], [0.5, 0.5])
    np.testing.assert_allclose(plots_of_one.lines[1].get_xydata(), [[0.5, 0.5]])
