"""Stored rows as models take them: the slots of each kind of field, and their values."""

import numpy as np
import pytest

from ctrzoo.data_pipelines.encoding.features import assemble, number_slots, stored_slots, stored_widths
from ctrzoo.schema import Field, Schema

# Ids: tags 1 to 4, price 5, city 6 to 8, genres 9 and 10.
SCHEMA = Schema(
    [
        Field("tags", "multivalued", vocabulary_size=4, num_slots=2, weighted=True),
        Field("price", "numerical"),
        Field("city", vocabulary_size=3),
        Field("genres", "multivalued", vocabulary_size=2, num_slots=2, pooling="sum"),
    ]
)


def assembled(schema, ids, numbers):
    features = assemble(schema, np.array(ids, np.int32), np.array(numbers, np.float32))
    return features["ids"].numpy().tolist(), features["values"].numpy().tolist()


def test_weights_are_stored_as_numbers_and_the_id_of_a_number_is_not_stored():
    assert stored_slots(SCHEMA) == [0, 1, 3, 4, 5]
    assert number_slots(SCHEMA) == [0, 1, 2]
    assert stored_widths(SCHEMA) == {"ids": 5, "numbers": 3, "vocabulary": 11}


def test_rows_by_hand():
    ids, values = assembled(SCHEMA, [[2, 4, 0, 9, 10], [0, 0, 7, 10, 0]], [[3, 1, 0.5], [0, 0, -2]])
    # The mean of weighted tags: 3 and 1 of 4. Genres are added up.
    assert ids == [[2, 4, 5, 0, 9, 10], [0, 0, 5, 7, 10, 0]]
    assert values == [[0.75, 0.25, 0.5, 0, 1, 1], [0, 0, -2, 1, 1, 0]]


def test_the_values_of_a_maximum_are_one():
    schema = Schema(
        [Field("tags", "multivalued", vocabulary_size=4, num_slots=3, pooling="max"), Field("age", "numerical")]
    )
    ids, values = assembled(schema, [[2, 4, 0], [0, 0, 0]], [[0.5], [-2]])
    assert ids == [[2, 4, 0, 5], [0, 0, 0, 5]] and values == [[1, 1, 0, 0.5], [0, 0, 0, -2]]


def test_weights_that_add_up_to_zero_are_left_as_they_are():
    _, values = assembled(SCHEMA, [[1, 2, 0, 0, 0]], [[2, -2, 0]])
    assert values[0][:2] == [2, -2]


@pytest.mark.parametrize("pairs", [1, 2, 3, 8])  # few runs of columns are cut out, many are picked
def test_kinds_that_alternate_keep_their_order(pairs):
    kinds = ["categorical", "numerical"] * pairs
    schema = Schema([Field(f"f{number}", kind) for number, kind in enumerate(kinds)])
    categories, numbers = np.arange(1, 2 * pairs, 2)[None], np.arange(pairs)[None] + 0.5
    ids, values = assembled(schema, categories, numbers)
    assert ids == [list(range(1, 2 * pairs + 1))]
    assert values == [[value for number in range(pairs) for value in (1.0, number + 0.5)]]


def test_rows_of_no_numbers_and_no_rows():
    schema = Schema([Field("city", vocabulary_size=3)])
    assert assembled(schema, [[3], [0]], np.empty((2, 0))) == ([[3], [0]], [[1], [0]])
    assert assembled(schema, np.empty((0, 1)), np.empty((0, 0))) == ([], [])
