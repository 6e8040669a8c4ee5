import numpy as np

from ctrzoo.experiments.benchmarks.shapes import SHAPES, by_field, random_rows


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
