"""The files of printed numbers."""

import pytest

from ctrzoo.experiments.published import read_published


@pytest.mark.parametrize(
    ("name", "num_rows", "best"),
    [("graphfm_table2", 12, 0.8535), ("autoint_table5", 5, 0.8488), ("graphfm_figure3", 49, 0.8541)],
)
def test_published_tables_are_whole(name, num_rows, best):
    table = read_published(name)
    table = table[table.dataset == "movielens_1m"]
    assert len(table) == num_rows and table.auc.max() == best
    assert table.source.str.contains("https://").all()
