"""Texts that are found by their hashes, those of equal hashes too."""

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding import value_index
from ctrzoo.data_pipelines.encoding.value_index import ValueIndex

HASHES = {
    "of polars": value_index._hashes,
    "only three": lambda texts: texts.str.len_bytes().to_numpy().astype(np.uint64) % 3,
    "the largest": lambda texts: np.full(len(texts), 2**64 - 1, np.uint64),
}


@pytest.mark.parametrize("hashes", HASHES)
@pytest.mark.parametrize("size", [0, 1, 50])
def test_places_are_those_of_a_dictionary(monkeypatch, hashes, size):
    monkeypatch.setattr(value_index, "_hashes", HASHES[hashes])
    random = np.random.default_rng(size)
    texts = [str(number) for number in random.permutation(2_000)[:size]]
    wanted = [*map(str, random.integers(0, 2_000, 70)), *texts, None, "", "ä"]
    places = {text: place for place, text in enumerate(texts)}
    found = ValueIndex(pl.Series(texts, dtype=pl.String)).places(pl.Series(wanted))
    np.testing.assert_array_equal(found, [places.get(text, -1) for text in wanted])


def test_no_text_is_wanted():
    assert len(ValueIndex(pl.Series(["a"])).places(pl.Series([], dtype=pl.String))) == 0
