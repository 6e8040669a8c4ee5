"""One field: its ids, its numbers, its texts, and its configuration."""

import json

import keras
import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding import field as field_module
from ctrzoo.data_pipelines.encoding.field import FITTED, FieldEncoding
from ctrzoo.data_pipelines.encoding.specification import FieldSpecification
from ctrzoo.data_pipelines.errors import RowError

TEXTS = pl.Series(["b", "unseen", None, "a"])


@pytest.mark.parametrize(
    ("arguments", "ids", "size"),
    [
        ({"values": ["a", "b"]}, [2, 0, 0, 1], 2),
        ({"values": ["a", "b"], "min_count": 2}, [3, 1, 0, 2], 3),
        ({"values": ["", "a", "b"], "missing": "category"}, [3, 0, 1, 2], 3),
        ({"values": ["", "a", "b"], "missing": "reserved", "min_count": 2}, [4, 1, 0, 3], 4),
        ({"values": ["a", "b"], "unused_ids": 5}, [2, 0, 0, 1], 7),
        ({"values": ["a", None, "b"]}, [3, 0, 0, 1], 3),  # the second id is free
        ({}, [0, 0, 0, 0], 1),  # nothing was fitted; a table needs one row
    ],
)
def test_local_ids_by_hand(monkeypatch, arguments, ids, size):
    field = FieldEncoding("x", **arguments)
    found = field.local_ids(TEXTS)
    assert found.tolist() == ids and found.dtype == np.int32
    assert field.schema_field().vocabulary_size == size
    monkeypatch.setattr(field_module, "LARGE_VOCABULARY", 0)  # one text at a time is searched by an index
    again = [field.local_ids(TEXTS[place : place + 1]) for place in range(len(TEXTS))]
    assert np.concatenate(again).tolist() == ids and again[0].dtype == np.int32


def test_hashed_ids_are_those_of_keras():
    field = FieldEncoding("x", hash_buckets=7)
    texts = [f"v{number}" for number in range(50)]
    expected = np.ravel(keras.layers.Hashing(7)(np.array(texts)[:, None])) + 1
    np.testing.assert_array_equal(field.local_ids(pl.Series([*texts, None])), [*expected, 0])
    assert field.schema_field().vocabulary_size == 7


@pytest.mark.parametrize(("missing", "last", "size"), [("absent", 0, 3), ("category", 4, 4)])
def test_numbers_that_become_ids(missing, last, size):
    field = FieldEncoding("x", transform="quantile", boundaries=[1.0, 2.0], missing=missing)
    assert field.bucket_ids(np.array([0.5, 1.0, 1.5, 2.0, 99.0, np.nan])).tolist() == [1, 2, 2, 3, 3, last]
    assert field.missing_bucket == last and field.schema_field().vocabulary_size == size


def test_numbers_are_scaled_and_stored_in_float32():
    field = FieldEncoding("x", "numerical", transform="min_max", offset=1.0, scale=1e3)
    stored = field.stored_numbers(np.array([1.0, 501.0, np.nan]))
    assert stored.tolist() == [0, 0.5, 0] and stored.dtype == np.float32
    with pytest.raises(
        RowError, match=r"column 'x' must hold numbers of at most 3.4e\+38 once scaled, not 1e\+42"
    ) as caught:
        field.stored_numbers(np.array([1e40, 1e42, -1e43]))
    assert caught.value.rows.tolist() == [1, 2]


def test_texts_of_ids():
    ids = np.array([0, 1, 2, 3, 4])
    field = FieldEncoding("x", values=["a", "b"], min_count=2, unused_ids=1)
    assert field.texts(ids).to_list() == [None, "(rare)", "a", "b", "(unused)"]
    assert FieldEncoding("x", hash_buckets=4).texts(ids).to_list() == [None, "#1", "#2", "#3", "#4"]


def test_a_configuration_leaves_out_defaults_and_gives_the_field_back():
    field = FieldEncoding("x", transform="quantile", boundaries=(0.5, 2.0), column="y", num_buckets=3)
    config = json.loads(json.dumps(field.to_dict()))
    assert config == {"name": "x", "transform": "quantile", "boundaries": [0.5, 2.0], "column": "y", "num_buckets": 3}
    assert FieldEncoding.from_dict(config).to_dict() == config
    vocabulary = FieldEncoding("x", values=["a"], counts=[5])
    assert vocabulary.to_dict() == {"name": "x", "values": ["a"], "counts": [5]}
    assert vocabulary.to_dict(with_values=False) == {"name": "x"}


def test_unfitted_leaves_the_specification():
    field = FieldEncoding("x", min_count=2, values=["a"], counts=[5], offset=1.0, scale=2.0, boundaries=(1.0,))
    assert field.unfitted().to_dict() == {"name": "x", "min_count": 2}
    specified = {name: getattr(field, name) for name in FieldSpecification.__dataclass_fields__}
    assert {*specified, *FITTED} == set(FieldEncoding.__dataclass_fields__)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("site", "A field must be a mapping with a 'name'. Received: 'site'"),
        ({"kind": "numerical"}, "A field must be a mapping with a 'name'"),
        ({"name": "x", "rare": True}, "Field 'x': the key 'rare' was renamed to 'oov'. Rename it"),
        ({"name": "x", "mincount": 2}, "Field 'x': Unknown key 'mincount'. Did you mean 'min_count'"),
    ],
)
def test_a_wrong_configuration_is_named(config, message):
    with pytest.raises(ValueError, match=message):
        FieldEncoding.from_dict(config)
