"""What a model refuses to be given: other schemas, other shapes, ids outside its table."""

import types

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.schema import Field, Schema
from ctrzoo.validation import check_ids, check_schema


@pytest.mark.parametrize("bad", [-1, 22, 2**31 - 1, -(2**31)])
def test_an_id_outside_the_table_names_row_and_field(mixed_schema, bad):
    ids = np.zeros((3, mixed_schema.num_slots), "int32")
    ids[2, 5], ids[1, 2] = 21, 0
    largest = mixed_schema.num_ids - 1
    check_ids({"ids": np.full_like(ids, largest)}, mixed_schema)
    ids[1, 2] = bad
    with pytest.raises(ValueError, match=rf"The id {bad} of field 'item' \(row 1 .* outside 0 to {largest}"):
        check_ids({"ids": ids}, mixed_schema)


def test_ids_of_another_byte_order_are_read(mixed_schema):
    ids = np.full((2, mixed_schema.num_slots), mixed_schema.num_ids - 1, ">i4")
    check_ids({"ids": ids}, mixed_schema)
    with pytest.raises(ValueError, match=f"The id {mixed_schema.num_ids} of field"):
        check_ids({"ids": ids + 1}, mixed_schema)


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3), (2, 99)])
def test_ids_of_another_shape_are_refused(mixed_schema, shape):
    with pytest.raises(
        ValueError, match=rf"shape \(rows, {mixed_schema.num_slots}\), one per slot. Received: \({shape[0]},"
    ):
        check_ids({"ids": np.full(shape, 10**6)}, mixed_schema)
    with pytest.raises(ValueError, match="Features must be 'ids' and 'values'. Received: 'id', 'values'"):
        check_ids({"id": 1, "values": 2}, mixed_schema)


def test_values_of_another_shape_are_refused(mixed_schema):
    features = {"ids": np.zeros((3, mixed_schema.num_slots), "int32"), "values": np.ones((3, 1), "float32")}
    with pytest.raises(ValueError, match=r"Values must have the same shape as the ids, \(3, 6\). Received: \(3, 1\)"):
        models.build("lr", mixed_schema).predict(features, verbose=0)


def test_data_of_another_schema_are_refused_with_three_differences_at_most(mixed_schema):
    model = models.build("lr", mixed_schema)
    check_schema(model, types.SimpleNamespace(schema=Schema.from_dict(mixed_schema.to_dict())))
    other = Schema([Field(field.name, vocabulary_size=50) for field in mixed_schema.fields])
    with pytest.raises(ValueError, match=r"`vocabulary_size` of field 'user' is 9 and 50; .* more \(model and data\)"):
        check_schema(model, types.SimpleNamespace(schema=other))


def test_ids_that_are_no_whole_numbers_are_refused(mixed_schema):
    with pytest.raises(ValueError, match="Ids must be whole numbers. Received an array of float32: cast it to int32"):
        check_ids({"ids": np.ones((2, mixed_schema.num_slots), "float32")}, mixed_schema)


def test_a_batch_of_no_rows_passes(mixed_schema):
    assert check_ids({"ids": np.ones((0, mixed_schema.num_slots), "int32")}, mixed_schema) is None


HISTORY = Schema(
    [
        Field("item", vocabulary_size=4),
        Field("seen", "sequence", vocabulary_size=4, num_slots=3, share="item", events="views"),
        Field("shop", "sequence", vocabulary_size=2, num_slots=3, events="views"),
    ]
)


def test_the_events_of_a_history_come_before_its_absent_slots():
    ids = np.array([[1, 1, 2, 4, 5, 0, 6], [2, 3, 0, 0, 5, 0, 0], [3, 0, 0, 0, 0, 0, 0]])
    values = (ids > 0).astype("float32")
    # The shop of the second event is unknown in the first row: the event is there nevertheless.
    check_ids({"ids": ids, "values": values}, HISTORY)
    values[1, 1] = values[1, 4] = 0
    values[1, 2] = 1
    with pytest.raises(ValueError, match=r"history 'views' must come before .* slot 1 after an absent one \(row 1"):
        check_ids({"ids": ids, "values": values}, HISTORY)


def test_events_have_the_value_one():
    values = np.array([[1, 0.5, 0.5, 0, 1, 1, 0]], "float32")
    with pytest.raises(ValueError, match=r"has the value 1.* Received: 0.5 in slot 0 of 'seen' \(row 0"):
        check_ids({"ids": np.ones((1, 7), "int32"), "values": values}, HISTORY)
