"""DIEN against loops written from its equations, and its auxiliary loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.models import build
from ctrzoo.training.strategy import ReplicatedStep
from tests.models.reference import check_model, random_batch, random_weights, softmax
from tests.models.slow_histories import HISTORIES, SCHEMA, events_of, network, sigmoid, top


def slow_gru(weights, name, events, attention=None, gated=True):
    """Return all states of a GRU whose steps are scaled by the attention."""
    size = events.shape[1]
    (w, u), (b, c) = ([weights[f"{name}/{prefix}{key}"] for prefix in ("", "recurrent_")] for key in ("kernel", "bias"))
    state, states = np.zeros(size), []
    for index, event in enumerate(events):
        given, kept = event @ w + b, state @ u + c
        reset = sigmoid(given[:size] + kept[:size])
        new = np.tanh(given[size : 2 * size] + reset * kept[size : 2 * size])
        step = 1.0 if attention is None else attention[index]
        if gated:
            step = step * sigmoid(given[2 * size :] + kept[2 * size :])
        state = (1 - step) * state + step * new
        states.append(state)
    return np.array(states).reshape(-1, size)


def slow_attention(weights, number, states, candidate, kind, use_softmax):
    scores = []
    for state in states:
        if kind == "network":
            inputs = np.concatenate([candidate, state, candidate - state, candidate * state])
            scores.append(network(weights, f"attention_{number}/network", inputs)[0])
        else:
            key = state @ weights[f"attention_{number}/kernel"] if kind == "bilinear" else state
            scores.append(key @ candidate)
    return softmax(scores) if use_softmax and scores else np.array(scores)


def dien(gru="augru", attention="bilinear", use_softmax=True, sum_pooling=False):
    def of_batch(weights, embedded, batch):
        logits = []
        for row in range(len(embedded)):
            parts = []
            for number, columns in enumerate(HISTORIES, start=1):
                events, candidate = events_of(weights["embedding/table"], batch, row, columns)
                states = slow_gru(weights, f"interests_{number}", events)
                shares = None
                if gru != "gru":
                    shares = slow_attention(weights, number, states, candidate, attention, use_softmax)
                if gru == "aigru":
                    states, shares = states * shares[:, None], None
                states = slow_gru(weights, f"evolution_{number}", states, shares, gated=gru != "agru")
                parts.append(states[-1] if len(states) else np.zeros_like(candidate))
                if sum_pooling:
                    parts += [events.sum(axis=0), candidate * events.sum(axis=0)]
            logits.append(top(weights, embedded, row, parts))
        return np.array(logits)

    return of_batch


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gru": "gru"},
        {"gru": "agru", "attention": "network"},
        {"gru": "aigru", "attention": "dot", "use_softmax": False, "sum_pooling": True},
    ],
    ids=str,
)
def test_dien_is_what_its_equations_say(options, float64):
    sizes = {"embedding_dim": 2, "deep_units": (6, 5), "deep_batch_norm": False}
    sizes |= {"attention_units": (4,)} if options.get("attention") == "network" else {}
    check_model(build("dien", SCHEMA, **sizes, **options), dien(**options), rows=6, samples=2)


def slow_auxiliary(weights, batch, number, columns):
    """The loss of each row, from equation 6, with the row before as the source of events that did not come next."""
    losses, rows = [], len(batch["ids"])
    for row in range(rows):
        events, _ = events_of(weights["embedding/table"], batch, row, columns)
        before, _ = events_of(weights["embedding/table"], batch, (row - 1) % rows, columns)
        states = slow_gru(weights, f"interests_{number}", events)
        terms = []
        for index in range(len(events) - 1 if len(before) else 0):
            other = before[(index + 1) % len(before)]
            pairs = [np.concatenate([states[index], event]) for event in (events[index + 1], other)]
            name = f"auxiliary_{number}/network"
            clicked, not_clicked = (sigmoid(network(weights, name, pair, "sigmoid")) for pair in pairs)
            terms.append(-np.log(clicked[0]) - np.log(1 - not_clicked[0]))
        losses.append(np.mean(terms) if terms else 0.0)
    return np.mean(losses)


def test_the_auxiliary_loss_is_added_in_training_only(float64):
    model = build("dien", SCHEMA, embedding_dim=2, deep_units=(4,), auxiliary_weight=0.3, auxiliary_units=(5, 4))
    weights = random_weights(model)
    batch, labels = random_batch(SCHEMA, rows=7)
    expected = 0.3 * sum(slow_auxiliary(weights, batch, number, columns) for number, columns in enumerate(HISTORIES, 1))
    model(batch, training=True)
    np.testing.assert_allclose(sum(map(float, model.losses)), expected, rtol=1e-9)
    model(batch, training=False)
    assert model.losses == []
    assert expected > 0.1
    model.compile(keras.optimizers.SGD(0.0), metrics=[])
    random_weights(model)
    plain = build("dien", SCHEMA, embedding_dim=2, deep_units=(4,))
    for weight in plain.weights:
        weight.assign(next(each for each in model.weights if each.path == weight.path))
    plain.compile(keras.optimizers.SGD(0.0))
    np.testing.assert_allclose(model.evaluate(batch, labels, verbose=0), plain.evaluate(batch, labels, verbose=0))


def test_an_unknown_gru_is_refused():
    with pytest.raises(ValueError, match="`gru` must be one of gru, aigru, agru, augru. Received: 'lstm'"):
        build("dien", SCHEMA, gru="lstm")
    with pytest.raises(ValueError, match="The score must be one of network, bilinear, dot. Received: 'cosine'"):
        build("dien", SCHEMA, attention="cosine")


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_trainer_adds_the_auxiliary_loss(policy):
    batch, labels = random_batch(SCHEMA, rows=8)
    found = []
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(1)
        sizes = {"embedding_dim": 2, "deep_units": (4,), "deep_batch_norm": False}
        sizes |= {"auxiliary_units": (4,)} if weight else {}
        model = build("dien", SCHEMA, auxiliary_weight=weight, dtype=policy, **sizes)
        model.compile(keras.optimizers.SGD(0.1))
        step = ReplicatedStep(model)
        rows = tf.nest.map_structure(tf.constant, (batch, labels))
        found.append([float(step.train(rows)) for _ in range(20)])
    plain, auxiliary = np.array(found)
    # Two histories start at about log 2 for each of two answers, where a row has a pair.
    assert np.all(auxiliary[:1] - plain[:1] > 0.3) and auxiliary[-1] < auxiliary[0]
