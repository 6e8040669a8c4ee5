"""The events, the candidate and the mask of each history of a schema."""

import keras
import numpy as np
import pytest

from ctrzoo.histories import embed_histories
from ctrzoo.model import feature_inputs
from ctrzoo.schema import Field, Schema
from tests.models.reference import embed, random_batch
from tests.models.slow_histories import HISTORIES, OTHERS, SCHEMA, events_of


def test_each_history_has_its_events_its_candidate_and_its_mask(float64):
    inputs = feature_inputs(SCHEMA)
    embedded, histories = embed_histories(SCHEMA, inputs, 3)
    assert [history.name for history in histories] == ["views", "liked"]
    model = keras.Model(inputs, [embedded, *(part for history in histories for part in history[1:])])
    table = np.random.default_rng(0).normal(size=(SCHEMA.num_ids, 3))
    model.get_layer("embedding").table.assign(table)
    batch, _ = random_batch(SCHEMA, rows=9)
    fields, *parts = model(batch)
    np.testing.assert_allclose(fields, embed(SCHEMA, table, batch)[:, OTHERS], rtol=1e-12)
    for number, columns in enumerate(HISTORIES):
        events, candidates, mask = map(np.asarray, parts[3 * number : 3 * number + 3])
        for row in range(9):
            expected, candidate = events_of(table, batch, row, columns)
            np.testing.assert_allclose(events[row, : len(expected)], expected, rtol=1e-12)
            np.testing.assert_allclose(candidates[row], candidate, rtol=1e-12)
            assert not events[row, len(expected) :].any()
            assert mask[row].tolist() == [slot < len(expected) for slot in range(len(mask[row]))]


def test_an_event_with_an_unknown_side_value_is_one():
    inputs = feature_inputs(SCHEMA)
    _, (views, _) = embed_histories(SCHEMA, inputs, 2)
    batch, _ = random_batch(SCHEMA, rows=2)
    slots = np.flatnonzero(np.equal(SCHEMA.slot_fields, SCHEMA.names.index("seen_shop")))
    batch["values"][0, slots[1]] = 0
    mask = keras.Model(inputs, views.mask)(batch)
    assert np.asarray(mask)[0].all()  # the first row has as many events as slots


def test_a_schema_without_sequences_is_refused():
    schema = Schema([Field("user", vocabulary_size=3)])
    with pytest.raises(ValueError, match="The model reads histories, and the schema has none"):
        embed_histories(schema, feature_inputs(schema), 2)
