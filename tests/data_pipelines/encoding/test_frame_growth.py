"""A `FrameEncoder` that grows gives the ids of folders that extend each other."""

import json

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "site", "min_count": 2},
        {"name": "hour", "min_count": 2},
        {"name": "price", "kind": "numerical", "transform": "standard"},
        {"name": "tags", "kind": "multivalued", "min_count": 2, "max_values": 2},
        {"name": "home", "share": "site", "min_count": 2},
        {"name": "user", "compositional": "auto", "min_count": 2},
        {"name": "both", "cross": ["site", "hour"], "min_count": 2},
    ],
}


def frame_of(day, rows=200):
    random = np.random.default_rng(day)
    columns = {
        "click": np.arange(rows) % 2,
        "hour": random.integers(2 * day, 24, rows),
        "price": random.normal(day, 1, rows),
    }
    columns |= {
        name: [f"{name[0]}{number}" for number in random.zipf(1.4, rows) % 50 + 5 * day] for name in ("site", "user")
    }
    columns["home"] = [f"s{number}" for number in random.integers(40, size=rows) + 5 * day]
    columns["tags"] = [
        "|".join(f"t{tag}" for tag in random.integers(20 + 5 * day, size=row % 3)) for row in range(rows)
    ]
    return pd.DataFrame(columns)


def encoder():
    return FrameEncoder(
        label="click",
        categorical=["site", "hour", "home", "user"],
        numerical=["price"],
        multivalued=["tags"],
        order=["site", "hour", "price", "tags", "home", "user", "both"],
        min_count=2,
        max_values=2,
        share={"home": "site"},
        crosses={"both": ["site", "hour"]},
        compositional={"user": "auto"},
        keep_counts=True,
    )


@pytest.mark.parametrize("expire", [None, 1])
def test_an_encoder_grows_like_a_folder(tmp_path, expire):
    grown = None
    for day in range(3):
        frame = frame_of(day)
        grown = grown.extend(frame, expire) if grown else encoder().fit(frame)
        grown = FrameEncoder.from_dict(json.loads(json.dumps(grown.to_dict())))
        for split in ("train", "valid", "test"):
            frame.to_csv(tmp_path / f"{split}.csv", index=False)
        tables = {split: tmp_path / f"{split}.csv" for split in ("train", "valid", "test")}
        # All three splits hold the same rows, of which only the training rows are counted.
        for split in ("valid", "test"):
            (tmp_path / f"{split}.csv").write_text((tmp_path / "train.csv").read_text())
        how = (
            {"extend": tmp_path / f"day{day - 1}", "expire": expire} if day else {"schema": SCHEMA, "keep_counts": True}
        )
        prepare_own_table(tmp_path / f"day{day}", "day", tables, **how)
        data = load(tmp_path / f"day{day}")
        for mine, other in zip(grown.encoding.fields, data.encoding.fields, strict=True):
            assert mine.values.to_list() == other.values.to_list(), mine.name
            assert mine.counts.to_list() == other.counts.to_list()
        assert grown.schema.differences(data.schema) == []
        features, _ = data.arrays("test")
        np.testing.assert_array_equal(grown.features(frame)["ids"], features["ids"])


def test_an_encoder_without_counts_cannot_grow_and_the_old_one_stays():
    first = encoder().fit(frame_of(0))
    before = first.to_dict()
    second = first.extend(frame_of(1))
    assert first.to_dict() == before and second.schema.num_ids > first.schema.num_ids
    plain = FrameEncoder(label="click", categorical=["site"]).fit(frame_of(0))
    assert "counts" not in plain.to_dict()
    with pytest.raises(ValueError, match=r"cannot go on. Fit a FrameEncoder\(..., keep_counts=True\)"):
        plain.extend(frame_of(1))
    with pytest.raises(ValueError, match="`expire` must be a whole number of at least 1. Received: 0"):
        first.extend(frame_of(1), expire=0)
