"""Pages stand alone, escape what they show, and are read back by a parser."""

import base64
import io

from matplotlib.figure import Figure

from ctrzoo.page import image_of, page_of, paragraphs, table_of
from tests.parsed_page import ParsedPage

ODD = "<script>alert('1')</script> & \"two\""


def test_a_table_is_read_back():
    rows = [{"name": ODD, "share": "1.5 %"}, {"name": "plain", "share": "0 %"}]
    page = ParsedPage(page_of(ODD, [table_of(rows)]))
    assert page.tables == [[["name", "share"], [ODD, "1.5 %"], ["plain", "0 %"]]]
    assert page.links == [] and page.texts.count(ODD) == 3


def test_nothing_runs_and_nothing_is_loaded():
    text = page_of(ODD, [*paragraphs([ODD]), table_of([{ODD: ODD}])])
    assert "<script" not in text and text.count("&lt;script&gt;") == 5
    assert "http" not in text and "prefers-color-scheme: dark" in text and "viewport" in text


def test_a_picture_is_within_the_page():
    file = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(file)
    text = image_of(file.getvalue(), ODD)
    assert base64.b64decode(text.partition("base64,")[2].partition('"')[0]) == file.getvalue()
    assert "<script" not in text
