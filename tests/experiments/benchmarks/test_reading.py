"""How fast rows are read, and how well they are shuffled."""

import numpy as np

from ctrzoo.experiments.benchmarks import reading


def test_reading_is_measured_against_an_example_a_row():
    found = reading.measure(rows=20_000, batch_size=1000, repetitions=1)
    assert set(found["rows_per_second"]) == set(reading.READERS)
    assert min(found["rows_per_second"].values()) > 0
    assert found["ratio_to_examples"] == found["rows_per_second"]["blocks"] / found["rows_per_second"]["examples"]
    assert found["shuffle_of_writing_and_reading"]["mean_travel"] > 0.3


def test_the_quality_of_a_shuffle_of_known_orders():
    random = reading.shuffle_quality(np.random.default_rng(0).permutation(1_000_000))
    np.testing.assert_allclose(random["mean_travel"], 1 / 3, atol=0.001)
    np.testing.assert_allclose(random["label_autocorrelation"], 0, atol=0.005)
    np.testing.assert_allclose(random["share_deviation"], 1, atol=0.15)
    # Reversed, a row travels |n - 1 - 2i|: half the table on average.
    assert reading.shuffle_quality(np.arange(10_000)[::-1])["mean_travel"] == 0.5
