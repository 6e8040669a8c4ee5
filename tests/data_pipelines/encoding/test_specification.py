"""What a field may be, and what is said of the rest."""

import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.encoding.specification import FieldSpecification
from ctrzoo.data_pipelines.encoding.transforms import TRANSFORMS, transforms_of


@pytest.mark.parametrize("kind", ["numerical", "categorical", "multivalued"])
def test_an_unknown_transform_is_refused(kind):
    others = [name for name in TRANSFORMS if name not in transforms_of(kind)]
    for name in ("cube_root", *others):
        with pytest.raises(ValueError, match=rf"`transform` of a {kind} field must be one of .*'{name}'"):
            FieldEncoding("x", kind, transform=name)
        with pytest.raises(ValueError, match="`transform`"):
            TableEncoding.from_dict(
                {"format_version": 1, "label": "y", "fields": [{"name": "x", "kind": kind, "transform": name}]}
            )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "A field's name must be a non-empty text. Received: ''"),
        ({"name": 3}, "A field's name must be a non-empty text. Received: 3"),
        (
            {"kind": "number"},
            "`kind` must be one of categorical, numerical, multivalued, vector, sequence. Got 'number'",
        ),
        ({"missing": "zero"}, "`missing` must be one of absent, category, reserved. Got 'zero'"),
        ({"pooling": "min"}, "`pooling` must be one of mean, sum, max. Got 'min'"),
        ({"keep": "all"}, "`keep` must be one of first, last. Got 'all'"),
        (
            {"kind": "multivalued", "weight_separator": ":", "pooling": "max"},
            "the pooling 'max' takes no weights. Remove `weight_separator`",
        ),
        ({"min_count": 0}, "`min_count` must be a whole number of at least 1. Received: 0"),
        ({"min_count": True}, "`min_count` must be a whole number of at least 1. Received: True"),
        ({"hash_buckets": 0}, "`hash_buckets` must be a whole number of at least 1. Received: 0"),
        ({"num_buckets": 1, "transform": "quantile"}, "`num_buckets` must be a whole number of at least 2"),
        ({"unused_ids": 1.5}, "`unused_ids` must be a whole number of at least 0. Received: 1.5"),
        ({"separator": None}, "`separator` must be a text, in quotes. Received: None"),
        (
            {"kind": "multivalued", "weight_separator": ""},
            "`weight_separator` of .* must not be empty",
        ),
        ({"kind": "multivalued", "missing": "category"}, "a multi-valued field without values is absent"),
        ({"assign_ids_online": True}, "`assign_ids_online` needs an OOV id and counted values"),
        ({"kind": "numerical", "hash_buckets": 5}, "numbers are not hashed. Remove `hash_buckets`"),
        ({"transform": "quantile", "hash_buckets": 5}, "numbers are not hashed. Remove `hash_buckets`"),
    ],
)
@pytest.mark.parametrize("kind", [FieldSpecification, FieldEncoding])
def test_a_wrong_argument_is_named(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"name": "x", **arguments})


@pytest.mark.parametrize(
    ("arguments", "has_oov_id", "uses_vocabulary", "reads_numbers"),
    [
        ({}, False, True, False),
        ({"min_count": 2}, True, True, False),
        ({"min_count": 2, "oov": False}, False, True, False),
        ({"oov": True}, True, True, False),
        ({"hash_buckets": 5, "oov": True}, False, False, False),
        ({"kind": "numerical", "min_count": 2}, False, False, True),
        ({"transform": "quantile", "min_count": 2}, False, False, True),
        ({"transform": "log_squared_bucket", "min_count": 2}, True, True, True),
        ({"kind": "multivalued", "min_count": 2}, True, True, False),
    ],
)
def test_what_follows_from_a_specification(arguments, has_oov_id, uses_vocabulary, reads_numbers):
    field = FieldSpecification("x", **arguments)
    assert (field.has_oov_id, field.uses_vocabulary) == (has_oov_id, uses_vocabulary)
    assert (field.reads_numbers, field.column) == (reads_numbers, "x")


def test_only_a_multivalued_field_has_weights():
    assert FieldSpecification("x", "multivalued", weight_separator=":").is_weighted
    assert not FieldSpecification("x", weight_separator=":").is_weighted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "categorical", "length": 3}, "`length` is for vectors"),
        ({"kind": "numerical", "columns": ["a"]}, "`columns` is for vectors"),
        ({"columns": []}, "must be a list of names of columns, such as .v1, v2.. Received: .."),
        ({"columns": None}, "must be a list of names of columns, such as .v1, v2.. Received: None"),
        ({"columns": "ab"}, "must be a list of names of columns, such as .v1, v2.. Received: 'ab'"),
        ({"columns": ["a", 1]}, "must be a list of names"),
        ({"columns": ["a", "b", "a"]}, "`columns` must differ. Received more than once: a"),
        ({"columns": ["a"], "column": "b"}, "one `column` or several `columns`"),
        ({"columns": ["a", "b"], "length": 3}, "the `length` of 2 `columns` is not 3"),
        ({"length": True}, "`length` must be a whole number of at least 1"),
        ({"length": 0}, "`length` must be a whole number of at least 1"),
        ({"transform": "standard"}, "a vector has no `transform`"),
        ({"share": "x"}, "`share` is for fields with ids"),
        ({"hash_buckets": 5}, "numbers are not hashed"),
        ({"type": "text"}, "`type` is for categories"),
        ({"part": "hour"}, "are for categories"),
        ({"separator": ""}, "must not be empty"),
    ],
)
def test_options_that_do_not_fit_a_vector_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"Field 'emb': .*{message}"):
        FieldSpecification("emb", **{"kind": "vector", **arguments})


@pytest.mark.parametrize("key", ["min_count", "oov", "missing", "unused_ids", "max_values", "keep", "pooling"])
def test_options_of_ids_have_no_effect_on_a_vector(key):
    assert key in FieldSpecification("emb", "vector").idle()
    assert "separator" not in FieldSpecification("emb", "vector").idle()
    assert {"separator", "length"} <= set(FieldSpecification("emb", "vector", columns=["a", "b"]).idle())
