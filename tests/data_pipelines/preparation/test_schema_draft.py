"""The draft of a schema: what it takes a column for, and that it prepares the table."""

import datetime

import numpy as np
import polars as pl
import pytest
import yaml

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.schema_draft import draft, draft_schema, draft_table
from ctrzoo.data_pipelines.preparation.table import prepare_own_table, read_schema


def test_parquet_columns_of_any_type_are_drafted_and_prepared(typed, tmp_path):
    schema = draft_schema(typed, tmp_path / "schema.yaml")
    assert schema["label"] == "click"
    kinds = {field["name"]: field["kind"] for field in schema["fields"]}
    assert kinds == {**dict.fromkeys(("category", "codes", "bytes", "span"), "categorical"), "lists": "multivalued"}
    prepare_own_table(tmp_path / "prepared", "typed", typed, tmp_path / "schema.yaml")
    values = {field.name: field.values.to_list() for field in load(tmp_path / "prepared").encoding.fields}
    pairs = {"codes": ["1", "2"], "bytes": ["x", "y"], "span": ["1", "2"], "category": ["a", "b"]}
    assert values == {**pairs, "lists": ["1", "2", "3"]}


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_drafted_schema_prepares_the_table(prepared, tmp_path, suffix):
    lines = [f"u{row},{row % 2},{row * 1.5},{'x|y' if row % 2 else 'z'},c{row % 7}\n" for row in range(500)]
    content = "key,click,price,tags,city\n" + "".join(lines)
    (tmp_path / "sample.csv").write_text(content)
    draft_schema(tmp_path / "sample.csv", tmp_path / f"schema{suffix}")
    schema = read_schema(tmp_path / f"schema{suffix}")
    kinds = {field["name"]: field["kind"] for field in schema["fields"]}
    assert schema["label"] == "click"
    assert kinds == {"price": "numerical", "tags": "multivalued", "city": "categorical"}
    data, _ = prepared(content, tmp_path / f"schema{suffix}")
    assert data.schema.names == ("price", "tags", "city") and sum(data.num_rows.values()) == 500
    with pytest.raises(FileExistsError, match="Delete it"):
        draft_schema(tmp_path / "sample.csv", tmp_path / f"schema{suffix}")


