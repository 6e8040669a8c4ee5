"""The draft of a schema: what it takes a column for, and that it prepares the table."""

import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.schema_draft import draft_schema
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
