"""Histories: columns of the same events, in cells of text, lists of a frame, prepared rows and a serving graph."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.histories import check_histories, lengths_of_events, pad_events
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder, cells_of
from ctrzoo.data_pipelines.errors import RowError
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.validation import check_ids

ITEM = FieldEncoding("item", values=["a", "b", "c"], type="text")  # ids 1, 2, 3
SEEN = FieldEncoding("seen", "sequence", max_values=3, share="item", type="text")
KINDS = FieldEncoding("kinds", "sequence", max_values=3, values=["x", "y"], oov=True, events="seen", type="text")
ENCODING = TableEncoding([ITEM, SEEN, KINDS])  # kinds: 4 unknown, 5 and 6
CELLS = {
    "item": ["a"] * 8,
    # The oldest of four events; one of an item that is not known, of a known and of an unknown kind; none; a missing
    # item; columns that are missing; spaces and brackets.
    "seen": ["c|b|a|a", "b|z|a", "b|z|a", "", "b||", "a|b", "", " b | z "],
    "kinds": ["x|y|x|y", "x|y|x", "x|w|x", "", "|x|", "", "y|w", "[x, y]"],
}
IDS = [
    [1, 2, 1, 1, 6, 5, 6],
    [1, 2, 0, 1, 5, 6, 5],
    [1, 2, 0, 1, 5, 4, 5],
    [1, 0, 0, 0, 0, 0, 0],
    [1, 2, 0, 0, 0, 5, 0],
    [1, 1, 2, 0, 0, 0, 0],
    [1, 0, 0, 0, 6, 4, 0],
    [1, 2, 0, 0, 5, 6, 0],
]


def lists():
    """Return the cells as lists, in which a missing value is None."""
    split = {
        name: [cell.strip("[] ").replace(", ", "|").split("|") for cell in CELLS[name]] for name in ("seen", "kinds")
    }
    return {
        "item": CELLS["item"],
        **{name: [[part.strip() or None for part in cell] for cell in cells] for name, cells in split.items()},
    }


@pytest.mark.parametrize("form", ["text", "lists", "served text", "served lists", "ragged"])
def test_events_keep_their_places_in_all_columns(form):
    texts, listed = pl.DataFrame(CELLS), pl.DataFrame(lists())
    if form == "ragged":
        cells = {
            name: tf.constant(CELLS["item"])
            if name == "item"
            else tf.ragged.constant([["" if part is None else part for part in cell] for cell in lists()[name]])
            for name in CELLS
        }
        features = {name: each.numpy() for name, each in ServingEncoder(ENCODING)(cells).items()}
    elif form.startswith("served"):
        inputs = cells_of(ServingEncoder(ENCODING), texts if "text" in form else listed.to_pandas())
        features = {name: each.numpy() for name, each in ServingEncoder(ENCODING)(inputs).items()}
    else:
        features = ENCODING.features(texts if form == "text" else listed)
    np.testing.assert_array_equal(features["ids"], IDS)
    np.testing.assert_array_equal(features["values"], np.array(IDS) > 0)
    check_ids(features, ENCODING.schema)


def test_decoded_events_keep_their_places():
    ids, numbers = ENCODING.encode(pl.DataFrame(CELLS))
    decoded = ENCODING.decode(ids, numbers)
    assert decoded["seen"].to_list()[:6] == [["b", "a", "a"], ["b", None, "a"], ["b", None, "a"], [], ["b"], ["a", "b"]]
    assert decoded["kinds"].to_list()[2:5] == [["x", "(rare)", "x"], [], [None, "x"]]


def test_cells_of_different_lengths_are_refused_everywhere(tmp_path):
    frame = pl.DataFrame({"item": ["a", "b"], "seen": ["a", "a|b"], "kinds": ["x", "x|y|x"]})
    message = "the columns of a history must have equally many values, not 2 in 'seen', 3 in 'kinds'"
    with pytest.raises(RowError, match=message) as error:
        ENCODING.encode(frame)
    assert list(error.value.rows) == [1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="the columns 'seen', 'kinds' of a history must have"):
        ServingEncoder(ENCODING)({name: tf.constant(frame[name].to_list()) for name in frame.columns})
    rows = [f"{row % 2},a,a|b,x|y\n" for row in range(40)] + ["1,a,a|b,x\n"]
    (tmp_path / "t.csv").write_text("click,item,seen,kinds\n" + "".join(rows))
    fields = [
        "item",
        {"name": "seen", "kind": "sequence", "share": "item"},
        {"name": "kinds", "kind": "sequence", "events": "seen"},
    ]
    schema = {"label": "click", "fields": fields, "split": {"train": 1, "valid": 0, "test": 0}}
    with pytest.raises(ValueError, match="t.csv, row 42: the columns of a history .* not 2 in 'seen', 1 in 'kinds'"):
        prepare_own_table(tmp_path / "data", "t", tmp_path / "t.csv", schema)
    report = prepare_own_table(tmp_path / "data", "t", tmp_path / "t.csv", schema, bad_rows="skip")
    assert report["bad_rows"] == 1 and load(tmp_path / "data").num_rows["train"] == 40


def test_the_report_counts_events(tmp_path):
    cells = [("a|b|c", "x||x"), ("a|b", "x|y"), ("", ""), ("a|z", "y|y"), ("a", "")] * 10
    rows = [f"{row % 2},{seen},{kinds}\n" for row, (seen, kinds) in enumerate(cells)]
    (tmp_path / "t.csv").write_text("click,seen,kinds\n" + "".join(rows))
    fields = [
        {"name": "seen", "kind": "sequence", "max_values": 2, "min_count": 11, "oov": False},
        {"name": "kinds", "kind": "sequence", "max_values": 2, "events": "seen", "min_count": 15},
    ]
    schema = {"label": "click", "fields": fields, "split": {"train": 1, "valid": 0, "test": 0}}
    report = prepare_own_table(tmp_path / "data", "t", tmp_path / "t.csv", schema)
    seen, kinds = report["fields"]
    # Of 80 items, c and z have no id; the first cell loses its oldest event, as c is one by its kind.
    assert seen["unseen_share"] == 20 / 80 and seen["rare_share"] == 0 and seen["missing_share"] == 1 / 5
    assert seen["cut_values"] == 10
    assert kinds["missing_share"] == 2 / 5 and kinds["rare_share"] == 0 and kinds["cut_values"] == 10


def test_a_frame_of_lists_is_fitted():
    frame = pd.DataFrame(
        {
            "item": ["a", "b", "a"],
            "seen": [["a", "b", "b"], None, ["b"]],
            "kinds": [[7.0, None, 8.0], [], None],
            "click": [1, 0, 1],
        }
    )
    encoder = FrameEncoder(
        "click", ["item"], sequence=["seen", "kinds"], share={"seen": "item"}, events={"kinds": "seen"}
    )
    features = encoder.fit(frame).features(frame)
    np.testing.assert_array_equal(
        features["ids"], [[1, 1, 2, 2, 3, 0, 4], [2, 0, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0]]
    )
    short = FrameEncoder("click", ["item"], sequence={"seen": 2}).fit(frame)
    assert short.schema.fields[1].num_slots == 2 and short.schema.fields[1].kind == "sequence"
    # The ids of seen are 3 and 4; the newest two events stay.
    np.testing.assert_array_equal(short.features(frame)["ids"][0], [1, 4, 4])
    again = FrameEncoder.from_dict(encoder.to_dict())
    np.testing.assert_array_equal(again.features(frame)["ids"], features["ids"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "category"}, "a sequence without events is absent"),
        ({"keep": "last"}, "keeps its newest events"),
        ({"weight_separator": ":"}, "takes no `weight_separator`"),
        ({"compositional": "auto"}, "takes no `compositional`"),
        ({"assign_ids_online": True, "min_count": 2}, "takes no `assign_ids_online`"),
        ({"separator": ""}, "`separator` of a sequence must not be empty"),
        ({"transform": "quantile"}, "`transform` of a sequence field"),
        ({"length": 3}, "`length` is for vectors"),
        ({"kind": "categorical", "events": "seen"}, "only a sequence has events"),
    ],
)
def test_options_that_fit_no_sequence(options, message):
    with pytest.raises(ValueError, match=message):
        FieldEncoding(**{"name": "seen", "kind": "sequence", **options})


def test_a_history_has_one_length():
    with pytest.raises(ValueError, match="the same `max_values`. Received: seen 3, kinds 2"):
        check_histories([SEEN, FieldEncoding("kinds", "sequence", max_values=2, events="seen")])


def test_random_events_are_padded_as_by_a_loop():
    random = np.random.default_rng(0)
    for _ in range(50):
        rows, slots = random.integers(0, 6), int(random.integers(1, 4))
        events = [random.integers(0, 3, (random.integers(0, 5), 2)) for _ in range(rows)]
        there = [random.random(2) < 0.8 if len(one) else [True, True] for one in events]
        lengths = [
            np.array([len(one) * some[column] for one, some in zip(events, there, strict=True)], int)
            for column in (0, 1)
        ]
        ids = [
            np.concatenate(
                [np.empty(0, int), *(one[:, column] for one, some in zip(events, there, strict=True) if some[column])]
            )
            for column in (0, 1)
        ]
        found = pad_events([], lengths, ids, slots)
        for row, (one, some) in enumerate(zip(events, there, strict=True)):
            pairs = [tuple(int(x) if is_there else 0 for x, is_there in zip(pair, some, strict=True)) for pair in one]
            pairs = [pair for pair in pairs if any(pair)][-slots:]
            for column in (0, 1):
                expected = [pair[column] for pair in pairs] + [0] * (slots - len(pairs))
                assert found[column][row].tolist() == expected


def test_lengths_that_differ_name_their_rows():
    with pytest.raises(RowError, match="not 1 in 'seen', 2 in 'kinds'") as error:
        lengths_of_events([SEEN, KINDS], [np.array([1, 1, 0]), np.array([1, 2, 5])])
    assert list(error.value.rows) == [1]
