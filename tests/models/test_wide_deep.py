import keras
import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.models import LR, WideDeep
from ctrzoo.pretrained import load_pretrained
from ctrzoo.schema import Field, Schema
from tests.models.pairwise import assert_pair_matrices, assign, flatten, linear, mlp, outputs
from tests.models.reference import check_model, embed, random_batch, random_weights
from tests.models.test_poly2 import bucket

pytestmark = pytest.mark.usefixtures("float64")


def deep(weights, embedded):
    return mlp(weights, flatten(embedded), ["deep/hidden_0", "deep/hidden_1"])


def crosses(weights, batch):
    """Return the cross of user and item, slots 0 and 2, the second of the pairs of fields."""
    table, (ids, values) = weights["crosses/table"][:, 0], (batch["ids"].tolist(), batch["values"].tolist())
    rows = range(len(ids))
    return [table[bucket(ids[r][0], ids[r][2], 2, len(table))] * values[r][0] * values[r][2] for r in rows]


def build(schema, **options):
    return WideDeep(schema, embedding_dim=3, deep_units=(6, 5), **options)


def test_equals_the_slow_reference(mixed_schema):
    def reference(weights, embedded, batch):
        return linear(mixed_schema, weights, batch) + deep(weights, embedded)

    check_model(build(mixed_schema), reference)


def test_crosses_equal_the_slow_reference(mixed_schema):
    def reference(weights, embedded, batch):
        return linear(mixed_schema, weights, batch) + crosses(weights, batch) + deep(weights, embedded)

    model = build(mixed_schema, crosses=(("item", "user"),), num_buckets=7)
    check_model(model, reference)
    weights, (batch, _) = random_weights(model), random_batch(mixed_schema)
    assert_pair_matrices(outputs(model, batch)[1]["pairs"], crosses(weights, batch))


def test_equals_lr_without_the_deep_and_the_mlp_without_the_wide_part(mixed_schema):
    model, lr, (batch, _) = build(mixed_schema), LR(mixed_schema), random_batch(mixed_schema)
    weights = random_weights(model)
    assign(lr, {"linear/weights/table": weights["linear/weights/table"]})
    assign(model, {"deep/output/kernel": 0.0, "deep/output/bias": 0.0})
    np.testing.assert_allclose(outputs(model, batch)[0], outputs(lr, batch)[0], rtol=1e-10)

    assign(model, {**weights, "linear/weights/table": 0.0})
    expected = deep(weights, embed(mixed_schema, weights["embedding/table"], batch))
    np.testing.assert_allclose(outputs(model, batch)[0], expected, rtol=1e-10)


def test_parameters_with_one_bias_of_the_logit(mixed_schema):
    assert WideDeep(mixed_schema).count_params() == 20 * 17 + (4 * 16 + 1) * 400 + 401 * 400 + 401
    assert WideDeep(mixed_schema, deep_units=()).count_params() == LR(mixed_schema).count_params() == 20 + 1


@pytest.fixture
def crossed_schema(mixed_schema):
    """The fields of `mixed_schema`, with a cross before and one among them."""
    user, *others = mixed_schema.fields
    first = Field("user_item", vocabulary_size=30, cross=("user", "item"))
    return Schema([first, user, Field("item_user", vocabulary_size=7, cross=("item", "user")), *others])


def without_crosses(batch):
    """Return the features of the other fields, and the ids that they have in `mixed_schema`, by hand."""
    ids = batch["ids"][:, [1, 3, 4, 5, 6, 7]]  # user, age, item, tags
    # Ids of the schema with crosses: user_item 1 to 30, user 31 to 39, item_user 40 to 46, then age 47 and so on.
    ids = np.where(ids == 0, 0, np.where(ids < 40, ids - 30, ids - 37))
    return {"ids": ids, "values": batch["values"][:, [1, 3, 4, 5, 6, 7]]}


def test_fields_that_are_crosses_are_only_in_the_wide_part(crossed_schema, mixed_schema):
    model, plain = build(crossed_schema), build(mixed_schema)
    batch, _ = random_batch(crossed_schema, rows=20)
    weights = random_weights(model)
    assert weights["embedding/table"].shape == (20, 3) and weights["linear/weights/table"].shape == (20 + 37, 1)
    embedded = embed(mixed_schema, weights["embedding/table"], without_crosses(batch))
    expected = linear(crossed_schema, weights, batch) + deep(weights, embedded)
    logits, explanations = outputs(model, batch)
    np.testing.assert_allclose(logits, expected, rtol=1e-9)
    wide = embed(crossed_schema, weights["linear/weights/table"], batch)[..., 0]
    np.testing.assert_allclose(explanations["fields"], wide, rtol=1e-9)
    assign(plain, {path: weights[path] for path in weights if not path.startswith("linear")})
    assign(model, {"linear/weights/table": 0.0})
    assign(plain, {"linear/weights/table": 0.0})
    np.testing.assert_allclose(outputs(model, batch)[0], outputs(plain, without_crosses(batch))[0], rtol=1e-9)


def test_a_model_with_crosses_is_saved_and_loaded(crossed_schema, tmp_path):
    model, (batch, _) = build(crossed_schema), random_batch(crossed_schema)
    random_weights(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.schema == crossed_schema
    np.testing.assert_array_equal(loaded.predict(batch, verbose=0), model.predict(batch, verbose=0))


def test_pretrained_vectors_are_set_where_the_deep_part_has_the_values():
    frame = pd.DataFrame({"p": ["a", "b"], "q": ["x", "y"], "click": [0, 1]})
    crosses = {"pq": ["p", "q"]}
    encoder = FrameEncoder("click", ["p", "q"], crosses=crosses, order=["pq", "p", "q"]).fit(frame)
    model = WideDeep(encoder.schema, embedding_dim=2, deep_units=(3,), name="wd")
    table = model.get_layer("embedding").table
    before = np.asarray(table)
    assert load_pretrained(model, encoder, "q", {"y": [7.0, 8.0]}).tables == ("embedding/table",)
    expected = before.copy()
    expected[4] = [7, 8]  # a, b, x, y
    np.testing.assert_array_equal(np.asarray(table), expected)
    with pytest.raises(ValueError, match="the embedding tables of the model 'wd' have 1"):
        load_pretrained(model, encoder, "pq", {"b & y": [7.0, 8.0]})
    assert load_pretrained(model, encoder, "pq", {"b & y": [7.0]}).tables == ("linear/weights/table",)
    assert np.asarray(model.get_layer("linear").weights_of_ids.table)[:, 0].tolist() == [0, 0, 7, 0, 0, 0, 0]
