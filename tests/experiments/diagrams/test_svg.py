"""Drawings are well-formed SVG, texts fit their rooms."""

import xml.etree.ElementTree

import pytest

from ctrzoo.experiments.diagrams.svg import Drawing

NAMESPACE = "{http://www.w3.org/2000/svg}"


def parsed(drawing, height=100):
    return xml.etree.ElementTree.fromstring(drawing.svg(height))


def test_a_drawing_is_xml_with_its_parts():
    drawing = Drawing("a < b & c")
    drawing.box(10, 20, 30, 40)
    drawing.circle(5, 6, 7)
    drawing.text(50, 60, "p_{ij} < 1, as x_{i}")
    root = parsed(drawing)
    assert root.attrib["viewBox"] == "0 0 400 100" and root.findtext(f"{NAMESPACE}title") == "a < b & c"
    text = root.find(f"{NAMESPACE}text")
    assert "".join(text.itertext()) == "pij < 1, as xi"
    assert [float(part.attrib["dy"]) for part in text] == [3, -3, 3]  # a subscript ends with its letters
    assert len(root.findall(f"{NAMESPACE}rect")) == 2 and len(root.findall(f"{NAMESPACE}circle")) == 1


def test_a_text_that_is_too_wide_is_refused():
    drawing = Drawing("")
    drawing.text(0, 0, "x" * 15, room=100)  # 15 letters of 0.55 * 12 pixels: 99
    with pytest.raises(ValueError, match="takes 106 pixels, but has 100. Shorten it"):
        drawing.text(0, 0, "x" * 16, room=100)
    with pytest.raises(ValueError, match="pixels"):
        drawing.text(0, 0, "x" * 15, "bold", room=100)


def test_the_head_of_an_arrow_points_along_its_last_part():
    drawing = Drawing("")
    drawing.arrow([(10, 10), (10, 50)])
    (head,) = parsed(drawing).findall(f"{NAMESPACE}polygon")
    points = [tuple(map(float, point.split(","))) for point in head.attrib["points"].split()]
    assert points[0] == (10, 50) and sorted(points[1:]) == [(6.5, 44), (13.5, 44)]
    with pytest.raises(ValueError, match="horizontal or vertical"):
        drawing.arrow([(0, 0), (5, 5)])
