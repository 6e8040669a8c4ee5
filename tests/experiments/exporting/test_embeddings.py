"""Embeddings as Parquet: every row is the right row of the model's table, for every model."""

import numpy as np
import polars as pl
import pytest

from ctrzoo import models
from ctrzoo.experiments.exporting.embeddings import (
    effective_table,
    embed,
    features_of_part,
    other_tables,
    save_embeddings,
    tables_of,
)
from ctrzoo.schema import Field, Schema
from tests.experiments.exporting.wide_table import wide_data
from tests.models.cases import CASES, randomize, rows

SCHEMA = Schema(
    [
        Field("emb", "vector", vocabulary_size=3, num_slots=3),
        Field("item", vocabulary_size=7, num_slots=2, compositional=4),
        Field("age", "numerical"),
        Field("user", vocabulary_size=9),
        Field("both", vocabulary_size=30, cross=("user", "item")),
        Field("seen", "multivalued", vocabulary_size=5, num_slots=4),
        Field("last", "sequence", vocabulary_size=9, num_slots=3, share="user"),
    ]
)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_every_model_has_tables_that_embed_its_rows(case, tmp_path):
    model = case.new(SCHEMA)
    randomize(model)
    features, _ = rows(SCHEMA)
    for name, layer in tables_of(model).items():
        save_embeddings(layer, None, tmp_path / f"{name}.parquet")
        own = features_of_part(layer.schema, SCHEMA, features)
        if layer.schema.names == SCHEMA.names:
            found = embed(tmp_path / f"{name}.parquet", layer.schema, SCHEMA, features)
            kept = [index for index, name in enumerate(SCHEMA.names) if name not in layer.apart]
            expected = layer(own)[0] if layer.apart else layer(own)
            np.testing.assert_allclose(found[:, kept], np.asarray(expected), rtol=0, atol=1e-6)
    assert other_tables(model) == (["hashed_pairs/table"] if case.name == "poly2" else [])


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """The rows of the embeddings of a model of the wide table, by `(field, kind, value)`, and all that made them."""
    folder = tmp_path_factory.mktemp("wide")
    data = wide_data(folder)
    model = models.build("fm", data.schema, embedding_dim=3)
    randomize(model)
    layer = tables_of(model)["embedding"]
    save_embeddings(layer, data.encoding, folder / "embedding.parquet")
    frame = pl.read_parquet(folder / "embedding.parquet")
    vectors = {tuple(key): np.array(vector, np.float32) for *key, vector in frame.drop("id").iter_rows()}
    return data, np.asarray(layer.table), frame, vectors, folder


def test_each_value_has_the_row_of_its_id(wide):
    data, table, frame, vectors, folder = wide
    vocabulary = pl.read_parquet(folder / "data" / "vocabulary.parquet")
    compared = 0
    for field, value, number in vocabulary.select("field", "value", "id").iter_rows():
        if field != "ad":
            np.testing.assert_array_equal(vectors[field, "value", value], table[number])
            compared += 1
    assert compared > 100 and frame["vector"].dtype == pl.Array(pl.Float32, 3)
    first = dict(zip(data.schema.names, data.schema.first_ids, strict=True))
    np.testing.assert_array_equal(vectors["site", "rare", None], table[first["site"]])
    np.testing.assert_array_equal(vectors["user", "bucket", "1"], table[first["user"]])
    np.testing.assert_array_equal(vectors["user", "bucket", "50"], table[first["user"] + 49])
    np.testing.assert_array_equal(vectors["price", "number", None], table[first["price"]])
    np.testing.assert_array_equal(vectors["picture", "component", "3"], table[first["picture"] + 2])
    np.testing.assert_array_equal(vectors["device", "remainder", "7"], table[first["device"] + 25 + 7])
    assert "last_site" not in set(frame["field"])


def test_each_id_is_listed_once(wide):
    data, _, frame, *_ = wide
    assert sorted(frame["id"].drop_nulls().to_list()) == list(range(1, data.schema.num_ids))


def test_a_value_of_a_compositional_field_has_the_sum_of_two_rows(wide):
    data, _, frame, vectors, folder = wide
    texts = pl.read_parquet(folder / "data" / "vocabulary.parquet").filter(pl.col("field") == "ad")["value"].to_list()
    assert len(texts) > 10
    for number, text in enumerate(["(rare)", *texts]):
        key = ("ad", "rare", None) if number == 0 else ("ad", "value", text)
        pair = vectors["ad", "quotient", str(number // 4)] + vectors["ad", "remainder", str(number % 4)]
        np.testing.assert_allclose(vectors[key], pair, rtol=1e-6)
    assert frame.filter((pl.col("field") == "ad") & (pl.col("kind") == "value"))["id"].null_count() == len(texts)


def test_rows_that_are_not_trained_are_those_that_were_set(wide):
    data, table, *_ = wide
    model = models.build("fm", data.schema, embedding_dim=3)
    layer = tables_of(model)["embedding"]
    layer.set_rows(np.array([5, 9]), np.array([[1, 2, 3], [4, 5, 6]], np.float32), trainable=False)
    found = effective_table(layer)
    np.testing.assert_array_equal(found[[5, 9]], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(np.delete(found, [5, 9], 0), np.delete(np.asarray(layer.table), [5, 9], 0))
