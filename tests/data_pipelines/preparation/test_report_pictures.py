"""Pictures of the page: heights, lengths and points, compared with numbers by hand."""

import re

import numpy as np

from ctrzoo.data_pipelines.preparation.report_pictures import bar_of, coverage_curve, histogram
from tests.parsed_page import ParsedPage


def numbers(pattern, text):
    return [float(found) for found in re.findall(pattern, text)]


def test_a_bar_is_divided_by_its_shares():
    text = bar_of({"own": 0.5, "rare": 0.0, "missing": 0.25}, "cells of <site>")
    assert numbers(r' x="([\d.]+)"', text) == [0, 60] and numbers(r'<rect[^>]* width="([\d.]+)"', text) == [60, 30]
    assert "&lt;site&gt;" in text and ParsedPage(text).tags == ["svg", "rect", "rect"]


def test_the_highest_bar_fills_the_picture():
    text = histogram([0.2, 0.8, 0.0], ["a", "<b>", "c"], ("0", "9"), "ages")
    assert numbers(r'<rect[^>]* height="([\d.]+)"', text) == [30, 120, 0]
    assert [said for said in ParsedPage(text).texts] == ["a: 20.00%", "<b>: 80.00%", "c: 0.00%", "0", "9"]


def test_the_curve_of_coverage_rises_to_all_of_it():
    text = coverage_curve(np.array([6, 3, 1]), "sites")
    points = [tuple(map(float, point.split(","))) for point in re.search(r'points="(.*?)"', text).group(1).split()]
    across = [0, 420 * np.log(2) / np.log(3), 420]
    expected = list(zip(across, [120 * 0.4, 120 * 0.1, 0], strict=True))
    np.testing.assert_allclose(points, expected, atol=0.051)
    assert coverage_curve(np.array([4]), "one").count("polyline") == 2
