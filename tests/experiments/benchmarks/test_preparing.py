"""How fast a table is prepared, next to a plain script."""

from ctrzoo.experiments.benchmarks import preparing


def test_the_plain_script_finds_the_vocabulary_of_the_original_protocol():
    found = preparing.measure(rows=3000)
    assert found["ctrzoo"]["feature_size"] == found["plain"]["feature_size"] > 14
    assert found["ratio"] == found["ctrzoo"]["rows_per_second"] / found["plain"]["rows_per_second"]
