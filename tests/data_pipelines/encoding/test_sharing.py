"""Fields that share ids: one vocabulary, learned from all their columns, in every way to encode."""

import collections

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.frame import FrameEncoder
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder
from ctrzoo.data_pipelines.encoding.sharing import sharing
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

ROWS = 80
RANDOM = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {
        "click": np.arange(ROWS) % 2,
        "item": RANDOM.choice(list("abcd"), ROWS),
        "seen": ["|".join(RANDOM.choice(list("cdefg"), RANDOM.integers(4))) for _ in range(ROWS)],
        "last": RANDOM.choice(["a", "g", "h", ""], ROWS),
        "user": RANDOM.choice(["u", "v"], ROWS),
    }
)
MIN_COUNT = 25
FIELDS = [
    {"name": "last", "share": "item", "min_count": MIN_COUNT},
    "user",
    {"name": "item", "min_count": MIN_COUNT},
    {"name": "seen", "kind": "multivalued", "share": "item", "min_count": MIN_COUNT, "max_values": 3},
]


def expected_ids():
    """Count the values of the three columns with Python, and look up every cell."""
    counts = collections.Counter([*FRAME["item"], *filter(None, FRAME["last"])])
    counts.update(value for cell in FRAME["seen"] for value in cell.split("|") if value)
    frequent = sorted(value for value, count in counts.items() if count >= MIN_COUNT)
    assert 2 < len(frequent) < len(counts)
    ids = {value: 4 + frequent.index(value) if value in frequent else 3 for value in counts} | {"": 0}  # rare: 3
    users = {"u": 1, "v": 2}
    rows = []
    for row in FRAME.itertuples():
        seen = [ids[value] for value in row.seen.split("|") if value]
        rows.append([ids[row.last], users[row.user], ids[row.item], *seen, *[0] * (3 - len(seen))])
    return np.array(rows), counts, frequent


def test_preparation_frames_and_serving_use_one_vocabulary(tmp_path):
    ids, counts, frequent = expected_ids()
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    schema = {"label": "click", "fields": FIELDS, "fit_on": "all", "split": {"train": 1.0, "valid": 0.0, "test": 0.0}}
    report = prepare_own_table(tmp_path / "data", "t", str(tmp_path / "t.csv"), schema)
    data = load(tmp_path / "data")
    assert data.schema.num_ids == report["num_ids"] == 1 + 2 + 1 + len(frequent)
    assert [field.get("share") for field in report["fields"]] == ["item", None, None, "item"]
    features, labels = data.arrays("train")
    found = sorted(map(tuple, np.concatenate([features["ids"], labels.astype(int)], axis=1)))
    assert found == sorted(map(tuple, np.concatenate([ids, FRAME[["click"]]], axis=1)))
    vocabulary = pl.read_parquet(tmp_path / "data" / "vocabulary.parquet").filter(pl.col("field") != "user")
    assert vocabulary["field"].unique().to_list() == ["item"]
    assert dict(zip(vocabulary["value"], vocabulary["count"], strict=True)) == {one: counts[one] for one in frequent}

    encoder = FrameEncoder(
        "click",
        categorical=["item", "last", "user"],
        multivalued=["seen"],
        order=["last", "user", "item", "seen"],
        share={"last": "item", "seen": "item"},
        min_count={"item": MIN_COUNT, "last": MIN_COUNT, "seen": MIN_COUNT},
        max_values=3,
    ).fit(FRAME)
    restored = FrameEncoder.from_dict(encoder.to_dict())
    for encoding in (
        data.encoding,
        encoder.encoding,
        restored.encoding,
        TableEncoding.from_dict(data.encoding.to_dict()),
    ):
        np.testing.assert_array_equal(encoding.encode(pl.from_pandas(FRAME))[0], ids)
        cells = {name: tf.constant(FRAME[name].to_list()) for name in ("last", "user", "item", "seen")}
        np.testing.assert_array_equal(ServingEncoder(encoding)(cells)["ids"], ids)
    assert restored.share == {"last": "item", "seen": "item"}


