"""What a field learns from its cells: vocabulary, counts, scaling."""

import functools

import numpy as np

from ctrzoo.data_pipelines.preparation import table
from tests.data_pipelines.small_table import stored_block


def test_each_value_of_a_multivalued_cell_counts(prepared):
    schema = {
        "label": "click",
        "fields": [{"name": "tags", "kind": "multivalued", "min_count": 3}],
        "fit_on": "all",
    }
    # q is in two rows, three times; of 6 values 3 are rare; of 4 cells 1 is missing.
    data, report = prepared("click,tags\n0,q|q|x\n1,q\n0,y|z\n1,\n", schema)
    assert data.encoding.fields[0].values.to_list() == ["q"] and data.encoding.fields[0].counts.to_list() == [3]
    assert (report["fields"][0]["rare_share"], report["fields"][0]["missing_share"]) == (3 / 6, 1 / 4)


def test_a_constant_number_is_learned_from_several_chunks(prepared, monkeypatch):
    monkeypatch.setattr(table, "TextSource", functools.partial(table.TextSource, chunk_bytes=1 << 16))
    fields = [{"name": name, "column": "price", "kind": "numerical"} for name in ("standard", "min_max")]
    schema = {"label": "click", "fields": [{**field, "transform": field["name"]} for field in fields]}
    rows = [f"{row % 2},0.1\n" for row in range(20_000)]
    data, _ = prepared("click,price\n" + "".join(rows), schema)
    assert [(field.offset, field.scale) for field in data.encoding.fields] == [(0.1, 1.0)] * 2
    np.testing.assert_array_equal(stored_block(data.folder).numerical, np.zeros((20_000, 2)))
