"""How the files of a table are written: recorded, stored as JSON, and taken for other files."""

import json
import pathlib

import pytest

from ctrzoo.data_pipelines.raw.delimited import Format
from ctrzoo.data_pipelines.raw.layout import kind_of, layout_of, source_like
from ctrzoo.data_pipelines.raw.libsvm import SparseTextSource
from ctrzoo.data_pipelines.raw.sources import ParquetSource, TextSource
from ctrzoo.data_pipelines.raw.token_fields import TokenFields


def again(source, path, kind=None):
    """Return the source of another file, by way of JSON."""
    return source_like([pathlib.Path(path)], json.loads(json.dumps(layout_of(source))), kind)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.csv.gz", "csv"),
        ("a.txt", "tsv"),
        ("a.tar.gz", None),
        ("a.svm.zip", "libsvm"),
        ("b.ffm", "libffm"),
        ("a", None),
    ],
)
def test_names_tell_kinds(path, kind):
    if kind is None:
        with pytest.raises(ValueError, match="the name must end in .csv"):
            kind_of(path)
    else:
        assert kind_of(path) == kind


@pytest.mark.parametrize(
    "form",
    [
        Format(),
        Format(";", ("click", "site"), missing=("NULL", "-1")),
        Format("\t", quote=None),
        Format("\t", quote='"'),
        Format("|", quote=None),
    ],
)
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.txt.gz", "rows.dat"])
def test_text_is_read_as_before(form, name):
    before = TextSource(["old/" + name], form)
    found = again(before, "new/rows" if name.endswith(".dat") else "new/" + name)
    assert found.format == form


@pytest.mark.parametrize(
    ("trained", "path", "expected"),
    [
        (TextSource(["a.csv"], Format(";", missing="NULL")), "b.tsv", Format("\t", quote=None, missing="NULL")),
        (TextSource(["a.csv"], Format(";", missing="NULL")), "b.txt", Format(";", missing="NULL")),
        (TextSource(["a.tsv"], Format("\t", quote=None)), "b.csv", Format()),
        (ParquetSource(["a.parquet"]), "b.csv", Format()),
        (ParquetSource(["a.parquet"]), "b.txt", Format("\t", quote=None)),
        (ParquetSource(["a.parquet"]), "b", Format()),
    ],
)
def test_text_of_another_kind_has_the_separator_of_its_ending(trained, path, expected):
    assert again(trained, path).format == expected


def test_parquet_and_a_kind_that_is_given():
    assert isinstance(again(TextSource(["a.csv"], Format(";")), "b.parquet"), ParquetSource)
    assert isinstance(again(TextSource(["a.csv"], Format(";")), "b.dat", "parquet"), ParquetSource)
    assert again(TextSource(["a.csv"]), "b.dat", "libffm").kind == "libffm"
    with pytest.raises(ValueError, match="b.dat: the name must end in"):
        again(TextSource(["a.csv"]), "b.dat")
    with pytest.raises(ValueError, match="same kind. Received: csv, parquet"):
        source_like([pathlib.Path("a.csv"), pathlib.Path("b.parquet")], {})


def test_fields_of_sparse_text(tmp_path):
    (tmp_path / "a.txt").write_text("1 0:3:1 5:2:1\n")
    trained = SparseTextSource([tmp_path / "a.txt"], "libffm")
    found = again(trained, "b.txt")  # in which the last field may be rare
    assert (found.kind, found.num_fields) == ("libffm", 6)
    for fields in (
        TokenFields.from_schema({"positions": ["user", 3]}),
        TokenFields.from_schema({"ranges": {"user": [0, 10], "item": [12, 20]}}),
        TokenFields(("a", "b"), (0, 1, 2, 5, 6), (1, 2, 3, 6, 7), (0, 0, 1, 0, 0)),
    ):
        found = again(SparseTextSource([tmp_path / "a.txt"], "libsvm", fields=fields), "b.txt")
        assert found.kind == "libsvm" and found.fields.names == fields.names
        ids = [-1, *range(25)]
        if not fields.by_position:
            assert found.fields.of_ids(ids).tolist() == fields.of_ids(ids).tolist()
        assert found.fields.by_position == fields.by_position


@pytest.mark.parametrize("layout", [{"kind": "libsvm", "fields": [1]}, {"kind": "csv", "columns": 5}])
def test_a_damaged_layout_is_refused(layout):
    with pytest.raises(ValueError, match="The layout of the table in the encoding is damaged"):
        source_like([pathlib.Path("a.txt")], layout)
