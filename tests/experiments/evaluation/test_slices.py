"""Slices: values and their texts, pools, bins, and rows of slices."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.experiments.evaluation.slices import ColumnCells, FieldCells, Slicing, in_bins, largest, rows_in
from ctrzoo.metrics import Scored

ENCODING = TableEncoding(
    [
        FieldEncoding("price", "numerical", transform="log1p", offset=1.0, scale=2.0),
        FieldEncoding("site", values=["a", "", "c"], min_count=2),
        FieldEncoding("user", hash_buckets=50),
        FieldEncoding("tags", "multivalued", values=["x", "y"], max_values=2),
        FieldEncoding("item", values=list("abcdefghijklmnop"), compositional=4),
        FieldEncoding("place", "vector", columns=("x", "y")),
        FieldEncoding("site_user", cross=("site", "user"), hash_buckets=20),
    ]
)
FRAME = pl.DataFrame(
    {
        "price": ["0", "1", "7", "", "3"],
        "site": ["a", "c", "new", "", "a"],
        "user": ["7", "8", "7", "9", "7"],
        "tags": ["x", "y", "", "x", "y"],
        "item": ["b", "p", "b", "e", "other"],
        "x": ["1"] * 5,
        "y": ["2"] * 5,
    }
)


def cells_of(name, encoding=ENCODING):
    """Return what a field holds, collected in two batches."""
    features = ENCODING.features(FRAME)
    cells = FieldCells(ENCODING.schema, encoding, name)
    for rows in (slice(0, 2), slice(2, 5)):
        cells.add({key: array[rows] for key, array in features.items()})
    return cells


def slices_of(name, most=10, bins=2, encoding=ENCODING):
    """Return the rows of each slice of a field."""
    return {text: rows.tolist() for text, rows in cells_of(name, encoding).slicing(most, bins).rows()}


def test_categorical_fields():
    assert slices_of("site") == {"a": [0, 4], "(absent)": [3], "(rare)": [2], "c": [1]}
    assert slices_of("item") == {"b": [0, 2], "(absent)": [4], "e": [3], "p": [1]}
    of_users = slices_of("user")
    assert sorted(of_users.values()) == [[0, 2, 4], [1], [3]] and all(text[0] == "#" for text in of_users)
    assert sum(map(len, slices_of("site_user").values())) == 5
    assert slices_of("site", most=1) == {"a": [0, 4], "(3 others)": [1, 2, 3]}


def test_numerical_fields_in_their_own_unit():
    # A missing number is stored as 0, which is exp(1) - 1 = 1.71828 of this transform.
    assert slices_of("price", bins=5) == {"0": [0], "1": [1], "1.71828": [3], "3": [4], "7": [2]}
    assert slices_of("price", bins=2) == {"0 to 1": [0, 1], "1.71828 to 7": [2, 3, 4]}
    for encoding, number in ((ENCODING, "1.71828"), (None, "0")):
        (note,) = cells_of("price", encoding).notes()
        assert note.startswith(f"--by=price: the slice that holds {number} also has the rows without a number")
    assert cells_of("site").notes() == []
    all_known = FieldCells(ENCODING.schema, ENCODING, "price")
    all_known.add(ENCODING.features(FRAME.filter(pl.col("price") != "")))
    assert all_known.notes() == []


def test_data_without_texts():
    first = int(ENCODING.schema.first_ids[ENCODING.schema.names.index("site")])
    assert first > 1
    assert slices_of("site", encoding=None) == {"#2": [0, 4], "(absent)": [3], "#1": [2], "#4": [1]}


@pytest.mark.parametrize("name", ["tags", "place"])
def test_fields_with_several_values_are_refused(name):
    with pytest.raises(ValueError, match=f"--by={name}: a row of a .* field holds several values"):
        FieldCells(ENCODING.schema, ENCODING, name)
    with pytest.raises(ValueError, match="--by: Unknown field 'sites'. Did you mean 'site'"):
        FieldCells(ENCODING.schema, ENCODING, "sites")


def column_slices(cells, most=3, bins=2, parts=2):
    column = ColumnCells("c")
    for part in np.array_split(np.array(cells, object), parts):
        column.add(pa.chunked_array([pa.array(part.tolist(), pa.string())]))
    return {text: rows.tolist() for text, rows in column.slicing(most, bins).rows()}


def test_columns_are_kept_as_they_are_written():
    assert column_slices(["01", "1", "01", None, ""]) == {"01": [0, 2], "(empty)": [3, 4], "1": [1]}
    assert column_slices(list("aabbcde")) == {"a": [0, 1], "b": [2, 3], "c": [4], "(2 others)": [5, 6]}
    assert column_slices(list("aabbcd")) == {"a": [0, 1], "b": [2, 3], "c": [4], "d": [5]}  # no pool of one


def test_many_numbers_make_bins_and_few_do_not():
    assert column_slices(["1", "2", "1"]) == {"1": [0, 2], "2": [1]}
    assert column_slices(["4", "1.5", " 3", "", "2"]) == {"1.5 to 2": [1, 4], "3 to 4": [0, 2], "(empty)": [3]}
    assert "(2 others)" in column_slices(["4", "1.5", "3", "x", "2"])
    assert "(2 others)" in column_slices(["4", "1.5", "3", "inf", "2"])


def test_bins_hold_equally_many_rows_and_equal_numbers_stay_together():
    numbers = np.random.default_rng(0).permutation(1000).astype(float)
    slicing = in_bins("n", numbers, 4)
    assert slicing.texts == ["0 to 249", "250 to 499", "500 to 749", "750 to 999"]
    assert [numbers[rows].tolist() for _, rows in slicing.rows()] == [
        [number for number in numbers if low <= number < low + 250] for low in (0, 250, 500, 750)
    ]
    assert in_bins("n", np.array([5.0] * 9 + [6]), 4).texts == ["5", "6"]
    assert in_bins("n", np.array([0.0] * 8 + [3, 4, 6, 7]), 6).texts == ["0", "3 to 4", "6 to 7"]
    assert in_bins("n", np.array([5.0] * 9), 4).texts == ["5"]
    assert in_bins("n", np.full(3, np.nan), 4)[2] == ["(empty)"]
    assert in_bins("n", np.array([1.0, 2]), 10).texts == ["1", "2"]
    assert in_bins("n", np.array([956703932.25, 956703933, 1e-3]), 3).texts == ["0.001", "956703932.25", "956703933"]
    assert in_bins("n", np.array([956703932.25, 1 / 3]), 2).texts == ["0.333333", "956704000"]


def test_the_largest_values_have_slices_of_their_own():
    codes = np.array([3, 1, 1, 2, 3, 3, 0])
    slicing = largest("v", codes, 5, lambda kept: [f"v{code}" for code in kept], 2)
    assert slicing.texts == ["v3", "v1", "(3 others)"] and slicing.pooled == 3
    assert slicing.codes.tolist() == [0, 1, 1, 2, 0, 0, 2]


def test_rows_of_a_slice():
    rows = Scored(np.arange(4), np.arange(4) / 4, None, np.array([7, 7, 8, 8]))
    (_, first), (_, second) = Slicing("v", np.array([1, 0, 1, 1]), ["a", "b"], 0).rows()
    assert first.tolist() == [1] and second.tolist() == [0, 2, 3]
    part = rows_in(rows, second)
    assert part.labels.tolist() == [0, 2, 3] and part.groups.tolist() == [7, 8, 8] and part.weights is None
