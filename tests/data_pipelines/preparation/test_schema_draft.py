"""The draft of a schema: what it takes a column for, and that it prepares the table."""

import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.schema_draft import draft, draft_schema
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
        (range(ROWS), {"kind": "numerical", "transform": "log1p"}),
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
    assert draft(frame)["fields"] == ([] if expected is None else [{"name": "x", **expected}])


def test_whole_numbers_of_a_column_that_is_called_an_id_are_categories():
    frame = pl.DataFrame({"y": [0, 1] * 1000, "user_id": [row % 1500 for row in range(2000)]})
    assert draft(frame)["fields"] == [{"name": "user_id", "kind": "categorical", "min_count": 10}]


def test_the_label_is_found_by_its_name_and_else_by_its_cells():
    zeros_and_ones = [0, 1] * 50
    assert draft(pl.DataFrame({"a": zeros_and_ones, "Clicked": zeros_and_ones}))["label"] == "Clicked"
    assert draft(pl.DataFrame({"click": range(100), "a": ["0", "1"] * 50}))["label"] == "a"
    with pytest.raises(ValueError, match="No column holds only 0 and 1, as a label does. Columns: a, b"):
        draft(pl.DataFrame({"a": [0] * 9, "b": [0, 1, 2] * 3}))


def test_tables_that_cannot_be_drafted_are_named(tmp_path):
    (tmp_path / "empty.csv").write_text("click,site\n")
    with pytest.raises(ValueError, match="empty.csv has no rows below its header"):
        draft_schema(tmp_path / "empty.csv", tmp_path / "schema.yaml")
    with pytest.raises(FileNotFoundError, match="absent.csv does not exist"):
        draft_schema(tmp_path / "absent.csv", tmp_path / "schema.yaml")
    assert not (tmp_path / "schema.yaml").exists()
