"""What the slow references of the models of histories share: a schema, the events of a row, networks in loops."""

import numpy as np

from ctrzoo.schema import Field, Schema

SCHEMA = Schema(
    [
        Field("user", vocabulary_size=6),
        Field("seen", "sequence", vocabulary_size=5, num_slots=4, share="item", events="views"),
        Field("item", vocabulary_size=5),
        Field("age", "numerical"),
        Field("seen_shop", "sequence", vocabulary_size=3, num_slots=4, share="shop", events="views"),
        Field("shop", vocabulary_size=3),
        Field("liked", "sequence", vocabulary_size=5, num_slots=3, share="item"),
    ]
)
HISTORIES = ([("seen", "item"), ("seen_shop", "shop")], [("liked", "item")])
OTHERS = [SCHEMA.names.index(name) for name in ("user", "item", "age", "shop")]


def events_of(table, batch, row, columns):
    """Return the events of a row, `(its events, size)`, the oldest first, and the candidate, the columns joined."""
    slots, events, candidate = np.asarray(SCHEMA.slot_fields), [], []
    for column, field in columns:
        own = np.flatnonzero(slots == SCHEMA.names.index(column))
        present = [slot for slot in own if batch["values"][row, slot]]
        events.append(table[batch["ids"][row, present]].reshape(len(present), table.shape[1]))
        (slot,) = np.flatnonzero(slots == SCHEMA.names.index(field))
        candidate.append(float(batch["values"][row, slot]) * table[batch["ids"][row, slot]])
    return np.concatenate(events, axis=1), np.concatenate(candidate)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def network(weights, name, inputs, activation="relu"):
    """Apply an MLP to one vector."""
    x, index = np.asarray(inputs, "float64"), 0
    while f"{name}/hidden_{index}/kernel" in weights:
        x = x @ weights[f"{name}/hidden_{index}/kernel"] + weights[f"{name}/hidden_{index}/bias"]
        own = f"{name}/activation_{index}"
        if f"{own}/moments/moving_mean" in weights:
            mean, variance = weights[f"{own}/moments/moving_mean"], weights[f"{own}/moments/moving_variance"]
            share = sigmoid((x - mean) / np.sqrt(variance + 1e-9))
            x = share * x + weights[f"{own}/alpha"] * (1 - share) * x
        elif f"{own}/alpha" in weights:
            x = np.where(x > 0, x, weights[f"{own}/alpha"] * x)
        else:
            x = {"relu": np.maximum(x, 0), "sigmoid": sigmoid(x)}[activation]
        index += 1
    return x @ weights[f"{name}/output/kernel"] + weights[f"{name}/output/bias"]


def top(weights, embedded, row, parts):
    """Return the logit of the MLP on top, plus that of the FM if there is one."""
    fields = embedded[row, OTHERS]
    (logit,) = network(weights, "deep", np.concatenate([fields.ravel(), *parts]))
    if "linear/weights/table" in weights:
        logit += sum(fields[i] @ fields[j] for i in range(len(fields)) for j in range(i))
    return logit


def linear(weights, batch, row):
    """Sum the linear weights of the fields that are no sequences."""
    table, total = weights["linear/weights/table"][:, 0], 0.0
    for slot, owner in enumerate(SCHEMA.slot_fields):
        if owner in OTHERS:
            total += batch["values"][row, slot] * table[batch["ids"][row, slot]]
    return total
