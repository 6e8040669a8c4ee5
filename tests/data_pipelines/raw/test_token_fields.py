"""The fields of libsvm text: three ways to say them, which give what libffm text gives."""

import json
import re

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.raw.libsvm import SparseTextSource
from ctrzoo.data_pipelines.raw.token_fields import TokenFields, declared_format

RANDOM = np.random.default_rng(0)
STARTS = (0, 7, 12, 30)
# In each row a user, an item and a place, by ids of one count over all three.
ROWS = [[int(RANDOM.integers(start, end)) for start, end in zip(STARTS, STARTS[1:], strict=False)] for _ in range(400)]
LABELS = [int(RANDOM.integers(0, 2)) for _ in ROWS]
RANGES = {"user": [0, 7], "item": [7, 12], "place": [12, 30]}


def write_lines(path, rows):
    path.write_text("".join(f"{label} {' '.join(row)}\n" for label, row in zip(LABELS, rows, strict=True)))
    return path


def written(folder, kind):
    if kind == "libffm":
        return write_lines(folder / "t.ffm", ([f"{field}:{id}:1" for field, id in enumerate(row)] for row in ROWS))
    return write_lines(folder / f"t.{kind}", ([f"{id}:1" for id in row] for row in ROWS))


def prepared(folder, path, format=None, fields=("field0", "field1", "field2"), **others):
    schema = {"label": "label", "fields": list(fields), "split": {"train": 0.8, "valid": 0.1, "test": 0.1}}
    schema |= {} if format is None else {"format": format}
    prepare_own_table(folder / "data", "t", path, schema, overwrite=True, **others)
    return load(folder / "data")


def mapping_file(folder, ending):
    pairs = [(id, name) for name, (start, end) in RANGES.items() for id in range(start, end)]
    path = folder / f"mapping{ending}"
    if ending == ".json":
        path.write_text(json.dumps({str(id): name for id, name in pairs}))
    else:
        separator = {".csv": ",", ".tsv": "\t", ".txt": " "}[ending]
        header = f"id{separator}field\n" if ending == ".csv" else ""
        path.write_text(header + "".join(f"{id}{separator}{name}\n" for id, name in pairs))
    return str(path)


@pytest.mark.parametrize("kind", ["libsvm", "libfm"])
@pytest.mark.parametrize("way", ["positions", "names", "ranges", "numbers", ".csv", ".tsv", ".txt", ".json"])
def test_each_way_gives_the_ids_and_labels_of_libffm_text(way, kind, tmp_path):
    format = {
        "positions": {"positions": 3},
        "names": {"positions": ["user", "item", "place"]},
        "ranges": {"kind": kind, "ranges": RANGES},
        "numbers": {"ranges": dict(enumerate(RANGES.values()))},
    }.get(way) or {"mapping": mapping_file(tmp_path, way)}
    fields = ("field0", "field1", "field2") if way in ("positions", "numbers") else tuple(RANGES)
    found = prepared(tmp_path, written(tmp_path, kind), format, fields)
    features, labels = found.arrays("train")
    texts = [field.values.to_list() for field in found.encoding.fields]
    assert [sorted(map(int, values)) for values in texts] == [[*range(start, end)] for start, end in RANGES.values()]
    expected = prepared(tmp_path / "ffm", written(tmp_path, "libffm"))
    assert [field.values.to_list() for field in expected.encoding.fields] == texts
    theirs, their_labels = expected.arrays("train")
    np.testing.assert_array_equal(features["ids"], theirs["ids"])
    np.testing.assert_array_equal(labels, their_labels)
    names = found.encoding.decode(features["ids"], np.empty((len(labels), 0)))
    rows = sorted(zip(*(map(int, names[name]) for name in names.columns), labels.ravel().astype(int), strict=True))
    all_rows = [(*row, label) for row, label in zip(ROWS, LABELS, strict=True)]
    assert len(rows) == 320 and all(row in all_rows for row in rows)


def rows_of(path, **format):
    source = SparseTextSource((path,), "libsvm", fields=TokenFields.from_schema(format))
    (chunk,) = source.chunks([])
    rows = chunk.parse(dict.fromkeys(source.columns(), False))
    return pl.DataFrame({name: pl.Series(rows.table[name]) for name in source.columns()}).to_dict(as_series=False), rows


def test_values_and_several_features_of_a_field(tmp_path):
    (tmp_path / "t.svm").write_text("4.5 0:1 10:0.5 11:2 # note\n-1 10:3\n\n+1\t1:1.0\n")
    table, rows = rows_of(tmp_path / "t.svm", ranges={"user": [0, 10], 7: [10, 12]})
    assert table == {
        "label": ["4.5", "-1", "+1"],
        "user": ["0", None, "1"],
        "field7": ["10:0.5 11:2", "10:3", None],
        "value_user": ["1", None, "1.0"],
        "value7": [None, "3", None],
    }
    assert rows.row_numbers.tolist() == [1, 2, 4] and rows.bad == []