def test_decoding_names_the_values_of_the_shared_vocabulary(tmp_path):
    item = FieldEncoding("item", values=["x", "y"], counts=[3, 4])
    encoding = TableEncoding([FieldEncoding("last", share="item"), FieldEncoding("age", "numerical"), item])
    ids, numbers = encoding.encode(pl.DataFrame({"last": ["y", None], "age": [1.0, 2.0], "item": ["x", "y"]}))
    assert ids.tolist() == [[3, 2], [0, 3]]
    encoding.save(tmp_path)
    loaded = TableEncoding.load(tmp_path)
    assert loaded.fields[0].share == "item" and loaded.fields[0].counts.to_list() == [3, 4]
    for one in (encoding, loaded):
        decoded = one.decode(ids, numbers)
        assert decoded["last"].to_list() == ["y", None] and decoded["item"].to_list() == ["x", "y"]


def test_a_type_is_decided_by_all_columns():
    frame = pd.DataFrame({"click": [0, 1], "item": ["7", "8"], "last": ["07", "x"]})
    encoder = FrameEncoder("click", categorical=["item", "last"], share={"last": "item"}).fit(frame)
    assert encoder.encoding.fields[0].values.to_list() == ["07", "7", "8", "x"]  # 07 would be 7 in a column of numbers
    assert encoder.encode(frame)[0]["ids"].tolist() == [[2, 1], [3, 4]]


def test_positions_of_the_fields_with_the_same_ids():
    fields = [FieldEncoding("a"), FieldEncoding("b", share="c"), FieldEncoding("c"), FieldEncoding("d", share="c")]
    assert [sharing(fields, index) for index in range(4)] == [[0], [1, 2, 3], [1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"share": "itme"}, "Field 'x': `share`: Unknown field 'itme'. Did you mean 'item'?"),
        ({"share": "x"}, "must name a field with ids of its own. Received: itself"),
        ({"share": "last"}, "Received: 'last', which shares the ids of 'item'"),
        ({"share": "item", "kind": "numerical"}, "Field 'x' takes numbers"),
        ({"share": "price"}, "Field 'price' takes numbers"),
        ({"share": "item", "transform": "quantile"}, "Field 'x' takes numbers"),
        ({"share": "item", "min_count": 3}, "`min_count` must be the same. Received: 3 and 1"),
        ({"share": "item", "oov": True}, "`oov` must be the same. Received: True and False"),
        ({"share": "item", "type": "integer"}, "`type` must be the same. Received: 'integer' and None"),
        ({"share": "item", "hash_buckets": 7}, "`(oov|hash_buckets)` must be the same"),
        ({"share": "item", "missing": "category"}, "`missing` must be the same"),
        ({"share": "item", "part": "hour"}, "`part` must be the same. Received: 'hour' and None"),
        ({"share": "item", "min_count": 3, "assign_ids_online": True}, "Field 'x' has `assign_ids_online`"),
        ({"share": 3}, "`share` must be the name of another field. Received: 3"),
    ],
)
def test_fields_whose_values_would_get_other_ids_are_refused(field, message):
    others = [FieldEncoding("item"), FieldEncoding("last", share="item"), FieldEncoding("price", "numerical")]
    with pytest.raises(ValueError, match=message):
        TableEncoding([*others, {"name": "x", **field}])


def test_a_frame_encoder_refuses_before_it_is_fitted():
    with pytest.raises(ValueError, match="Unknown column in `share` 'lats'. Did you mean 'last'?"):
        FrameEncoder(categorical=["item", "last"], share={"lats": "item"})
    with pytest.raises(ValueError, match="`min_count` must be the same. Received: 1 and 2"):
        FrameEncoder(categorical=["item", "last"], share={"last": "item"}, min_count={"item": 2})
