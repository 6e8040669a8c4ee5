"""Labels: the values of their column, and what an error proposes."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.encoding.labels import Label, LabelError
from ctrzoo.data_pipelines.errors import RowError
from ctrzoo.data_pipelines.preparation.table import prepare_own_table


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "0", "1.0"],
        [1, -1, 1],
        ["+1", "-1.000000e+00", "1"],
        ["True", "false", "TRUE"],
        [1, 0, 1],
        [1.0, 0.0, 1.0],
        [True, False, True],
        [b"1", b"0", b"1"],
    ],
)
def test_labels_of_any_type_are_zeros_and_ones(cells):
    labels = Label("click").read(pl.Series("click", cells))
    assert labels.tolist() == [1, 0, 1] and labels.dtype == np.uint8


@pytest.mark.parametrize(
    ("cells", "rows", "reason"),
    [
        ([1, 2, 0, -1], [1, 3], "not 2"),
        ([0.0, None], [1], "not None"),
        ([0.0, float("nan")], [1], "not nan"),
        ([0.5, 1.0], [0], "not 0.5"),
        (["1", ""], [1], "not ''"),
        (["click", "1"], [0], r"not 'click' \(a header in the wrong place\?\)"),
    ],
)
def test_other_labels_are_named(cells, rows, reason):
    with pytest.raises(RowError, match=f"the label 'click' must be 0 or 1, {reason}") as caught:
        Label("click").read(pl.Series("click", cells, strict=False))
    assert caught.value.rows.tolist() == rows


@pytest.mark.parametrize(
    ("options", "cells", "expected"),
    [
        ({"positive": "yes"}, ["yes", "no", " yes "], [1, 0, 1]),
        ({"positive": True}, ["yes", "no", "Yes"], [1, 0, 0]),  # YAML reads yes as true
        ({"positive": ["click", "buy"]}, ["buy", "view", "click"], [1, 0, 1]),
        ({"positive": 1, "negative": ""}, [1.0, None, float("nan")], [1, 0, 0]),
        ({"positive": 5}, [5, 4, 1], [1, 0, 0]),
        ({"positive": "1.0"}, ["1", "-1", "0"], [1, 0, 0]),
    ],
)
def test_named_values(options, cells, expected):
    assert Label("click", **options).read(pl.Series("click", cells)).tolist() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negative": "no"}, "also needs the `positive` ones"),
        ({"positive": 1, "negative": [0, "1.0"]}, "1.0 is both positive and negative"),
        ({"positive": ""}, "An empty label cannot be positive"),
        ({"positive": {"a": 1}}, "`positive` of a label must be texts or numbers"),
        ({"column": 5}, "The label must be the name of a column. Received: 5"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Label(**options)


def test_wrong_schemas():
    for config, message in (({"column": "y", "positve": 1}, "Did you mean 'positive'"), ({}, "needs its column")):
        with pytest.raises(ValueError, match=message):
            Label.from_schema(config)
    assert Label.from_schema({"column": "y", "positive": None}) == Label("y")


def test_a_cell_that_no_value_covers():
    label = Label("click", positive="yes", negative="no")
    with pytest.raises(LabelError, match="must be one of its `positive` and `negative` values, not 'maybe'") as caught:
        label.read(pl.Series("click", ["yes", "maybe", None]))
    assert caught.value.rows.tolist() == [1, 2]


def prepare(path, label="click", **options):
    config = {"label": label, "fields": ["features" if path.suffix == ".svm" else "site"]}
    config = {"label": label, "fields": ["field0"]} if path.suffix == ".ffm" else config
    prepare_own_table(path.with_suffix(""), "clicks", path, config, **options)
    data = load(path.with_suffix(""))
    return sum(data.num_rows.values()), sum(data.num_positives.values()), data


CELLS = [("1", "-1"), ("yes", "no"), ("True", "False"), ("click", "no click"), ("1.0", "-1.0")]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(("positive", "negative"), CELLS)
def test_both_classes_of_a_table_are_kept(tmp_path, suffix, positive, negative):
    frame = pl.DataFrame({"click": [positive, negative, negative] * 20, "site": list("abc") * 20})
    path = tmp_path / f"clicks{suffix}"
    getattr(frame, f"write_{suffix[1:]}")(path)
    if positive in ("yes", "click"):
        for options in ({}, {"bad_rows": "skip"}):
            with pytest.raises(ValueError, match=rf"Values found: '\w.*positive: \"{positive}\"") as caught:
                prepare(path, **options)
            assert "Pass --bad_rows=skip" not in str(caught.value)
        label = {"column": "click", "positive": positive}
    else:
        label = "click"
    rows, positives, data = prepare(path, label)
    assert (rows, positives) == (60, 20)
    assert data.encoding.positive == ((positive,) if label != "click" else ())


def test_empty_cells_of_a_label(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("site,click\n" + "a,1\nb,\nc,\n" * 20)
    with pytest.raises(
        ValueError, match=r'row 3: .* not None. .*label: {column: "click", positive: "1", negative: ""}'
    ):
        prepare(path)
    assert prepare(path, {"column": "click", "positive": 1, "negative": ""})[:2] == (60, 20)


@pytest.mark.parametrize("suffix", [".svm", ".ffm"])
@pytest.mark.parametrize("label", ["-1", "-1.0", "-1.000000e+00", "0"])
def test_negative_labels_of_sparse_text(tmp_path, suffix, label):
    cells = "1:0.5 3:1" if suffix == ".svm" else "0:1:1"
    path = tmp_path / f"clicks{suffix}"
    path.write_text(f"1.0 {cells}\n{label} {cells}\n" * 20)
    assert prepare(path, "label")[:2] == (40, 20)


def test_a_rare_class_is_not_skipped(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("site,click\n" + "a,0\n" * 99 + "b,yes\n")
    with pytest.raises(ValueError, match="row 101: .* not 'yes'. Values found: '0', 'yes'. .*positive: \"yes\""):
        prepare(path)
    with pytest.raises(ValueError, match="all labels of the split 'train' are 0. Values found"):
        prepare(path, bad_rows="skip")


def test_a_few_bad_labels_may_be_skipped(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("site,click\n" + "a,0\nb,1\n" * 50 + "b,yes\n")
    with pytest.raises(ValueError, match="not 'yes'. Pass --bad_rows=skip"):
        prepare(path)
    assert prepare(path, bad_rows="skip")[:2] == (100, 50)


def test_values_that_do_not_occur_or_contradict(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("site,click\n" + "a,Yes\nb,No\n" * 50)
    with pytest.raises(ValueError, match="No cell of the label 'click' is yes|'yes'. Values found: 'No', 'Yes'"):
        prepare(path, {"column": "click", "positive": "yes"})
    with pytest.raises(ValueError, match="both 0 and -1"):
        Label("y").check_found(["-1", "0", "1"])
    Label("y", positive=1).check_found(["-1", "0", "1"])


@pytest.mark.parametrize("cells", [["False", "True"], [False, True], [-1, 1], ["0", "1.0"]])
def test_labels_of_a_frame(cells):
    frame = pd.DataFrame({"a": list("abab"), "click": cells * 2})
    encoder = FrameEncoder(label="click", categorical=["a"]).fit(frame)
    np.testing.assert_array_equal(encoder.encode(frame)[1][:, 0], [0, 1, 0, 1])


def test_named_values_of_a_frame_are_kept():
    frame = pd.DataFrame({"a": list("abab"), "click": ["no", "yes"] * 2})
    encoder = FrameEncoder(label="click", categorical=["a"]).fit(frame)
    with pytest.raises(RowError, match=r"not 'no'. Values found: 'no', 'yes'. .*FrameEncoder\(..., positive='yes'\)"):
        encoder.encode(frame)
    encoder = FrameEncoder(label="click", categorical=["a"], positive="yes").fit(frame)
    for each in (encoder, FrameEncoder.from_dict(encoder.to_dict())):
        np.testing.assert_array_equal(each.encode(frame)[1][:, 0], [0, 1, 0, 1])
