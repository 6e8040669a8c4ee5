"""Schema and Field: what they derive, what they refuse, and JSON both ways."""

import json

import numpy as np
import pytest

from ctrzoo.schema import Field, Schema


def test_ids_and_slots_of_each_field(mixed_schema):
    assert mixed_schema.num_fields == 4
    assert mixed_schema.num_slots == 1 + 1 + 1 + 3
    assert mixed_schema.num_ids == 1 + 9 + 1 + 5 + 4
    assert mixed_schema.first_ids == (1, 10, 11, 16)
    assert mixed_schema.slot_fields == (0, 1, 2, 3, 3, 3)


def test_json_both_ways(mixed_schema):
    assert Schema.from_json(mixed_schema.to_json()) == mixed_schema
    assert Schema([{"name": "user"}]) == Schema([Field("user")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "non-empty"),
        ({"name": "a", "kind": "text"}, "kind must be one of"),
        ({"name": "a", "vocabulary_size": 0}, "at least 1"),
        ({"name": "a", "vocabulary_size": 2.5}, "whole number"),
        ({"name": "a", "kind": "numerical", "vocabulary_size": 3}, "must be 1"),
        ({"name": "a", "num_slots": 2}, "only a multi-valued field"),
        ({"name": "a", "kind": "multivalued", "pooling": "min"}, "one of mean, sum, max. Received: 'min'"),
        ({"name": "a", "kind": "multivalued", "pooling": "max", "weighted": True}, "'max' takes no weights"),
        ({"name": "a", "kind": "sequence", "weighted": True}, "only a multi-valued field has weights"),
        ({"name": "a", "kind": "sequence", "pooling": "last"}, "one of mean, sum, max. Received: 'last'"),
        (
            {"name": "a", "kind": "sequence", "compositional": 2, "vocabulary_size": 4, "num_slots": 2},
            "each event of a sequence has one id",
        ),
        ({"name": "a", "kind": "multivalued", "events": "seen"}, "only a sequence has events"),
        ({"name": "a", "kind": "sequence", "events": ""}, "`events` must be the name of a history. Received: ''"),
        ({"name": "a", "kind": "vector", "vocabulary_size": 3}, "must be equal. Received: 3 and 1"),
        ({"name": "a", "kind": "vector", "pooling": "max"}, "the numbers of a vector are not pooled"),
        ({"name": "a", "compositional": 0}, "`compositional` must be a whole number of at least 1. Received: 0"),
        ({"name": "a", "compositional": True}, "`compositional` must be a whole number of at least 1. Received: True"),
        ({"name": "a", "compositional": 5, "vocabulary_size": 5, "num_slots": 2}, "at least one quotient"),
        ({"name": "a", "compositional": 5, "vocabulary_size": 9}, "two slots for each value. Received: 1"),
        ({"name": "a", "compositional": 5, "vocabulary_size": 9, "num_slots": 4}, "two slots for each value"),
        (
            {"name": "a", "kind": "multivalued", "compositional": 5, "vocabulary_size": 9, "num_slots": 3},
            "two slots for each value",
        ),
        (
            {"name": "a", "kind": "vector", "compositional": 1, "vocabulary_size": 2, "num_slots": 2},
            "is for categorical",
        ),
        (
            {"name": "a", "kind": "multivalued", "pooling": "max", "compositional": 1, "vocabulary_size": 2},
            "not pooled by max",
        ),
    ],
)
def test_bad_fields_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Field(**arguments)


@pytest.mark.parametrize(
    ("fields", "label", "message"),
    [
        ([], "label", "at least one field"),
        ([Field("a"), Field("a")], "label", "more than once: a"),
        ([Field("a")], "a", "must not be a field"),
    ],
)
def test_bad_schemas_are_refused(fields, label, message):
    with pytest.raises(ValueError, match=message):
        Schema(fields, label)


