"""A prepared folder that is large enough to be shuffled in parts."""

import numpy as np
import pytest

from ctrzoo.data_pipelines import PreparedWriter, load
from ctrzoo.data_pipelines.storage import writing as records
from tests.data_pipelines.small_table import SCHEMA, random_block
from tests.data_pipelines.storage.batches import ROWS


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A split of several files whose labels are sorted, larger than the buffer that rows are shuffled in."""
    folder = tmp_path_factory.mktemp("prepared") / "small"
    block = random_block(ROWS)._replace(labels=np.arange(ROWS) >= ROWS // 2)
    with pytest.MonkeyPatch.context() as patch, PreparedWriter(folder, "small", SCHEMA) as writer:
        patch.setattr(records, "SHARD_BLOCKS", 4)
        writer.add("train", block)
        writer.add("valid", block.rows(slice(1000)))
    return load(folder)
