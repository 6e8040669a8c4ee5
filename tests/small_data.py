"""A small data set in memory, of the form that the trainer reads, whose labels depend on its fields."""

import numpy as np


class SmallData:
    """Random rows of a schema; the label depends on the first field's ids and on a pair."""

    name = "small"
    truth = None

    def __init__(self, schema, num_rows=512, seed=0):
        self.schema, self.num_rows = schema, {"train": num_rows, "valid": num_rows // 4, "test": num_rows // 4}
        random = np.random.default_rng(seed)
        self._rows = {split: random_rows(schema, count, random) for split, count in self.num_rows.items()}

    def arrays(self, split):
        return self._rows[split]

    def dataset(self, split, batch_size, shuffle=None, seed=0, start_epoch=0, skip_batches=0):
        import tensorflow as tf

        order = np.arange(self.num_rows[split])
        if split == "train" if shuffle is None else shuffle:
            order = np.random.default_rng((seed, start_epoch)).permutation(order)
        features, labels = self._rows[split]
        rows = ({key: array[order] for key, array in features.items()}, labels[order])
        return tf.data.Dataset.from_tensor_slices(rows).batch(batch_size).skip(skip_batches)


def random_rows(schema, num_rows, random):
    """Return `(features, labels)`, with absent entries among them."""
    ids = np.zeros((num_rows, schema.num_slots), "int32")
    values = np.zeros((num_rows, schema.num_slots), "float32")
    for slot, owner in enumerate(schema.slot_fields):
        field, first = schema.fields[owner], schema.first_ids[owner]
        if field.compositional is not None:  # drawn below
            continue
        present = random.random(num_rows) > 0.1
        ids[:, slot] = np.where(present, first + random.integers(0, field.vocabulary_size, num_rows), 0)
        values[:, slot] = present
        if field.kind == "numerical":
            ids[:, slot] = first
            values[:, slot] = random.normal(size=num_rows)
        if field.kind == "vector":
            ids[:, slot] = first + slot - schema.slot_fields.index(owner)
            values[:, slot] = random.normal(size=num_rows)
    for columns in schema.histories.values():  # events come first
        lengths = random.integers(0, schema.fields[schema.names.index(columns[0])].num_slots + 1, num_rows)
        for name in columns:
            owner = schema.names.index(name)
            field, slots = schema.fields[owner], np.flatnonzero(np.equal(schema.slot_fields, owner))
            present = np.arange(len(slots)) < lengths[:, None]
            drawn = schema.first_ids[owner] + random.integers(0, field.vocabulary_size, present.shape)
            ids[:, slots], values[:, slots] = np.where(present, drawn, 0), present
    for owner, field in enumerate(schema.fields):
        slots = np.flatnonzero(np.equal(schema.slot_fields, owner))
        if field.compositional is not None:
            quotients, shape = field.vocabulary_size - field.compositional, (num_rows, field.values_per_row)
            present = np.tile(random.random(shape) > 0.1, 2)
            pairs = [random.integers(0, quotients, shape), quotients + random.integers(0, field.compositional, shape)]
            ids[:, slots] = np.where(present, schema.first_ids[owner] + np.concatenate(pairs, axis=1), 0)
            values[:, slots] = present
        if field.kind == "multivalued":
            values[:, slots] /= np.maximum(values[:, slots].sum(axis=1, keepdims=True), 1)
    logits = np.where(ids[:, 0] % 2, 1.5, -1.5) * np.where(ids[:, -1] % 2, 1.0, 0.3)
    labels = (random.random(num_rows) < 1 / (1 + np.exp(-logits))).astype("float32")[:, None]
    return {"ids": ids, "values": values}, labels
