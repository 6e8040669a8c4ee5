"""Rows in the format and with the statistics of Criteo."""

import numpy as np
import pytest

from ctrzoo.experiments.benchmarks.criteo_text import NUM_CATEGORIES, criteo_rows, write_criteo_text


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "rows.txt"
    write_criteo_text(path, 30_000, seed=3)
    return path.read_text(encoding="ascii").splitlines()


def test_a_row_is_a_label_13_numbers_and_26_categories_of_8_digits(lines):
    cells = np.array([line.split("\t") for line in lines])
    assert cells.shape == (30_000, 40)
    assert set(cells[:, 0]) == {"0", "1"}
    numbers, categories = cells[:, 1:14], cells[:, 14:]
    assert (numbers[numbers != ""].astype(int) >= -2).all()
    assert all(len(cell) == 8 and int(cell, 16) >= 0 for cell in categories[categories != ""])
    # Criteo's first 10,000 rows: about a fifth of the labels, 45 % of I1, 82 % of C22, none of C1.
    assert 0.15 < (cells[:, 0] == "1").mean() < 0.35
    np.testing.assert_allclose((cells[:, [1, 35, 14]] == "").mean(axis=0), [0.45, 0.82, 0], atol=0.02)


def test_the_most_frequent_of_n_values_has_the_share_of_a_zipf_law(lines):
    for field in (2, 8):
        values = [cells[14 + field] for cells in (line.split("\t") for line in lines) if cells[14 + field]]
        counts = np.unique(values, return_counts=True)[1]
        assert len(counts) <= NUM_CATEGORIES[field]
        np.testing.assert_allclose(counts.max() / len(values), np.log(2) / np.log(NUM_CATEGORIES[field] + 1), rtol=0.1)


def test_the_seed_gives_the_rows_and_a_larger_file_begins_with_the_smaller(lines, tmp_path):
    for seed, same in ((3, True), (4, False)):
        write_criteo_text(tmp_path / "rows.txt", 25_001, seed=seed)
        found = (tmp_path / "rows.txt").read_text().splitlines()
        assert (found[:25_000] == lines[:25_000]) == same


def test_the_label_depends_on_the_categories():
    table = criteo_rows(25_000, 0).to_pandas()
    rates = table.groupby("C9")["label"].mean()
    assert rates.max() - rates.min() > 0.05
