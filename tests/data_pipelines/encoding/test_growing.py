"""Growing vocabularies, with values worked by hand and by a slow loop."""

import collections

import keras
import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.growing import COUNTS, Growing, continued, same_ids
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder


def counts_of(**values):
    """`value=(count, last)` as a frame."""
    rows = [(text, *numbers) for text, numbers in values.items()]
    return pl.DataFrame(rows, schema=COUNTS, orient="row")


def found(**values):
    return pl.DataFrame({"text": list(values), "count": list(values.values())}, schema_overrides={"count": pl.Int64})


def test_values_keep_their_places_and_new_ones_follow_in_the_order_of_their_texts():
    field = FieldEncoding("f", min_count=3, values=["m", "z"], counts=[3, 9])
    before = counts_of(m=(3, 0), z=(9, 0), b=(2, 0), k=(1, 0))
    grown = Growing(field, before, 1).grown(field, found(b=1, k=1, a=3, q=1, m=4))
    assert grown.field.values.to_list() == ["m", "z", "a", "b"]
    assert grown.field.counts.to_list() == [7, 9, 3, 3]
    assert grown.change == (2, 2, 0, 2, 0)
    expected = {"a": (3, 1), "b": (3, 1), "k": (2, 1), "m": (7, 1), "q": (1, 1), "z": (9, 0)}
    assert {text: numbers for text, *numbers in map(list, grown.counts.rows())} == {
        text: list(numbers) for text, numbers in expected.items()
    }


def test_a_value_that_was_not_seen_for_long_is_forgotten_and_its_id_is_used_again():
    field = FieldEncoding("f", min_count=2, values=["a", "b", "c"], counts=[5, 5, 5])
    before = counts_of(a=(5, 0), b=(5, 1), c=(5, 0), rare=(1, 0))
    grown = Growing(field, before, 2, expire=2).grown(field, found(d=2, c=1))
    # a was last seen in number 0, two extensions ago; b in number 1; c today.
    assert grown.field.values.to_list() == ["d", "b", "c"]
    assert grown.field.counts.to_list() == [2, 5, 6]
    assert grown.change == (2, 1, 1, 0, 1)
    # A free id stays free until a new value takes it, and no cell is read as it.
    later = Growing(grown.field, grown.counts, 5, expire=2).grown(grown.field, found(c=1, a=1))
    assert later.field.values.to_list() == [None, None, "c"] and later.field.counts.to_list() == [0, 0, 7]
    # a counts anew from zero.
    assert later.change == (1, 0, 2, 1, 0) and later.counts.rows() == [("a", 1, 5), ("c", 7, 5)]
    assert later.field.local_ids(pl.Series(["d", "c", None, "", "a"])).tolist() == [1, 4, 0, 1, 1]
    assert later.field.texts(np.array([0, 1, 2, 3, 4])).to_list() == [None, "(rare)", "(unused)", "(unused)", "c"]
    assert later.field.num_values == 4
    again = Growing(later.field, later.counts, 6).grown(later.field, found(a=1, e=2, f=2))
    assert again.field.values.to_list() == ["a", "e", "c", "f"]


def test_new_values_use_up_unused_ids_so_the_field_keeps_its_size():
    field = FieldEncoding("f", values=["a"], unused_ids=2)
    grown = Growing(field, counts_of(a=(1, 0)), 1).grown(field, found(b=1)).field
    assert (grown.num_values, grown.unused_ids) == (field.num_values, 1)
    grown = Growing(grown, counts_of(a=(1, 0), b=(1, 1)), 2).grown(grown, found(c=1, d=1, e=1)).field
    assert (grown.num_values, grown.unused_ids, grown.values.to_list()) == (5, 0, ["a", "b", "c", "d", "e"])
    first = Growing().grown(field.unfitted(), found(x=1, y=1)).field
    assert first.num_values == 4 and first.unused_ids == 2


def test_growing_equals_a_loop_over_random_days():
    random, ids, counts, last = np.random.default_rng(3), [], collections.Counter(), {}
    field, seen, expire = FieldEncoding("f", min_count=3), pl.DataFrame(schema=COUNTS), 3
    for day in range(12):
        today = collections.Counter(f"v{value}" for value in random.zipf(1.5, 60) + 5 * day)
        grown = Growing(field if day else None, seen, day, expire).grown(field, found(**today))
        field, seen = grown.field, grown.counts
        # The slow way: a list whose places are ids.
        counts.update(today)
        last.update(dict.fromkeys(today, day))
        for text in [text for text in counts if day - last[text] >= expire]:
            del counts[text]
            ids = [None if text == other else other for other in ids]
        for text in sorted(text for text in counts if counts[text] >= 3 and text not in ids):
            if None in ids:
                ids[ids.index(None)] = text
            else:
                ids.append(text)
        assert field.values.to_list() == ids
        assert field.counts.to_list() == [counts[text] if text else 0 for text in ids]
        assert dict(seen.select("text", "count").rows()) == counts
    assert None in ids or grown.change.dropped  # ids were freed at all


def test_free_ids_survive_files_and_serving(tmp_path):
    fields = [FieldEncoding("f", values=["a", None, "c"], counts=[1, 0, 2]), FieldEncoding("g", "numerical")]
    encoding = TableEncoding(fields)
    encoding.save(tmp_path)
    loaded = TableEncoding.load(tmp_path)
    assert loaded.fields[0].values.to_list() == ["a", None, "c"] and loaded.fields[0].counts.to_list() == [1, 0, 2]
    again = TableEncoding.from_dict(encoding.to_dict())
    rows = pl.DataFrame({"f": ["c", "", "b", None, "a"], "g": [0.0] * 5})
    for each in (encoding, loaded, again):
        assert each.encode(rows)[0].ravel().tolist() == [3, 0, 0, 0, 1]
    cells = {"f": keras.ops.convert_to_tensor(rows["f"].fill_null("").to_numpy().astype(str)[:, None])}
    served = ServingEncoder(loaded)({**cells, "g": np.zeros((5, 1), np.float32)})
    assert served["ids"].numpy()[:, 0].tolist() == [3, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("field", "other", "expected"),
    [
        # b moved from 2 to 3; c is new; the OOV id stands for itself.
        ({"min_count": 2, "values": ["a", "b", "c"]}, {"min_count": 2, "values": ["b", "a"]}, [1, 3, 2, -1]),
        # x was dropped and n took its id; the free id and the unused one stay, and the other unused one is new.
        ({"values": ["n", None], "unused_ids": 2}, {"values": ["x", None], "unused_ids": 1}, [-2, 2, 3, -1]),
        # An id that was freed is a new one, whatever it was before.
        ({"values": [None, "b"]}, {"values": ["a", "b"]}, [-2, 2]),
        # A value in an id that none had.
        ({"values": ["a", "b"], "unused_ids": 1}, {"values": ["a"], "unused_ids": 2}, [1, -1, 3]),
        ({"hash_buckets": 3}, {"hash_buckets": 3}, [1, 2, 3]),
    ],
)
def test_the_same_value_is_found_in_another_encoding(field, other, expected):
    assert same_ids(FieldEncoding("f", **field), FieldEncoding("f", **other)).tolist() == expected


def test_the_number_of_remainders_stays():
    field = continued(FieldEncoding("f", values=list("abcdefghi"), compositional="auto"))
    assert field.compositional == 3
    grown = Growing(field, pl.DataFrame(schema=COUNTS), 1).grown(field, found(j=1)).field
    schema = grown.schema_field()
    # Ten values: quotients 0 to 3, remainders 0 to 2.
    assert (schema.vocabulary_size, schema.compositional) == (7, 3)
