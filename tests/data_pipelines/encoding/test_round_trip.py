"""Any table, encoded, written, read and decoded, is the same table."""

import csv
import tempfile

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.features import number_slots
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.small_table import stored_block

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=5)
# Spaces around a value are no part of it, and square brackets around a cell make it a list.
TOKENS = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="|:[]", exclude_categories=("Cc", "Z")), min_size=1, max_size=3
    ),
    max_size=4,
)
VECTORS = st.none() | st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3)
WEIGHTED = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=3)
NUMBERS = st.none() | st.floats(-1e4, 1e4, width=32)
KINDS = {
    "text": (TEXT, st.just({"kind": "categorical", "type": "text"})),
    "number": (
        NUMBERS,
        st.fixed_dictionaries(
            {"kind": st.just("numerical"), "transform": st.sampled_from([None, "log1p", "min_max", "standard"])}
        ),
    ),
    "tokens": (
        TOKENS,
        st.fixed_dictionaries(
            {
                "kind": st.just("multivalued"),
                "pooling": st.sampled_from(["mean", "sum"]),
                "type": st.just("text"),
                "compositional": st.sampled_from([None, 1, 3, "auto"]),
            }
        ),
    ),
    "big": (TEXT, st.fixed_dictionaries({"type": st.just("text"), "compositional": st.sampled_from([1, 2, "auto"])})),
    "vector": (
        VECTORS,
        st.sampled_from([{"kind": "vector", "length": 3}, {"kind": "vector", "length": 3, "separator": ", "}]),
    ),
    "weighted": (
        WEIGHTED,
        st.just({"kind": "multivalued", "weight_separator": ":", "pooling": "sum"}),
    ),
}


@st.composite
def tables(draw):
    """Return kinds and schema of the fields, and the rows."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    fields = [{"name": f"field {index}", **draw(KINDS[kind][1])} for index, kind in enumerate(kinds)]
    return kinds, fields, draw(st.lists(st.tuples(*(KINDS[kind][0] for kind in kinds)), min_size=1, max_size=25))


def as_cell(kind, value):
    if kind == "tokens":
        return "|".join(value)
    if kind == "vector":
        return "" if value is None else str(value)
    if kind == "weighted":
        return "|".join(f"{token}:{weight}" for token, weight in value)
    return "" if value is None else value


@settings(max_examples=40, deadline=None)
@given(tables())
def test_encode_write_read_decode_gives_the_same_table(table):
    kinds, fields, rows = table
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/table.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(["label", "number", *(field["name"] for field in fields)])
            for number, row in enumerate(rows):
                cells = [as_cell(kind, value) for kind, value in zip(kinds, row, strict=True)]
                writer.writerow([number % 2, number, *cells])
        schema = {
            "label": "label",
            "fields": [{"name": "number", "kind": "numerical"}, *fields],
            "split": {"train": 1.0, "valid": 0.0, "test": 0.0},
        }
        prepare_own_table(f"{folder}/prepared", "mine", f"{folder}/table.csv", schema)
        data = load(f"{folder}/prepared")
        ids, numbers, labels = stored_block(data.folder)[:3]
        decoded = data.encoding.decode(ids, numbers)
    order = decoded["number"].arg_sort()
    np.testing.assert_array_equal(decoded["number"][order], np.arange(len(rows)))
    np.testing.assert_array_equal(labels[order.to_numpy()], np.arange(len(rows)) % 2)
    weights = {slot: place for place, slot in enumerate(number_slots(data.schema))}
    for index, (kind, field) in enumerate(zip(kinds, fields, strict=True)):
        found, expected = decoded[field["name"]][order].to_list(), [row[index] for row in rows]
        slots = [slot for slot, owner in enumerate(data.schema.slot_fields) if owner == index + 1]
        if kind in ("text", "big"):
            assert found == [value or None for value in expected]
        elif kind == "number" and field["transform"] == "standard":
            present = [value for value in expected if value is not None]
            middle = np.mean(present) if present else 0  # a missing number is stored as 0, here the mean
            np.testing.assert_allclose(found, [middle if v is None else v for v in expected], rtol=1e-3, atol=0.01)
        elif kind == "number":
            present = [value for value in expected if value is not None]
            least = min(present, default=0) if field["transform"] == "min_max" else 0
            np.testing.assert_allclose(found, [least if v is None else v for v in expected], rtol=1e-3, atol=0.01)
        elif kind == "vector":
            assert found == [value or [0, 0, 0] for value in expected]
        elif kind == "tokens":
            assert found == [list(value) for value in expected]
        else:
            assert found == [[token for token, _ in value] for value in expected]
            stored = numbers[order.to_numpy()][:, [weights[slot] for slot in slots]]
            for row, value in zip(stored, expected, strict=True):
                np.testing.assert_array_equal(row[: len(value)], [weight for _, weight in value])
                assert not row[len(value) :].any()