def test_bad_json_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="not valid JSON"):
        Schema.from_json("{")
    with pytest.raises(ValueError, match="key 'fields'"):
        Schema.from_json("[]")
    with pytest.raises(ValueError, match="unknown keys: size"):
        Schema.from_json(json.dumps({"fields": [{"name": "a", "size": 3}]}))
    with pytest.raises(ValueError, match="Unknown key of a schema 'lable'. Did you mean 'label'?"):
        Schema.from_dict({"fields": [{"name": "a"}], "lable": "click"})
    with pytest.raises(ValueError, match="format version 99"):
        Schema.from_dict({**mixed_schema.to_dict(), "format_version": 99})


SHARED = [
    Field("last", vocabulary_size=4, share="item"),
    Field("user", vocabulary_size=3),
    Field("item", vocabulary_size=4),
    Field("seen", "multivalued", vocabulary_size=4, num_slots=2, share="item"),
    Field("age", "numerical"),
]


def test_fields_that_share_ids_own_none():
    schema = Schema(SHARED)
    assert schema.first_ids == (4, 1, 4, 4, 8)  # user has 1 to 3, item 4 to 7, age 8
    assert schema.num_ids == 1 + 3 + 4 + 1
    assert Schema.from_json(schema.to_json()) == schema


def test_a_schema_without_shared_ids_is_written_as_before(mixed_schema):
    keys = {"name", "kind", "vocabulary_size", "num_slots", "pooling", "weighted"}
    assert all(set(field) == keys for field in mixed_schema.to_dict()["fields"])
    others = [
        Field("emb", "vector", vocabulary_size=4, num_slots=4),
        Field("big", vocabulary_size=9, num_slots=2, compositional=np.int64(4)),
    ]
    assert [set(field) for field in Schema(others).to_dict()["fields"]] == [keys, {*keys, "compositional"}]
    assert Schema.from_json(Schema(others).to_json()) == Schema(others)
    own, other = Schema(SHARED), Schema([Field("last", vocabulary_size=4), *SHARED[1:]])
    assert own.differences(other) == ["`share` of field 'last' is 'item' and None"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (Field("x", vocabulary_size=4, share="itme"), "Field 'x': `share`: Unknown field 'itme'. Did you mean 'item'?"),
        (Field("x", vocabulary_size=4, share="x"), "must name a field with ids of its own. Received: itself"),
        (Field("x", vocabulary_size=4, share="last"), "Received: 'last', which shares the ids of 'item'"),
        (Field("x", vocabulary_size=5, share="item"), "needs the `vocabulary_size` of 'item'. Received: 5, and 4"),
        (Field("x", "numerical", share="age"), "is for categorical and multi-valued fields and sequences"),
        (Field("x", share="age"), "'x' is categorical, 'age' is numerical"),
        (Field("x", "vector", share="item"), "'x' is vector, 'item' is categorical"),
        (
            Field("x", vocabulary_size=4, num_slots=2, compositional=2, share="item"),
            "needs the `compositional` of 'item'. Received: 2, and None",
        ),
    ],
)
def test_shared_ids_that_do_not_fit_are_refused(field, message):
    with pytest.raises(ValueError, match=message):
        Schema([*SHARED, field])


HISTORY = [
    Field("item", vocabulary_size=4),
    Field("shop", vocabulary_size=3),
    Field("seen", "sequence", vocabulary_size=4, num_slots=5, share="item", events="views"),
    Field("age", "numerical"),
    Field("seen_shop", "sequence", vocabulary_size=3, num_slots=5, share="shop", events="views"),
    Field("words", "sequence", vocabulary_size=9, num_slots=2),
]


def test_sequences_belong_to_histories():
    schema = Schema(HISTORY)
    assert schema.histories == {"views": ("seen", "seen_shop"), "words": ("words",)}
    assert schema.first_ids == (1, 5, 1, 8, 5, 9) and schema.num_slots == 1 + 1 + 5 + 1 + 5 + 2
    assert Schema.from_json(schema.to_json()) == schema
    kept = [set(field) & {"share", "events"} for field in schema.to_dict()["fields"]]
    assert kept == [set(), set(), {"share", "events"}, set(), {"share", "events"}, set()]
    other = Schema([*HISTORY[:5], Field("words", "sequence", vocabulary_size=9, num_slots=2, events="query")])
    assert schema.differences(other) == ["`events` of field 'words' is None and 'query'"]


