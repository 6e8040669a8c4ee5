"""DIN against loops written from its equations."""

import numpy as np
import pytest

from ctrzoo.explanation.kinds import kind_of
from ctrzoo.models import build
from ctrzoo.schema import Field, Schema
from tests.models.cases import predict
from tests.models.reference import check_model, random_batch, random_weights, softmax
from tests.models.slow_histories import HISTORIES, SCHEMA, events_of, linear, network, top


def slow_weights(weights, number, events, candidate, use_softmax):
    name = f"attention_{number}"
    scores = []
    for index, event in enumerate(events):
        parts = [candidate, event, candidate - event, candidate * event]
        if f"{name}/positions" in weights:
            parts.append(weights[f"{name}/positions"][len(events) - 1 - index])  # the newest has place 0
        scores.append(network(weights, f"{name}/network", np.concatenate(parts))[0])
    return softmax(scores) if use_softmax and scores else np.array(scores)


def din(use_softmax):
    def of_batch(weights, embedded, batch):
        logits = []
        for row in range(len(embedded)):
            parts = []
            for number, columns in enumerate(HISTORIES, start=1):
                events, candidate = events_of(weights["embedding/table"], batch, row, columns)
                pooled = np.zeros_like(candidate)
                for weight, event in zip(
                    slow_weights(weights, number, events, candidate, use_softmax), events, strict=True
                ):
                    pooled += weight * event
                parts.append(pooled)
            logit = top(weights, embedded, row, parts)
            logits.append(logit + (linear(weights, batch, row) if "linear/weights/table" in weights else 0))
        return np.array(logits)

    return of_batch


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_softmax": True, "attention_activation": "prelu", "deep_activation": "dice"},
        {"position_dim": 2, "attention_activation": "relu", "use_fm": True},
    ],
)
def test_din_is_what_its_equations_say(options, float64):
    model = build("din", SCHEMA, embedding_dim=3, attention_units=(4, 3), deep_units=(6, 5), **options)
    check_model(model, din(options.get("use_softmax", False)), rows=6)


def reversed_history(schema, batch):
    slots = np.asarray(schema.slot_fields)
    turned = {name: array.copy() for name, array in batch.items()}
    for name in (column for columns in schema.histories.values() for column in columns):
        own = np.flatnonzero(slots == schema.names.index(name))
        for row in range(len(batch["ids"])):
            present = own[batch["values"][row, own] > 0]
            turned["ids"][row, present] = batch["ids"][row, present][::-1]
    return turned


@pytest.mark.parametrize("position_dim", [None, 2])
def test_the_order_of_events_counts_only_with_positions(position_dim, float64):
    model = build("din", SCHEMA, embedding_dim=3, deep_units=(6,), position_dim=position_dim)
    random_weights(model)
    batch, _ = random_batch(SCHEMA, rows=20)
    turned = reversed_history(SCHEMA, batch)
    assert np.any(turned["ids"] != batch["ids"])
    difference = np.abs(predict(model, batch) - predict(model, turned)).max()
    assert difference > 1e-4 if position_dim else difference < 1e-12


def test_weights_are_explained_from_the_newest_event_on(float64):
    model = build("din", SCHEMA, embedding_dim=3, deep_units=(6,), position_dim=2, use_softmax=True)
    weights = random_weights(model)
    batch, _ = random_batch(SCHEMA, rows=8)
    outputs = model.explainer()(batch)
    for number, columns in enumerate(HISTORIES, start=1):
        for row in range(8):
            events, candidate = events_of(weights["embedding/table"], batch, row, columns)
            expected = slow_weights(weights, number, events, candidate, True)[::-1]
            found = np.asarray(outputs[f"events_{number}"][row])
            np.testing.assert_allclose(found[: len(events)], expected, rtol=1e-9)
            assert not found[len(events) :].any()


def test_the_weights_are_a_kind_of_explanation():
    kind = kind_of("events_2", (5,), num_fields=5)
    assert kind.axes == ("event",) and kind.labels(["a"], 2) == ["event 1", "event 2"]
    assert kind.vector(np.ones((3, 5))).shape == (3, 5)


def test_a_sequence_without_a_candidate_is_refused():
    alone = Schema([Field("item", vocabulary_size=5), Field("seen", "sequence", vocabulary_size=5, num_slots=3)])
    for name in ("din", "dien", "bst"):
        with pytest.raises(ValueError, match="the sequence 'seen' needs `share`"):
            build(name, alone)
    assert build("pooled", alone, candidate_product=False).name == "pooled"
    among = Schema([*alone.fields, Field("more", "sequence", vocabulary_size=5, num_slots=2, share="seen")])
    with pytest.raises(ValueError, match="the sequence 'seen' needs `share`"):
        build("din", among)
    with pytest.raises(ValueError, match="`linear_l2` is for the linear weights of `use_fm`"):
        build("din", SCHEMA, linear_l2=0.1)