@pytest.mark.parametrize(
    ("format", "line", "reason"),
    [
        ({"ranges": {"a": [0, 5], "b": [7, 9]}}, "1 0:1 5:1", "the id of '5:1' is in no field of `format`"),
        ({"ranges": {"a": [0, 5], "b": [7, 9]}}, "1 0:1 9:1", "the id of '9:1' is in no field of `format`"),
        ({"ranges": {"a": [1, 5]}}, "1 0:1", "the id of '0:1' is in no field of `format`"),
        ({"ranges": {"a": [0, 5]}}, f"1 0:1 {10**30}:1", f"the id of '{10**30}:1' is in no field of `format`"),
        ({"ranges": {"a": [0, 5]}}, "1 0:1 -1:1", "'-1:1', expected index:value"),
        ({"positions": 2}, "1 0:1", "1 features, expected 2, one for each of the `positions`"),
        ({"positions": 2}, "1 0:1 1:1 2:1", "3 features, expected 2, one for each of the `positions`"),
        ({"positions": 2}, "1 0:1 x:1", "'x:1', expected index:value"),
    ],
)
def test_tokens_without_a_field_make_a_bad_row(format, line, reason, tmp_path):
    (tmp_path / "t.svm").write_text(f"0 0:1 1:1\n{line}\n1 1:1 1:1\n".replace("0 0:1 1:1", "0 1:1 1:1"))
    table, rows = rows_of(tmp_path / "t.svm", **format)
    assert rows.bad == [(2, reason)] and table["label"] == ["0", "1"] and rows.row_numbers.tolist() == [1, 3]


def test_tokens_without_a_field_are_refused_or_counted(tmp_path):
    path = written(tmp_path, "libsvm")
    path.write_text(path.read_text() + "1 99:1\n")
    with pytest.raises(ValueError, match=r"t.libsvm, row 401: the id of '99:1' is in no field .* Pass --bad_rows=skip"):
        prepared(tmp_path, path, {"ranges": RANGES}, tuple(RANGES))
    prepared(tmp_path, path, {"ranges": RANGES}, tuple(RANGES), bad_rows="skip")
    report = json.loads((tmp_path / "data" / "report.json").read_text())
    assert report["bad_rows"] == 1 and report["rows"] == 400


@pytest.mark.parametrize(
    ("format", "message"),
    [
        (7, "`format` must be a mapping such as {kind: libsvm, positions: 10}. Got 7"),
        ("libswm", "Unknown kind of `format` 'libswm'. Did you mean 'libsvm'?"),
        ({"positons": 3}, "Unknown key of `format` 'positons'. Did you mean 'positions'?"),
        (
            {"positions": 3, "ranges": RANGES},
            "`format` takes one of positions, ranges, mapping. Received: ",
        ),
        ({"kind": "libffm", "positions": 3}, "libffm text names the field of each token. Remove positions of `format`"),
        ({"positions": 0}, "`positions` of `format` must be the number of tokens in each line, 1 to 10,000, or a list"),
        ({"positions": True}, "`positions` of `format` must be the number of tokens"),
        ({"positions": 10_001}, "`positions` of `format` must be the number of tokens"),
        ({"positions": ["a", "a"]}, "`format` gives two columns the same name: a, value_a"),
        ({"positions": ["a", "label"]}, "`format` gives two columns the same name: label"),
        ({"positions": ["a", False]}, "`positions` of `format` must name fields by texts or whole numbers"),
        ({"ranges": [[0, 3]]}, "`ranges` of `format` must give the first id of each field and the one after its last"),
        ({"ranges": {"a": [3, 3]}}, "the range of 'a' must be two whole numbers, the first id and the one after"),
        ({"ranges": {"a": [0.5, 3]}}, "the range of 'a' must be two whole numbers"),
        ({"ranges": {"a": "03"}}, "the range of 'a' must be two whole numbers"),
        ({"ranges": {"a": [0, 4], "b": [3, 9]}}, "the ranges of 'a' and 'b' both hold the id 3. A range ends before"),
        ({"mapping": 3}, "`mapping` of `format` must be the path of a file. Received: 3"),
        ({"mapping": "nowhere.csv"}, "The mapping nowhere.csv of `format` does not exist"),
    ],
)
def test_formats_that_are_none_are_refused(format, message):
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        declared_format(format)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", "id,field\n1,a\n1,b\n", "m.csv: the id 1 is in two fields. Leave it in one"),
        ("m.csv", "1,a\n2\n", "m.csv, row 2: expected an id and its field. Received: '2'"),
        ("m.csv", "1,a\nx,b\n", "m.csv: 'x' is not an id. Each id must be a whole number"),
        ("m.csv", "id,field\n", "m.csv lists no ids. Write an id and its field per line"),
        ("m.json", "[1, 2]", "m.json is not a mapping of ids to fields"),
        ("m.json", "{", "m.json is not a mapping of ids to fields"),
        ("m.json", '{"1": null}', "must name fields by texts or whole numbers"),
        ("m.csv", b"1,\xff\n", "m.csv is not a mapping of ids to fields"),
    ],
)
def test_mappings_that_are_none_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=re.escape(message)):
        declared_format({"mapping": str(tmp_path / name)})


def test_fields_of_other_text_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("label,a\n0,1\n1,2\n")
    with pytest.raises(ValueError, match="`format` names fields of libsvm text. Received: csv"):
        prepared(tmp_path, tmp_path / "t.csv", {"positions": 2}, ["a"])
    (tmp_path / "t.txt").write_text(written(tmp_path, "libsvm").read_text())
    found = prepared(tmp_path, tmp_path / "t.txt", {"kind": "libfm", "positions": 3})
    assert sum(found.num_rows.values()) == 400


def test_changed_fields_are_another_table(tmp_path):
    describe = [
        SparseTextSource((written(tmp_path, "libsvm"),), "libsvm", fields=TokenFields.from_schema(format)).describe()
        for format in ({"ranges": RANGES}, {"ranges": {**RANGES, "place": [12, 31]}}, {"positions": [*RANGES]})
    ]
    assert describe[0] != describe[1] and describe[0] != describe[2]
    assert json.loads(json.dumps(describe[0]["fields"])) == describe[0]["fields"]
