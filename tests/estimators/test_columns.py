"""The kinds of columns, by the rules of schema drafts."""

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.estimators.columns import columns_of, without_markers


def test_every_kind():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "ad": random.choice(["a", "b"], 200),
            "price": [*map(str, random.random(199) * 1000), " NULL "],
            "words": [["x"], ["y", "x"], None, "z"] * 50,
            "picture": [[0.5, 1.5, 2.5]] * 200,
            "at": pd.date_range("2024-06-01 00:30", periods=200, freq="h"),
            "day": [f"{day}/6/2024" for day in [*range(13, 23)] * 20],
        }
    )
    found = columns_of(frame)
    assert found.arguments == {
        "categorical": ["ad"],
        "numerical": ["price"],
        "multivalued": ["words"],
        "vector": ["picture"],
        "min_count": {"ad": 2},
        "scaling": {"price": "log1p"},
        "time_parts": {"at": ["hour", "weekday"], "day": ["weekday"]},
        "time_format": {"day": "%d/%m/%Y"},
    }
    assert found.missing == {"price": ("NULL",)} and found.left_out == {}
    cleaned = without_markers(frame, found.missing)
    assert cleaned["price"].iloc[-1] is None and cleaned["price"][:199].tolist() == frame["price"][:199].tolist()
    encoder = FrameEncoder("click", **found.arguments).fit(cleaned)
    features = encoder.features(cleaned)
    assert features["values"][-1, encoder.schema.names.index("price")] == 0


def test_two_separators_are_refused():
    frame = pd.DataFrame({"tags": ["a|b", "b"] * 9, "words": ["c;d", "c"] * 9})
    with pytest.raises(ValueError, match=r"'tags' separates values by '\|' and column 'words' by ';'"):
        columns_of(frame)
    frame["words"] = frame["words"].str.split(";")
    assert columns_of(frame).arguments["multivalued"] == ["tags", "words"]


def test_a_table_without_fields_is_refused():
    with pytest.raises(ValueError, match="No column can be a field.*row is left out: it numbers the rows"):
        columns_of(pd.DataFrame({"row": range(100)}))
