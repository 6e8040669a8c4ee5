"""Field embeddings, the linear logit and the numerical values equal loops over slots."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import FieldEmbedding, LinearLogit, NumericalValues
from ctrzoo.schema import Field, Schema
from tests.models.reference import embed, random_batch

pytestmark = pytest.mark.usefixtures("float64")


def test_a_field_is_the_sum_of_its_values_times_its_rows(mixed_schema):
    batch, _ = random_batch(mixed_schema)
    layer = FieldEmbedding(mixed_schema, 3)
    found = np.asarray(layer(batch))
    np.testing.assert_allclose(found, embed(mixed_schema, np.asarray(layer.table), batch), rtol=1e-9)
    assert layer.table.shape == (mixed_schema.num_ids, 3)


def test_an_absent_field_embeds_to_zero(mixed_schema):
    batch, _ = random_batch(mixed_schema)
    absent = {name: np.zeros_like(array) for name, array in batch.items()}
    assert not np.asarray(FieldEmbedding(mixed_schema, 3, embeddings_initializer="ones")(absent)).any()


def test_the_table_starts_with_a_deviation_of_a_hundredth(mixed_schema):
    layer = FieldEmbedding(mixed_schema, 1000)
    layer(random_batch(mixed_schema)[0])
    assert abs(np.std(layer.table) - 0.01) < 3e-4 and abs(np.mean(layer.table)) < 3e-4


def test_the_linear_logit_is_the_bias_and_the_sum_of_its_fields(mixed_schema):
    batch, _ = random_batch(mixed_schema)
    layer = LinearLogit(mixed_schema, return_explanations=True, bias_initializer="ones")
    layer(batch)
    table = np.random.default_rng(0).normal(size=(mixed_schema.num_ids, 1))
    layer.weights_of_ids.table.assign(table)
    logit, fields = layer(batch)
    expected = embed(mixed_schema, table, batch)[..., 0]
    np.testing.assert_allclose(fields, expected, rtol=1e-9)
    np.testing.assert_allclose(logit, 1 + expected.sum(axis=1, keepdims=True), rtol=1e-9)


def test_numbers_are_taken_in_logarithms_and_those_below_zero_count_as_zero(mixed_schema):
    batch, _ = random_batch(mixed_schema)
    slot = mixed_schema.slot_fields.index(1)
    batch["values"][:3, slot] = [-5.0, 0.0, np.e - 1]
    np.testing.assert_allclose(NumericalValues(mixed_schema)(batch)[:3, 0], [0.0, 0.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(NumericalValues(mixed_schema, log=False)(batch)[:, 0], batch["values"][:, slot])


@pytest.mark.parametrize("make", [lambda schema: FieldEmbedding(schema, 2), LinearLogit, NumericalValues])
@pytest.mark.parametrize("name", ["ids", "values"])
def test_a_single_column_is_not_broadcast_to_all_slots(make, name, mixed_schema):
    batch, _ = random_batch(mixed_schema)
    with pytest.raises(ValueError, match=f"must have the shape .batch, {mixed_schema.num_slots}."):
        make(mixed_schema)({**batch, name: batch[name][:, :1]})


def test_the_gradient_of_shared_rows_is_the_sum_of_those_of_the_fields():
    apart = Schema([Field("item", vocabulary_size=3), Field("seen", "multivalued", vocabulary_size=3, num_slots=2)])
    shared = Schema([apart.fields[0], Field("seen", "multivalued", vocabulary_size=3, num_slots=2, share="item")])
    ids, values = np.array([[1, 4, 5], [3, 6, 4], [1, 0, 0]]), np.array([[1, 0.5, 0.5], [1, 0.5, 0.5], [1, 0, 0]])
    upstream = np.random.default_rng(0).normal(size=(3, 2, 2))

    def gradient_of(schema, ids):
        layer = FieldEmbedding(schema, 2)
        layer.build({"ids": ids.shape})
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer({"ids": ids, "values": values}) * upstream)
        return tf.convert_to_tensor(tape.gradient(total, layer.table.value)).numpy()

    of_each = gradient_of(apart, ids)
    np.testing.assert_allclose(
        gradient_of(shared, np.where(ids > 3, ids - 3, ids)), [of_each[0], *of_each[1:4] + of_each[4:7]], rtol=1e-12
    )


VECTORS = {
    "alone": [Field("emb", "vector", 3, 3)],
    "first": [Field("emb", "vector", 3, 3), Field("user", vocabulary_size=4)],
    "last": [Field("user", vocabulary_size=4), Field("age", "numerical"), Field("emb", "vector", 3, 3)],
    "several": [
        Field("user", vocabulary_size=4),
        Field("one", "vector", 1, 1),
        Field("two", "vector", 2, 2),
        Field("tags", "multivalued", vocabulary_size=4, num_slots=2),
        Field("seen", "multivalued", vocabulary_size=4, num_slots=3, pooling="max"),
        Field("three", "vector", 5, 5),
        Field("age", "numerical"),
    ],
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_a_dense_layer_on_its_numbers(name):
    schema = Schema(VECTORS[name], label="click")
    batch, _ = random_batch(schema, rows=20)
    layer = FieldEmbedding(schema, 3)
    layer.build({"ids": batch["ids"].shape})
    table = np.random.default_rng(1).normal(size=(schema.num_ids, 3))
    layer.table.assign(table)
    upstream = np.random.default_rng(2).normal(size=(20, schema.num_fields, 3))
    with tf.GradientTape() as tape:
        embedded = layer(batch)
        total = tf.reduce_sum(embedded * upstream)
    np.testing.assert_allclose(embedded, embed(schema, table, batch), rtol=1e-9)
    gradient = tf.convert_to_tensor(tape.gradient(total, layer.table.value)).numpy()
    for index, field in enumerate(schema.fields):
        if field.kind != "vector":
            continue
        numbers = batch["values"][:, np.equal(schema.slot_fields, index)]
        rows = slice(schema.first_ids[index], schema.first_ids[index] + field.num_slots)
        dense = keras.layers.Dense(3, use_bias=False)
        dense.build(numbers.shape)
        dense.kernel.assign(table[rows])
        with tf.GradientTape() as tape:
            projected = dense(numbers)
            total = tf.reduce_sum(projected * upstream[:, index])
        np.testing.assert_allclose(embedded[:, index], projected, rtol=1e-9)
        np.testing.assert_allclose(gradient[rows], tape.gradient(total, dense.kernel.value), rtol=1e-9)
    twin = FieldEmbedding.from_config(layer.get_config())
    twin.build({"ids": batch["ids"].shape})
    twin.table.assign(table)
    np.testing.assert_array_equal(tf.function(twin)(batch), embedded)


MAXIMA = Schema(
    [
        Field("first", "multivalued", vocabulary_size=6, num_slots=3, pooling="max"),
        Field("user", vocabulary_size=3),
        Field("mean", "multivalued", vocabulary_size=4, num_slots=2),
        Field("one", "multivalued", vocabulary_size=4, num_slots=1, pooling="max"),
        Field("last", "multivalued", vocabulary_size=6, num_slots=4, pooling="max", share="first"),
    ]
)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (1, 2, 0, 4, 3), (4, 0), (1, 0, 2)])
def test_a_field_pooled_by_max_has_the_largest_number_of_its_rows(order):
    schema = MAXIMA if 4 not in order or len(order) == 5 else Schema([MAXIMA.fields[0], MAXIMA.fields[4]])
    schema = Schema([schema.fields[index] for index in (order if schema is MAXIMA else (1, 0))])
    batch, _ = random_batch(schema, rows=40)
    table = np.random.default_rng(5).normal(size=(schema.num_ids, 3)) - 1  # the maximum is mostly below 0
    layer = FieldEmbedding(schema, 3)
    layer.build({"ids": batch["ids"].shape})
    layer.table.assign(table)
    found = np.asarray(layer(batch))
    slots = np.asarray(schema.slot_fields)
    for row in range(40):
        for index, field in enumerate(schema.fields):
            pairs = zip(batch["ids"][row, slots == index], batch["values"][row, slots == index], strict=True)
            vectors = [table[one] * float(value) for one, value in pairs if value != 0]
            pooled = (np.max if field.pooling == "max" else np.sum)(vectors or [np.zeros(3)], axis=0)
            np.testing.assert_allclose(found[row, index], pooled, rtol=1e-7)
    np.testing.assert_allclose(found, embed(schema, table, batch), rtol=1e-9)


SEQUENCES = Schema(
    [
        Field("vector", "vector", 2, 2),
        Field("mean", "sequence", vocabulary_size=4, num_slots=3, share="item"),
        Field("sum", "sequence", vocabulary_size=4, num_slots=3, share="item", pooling="sum", events="mean"),
        Field("item", vocabulary_size=4),
        Field("max", "sequence", vocabulary_size=5, num_slots=4, pooling="max"),
        Field("tags", "multivalued", vocabulary_size=4, num_slots=2),
        Field("last", "vector", 1, 1),
        Field("one", "sequence", vocabulary_size=4),
    ]
)


def slow_events(table, batch, name):
    """Return the embeddings of each event of a sequence, and its pooling by the fields' definition."""
    index = SEQUENCES.names.index(name)
    slots = np.flatnonzero(np.equal(SEQUENCES.slot_fields, index))
    events = np.zeros((len(batch["ids"]), len(slots), table.shape[1]))
    pooled = np.zeros((len(batch["ids"]), table.shape[1]))
    for row, (ids, values) in enumerate(zip(batch["ids"], batch["values"], strict=True)):
        present = [place for place, slot in enumerate(slots) if values[slot] == 1]
        for place in present:
            events[row, place] = table[ids[slots[place]]]
        if present:
            how = {"mean": np.mean, "sum": np.sum, "max": np.max}[SEQUENCES.fields[index].pooling]
            pooled[row] = how(events[row, present], axis=0)
    return events, pooled


