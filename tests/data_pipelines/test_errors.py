"""Cells and labels that cannot be used are named by row and column."""

import pytest

from ctrzoo.data_pipelines.preparation.table import prepare_own_table


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "lists",
            "categorical",
            r"Column 'lists' must hold one number or text per cell, not List\(Int64\). .*'multivalued'",
        ),
        ("lists", "numerical", r"Column 'lists' must hold one number or text per cell, not List\(Int64\)"),
        ("structure", "numerical", "Column 'structure' must hold one number or text per cell, not Struct"),
        ("list_lists", "multivalued", r"Column 'list_lists' must hold one number or text per cell, not List\(String\)"),
        ("no_text", "categorical", "typed.parquet, row 2: column 'no_text' is not UTF-8 text"),
        ("byte_lists", "multivalued", "typed.parquet, row 2: column 'byte_lists' is not UTF-8 text"),
        ("category", "numerical", "typed.parquet, row 1: column 'category' must hold finite numbers, not 'a'"),
    ],
)
def test_a_parquet_column_that_a_field_cannot_take_is_named(typed, tmp_path, name, kind, message):
    schema = {"label": "click", "fields": [{"name": name, "kind": kind}]}
    with pytest.raises(ValueError, match=message) as caught:
        prepare_own_table(tmp_path / "prepared", "typed", typed, schema)
    assert "\n" not in str(caught.value) and not (tmp_path / "prepared").exists()
