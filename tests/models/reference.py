"""What every comparison with a slow NumPy reference needs: rows, weights, embeddings, gradients.

A reference is a function `(weights, embedded, batch) -> logits` of plain float64 arrays, written with
loops from the equations; `weights` maps the path of each weight to its array, `embedded` is None for a
model that has no `embedding/table`.
"""

import keras
import numpy as np


def random_batch(schema, rows=5, seed=0):
    """Draw features of all field kinds, with absent entries, and labels."""
    random = np.random.default_rng(seed)
    ids, values = np.zeros((rows, schema.num_slots), "int32"), np.zeros((rows, schema.num_slots), "float32")
    slots, histories = np.asarray(schema.slot_fields), {}
    for index, (field, first) in enumerate(zip(schema.fields, schema.first_ids, strict=True)):
        history = [name for name, columns in schema.histories.items() if field.name in columns]
        lengths = histories.setdefault(history[0], {}) if history else {}
        for row in range(rows):
            count = random.integers(field.num_slots + 1) if row else field.num_slots
            count = lengths.setdefault(row, count)  # the columns of a history have the same events
            own = np.flatnonzero(slots == index)[:count]
            ids[row, own] = first + random.integers(field.vocabulary_size, size=count)
            if field.kind == "vector":
                count, own = field.num_slots, np.flatnonzero(slots == index)
                ids[row, own] = first + np.arange(count)
                values[row, own] = random.normal(size=count) * (row != 1)
            elif field.kind == "numerical":
                values[row, own] = random.normal(size=count)
            else:
                mean = count and field.pooling == "mean" and field.kind != "sequence"
                values[row, own] = 1 / count if mean else 1
    return {"ids": ids, "values": values}, random.integers(2, size=(rows, 1)).astype("float32")


def random_weights(model, scale=0.5, seed=0):
    """Give every weight random values (running variances positive ones) and return them by path."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        values = random.normal(scale=scale, size=weight.shape)
        weight.assign(1 + np.abs(values) if "variance" in weight.path else values)
    return weights_of(model)


def weights_of(model):
    return {weight.path: keras.ops.convert_to_numpy(weight).astype("float64") for weight in model.weights}


def embed(schema, table, batch):
    """Embed every field as the sum, or maximum, over its slots of value times table row, `(rows, fields, dim)`."""
    embedded = np.zeros((len(batch["ids"]), schema.num_fields, table.shape[1]))
    for row, (ids, values) in enumerate(zip(batch["ids"], batch["values"], strict=True)):
        for slot, field in enumerate(schema.slot_fields):
            vector = float(values[slot]) * table[ids[slot]]
            is_max, is_first = schema.fields[field].pooling == "max", slot == schema.slot_fields.index(field)
            if not is_max or (values[slot] and is_first):
                embedded[row, field] += vector
            elif values[slot]:  # present ids come first
                embedded[row, field] = np.maximum(embedded[row, field], vector)
        for index, field in enumerate(schema.fields):
            if field.kind == "sequence" and field.pooling == "mean":
                own = [value for value, owner in zip(values, schema.slot_fields, strict=True) if owner == index]
                embedded[row, index] /= max(1, np.count_nonzero(own))
    return embedded


def softmax(scores):
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum()


def check_model(model, reference, rows=4, samples=3, seed=0, scale=0.5):
    """Compare logits with a reference, and gradients with its central differences, in float64.

    Weights are random, biases too. For each weight the gradient is checked at some random entries and
    at the one where it is largest.
    """
    import tensorflow as tf

    weights = random_weights(model, scale, seed)
    batch, labels = random_batch(model.schema, rows, seed)

    def slow_logits(weights):
        table = weights.get("embedding/table")
        embedded = None if table is None else embed(model.schema, table, batch)
        return np.reshape(reference(weights, embedded, batch), (-1, 1))

    explainer = model.explainer()
    np.testing.assert_allclose(explainer(batch)["logit"], slow_logits(weights), rtol=1e-9, atol=1e-10)

    signs = 1 - 2 * labels.astype("float64")
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(keras.ops.softplus(signs * explainer(batch)["logit"]))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])

    def slow_loss(path, entry, step):
        moved = {**weights, path: weights[path].copy()}
        moved[path][entry] += step
        return np.mean(np.logaddexp(0, signs * slow_logits(moved)))

    random = np.random.default_rng(seed)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        gradient = np.asarray(tf.convert_to_tensor(gradient))
        entries = [np.unravel_index(np.abs(gradient).argmax(), gradient.shape)]
        entries += [tuple(random.integers(size) for size in gradient.shape) for _ in range(samples)]
        for entry in entries:
            slope = (slow_loss(weight.path, entry, 1e-5) - slow_loss(weight.path, entry, -1e-5)) / 2e-5
            message = f"{weight.path}{list(map(int, entry))}"
            np.testing.assert_allclose(gradient[entry], slope, rtol=1e-5, atol=1e-8, err_msg=message)
