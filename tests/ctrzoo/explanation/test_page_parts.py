"""Tables and pictures of a page."""

from matplotlib.figure import Figure

from ctrzoo.explanation.page_parts import html_table, picture


def test_cells_are_escaped_and_missing_ones_empty():
    text = html_table([{"a<b": "x&y", "n": None}])
    assert "<th>a&lt;b</th>" in text and "<td>x&amp;y</td><td></td>" in text


def test_a_picture_is_within_the_page_and_in_two_files(tmp_path):
    text = picture(tmp_path / "one", Figure(figsize=(1, 1)), 'words "of it"')
    assert 'alt="words &quot;of it&quot;"' in text and "data:image/png;base64," in text
    assert {path.name for path in tmp_path.iterdir()} == {"one.png", "one.svg"}