def test_a_sequence_is_pooled_as_a_multi_valued_field_is():
    batch, _ = random_batch(SEQUENCES, rows=30)
    layer, linear = FieldEmbedding(SEQUENCES, 3), LinearLogit(SEQUENCES, use_bias=False, return_explanations=True)
    for each in (layer, linear):
        each.build({"ids": batch["ids"].shape})
    table = np.random.default_rng(1).normal(size=(SEQUENCES.num_ids, 3))
    layer.table.assign(table)
    linear.weights_of_ids.table.assign(table[:, :1])
    embedded, terms = np.asarray(layer(batch)), np.asarray(linear(batch)[1])
    for index, field in enumerate(SEQUENCES.fields):
        if field.kind == "sequence":
            np.testing.assert_allclose(embedded[:, index], slow_events(table, batch, field.name)[1], rtol=1e-12)
            np.testing.assert_allclose(terms[:, index], slow_events(table[:, :1], batch, field.name)[1][:, 0])
    np.testing.assert_allclose(embedded, embed(SEQUENCES, table, batch), rtol=1e-12)


@pytest.mark.parametrize("apart", [("mean", "sum"), ("max",), ("one", "mean"), ("sum", "max", "one", "mean")])
def test_events_come_from_the_lookup_of_the_other_fields(apart):
    batch, _ = random_batch(SEQUENCES, rows=30)
    layer = FieldEmbedding(SEQUENCES, 3, apart=apart)
    assert layer.compute_output_shape({"ids": (None, SEQUENCES.num_slots)})[0] == (None, 8 - len(apart), 3)
    table = np.random.default_rng(1).normal(size=(SEQUENCES.num_ids, 3))
    layer.build({"ids": batch["ids"].shape})
    layer.table.assign(table)
    fields, *events = layer(batch)
    others = [index for index, name in enumerate(SEQUENCES.names) if name not in apart]
    np.testing.assert_allclose(fields, embed(SEQUENCES, table, batch)[:, others], rtol=1e-12)
    for name, own in zip(apart, events, strict=True):
        np.testing.assert_allclose(own, slow_events(table, batch, name)[0], rtol=1e-12)
    graph = tf.function(lambda batch: layer(batch, training=False)).get_concrete_function(batch).graph
    gathers = [operation for operation in graph.get_operations() if "Gather" in operation.type]
    lookups = [operation for operation in gathers if operation.inputs[0].dtype in (tf.resource, tf.float64)]
    assert len([one for one in lookups if one.outputs[0].shape.rank == 3]) == 1


