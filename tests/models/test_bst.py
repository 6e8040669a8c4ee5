"""BST against loops written from its equations."""

import numpy as np
import pytest

from ctrzoo.models import build
from ctrzoo.schema import Schema
from tests.models.reference import check_model, softmax
from tests.models.slow_histories import HISTORIES, SCHEMA, events_of, top


def norm(x, gamma, beta):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * gamma + beta


def slow_block(weights, name, states, heads, options):
    """Apply a block to the states of slots that are all present, one slot and one head at a time."""
    size = states.shape[1]
    projected = states @ weights[f"{name}/projection_kernel"] + weights[f"{name}/projection_bias"]
    queries, keys, values = np.split(projected, 3, axis=1)
    summed = np.zeros_like(states)
    for head in np.split(np.arange(size), heads):
        for query in range(len(states)):
            seen = range(query + 1) if options.get("causal") else range(len(states))
            scores = [queries[query, head] @ keys[key, head] / np.sqrt(size / heads) for key in seen]
            for share, key in zip(softmax(scores), seen, strict=True):
                summed[query, head] += share * values[key, head]
    residual, normalize = options.get("use_residual", True), options.get("use_norm", True)
    outputs = []
    for state, attended in zip(states, summed, strict=True):
        part = attended @ weights[f"{name}/join_heads/kernel"] + weights[f"{name}/join_heads/bias"]
        state = state + part if residual else part
        if normalize:
            state = norm(state, weights[f"{name}/attention_norm/gamma"], weights[f"{name}/attention_norm/beta"])
        hidden = state @ weights[f"{name}/hidden/kernel"] + weights[f"{name}/hidden/bias"]
        part = np.where(hidden > 0, hidden, 0.01 * hidden) @ weights[f"{name}/output/kernel"]
        part = part + weights[f"{name}/output/bias"]
        state = state + part if residual else part
        if normalize:
            state = norm(state, weights[f"{name}/output_norm/gamma"], weights[f"{name}/output_norm/beta"])
        outputs.append(state)
    return np.array(outputs)


def bst(**options):
    def of_batch(weights, embedded, batch):
        logits = []
        for row in range(len(embedded)):
            parts = []
            for number, columns in enumerate(HISTORIES, start=1):
                events, candidate = events_of(weights["embedding/table"], batch, row, columns)
                states = np.concatenate([events, candidate[None]])
                if options.get("positions", "newest") != "none":
                    positions = weights[f"positions_{number}/positions"]
                    last = len(positions) - 1
                    chosen = [last - len(events) + index for index in range(len(events))]
                    if options.get("positions") == "oldest":
                        chosen = list(range(len(events)))
                    states = np.concatenate([states, positions[[*chosen, last]]], axis=1)
                for block in range(1, options.get("num_blocks", 1) + 1):
                    states = slow_block(weights, f"block_{number}_{block}", states, 2, options)
                pooling = options.get("pooling", "mean")
                pool = {"mean": np.mean, "sum": np.sum, "target": lambda states, axis: states[-1]}[pooling]
                parts.append(pool(states, axis=0))
            logits.append(top(weights, embedded, row, parts))
        return np.array(logits)

    return of_batch


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"positions": "oldest", "pooling": "target", "use_norm": False},
        {"positions": "none", "num_blocks": 2, "causal": True, "pooling": "sum", "use_residual": False},
    ],
    ids=str,
)
def test_bst_is_what_its_equations_say(options, float64):
    model = build("bst", SCHEMA, embedding_dim=2, deep_units=(6, 5), **options)
    check_model(model, bst(**options), rows=6, samples=2)


def test_joined_slots_are_as_many_as_a_history_has():
    model = build("bst", SCHEMA, embedding_dim=2, deep_units=(6,), pooling="concat")
    # user, item, age, shop; then views: 5 slots of two columns and a position; then liked: 4 slots of one column.
    assert model.get_layer("deep").steps[0].kernel.shape[0] == 4 * 2 + 5 * 6 + 4 * 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": "index"}, "`positions` must be one of newest, oldest, none. Received: 'index'"),
        ({"pooling": "max"}, "`pooling` must be one of mean, sum, target, concat. Received: 'max'"),
        ({"num_heads": 5}, "`num_heads` must divide the size of a state, 6. Received: 5"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build("bst", Schema(SCHEMA.fields), embedding_dim=2, **options)
