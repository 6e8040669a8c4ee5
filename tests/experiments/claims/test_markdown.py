"""Tables of Markdown."""

from ctrzoo.experiments.claims.markdown import table_lines


def test_cells_stay_under_their_titles():
    lines = table_lines([{"a": 1, "b": "x"}, {"a": 2, "b": ""}])
    assert lines == ["| a | b |", "|---|---|", "| 1 | x |", "| 2 |  |"]
