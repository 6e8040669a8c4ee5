"""Preparation: by hand, and the bytes of a folder that was prepared."""

import numpy as np
import pytest

from ctrzoo.data_pipelines.encoding.features import Block
from ctrzoo.data_pipelines.storage.writing import PreparedWriter
from ctrzoo.experiments.scale.preparing import BLOCK_ROWS, MEASURED, Engine, engine_of, shard_bytes


def test_the_measured_engines_by_hand():
    """4 million rows more took 41.5 s more on one machine and 94.2 s more on Spark."""
    one, many = (engine_of(MEASURED[name]) for name in ("one machine", "Spark"))
    assert one.rate == pytest.approx(4e6 / 41.5) and one.fixed == pytest.approx(13.5 - 41.5 / 4)
    assert many.rate == pytest.approx(4e6 / 94.2) and many.fixed == pytest.approx(115.6 - 94.2 / 4)
    for engine, points in ((one, MEASURED["one machine"]), (many, MEASURED["Spark"])):
        assert [engine.core_seconds(rows) for rows, _ in points] == pytest.approx([seconds for _, seconds in points])


def test_time_falls_with_cores_to_the_part_of_the_driver():
    engine = Engine(fixed=8, rate=100)
    times = [engine.elapsed(1000, cores, serial=2) for cores in (1, 2, 4, 1_000_000)]
    assert times[:3] == [20, 11, 6.5]
    assert times[3] == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize("rows", [100, BLOCK_ROWS + 1])
def test_bytes_of_shards_are_those_of_a_folder(mixed_schema, tmp_path, rows):
    """Five slots of categories and values, and one number. Frames differ by the lengths of what they say."""
    block = Block(np.ones((rows, 5), np.int32), np.ones((rows, 1), np.float32), np.arange(rows) % 2)
    with PreparedWriter(tmp_path / "data", "data", mixed_schema) as writer:
        writer.add("train", block)
    found = sum(path.stat().st_size for path in (tmp_path / "data").glob("*.tfrecord*"))
    assert found == pytest.approx(shard_bytes(rows, ids=5, numbers=1), abs=20 * -(-rows // BLOCK_ROWS))
