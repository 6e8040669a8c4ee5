"""Ranges and quantiles of columns of numbers, compared with pandas and with the numbers themselves."""

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.preparation.numbers import BARS, QUANTILES, numbers_of_chunk, summary_of

ENCODING = TableEncoding(
    [
        FieldEncoding("site"),
        FieldEncoding("price", "numerical", transform="log1p"),
        FieldEncoding("age", transform="quantile", num_buckets=3),
        FieldEncoding("picture", "vector", length=2),
    ]
)


def chunk_of(random, rows):
    prices = np.where(random.random(rows) < 0.2, np.nan, random.lognormal(1, 2, rows))
    ages = random.integers(10, 15, rows).astype(np.float32)
    arrays = {"numbers_1": prices, "numbers_2": ages, "numbers_3": np.zeros((rows, 2), np.float32)}
    return arrays, random.choice([0, 0, 0, 1, 2], rows)


def summaries(chunks):
    facts = [numbers_of_chunk(arrays, place, ENCODING, splits) for place, (arrays, splits) in enumerate(chunks)]
    assert all(list(found) == ["price", "age"] for found in facts)
    return {name: summary_of([found[name] for found in facts]) for name in ("price", "age")}


def test_few_rows_are_summarized_exactly():
    random = np.random.default_rng(3)
    arrays, splits = chunk_of(random, 900)
    found = summaries([(arrays, splits)])
    frame = pd.DataFrame({"price": arrays["numbers_1"], "age": arrays["numbers_2"], "split": splits})
    for name, column in found.items():
        for number, split in enumerate(("train", "valid", "test")):
            expected = frame.loc[frame["split"] == number, name].dropna()
            stated = column["splits"][split]
            assert (stated["lowest"], stated["highest"]) == (expected.min(), expected.max())
            ordered = sorted(expected)  # the first number that at least so large a share does not exceed
            for level in QUANTILES:
                at_most = [value for place, value in enumerate(ordered, 1) if place >= level * len(ordered) - 1e-9]
                assert stated["quantiles"][str(level)] == at_most[0]
    ages = frame.loc[frame["split"] == 0, "age"].value_counts(normalize=True).sort_index()
    assert found["age"]["histogram"]["values"] == [10, 11, 12, 13, 14]
    np.testing.assert_allclose(found["age"]["histogram"]["shares"], ages.to_numpy(), rtol=1e-12)
    bars, prices = found["price"]["histogram"], frame.loc[frame["split"] == 0, "price"].dropna()
    edges = bars["edges"]
    assert len(bars["shares"]) == BARS == len(edges) - 1 and sum(bars["shares"]) == pytest.approx(1)
    inner = (prices.to_numpy() >= edges[3]) & (prices.to_numpy() < edges[4])
    assert bars["shares"][3] == pytest.approx(inner.mean())
    beyond = prices.to_numpy() >= edges[-2]
    assert bars["shares"][-1] == pytest.approx(beyond.mean()) and prices.max() > edges[-1]


def test_chunks_of_all_sizes_count_by_their_rows():
    random = np.random.default_rng(4)
    sizes = (60_000, 500, 90_000, 7)
    chunks = [chunk_of(random, rows) for rows in sizes]
    for place, (arrays, _) in enumerate(chunks):
        arrays["numbers_1"] += 100.0 * place  # a sample that did not weigh its chunks would be far off
    stated = summaries(chunks)["price"]["splits"]["train"]
    prices = np.concatenate([arrays["numbers_1"][splits == 0] for arrays, splits in chunks])
    prices = prices[~np.isnan(prices)]
    assert (stated["lowest"], stated["highest"]) == (prices.min(), prices.max())
    for level in QUANTILES:
        assert np.mean(prices <= stated["quantiles"][str(level)]) == pytest.approx(level, abs=0.02)


def test_the_same_chunk_gives_the_same_sample():
    arrays, splits = chunk_of(np.random.default_rng(5), 50_000)
    first, second = (numbers_of_chunk(arrays, 2, ENCODING, splits) for _ in range(2))
    assert first == second and len(first["price"][0]["sample"]) < 4096


def test_columns_without_numbers_say_nothing():
    arrays = {"numbers_1": np.full(4, np.nan), "numbers_2": np.array([7.0, 7.0, np.nan, 7.0])}
    found = summaries([(arrays, np.zeros(4, int)), (arrays, np.ones(4, int))])
    assert found["price"] == {"splits": {}}
    assert found["age"]["histogram"] == {"values": [7.0], "shares": [1.0]}
    assert list(found["age"]["splits"]) == ["train", "valid"]