def test_the_sequences_of_a_history_have_one_length():
    with pytest.raises(ValueError, match="history 'views' .* same `num_slots`. Received: 5 of 'seen', .* 2 of 'more'"):
        Schema([*HISTORY, Field("more", "sequence", num_slots=2, events="views")])


def test_a_shared_field_is_named_by_a_text():
    with pytest.raises(ValueError, match="`share` must be the name of another field. Received: ''"):
        Field("x", share="")


CROSSED = [
    Field("site_ad", vocabulary_size=9, cross=("site", "ad")),
    Field("site", vocabulary_size=3),
    Field("ad", vocabulary_size=4),
    Field("age", "numerical"),
    Field("tags", "multivalued", vocabulary_size=4, num_slots=2),
]


def test_a_cross_has_ids_of_its_own_and_names_its_parts():
    schema = Schema(CROSSED)
    assert schema.first_ids[:4] == (1, 10, 13, 17) and schema.num_slots == 6
    again = Schema.from_json(schema.to_json())
    assert again == schema and again.fields[0].cross == ("site", "ad")
    assert "cross" not in schema.to_dict()["fields"][1]  # earlier versions read schemas without crosses
    plain = Schema([Field("site_ad", vocabulary_size=9), *CROSSED[1:]])
    assert schema.differences(plain) == ["`cross` of field 'site_ad' is ('site', 'ad') and ()"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"cross": ["site", "add"]}, "Field 'x': `cross`: Unknown field 'add'. Did you mean 'ad'?"),
        ({"cross": ["site", "x"]}, "must name fields that are no crosses. Received: itself"),
        ({"cross": ["site", "site_ad"]}, "Received: 'site_ad', which is a cross"),
        ({"cross": ["site", "age"]}, "takes categorical fields, and 'age' is numerical"),
        ({"cross": ["site", "tags"]}, "takes categorical fields, and 'tags' is multivalued"),
        ({"cross": ["site"]}, "must be a list of two or three different fields, such as"),
        ({"cross": ["site", "ad", "age", "tags"]}, "two or three different fields"),
        ({"cross": ["site", "site"]}, "two or three different fields"),
        ({"cross": "site"}, "two or three different fields"),
        ({"cross": ["site", 3]}, "two or three different fields"),
        ({"cross": ["site", "ad"], "kind": "numerical"}, "a cross is categorical and has ids of its own"),
        ({"cross": ["site", "ad"], "vocabulary_size": 3, "share": "site"}, "a cross is categorical and has ids of its"),
        ({"vocabulary_size": 9, "share": "site_ad"}, "must name a field of a column. Received: 'site_ad', which is a"),
    ],
)
def test_crosses_that_do_not_fit_are_refused(field, message):
    with pytest.raises(ValueError, match=message):
        Schema.from_dict({"fields": [*Schema(CROSSED).to_dict()["fields"], {"name": "x", **field}]})


def test_whole_numbers_of_numpy_become_those_of_python():
    field = Field("tags", "multivalued", vocabulary_size=np.int64(3), num_slots=np.uint8(2))
    assert Schema.from_json(Schema([field]).to_json()).fields == (field,)


def test_differences_are_named(mixed_schema):
    other = Schema([Field("user", vocabulary_size=10), *mixed_schema.fields[1:]])
    assert mixed_schema.differences(other) == ["`vocabulary_size` of field 'user' is 9 and 10"]
    assert mixed_schema.differences(mixed_schema) == []
    assert "the fields are" in mixed_schema.differences(Schema(mixed_schema.fields[:2]))[0]
