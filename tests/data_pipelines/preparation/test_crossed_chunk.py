"""The combinations of a chunk, before and after the types of their parts are known."""

import dataclasses

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
from ctrzoo.data_pipelines.preparation.crossed_chunk import CrossedChunk
from ctrzoo.data_pipelines.preparation.first_pass import ChunkFiles, compact
from ctrzoo.data_pipelines.preparation.plan import TablePlan
from ctrzoo.data_pipelines.preparation.splits import ByFile

FIELDS = [
    FieldEncoding("both", cross=("item", "age")),
    FieldEncoding("item", type="auto"),
    FieldEncoding("age", transform="quantile"),
]
TABLE = {
    "click": [1, 0, 1, 0, 1],
    "item": ["8", "8.0", "7", "8", ""],
    "age": [1.0, 1.5, 9.0, 1.0, 2.0],
}


def test_different_cells_become_one_text_when_the_types_are_known(tmp_path):
    arrays, dictionaries = compact(pa.table(TABLE), TablePlan(FIELDS, "click", ByFile(), "train"), 0, "train")
    texts, counts = dictionaries[0]
    assert texts.to_list() == [None] * 4 and counts.tolist() == [2, 1, 1, 1]
    assert arrays["codes_0"].tolist() == [0, 1, 2, 0, 3] and arrays["codes_0"].dtype == np.uint8
    assert dictionaries[1][0].gather(arrays["part_0_0"]).to_list() == ["8", "8.0", "7", None]
    assert arrays["part_0_1"].tolist() == [1.0, 1.5, 9.0, 2.0]
    ChunkFiles(tmp_path, 0).save(arrays, dictionaries, {})
    item = dataclasses.replace(FIELDS[1], type="integer")
    age = dataclasses.replace(FIELDS[2], boundaries=(2.0,))
    found, counts = CrossedChunk(ChunkFiles(tmp_path, 0), [FIELDS[0], item, age]).dictionary(0)
    assert found.to_list() == ["8 & 1", "8 & 1", "7 & 2", None] and counts.tolist() == [2, 1, 1, 1]


def test_rows_of_other_splits_are_stored_but_not_counted():
    arrays, dictionaries = compact(pa.table(TABLE), TablePlan(FIELDS, "click", ByFile(), "train"), 0, "test")
    assert dictionaries[0][1].tolist() == [0] * 4 and len(arrays["codes_0"]) == 5


def test_an_empty_chunk_has_no_combinations():
    table = pa.table(TABLE).slice(0, 0)
    arrays, dictionaries = compact(table, TablePlan(FIELDS, "click", ByFile(), "train"), 0, "train")
    assert len(arrays["codes_0"]) == 0 and dictionaries[0][0].dtype == pl.String and len(dictionaries[0][1]) == 0
