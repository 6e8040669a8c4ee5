"""A chunk of rows in its compact form: codes and dictionaries, small numbers, files."""

import contextlib
import sys

import numpy as np
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
from ctrzoo.data_pipelines.errors import RowError
from ctrzoo.data_pipelines.preparation.first_pass import Arrays, ChunkFiles, compact
from ctrzoo.data_pipelines.preparation.parallel import ARRAY_LOCK, in_order
from ctrzoo.data_pipelines.preparation.plan import TablePlan
from ctrzoo.data_pipelines.preparation.splits import ByFile, Shuffled

FIELDS = [
    FieldEncoding("site"),
    FieldEncoding("price", "numerical"),
    FieldEncoding("tags", "multivalued", weight_separator=":"),
]
TABLE = {
    "click": [1, 0, 1],
    "site": ["b", "", "a"],
    "price": [1.5, None, 0.25],
    "tags": ["x:2|y", None, "x"],
}


def compacted(split, fit_on="train", **columns):
    plan = TablePlan(FIELDS, "click", ByFile(), fit_on)
    return compact(pa.table({**TABLE, **columns}), plan, 0, split)


def test_texts_become_codes_and_numbers_stay():
    arrays, dictionaries = compacted("train")
    expected = {
        "label": [1, 0, 1],
        "split": [0, 0, 0],
        "codes_0": [0, 1, 2],
        "numbers_1": [1.5, np.nan, 0.25],
        "codes_2": [0, 1, 0],
        "lengths_2": [2, 0, 1],
        "weights_2": [2, 1, 1],
    }
    assert set(arrays) == set(expected)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert [texts.to_list() for texts, _ in dictionaries] == [["b", None, "a"], [], ["x", "y"]]
    assert [counts.tolist() for _, counts in dictionaries] == [[1, 1, 1], [], [2, 1]]
    assert {arrays[name].dtype for name in ("codes_0", "codes_2", "lengths_2")} == {np.dtype(np.uint8)}
    assert arrays["numbers_1"].dtype == np.float32


@pytest.mark.parametrize(("fit_on", "counts"), [("train", [0, 0, 0]), ("all", [1, 1, 1])])
def test_validation_rows_are_learned_from_only_if_the_plan_says_so(fit_on, counts):
    arrays, dictionaries = compacted("valid", fit_on)
    assert arrays["split"].tolist() == [1, 1, 1]
    assert dictionaries[0][0].to_list() == ["b", None, "a"] and dictionaries[0][1].tolist() == counts


def test_a_split_that_needs_all_labels_is_not_known_yet():
    arrays, _ = compact(pa.table(TABLE), TablePlan(FIELDS, "click", Shuffled(), "all"), 0, None)
    assert "split" not in arrays


def test_numbers_keep_their_digits_and_many_texts_need_wider_codes():
    rows = 300
    columns = {
        "click": [0] * rows,
        "price": [0.1] * rows,
        "tags": [None] * rows,
        "site": [str(row) for row in range(rows)],
    }
    arrays, _ = compacted("train", **columns)
    assert arrays["numbers_1"].dtype == np.float64 and (arrays["numbers_1"] == 0.1).all()
    assert arrays["codes_0"].dtype == np.uint16 and arrays["codes_0"].tolist() == list(range(rows))


@pytest.mark.parametrize(
    ("columns", "row", "reason"),
    [
        ({"click": [1, 0, 7]}, 2, "the label 'click' must be 0 or 1, not 7"),
        ({"price": [1.0, 1e39, 2.0]}, 1, "column 'price' must hold numbers of at most"),
        ({"tags": ["x", "y:z", "x"]}, 1, "weights: column 'tags' must hold finite numbers, not 'z'"),
    ],
)
def test_a_wrong_row_is_told_while_it_can_be_named(columns, row, reason):
    with pytest.raises(RowError) as caught:
        compacted("train", **columns)
    assert caught.value.rows.tolist() == [row] and caught.value.reason.startswith(reason)


def test_files_of_a_chunk_hold_it_and_their_facts_say_that_they_are_complete(tmp_path):
    arrays, dictionaries = compacted("train")
    files = ChunkFiles(tmp_path, 7)
    assert files.stats() is None
    files.save(arrays, dictionaries, {"rows": 3})
    again = ChunkFiles(tmp_path, 7)
    assert again.stats() == {"rows": 3} and again.labels().tolist() == [1, 0, 1]
    with again.arrays() as stored:
        assert {name: stored[name].tolist() for name in stored if name != "numbers_1"} == {
            name: array.tolist() for name, array in arrays.items() if name != "numbers_1"
        }
    for index, (texts, counts) in enumerate(dictionaries):
        found = again.dictionary(index)
        assert found[0].to_list() == texts.to_list() and found[1].tolist() == counts.tolist()
    again.delete()
    assert [path.name for path in tmp_path.iterdir()] == ["000007.json"] and ChunkFiles(tmp_path, 8).stats() is None


def test_arrays_are_read_in_threads(tmp_path):
    with open(tmp_path / "0.npz", "wb") as file:
        np.savez(file, **{f"codes_{index}": np.full(3, index) for index in range(200)})

    def total(_):
        with np.load(tmp_path / "0.npz") as file:
            return sum(int(array.sum()) for array in Arrays(file).values())

    assert set(in_order(total, range(20))) == {3 * sum(range(200))}
    assert isinstance(ARRAY_LOCK, contextlib.nullcontext) == (sys.version_info >= (3, 11, 8))
