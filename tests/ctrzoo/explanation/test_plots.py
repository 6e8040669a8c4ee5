"""Pictures of explanations: what is drawn, and in which colors."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from ctrzoo.explanation.plots import (
    check_figure,
    fields_figure,
    graph_figure,
    instance_figure,
    matrix_figure,
    save_figure,
    shortened,
)

NAMES = ("user", "ad", "hour")
PLANTED = ((0, 1),)
MEAN = np.array([[0, 3, 1], [3, 0, 0], [1, 0, 0]], float)


def test_each_matrix_of_a_row_is_a_heat_map_with_its_name_and_the_values_of_the_row():
    matrices = {f"edges_{number}": number * MEAN for number in (1, 2, 3, 4)}
    figure = instance_figure(matrices, NAMES, ("anna", "a" * 30, "noon"), "row 1")
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in panels] == list(matrices)
    for axes, matrix in zip(panels, matrices.values(), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), matrix)
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert labels == ["user = anna", f"ad = {shortened('a' * 30)}", "hour = noon"]
    assert figure.get_suptitle() == "row 1"


@pytest.mark.parametrize(("matrix", "limits"), [(MEAN, (0, 3)), (-MEAN, (-3, 3)), (0 * MEAN, (0, 1e-12))])
def test_a_heat_map_with_negative_entries_is_white_at_zero(matrix, limits):
    (image,) = instance_figure({"pairs": matrix}, NAMES, None, "row 1").axes[0].images
    assert image.get_clim() == limits


def test_the_mean_graph_leaves_out_the_diagonal_and_outlines_planted_pairs():
    mean, share = [axes for axes in matrix_figure(MEAN, MEAN / 3, NAMES, PLANTED, top=2).axes if axes.images]
    assert np.ma.getmaskarray(mean.images[0].get_array()).tolist() == np.eye(3, dtype=bool).tolist()
    assert share.get_title() == "share of rows in which an edge is among the 2 strongest"
    assert sorted(patch.get_xy() for patch in share.patches) == [(-0.5, 0.5), (0.5, -0.5)]


def test_the_graph_has_a_line_for_each_edge_that_is_not_zero():
    figure = graph_figure(MEAN, NAMES, np.array([0.2, 0.1, -0.1]), PLANTED, "strongest edges")
    weak, strong = figure.axes[0].lines
    assert (strong.get_color(), weak.get_color()) == ("crimson", "tab:blue")
    assert strong.get_linewidth() == pytest.approx(6.3) and weak.get_linewidth() == pytest.approx(2.3)
    (nodes,) = [artist for artist in figure.axes[0].collections if isinstance(artist, PathCollection)]
    np.testing.assert_allclose(nodes.get_sizes(), [540, 290, 40])
    assert [text.get_text() for text in figure.axes[0].texts] == list(NAMES)


def test_fields_are_drawn_from_the_least_up():
    (axes,) = fields_figure(np.array([[0.1, 0.3, 0.0], [0.3, 0.3, 0.0]]), NAMES).axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0, 0.2, 0.3])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hour", "user", "ad"]


def test_pairs_are_points_and_planted_ones_red():
    panels = [((3.0, 1.0), (0.2, 0.1), "strength", method, "title") for method in ("AUC", "logit")]
    figure = check_figure(panels, [(0, 1), (0, 2)], NAMES, PLANTED)
    assert [axes.get_ylabel() for axes in figure.axes] == ["AUC", "logit"]
    points = figure.axes[0].collections[0]
    np.testing.assert_allclose(points.get_offsets(), [[3, 0.2], [1, 0.1]])
    expected = [to_rgba("crimson", 0.8), to_rgba("tab:blue", 0.8)]
    np.testing.assert_allclose(points.get_facecolors(), expected)
    texts = {text.get_text(): text.get_horizontalalignment() for text in figure.axes[0].texts}
    assert texts == {"user × ad": "right", "user × hour": "left"}  # into the picture


def test_a_figure_is_written_twice(tmp_path):
    save_figure(fields_figure(np.ones((1, 3)), NAMES), tmp_path / "fields.of.rows")
    assert {path.name for path in tmp_path.iterdir()} == {"fields.of.rows.png", "fields.of.rows.svg"}
    assert (tmp_path / "fields.of.rows.png").read_bytes().startswith(b"\x89PNG")
    assert shortened("short") == "short"


def test_labels_of_pairs_do_not_cover_each_other():
    y = np.array([1.0, 0.99, 0.98, 0.2, 0.0, 0.97])
    panels = [(np.arange(6.0), y, "x", "y", "title"), (np.zeros(6), np.zeros(6), "x", "y", "title")]
    pairs = [(i, j) for i in range(4) for j in range(i)]
    figure = check_figure(panels, pairs, [f"a_long_name_{number}" for number in range(4)], ())
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines
        assert len(boxes) == 4
        assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[:index])


def test_of_many_fields_those_that_lose_most_are_drawn():
    (axes,) = fields_figure(np.arange(200.0)[None], [f"f{number}" for number in range(200)]).axes
    assert [bar.get_width() for bar in axes.patches] == list(range(140, 200))
    assert axes.get_title() == "the 60 of 200 fields that lose most"