ROWS = 200


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([row * row for row in range(ROWS)], {"kind": "numerical", "transform": "log1p"}),
        ([row / 1000 for row in range(ROWS)], {"kind": "numerical", "transform": "standard"}),
        ([row % 9 for row in range(ROWS)], {"kind": "categorical", "min_count": 2}),  # few values
        ([f"a{row % 50}" for row in range(ROWS)], {"kind": "categorical", "min_count": 2}),
        ([f"a{row % 50};b" for row in range(ROWS)], {"kind": "multivalued", "separator": ";"}),
        ([["a"]] * ROWS, {"kind": "multivalued"}),
        ([None] * ROWS, {"kind": "categorical", "min_count": 2}),
        ([f"key{row}" for row in range(ROWS)], None),  # another text in each row
        ([{"a": 1}] * ROWS, None),
    ],
    ids=["counts", "measures", "few", "texts", "tags", "lists", "empty", "key", "structure"],
)
def test_what_a_column_is_taken_for(cells, expected):
    frame = pl.DataFrame({"click": [0, 1] * (ROWS // 2), "x": cells})
    assert draft(frame).schema["fields"] == ([] if expected is None else [{"name": "x", **expected}])


def test_whole_numbers_of_a_column_that_is_called_an_id_are_categories():
    frame = pl.DataFrame({"y": [0, 1] * 10_000, "user_id": [row % 1500 for row in range(20_000)]})
    assert draft(frame).schema["fields"] == [{"name": "user_id", "kind": "categorical", "min_count": 10}]


def test_the_label_is_found_by_its_name_and_else_by_its_cells():
    zeros_and_ones = [0, 1] * 50
    assert draft(pl.DataFrame({"a": zeros_and_ones, "Clicked": zeros_and_ones})).schema["label"] == "Clicked"
    assert draft(pl.DataFrame({"click": range(100), "a": ["0", "1"] * 50})).schema["label"] == "a"
    with pytest.raises(
        ValueError, match="No column holds only 0 and 1, as a label does: name one by --label. Columns: a, b"
    ):
        draft(pl.DataFrame({"a": [0] * 9, "b": [0, 1, 2] * 3}))


def test_tables_that_cannot_be_drafted_are_named(tmp_path):
    (tmp_path / "empty.csv").write_text("click,site\n")
    with pytest.raises(ValueError, match="empty.csv has no rows below its header"):
        draft_schema(tmp_path / "empty.csv", tmp_path / "schema.yaml")
    with pytest.raises(FileNotFoundError, match="absent.csv does not exist"):
        draft_schema(tmp_path / "absent.csv", tmp_path / "schema.yaml")
    assert not (tmp_path / "schema.yaml").exists()


def test_a_few_bad_labels_do_not_hide_the_label():
    frame = pl.DataFrame({"a": ["x", "y"] * 1500, "z": ["0", "1"] * 1497 + ["?"] * 6})
    drafted = draft(frame)
    assert drafted.schema["label"] == "z" and any("6 labels are not 0 or 1" in note for note in drafted.notes)


@pytest.mark.parametrize(
    ("cells", "entry"),
    [
        (["no", "yes"], {"positive": "yes"}),
        (["buy", "view", "view"], {"positive": "buy"}),  # the rarer one, as the column is called a label
        ([-1, 0, 1], {"positive": "1"}),
        ([1, None], {"positive": "1", "negative": ""}),
        (["1", "NULL"], {"positive": "1", "negative": ["", "NULL"]}),
        ([0, 0], "click"),
        (["False", "TRUE"], "click"),
    ],
)
def test_labels_of_other_values(cells, entry):
    drafted = draft(pl.DataFrame({"click": cells * 50, "a": ["x"] * len(cells) * 50}))
    assert drafted.schema["label"] == (entry if entry == "click" else {"column": "click", **entry})


def test_the_user_names_the_label_and_the_separator(tmp_path):
    (tmp_path / "t.csv").write_text("click;bought,x\n" + "0;1,a\n1;0,b\n" * 50)
    schema = draft_schema(tmp_path / "t.csv", tmp_path / "a.yaml", separator=";", label="click")
    assert (schema["separator"], schema["label"]) == (";", "click")
    with pytest.raises(ValueError, match="Unknown label column 'clik'. Did you mean 'click'"):
        draft_schema(tmp_path / "t.csv", tmp_path / "b.yaml", separator=";", label="clik")
    with pytest.raises(ValueError, match="The label 'x' holds 3 different values.*positive"):
        draft(pl.DataFrame({"x": ["u", "v", "w"], "click": [0, 1, 0]}), label="x")


def test_a_comment_says_why(tmp_path):
    days = [f"2024-06-{1 + row // 10:02d}" for row in range(300)]
    pl.DataFrame({"click": [0, 1] * 150, "day": days, "site": ["a", "b"] * 150}).write_csv(tmp_path / "t.csv")
    draft_schema(tmp_path / "t.csv", tmp_path / "schema.yaml")
    text = (tmp_path / "schema.yaml").read_text()
    assert "# Drafted from 300 rows of t.csv.\n" in text
    assert "- {name: site, kind: categorical, min_count: 2}  # 2 different texts\n" in text
    field = "{name: day_weekday, kind: categorical, column: day, part: weekday}"
    assert f"- {field}  # dates do not recur in later rows, but this part of them does" in text
    assert "# day is" not in text
    proposed = "{split: {column: day, valid_from: '2024-06-25', test_from: '2024-06-28'}}"
    assert f"# To split by time instead, write split: {proposed[8:-1]}\n" in text


def test_tables_of_which_nothing_can_be_a_field(tmp_path):
    (tmp_path / "t.csv").write_text("click,key\n" + "".join(f"{row % 2},k{row}\n" for row in range(99)))
    with pytest.raises(ValueError, match="t.csv: No column can be a field: key is left out: another value in each row"):
        draft_schema(tmp_path / "t.csv", tmp_path / "schema.yaml")
    (tmp_path / "t.csv").write_text("click~key\n" + "0~a\n1~b\n" * 9)
    with pytest.raises(ValueError, match="The separator is ',': set another by --separator"):
        draft_schema(tmp_path / "t.csv", tmp_path / "schema.yaml")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("unit", ["day", "time", "second"])
def test_the_proposed_split_by_time_prepares_the_table(tmp_path, suffix, unit):
    first = datetime.datetime(2024, 6, 1)
    times = [first + datetime.timedelta(hours=row) for row in range(500)]
    cells = {
        "day": [time.date() for time in times],
        "time": times,
        "second": [int(time.timestamp()) for time in times],
    }[unit]
    frame = pl.DataFrame({"click": [0, 1] * 250, "site": ["a", "b"] * 250, "t": cells})
    getattr(frame, f"write_{suffix[1:]}")(tmp_path / f"t{suffix}")
    drafted = draft_table(tmp_path / f"t{suffix}", "," if suffix == ".csv" else None)
    (line,) = [note for note in drafted.notes if note.startswith("To split by time instead, write split: ")]
    schema = {**drafted.schema, "split": yaml.safe_load(line.split("split: ", 1)[1])}
    prepare_own_table(tmp_path / "prepared", "t", tmp_path / f"t{suffix}", schema)
    rows = load(tmp_path / "prepared").num_rows
    assert rows["train"] in range(380, 420) and rows["valid"] in range(30, 70) and rows["test"] in range(30, 70)


def test_a_column_that_is_named_like_a_label_is_preferred():
    drafted = draft(pl.DataFrame({"mobile": [0, 1] * 50, "is_purchased": [1, 0] * 50}))
    assert drafted.schema["label"] == "is_purchased"
    assert "'is_purchased' looks like the label. So do mobile; to choose, pass --label." in drafted.notes


def test_rows_of_another_encoding_are_named(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"click,city\n" + "1,Malmö\n0,Malmö\n".encode("latin-1"))
    with pytest.raises(ValueError, match="t.csv has no rows that can be read: column 'city' is not UTF-8 text"):
        draft_schema(tmp_path / "t.csv", tmp_path / "schema.yaml")


def test_places_of_libsvm_text_are_drafted_as_fields(tmp_path):
    random = np.random.default_rng(0)
    rows = [(row % 2, random.integers(0, 5), random.integers(5, 9), random.random()) for row in range(200)]
    lines = [f"{label} {user}:1 {item}:1 9:{price:.3f}\n" for label, user, item, price in rows]
    (tmp_path / "t.libfm").write_text("".join(lines))
    drafted = draft_table(str(tmp_path / "t.libfm"))
    assert drafted.schema["format"] == {"positions": 3}
    assert drafted.schema["fields"] == [
        {"name": "field0", "kind": "categorical", "min_count": 2},
        {"name": "field1", "kind": "categorical", "min_count": 2},
        {"name": "field2", "column": "value2", "kind": "numerical"},
    ]
    assert any("so each place is a field" in note for note in drafted.notes)
    prepare_own_table(tmp_path / "data", "t", str(tmp_path / "t.libfm"), drafted.schema)
    assert [field.vocabulary_size for field in load(tmp_path / "data").schema.fields] == [6, 5, 1]


@pytest.mark.parametrize("line", ["1 1:1 2:1 12:1\n", "1 1:1 5:1\n", "1\n"])
def test_one_line_that_differs_makes_libsvm_text_one_field(line, tmp_path):
    """By an id that also stands elsewhere, by fewer tokens, or by none."""
    lines = [f"{row % 2} {row % 5}:1 {5 + row % 4}:1 {9 + row % 6}:1\n" for row in range(200)]
    (tmp_path / "t.svm").write_text("".join(lines))
    assert "format" in draft_table(str(tmp_path / "t.svm")).schema
    (tmp_path / "t.svm").write_text("".join([*lines[:100], line, *lines[100:]]))
    drafted = draft_table(str(tmp_path / "t.svm"))
    assert [field["name"] for field in drafted.schema["fields"]] == ["features"] and "format" not in drafted.schema
    assert any("find no pairs. Name fields by `format`" in note for note in drafted.notes)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, 2, 3, 4, 5] * 9, "graded"),
        ([1.5, 2.25, 3.0] * 15, "real"),
        ([-3, 4, 100] * 15, "real"),
        (list(range(45)), "real"),
    ],
)
def test_a_named_label_of_numbers_is_for_ranking_or_regression(cells, kind):
    frame = pl.DataFrame({"stars": cells, "site": ["a", "b", "c"] * 15})
    drafted = draft(frame, "stars")
    assert drafted.schema["label"] == {"column": "stars", "kind": kind}
    assert any(("ranking" in note) == (kind == "graded") for note in drafted.notes)
    with pytest.raises(ValueError, match="name it|name one|by --label"):
        draft(frame)  # without a name, numbers are no label


def test_weights_and_ids_are_roles_and_not_fields():
    frame = pl.DataFrame({"id": range(40), "site": ["a", "b"] * 20, "weight": [0.5, 2.0] * 20, "click": [0, 1] * 20})
    drafted = draft(frame)
    assert drafted.schema["weight"] == "weight"
    assert [field["name"] for field in drafted.schema["fields"]] == ["site"]
    assert any("is taken as the weight" in note for note in drafted.notes)
    assert any("write id: id" in note for note in drafted.notes)
    negative = frame.with_columns(weight=pl.Series([-0.5, 2.0] * 20))
    assert "weight" not in draft(negative).schema
