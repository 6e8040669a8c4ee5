import numpy as np

from ctrzoo.experiments.benchmarks.shapes import SHAPES, by_field, history_schema, random_rows


def test_shapes_have_the_stated_sizes():
    sizes = {name: (schema.num_fields, schema.num_ids - 1) for name, schema in SHAPES.items() if name != "tiny"}
    expected = {"criteo": (39, 1_000_000), "avazu": (23, 1_500_000), "movielens": (7, 3524), "history": (7, 1_000_000)}
    assert sizes == expected


def test_rows_hold_ids_of_their_field_and_mean_pooled_values():
    schema = SHAPES["tiny"]
    features, labels = random_rows(schema, 500)
    ends = np.array(schema.first_ids) + [field.vocabulary_size for field in schema.fields]
    owners = list(schema.slot_fields)
    assert (features["ids"] >= np.array(schema.first_ids)[owners]).all() and (features["ids"] < ends[owners]).all()
    np.testing.assert_allclose(features["values"][:, 3:].sum(axis=1), 1, rtol=1e-6)
    assert set(np.unique(labels)) == {0, 1}
    columns = by_field(schema, features)
    assert (columns["item"].min(), columns["item"].max()) == (1, 10)  # ids of the field's own, 0 is left for padding
    assert columns["tags"].shape == (500, 3) and columns["age"].dtype == np.float32


def test_events_have_the_ids_of_the_candidate_and_the_value_one():
    schema = history_schema(1_000, num_events=3)
    features, _ = random_rows(schema, 200)
    first, size = schema.first_ids[schema.names.index("item")], schema.fields[3].vocabulary_size
    events = features["ids"][:, 5:8]  # after user, hour, device, item, category
    assert first <= events.min() and events.max() < first + size and len(np.unique(events)) > 300
    assert (features["values"][:, 5:] == 1).all()
    columns = by_field(schema, features)
    np.testing.assert_array_equal(columns["item_history"], events - first + 1)
    assert columns["category_history"].shape == (200, 3) and columns["category_history"].max() == 10
