"""The picture: a line and its measured points for each strategy."""

from matplotlib.figure import Figure

from ctrzoo.experiments.scale import plot
from ctrzoo.experiments.scale.costs import Prices
from ctrzoo.experiments.scale.measuring import Point


def test_each_strategy_has_its_line_and_measured_points(tmp_path, monkeypatch):
    drawn = []
    kept = Figure.subplots

    def subplots(self, *arguments, **options):
        drawn[:] = kept(self, *arguments, **options)
        return drawn

    monkeypatch.setattr(Figure, "subplots", subplots)
    points = {Point("divided_tables", 1, *plot.SHAPE): 0.25, Point("divided_tables", 8, *plot.SHAPE): 2.0}
    plot.draw(points, {"jax": Prices(0.25, 0, 0, 0, 0)}, tmp_path / "scale.png")
    measured, narrow, wide = drawn
    line, dots = measured.get_lines()
    assert list(line.get_xdata()) == [1, 2, 4, 8] and list(line.get_ydata()) == [250, 500, 1000, 2000]
    assert list(dots.get_xdata()) == [1, 8] and list(dots.get_ydata()) == [250, 2000]
    assert [each.get_label() for each in narrow.get_lines()] == list(plot.COLORS)
    widths = {each.get_label(): list(each.get_xdata()) for each in wide.get_lines()}
    assert widths["mirrored"] == [] and widths["divided_tables"][0] == 8
    assert (tmp_path / "scale.png").stat().st_size > 10_000