@pytest.mark.parametrize(
    ("apart", "message"),
    [
        (("tags",), "must name sequences of the schema, each once. Its sequences: mean, sum, max, one. Received: tags"),
        (("mean", "mean"), "each once"),
        (("seen",), "Received: seen"),
    ],
)
def test_only_sequences_are_kept_apart(apart, message):
    with pytest.raises(ValueError, match=message):
        FieldEmbedding(SEQUENCES, 3, apart=apart)
    with pytest.raises(ValueError, match="must leave a field"):
        FieldEmbedding(Schema([Field("seen", "sequence", vocabulary_size=2, num_slots=2)]), 3, apart=("seen",))


def test_padding_does_not_change_a_maximum():
    short = Schema([Field("tags", "multivalued", vocabulary_size=4, num_slots=2, pooling="max")])
    long = Schema([Field("tags", "multivalued", vocabulary_size=4, num_slots=5, pooling="max")])
    layers = [FieldEmbedding(schema, 2) for schema in (short, long)]
    ids, values = np.array([[1, 3], [2, 0], [0, 0]]), np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    batches = [{"ids": ids, "values": values}]
    batches.append({name: np.pad(array, [[0, 0], [0, 3]]) for name, array in batches[0].items()})
    table = -np.arange(1.0, 11.0).reshape(5, 2)
    results = []
    for layer, batch in zip(layers, batches, strict=True):
        layer.build({"ids": batch["ids"].shape})
        layer.table.assign(table)
        with tf.GradientTape() as tape:
            embedded = layer(batch)
        gradient = tf.convert_to_tensor(tape.gradient(embedded, layer.table.value))
        results.append((embedded.numpy(), gradient.numpy()))
    # Row 1 of the table is larger than row 3; absent fields are zero, and no gradient reaches other rows.
    assert results[0][0].tolist() == results[1][0].tolist() == [[[-3, -4]], [[-5, -6]], [[0, 0]]]
    assert results[0][1].tolist() == results[1][1].tolist() == [[0, 0], [1, 1], [1, 1], [0, 0], [0, 0]]


