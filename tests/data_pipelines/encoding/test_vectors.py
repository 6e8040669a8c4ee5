"""Pretrained vectors from every kind of file, matched with the ids that their values have in the data."""

import re

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.vectors import match_vectors, read_vectors

VALUES, VECTORS = ["é", "7", "x"], [[0.5, -1.25, 3e-5], [1.0, 2.0, 3.0], [0.0, -0.0, 1e3]]


def write(path, form):
    if form == "npz":
        np.savez(path / "v.npz", values=VALUES, vectors=np.array(VECTORS))
    elif form in ("lists", "arrays"):
        vectors = pl.Series(VECTORS, dtype=pl.List(pl.Float64) if form == "lists" else pl.Array(pl.Float32, 3))
        pl.DataFrame({"value": VALUES, "vector": vectors}).write_parquet(path / "v.parquet")
    else:
        rows = [" ".join([value, *map(str, vector)]) for value, vector in zip(VALUES, VECTORS, strict=True)]
        rows = ["3 3", *rows] if form == "sizes" else rows
        (path / "v.txt").write_text("".join(f"{row}{' ' * (form == 'sizes')}\n" for row in rows), encoding="utf-8")
    return next(path.iterdir())


@pytest.mark.parametrize("form", ["npz", "lists", "arrays", "text", "sizes"])
def test_every_kind_of_file_holds_the_same_vectors(form, tmp_path):
    values, vectors = read_vectors(write(tmp_path, form))
    assert values.to_list() == VALUES and vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.array(VECTORS, np.float32))


def test_text_of_vectors_of_one_number_has_no_sizes(tmp_path):
    (tmp_path / "v.txt").write_text("1 2\n3 4\n")
    values, vectors = read_vectors(str(tmp_path / "v.txt"))
    assert values.to_list() == ["1", "3"] and vectors.tolist() == [[2.0], [4.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 1\n", "v.txt, row 2: the vector has 1 numbers, expected 2, as in the first row"),
        ("2 2\na 1 2\nb 1 2 3\n", "v.txt, row 3: the vector has 3 numbers, expected 2"),
        ("a 1 2\nb 1 two\n", "must hold vectors of numbers: could not convert"),
        ("a 1 2\nb 1 nan\n", "row 2: the vector has a number that is not finite"),
        ("a\n", "row 1: the vector has 0 numbers"),
        ("", "row 1: the vector has 0 numbers"),
    ],
)
def test_text_that_holds_no_vectors_is_refused(text, message, tmp_path):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_vectors(tmp_path / "v.txt")


def test_files_and_objects_of_other_forms_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.array(["a"]))
    np.savez(tmp_path / "b.npz", values=np.array(["a", None]), vectors=np.zeros((2, 1)))
    np.savez(tmp_path / "c.npz", values=np.array(["a"]), vectors=np.zeros((2, 1)))
    pl.DataFrame({"value": ["a"], "vectors": [[1.0]]}).write_parquet(tmp_path / "d.parquet")
    pl.DataFrame({"value": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}).write_parquet(tmp_path / "e.parquet")
    (tmp_path / "f.bin").write_bytes(b"\xff\xfe")
    for name, message in (
        ("a.npz", "must hold the arrays `values` .no objects. and `vectors`"),
        ("b.npz", "must hold the arrays"),
        ("c.npz", "one vector for each value. Received: 1 and 2"),
        ("d.parquet", "must hold the columns `value` and `vector`"),
        ("e.parquet", "row 2: the vector has 2 numbers, expected 1"),
        ("f.bin", "is not UTF-8 text"),
    ):
        with pytest.raises(ValueError, match=message):
            read_vectors(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="do not exist. Correct the path"):
        read_vectors(tmp_path / "g.npz")
    with pytest.raises(ValueError, match="Received: 0 and 0"):
        read_vectors({})
    with pytest.raises(ValueError, match=re.escape("Vectors must be a mapping, or a path")):
        read_vectors([1, 2])  # pyright: ignore[reportArgumentType]


def test_values_are_matched_in_whatever_way_they_are_written():
    # Local ids: rare 1, then 10, 7 and 8 in the order of texts.
    field = FieldEncoding("n", values=["10", "7", "8"], min_count=2, type="integer")
    for seven in (7, 7.0, "7.0", "+7"):
        found = match_vectors(field, 5, {seven: [1.0], "11": [2.0], "8": [3.0]})
        assert found.ids.tolist() == [7, 8] and found.vectors.tolist() == [[1], [3]]
        assert (found.unmatched, found.without) == (1, 1)


def test_an_encoding_gives_global_ids_also_of_shared_and_multivalued_fields():
    item = FieldEncoding("item", values=["x", "y"])
    seen = FieldEncoding("seen", "multivalued", share="item", max_values=2)
    encoding = TableEncoding([FieldEncoding("user", values=["u"]), seen, item])
    for field in ("item", "seen"):
        assert encoding.vectors(field, {"y": [1, 2], "x": [3, 4]}).ids.tolist() == [3, 2]
    with pytest.raises(ValueError, match="Unknown field 'itme'. Did you mean 'item'?"):
        encoding.vectors("itme", {"y": [1]})


def test_vectors_that_fit_no_value_or_several_are_refused():
    field = FieldEncoding("n", values=["7", "8"], type="integer")
    with pytest.raises(ValueError, match="None of the 2 values .* 2 of the field 'n': a, b, and 7, 8"):
        match_vectors(field, 1, {"a": [1], "b": [2]})
    with pytest.raises(ValueError, match="The value '7' of the field 'n' has several vectors"):
        match_vectors(field, 1, {"7": [1], "7.0": [2]})
    for other in (FieldEncoding("n", "numerical"), FieldEncoding("n", hash_buckets=3)):
        with pytest.raises(ValueError, match="Field 'n' has no vocabulary"):
            match_vectors(other, 1, {"7": [1]})
