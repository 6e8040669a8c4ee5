"""What a field learns from its cells: vocabulary, counts, scaling."""

import collections
import functools

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding import fitting
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
from ctrzoo.data_pipelines.errors import RowError
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


@pytest.mark.parametrize("pending", [0, 10, 4_000_000])  # parts are added up at once, now and then, or in the end
def test_a_vocabulary_of_many_parts_is_that_of_all_their_values(monkeypatch, pending):
    monkeypatch.setattr(fitting, "PENDING_VALUES", pending)
    random = np.random.default_rng(0)
    parts, total = [], collections.Counter()
    for _ in range(20):
        texts = random.permutation([f"v{number}" for number in range(30)])[:10]
        counts = random.integers(0, 3, 10)
        parts.append((pl.Series([*texts, None]), np.array([*counts, 5])))
        total.update(dict(zip(texts, counts.tolist(), strict=True)))
    field = fitting.fit_vocabulary(FieldEncoding("x", min_count=6), parts)
    expected = sorted(text for text, count in total.items() if count >= 6)
    assert 0 < len(expected) < 30
    assert field.values.to_list() == expected
    assert field.counts.to_list() == [total[text] for text in expected]


@pytest.mark.parametrize(("missing", "values"), [("absent", ["a"]), ("category", ["", "a"]), ("reserved", ["", "a"])])
def test_a_missing_cell_is_a_value_where_the_field_says_so(missing, values):
    field = fitting.fit_field(FieldEncoding("x", missing=missing), pl.Series(["a", None, ""]))
    assert field.values.to_list() == values
    assert field.counts.to_list() == [*[2] * (len(values) - 1), 1]


def test_hashed_fields_learn_nothing_but_the_number_of_their_slots():
    assert fitting.fit_field(FieldEncoding("x", hash_buckets=5), pl.Series(["a"])).values.to_list() == []
    tags = fitting.fit_field(FieldEncoding("x", "multivalued", hash_buckets=5), pl.Series(["a|b|c", "", None]))
    assert (tags.max_values, tags.values.to_list()) == (3, [])
    empty = fitting.fit_field(FieldEncoding("x", "multivalued"), pl.Series([None, None], dtype=pl.String))
    assert (empty.max_values, empty.schema_field().vocabulary_size) == (1, 1)


def test_a_number_that_cannot_be_stored_is_refused_while_its_row_is_known():
    with pytest.raises(RowError, match="Row 1: column 'x' must hold numbers of at most"):
        fitting.fit_field(FieldEncoding("x", "numerical"), pl.Series([1.0, 1e39]))
    standard = fitting.fit_field(FieldEncoding("x", "numerical", transform="standard"), pl.Series([1.0, 3.0, None]))
    assert (standard.offset, standard.scale) == (2.0, 1.0)


def test_a_few_long_cells_are_cut_to_what_nearly_all_have():
    from ctrzoo.data_pipelines.encoding.fitting import max_values_of

    assert max_values_of([np.array([0, 50])]) == 50  # small sizes are kept whole
    lengths = np.r_[np.full(9980, 60), np.full(19, 70), 3000]
    assert max_values_of([lengths[:5000], lengths[5000:]]) == 70  # 9,999 of 10,000 cells have at most 70 values
    assert max_values_of([np.full(10, 80)]) == 80 and max_values_of([]) == 1