def test_the_linear_logit_adds_the_largest_weight_of_a_field_pooled_by_max():
    schema = Schema([Field("user", vocabulary_size=2), MAXIMA.fields[0]])
    layer = LinearLogit(schema, return_explanations=True)
    batch = {"ids": np.array([[1, 3, 5, 0], [2, 0, 0, 0]]), "values": np.array([[1.0, 1, 1, 0], [1.0, 0, 0, 0]])}
    layer.build({"ids": (2, 4)})
    layer.weights_of_ids.table.assign([[0.0], [1], [2], [-3], [9], [-5], [9], [9], [9]])
    logit, fields = layer(batch)
    assert fields.numpy().tolist() == [[1, -3], [2, 0]] and logit.numpy().tolist() == [[-2], [2]]


def test_a_size_below_one_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="The embedding size must be at least 1. Received: 0"):
        FieldEmbedding(mixed_schema, 0)


def test_a_configuration_of_version_0_1_names_the_initializer_as_it_did(mixed_schema):
    config = FieldEmbedding(mixed_schema, 2, embeddings_initializer="ones").get_config()
    config["initializer"] = config.pop("embeddings_initializer")
    del config["embeddings_regularizer"]
    layer = FieldEmbedding.from_config(config)
    assert type(layer.embeddings_initializer).__name__ == "Ones"
