"""Which rows are for training, validation and test."""

import datetime
import random

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder
from ctrzoo.data_pipelines.errors import RowError
from ctrzoo.data_pipelines.preparation.splits import (
    ByColumn,
    ByFile,
    ByHash,
    ByName,
    Folds,
    Fractions,
    Shuffled,
    split_from_dict,
)
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.clicks_table import SCHEMA, TEXT
from tests.data_pipelines.small_table import stored_block


def test_rows_are_divided_by_a_column(prepared):
    data, _ = prepared(TEXT, {**SCHEMA, "split": {"column": "price", "valid_from": 60, "test_from": "90"}})
    assert data.num_rows == {"train": 60, "valid": 30, "test": 10}
    np.testing.assert_array_equal(stored_block(data.folder, ["test"]).numerical[:, 0], np.arange(90, 100) + 0.5)


@pytest.mark.parametrize(
    ("cells", "valid_from", "reason"),
    [
        (["1", "", "9"], 5, "column 'day' gives no split: it is empty"),
        (["a", "", "z"], "m", "column 'day' gives no split: it is empty"),
        ([1.0, float("nan"), 9.0], 5, "column 'day' gives no split: it is empty"),
        (
            ["1", "2024-06-01", "9"],
            5,
            "column 'day' must hold finite numbers, not '2024-06-01', as valid_from is the num",
        ),
    ],
)
def test_a_cell_that_says_no_split_is_a_wrong_row(tmp_path, cells, valid_from, reason):
    rows = {"click": [0, 1, 1], "day": cells}
    pl.DataFrame(rows).write_parquet(tmp_path / "clicks.parquet")
    schema = {"label": "click", "fields": ["day"], "split": {"column": "day", "valid_from": valid_from}}
    with pytest.raises(ValueError, match=f"clicks.parquet, row 2: {reason}"):
        prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "clicks.parquet", schema)


def test_times_are_not_compared_with_a_number(tmp_path):
    days = [datetime.date(2024, 6, day) for day in range(1, 31)]
    pl.DataFrame({"click": [0, 1] * 15, "day": days}).write_parquet(tmp_path / "clicks.parquet")
    schema = {"label": "click", "fields": ["day"], "split": {"column": "day", "valid_from": 20240620}}
    with pytest.raises(ValueError, match=r"'day' holds times \(Date\).* number 20240620. Write .* such as 2024-06-20"):
        prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "clicks.parquet", schema)


def test_rows_are_divided_by_a_day_of_a_yaml_schema(prepared, tmp_path):
    rows = [f"{row % 2},s,2024-06-{row + 1:02d}\n" for row in range(30)]
    split = "split: {column: day, valid_from: 2024-06-21, test_from: 2024-06-26}"
    (tmp_path / "schema.yaml").write_text(f"label: click\nfields: [site]\n{split}\n")
    data, _ = prepared("click,site,day\n" + "".join(rows), tmp_path / "schema.yaml")
    assert data.num_rows == {"train": 20, "valid": 5, "test": 5}


def test_shares_are_exact_for_each_label():
    labels = np.array([0] * 700 + [1] * 300)

    def assigned(chunk=0, seed=0):
        return Fractions(0.5, 0.25, 0.25, seed).assign(chunk, labels, None, None)

    splits = assigned()
    assert [np.bincount(splits[labels == label]).tolist() for label in (0, 1)] == [[350, 175, 175], [150, 75, 75]]
    np.testing.assert_array_equal(splits, assigned())
    for other in (assigned(seed=1), assigned(chunk=1)):
        assert (splits != other).mean() > 0.3


@pytest.mark.parametrize(
    ("shares", "rows", "counts"),
    [((1, 0, 0), 30, [30]), ((0.9, 0, 0.1), 30, [27, 0, 3]), ((0.97, 0.03, 0), 200, [194, 6])],
)
def test_a_share_may_be_zero_and_a_hundredth(shares, rows, counts):
    splits = Fractions(*shares).assign(0, np.zeros(rows, int), None, None)
    assert splits.dtype == np.uint8 and np.bincount(splits).tolist() == counts


def test_the_file_says_the_split():
    for index, split in enumerate(("train", "valid", "test")):
        assert ByFile().assign(0, np.zeros(2), None, split).tolist() == [index] * 2


def test_folds_are_those_of_scikit_learn():
    model_selection = pytest.importorskip("sklearn.model_selection")
    labels = (np.random.default_rng(0).random(1003) < 0.3).astype(int)
    labels[0] = 1  # the class that comes first is not the smaller one
    folder = model_selection.StratifiedKFold(10, shuffle=True, random_state=7)
    expected = np.empty(len(labels), int)
    for fold, (_, rows) in enumerate(folder.split(labels, labels)):
        expected[rows] = fold
    np.testing.assert_array_equal(Folds(7).folds(labels), expected)
    np.testing.assert_array_equal(Folds(7).assign_all(labels), np.array([2, 1, *[0] * 8])[expected])


def test_a_shuffled_table_is_cut_at_eight_and_nine_tenths():
    order = list(range(25))
    random.Random(3).shuffle(order)
    splits = Shuffled(3).assign_all(np.zeros(25))
    for split, rows in enumerate((order[:20], order[20:22], order[22:])):
        assert sorted(rows) == np.flatnonzero(splits == split).tolist()


def test_a_split_by_a_column_takes_numbers_or_texts():
    table = pa.table({"day": ["9", "10", "11", "2"]})
    assert ByColumn("day", valid_from=10, test_from="11").assign(0, np.zeros(4), table, None).tolist() == [0, 1, 2, 0]
    # As texts, "9" comes last.
    assert ByColumn("day", valid_from="x").assign(0, np.zeros(4), table, None).tolist() == [0, 0, 0, 0]
    assert ByColumn("day", valid_from="a10", test_from="b").assign(0, np.zeros(4), table, None).sum() == 0


def test_a_schema_gives_shares_or_a_column():
    assert split_from_dict({}, seed=3) == Fractions(seed=3)
    assert split_from_dict({"train": 1, "valid": 0, "test": 0, "seed": 2}, seed=3) == Fractions(1, 0, 0, 2)
    day = split_from_dict({"column": "day", "valid_from": datetime.date(2024, 6, 1)})
    assert day == ByColumn("day", "2024-06-01")


HOURS = [datetime.datetime(2024, 6, 1) + datetime.timedelta(hours=hour) for hour in range(240)]
DAYS = [datetime.datetime(2024, 1, 1) + datetime.timedelta(days=day) for day in range(366)]
NEW_YORK = datetime.timezone(datetime.timedelta(hours=-5))
NOON = datetime.datetime(2024, 6, 5, 12)


def assigned(cells, **options):
    """Return how many rows come before the validation rows."""
    table = pl.DataFrame({"ts": cells}).to_arrow()
    splits = ByColumn("ts", **options).assign(0, np.zeros(len(cells)), table, None)
    assert (np.diff(splits.astype(int)) >= 0).all()
    return int((splits == 0).sum())


@pytest.mark.parametrize(
    "bound", ["2024-06-05 12:00:00", "2024-06-05T12:00", "2024-06-05T12:00:00Z", "2024-06-05 14:00+02:00"]
)
@pytest.mark.parametrize(
    "write",
    [
        lambda time: f"{time:%Y-%m-%d %H:%M:%S}",
        lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}",
        lambda time: f"{time:%Y-%m-%d %H:%M}",
        lambda time: f"{time.replace(tzinfo=datetime.UTC).astimezone(NEW_YORK):%Y-%m-%dT%H:%M:%S%z}",
        lambda time: time,
        lambda time: time.replace(tzinfo=datetime.UTC),
    ],
)
def test_times_are_compared_as_times(bound, write):
    assert assigned([write(time) for time in HOURS], valid_from=bound) == sum(time < NOON for time in HOURS) == 108


@pytest.mark.parametrize(
    ("write", "format"),
    [
        (lambda day: f"{day.month}/{day.day}/{day.year}", "%m/%d/%Y"),
        (lambda day: f"{day:%d.%m.%Y}", "%d.%m.%Y"),
        (lambda day: int(day.replace(tzinfo=datetime.UTC).timestamp()), "epoch_seconds"),
        (lambda day: str(int(day.replace(tzinfo=datetime.UTC).timestamp()) * 1000), "epoch_milliseconds"),
        (lambda day: day.date(), None),
    ],
)
def test_other_ways_to_write_times_are_declared(write, format):
    cells = [write(day) for day in DAYS]
    assert assigned(cells, valid_from="2024-06-15", format=format) == 166
    if format is None:
        return
    with pytest.raises(ValueError, match="`?format`?"):
        assigned(cells, valid_from="2024-06-15")
    if not format.startswith("epoch"):
        assert assigned(cells, valid_from=write(datetime.datetime(2024, 6, 15)), format=format) == 166


@pytest.mark.parametrize(
    ("options", "cells", "message"),
    [
        ({"valid_from": "6/15/2024"}, ["6/1/2024"], "a date in an order of its own. Write it as 2024-06-20"),
        ({"valid_from": "15.06.2024"}, ["1.6.2024"], "a date in an order of its own"),
        ({"valid_from": "2024-06-15"}, ["2024-06-01", "June 2"], "Row 1: column 'ts' must hold times .* not 'June 2'"),
        ({"valid_from": "2024-06-15"}, ["2024-02-30"], "must hold times such as .* not '2024-02-30'"),
        ({"valid_from": "2024-06-15"}, [1717200000], "If they count seconds since 1970, write `format: epoch_seconds`"),
        ({"valid_from": "m"}, [1.5], "holds Float64, but valid_from is the text 'm'"),
        (
            {"valid_from": "soon", "format": "%d.%m.%Y"},
            ["1.6.2024"],
            "must be times such as 2024-06-20. Received: ..soon",
        ),
        ({"valid_from": "2024-06-15", "test_from": "2024-06-01"}, [], "the validation rows before the test rows"),
        ({"valid_from": "2024-06-15 23:00+02:00", "test_from": "2024-06-15 20:00Z"}, [], "before the test rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, cells, message):
    with pytest.raises(ValueError, match=message):
        assigned(cells, **options)


def test_a_column_may_name_the_splits():
    table = pl.DataFrame({"fold": ["train", "Valid", "TEST", "dev", "2"]}).to_arrow()
    split = split_from_dict({"column": "fold", "test": ["test", 2]})
    assert split.assign(0, np.zeros(5), table, None).tolist() == [0, 1, 2, 1, 2]
    with pytest.raises(RowError, match="Row 4: column 'fold' must hold train, training, valid, .* not '2'"):
        ByName("fold").assign(0, np.zeros(5), table, None)
    with pytest.raises(ValueError, match="Each name must stand for one split. Received: dev twice"):
        split_from_dict({"column": "fold", "test": ["dev"]})
    with pytest.raises(ValueError, match="Unknown key of `split` 'valid_form'. Did you mean 'valid_from'"):
        split_from_dict({"column": "fold", "valid_form": 3})


def test_a_number_that_no_training_row_has_counts_as_missing(tmp_path):
    rows = "".join(f"{day},{'' if day < 30 else 1e6 + day},{day % 2}\n" for day in range(40))
    (tmp_path / "t.csv").write_text(f"day,dwell,click\n{rows}")
    field = {"name": "dwell", "kind": "numerical", "transform": "standard"}
    schema = {"label": "click", "fields": ["day", field], "split": {"column": "day", "valid_from": 30, "test_from": 35}}
    report = prepare_own_table(tmp_path / "data", "t", str(tmp_path / "t.csv"), schema)
    data = load(tmp_path / "data")
    assert not data.arrays("test")[0]["values"][:, 1].any()
    assert any("Field 'dwell' is missing in all training rows, but not in" in text for text in report["warnings"])
    served = ServingEncoder(data.encoding)({"day": tf.constant(["35"]), "dwell": tf.constant([1e6])})
    assert served["values"].numpy()[0, 1] == 0


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -float("inf")])
def test_shares_and_bounds_are_finite(share):
    with pytest.raises(ValueError, match="whole hundredths that add up to 1. Received: .*(nan|inf)"):
        Fractions(share, 0.1, 0.1)
    with pytest.raises(ValueError, match="must be finite, or a text that is not a number. Received: .*(nan|inf)"):
        ByColumn("day", share)


@pytest.mark.parametrize("split", [{"column": "fold"}, {"column": "fold", "valid": "x"}])
def test_a_table_is_prepared_by_the_names_of_a_column(split, tmp_path, capsys):
    folds = ["train", "dev", "test", "TRAIN", "train", "train"]
    frame = pl.DataFrame({"site": list("abcabc"), "click": [0, 1] * 3, "fold": folds})
    if "valid" in split:
        frame = frame.with_columns(pl.col("fold").replace("dev", "test"))
    frame.write_csv(tmp_path / "rows.csv")
    schema = {"label": "click", "fields": ["site"], "split": split}
    prepare_own_table(tmp_path / "data", "data", tmp_path / "rows.csv", schema)
    expected = {"train": 4, "test": 2} if "valid" in split else {"train": 4, "valid": 1, "test": 1}
    assert load(tmp_path / "data").num_rows == expected
    assert ("has no rows for the split 'valid'" in capsys.readouterr().err) == ("valid" in split)


def test_a_hash_of_cells_splits_rows_wherever_they_are():
    users = [f"u{number}" for number in range(20_000)]
    split = ByHash("user", 0.7, 0.2, 0.1, seed=3)
    splits = split.assign(0, np.zeros(len(users)), pa.table({"user": users}), None)
    # A share of n draws deviates by sqrt(p (1 - p) / n), at most 0.0033.
    np.testing.assert_allclose(np.bincount(splits) / len(users), [0.7, 0.2, 0.1], atol=0.014)
    order = np.random.default_rng(0).permutation(len(users))
    turned = split.assign(9, np.ones(len(users)), pa.table({"user": np.array(users)[order]}), "test")
    np.testing.assert_array_equal(turned, splits[order])
    other = ByHash("user", 0.7, 0.2, 0.1, seed=4).assign(0, np.zeros(len(users)), pa.table({"user": users}), None)
    # Independent draws agree in 0.49 + 0.04 + 0.01 of the rows.
    assert abs((other == splits).mean() - 0.54) < 0.02


def test_a_hash_is_that_of_all_its_columns_as_plain_text():
    rows = 4000
    table = {"a": [row % 40 for row in range(rows)], "b": [f"x{row % 99}" for row in range(rows)]}
    split = ByHash(["a", "b"])
    splits = split.assign(0, np.zeros(rows), pa.table(table), None)
    texts = {"a": [f"{number}" for number in table["a"]], "b": table["b"]}
    floats = {"a": pa.array(table["a"], pa.float64()), "b": table["b"]}
    for same in (texts, floats):
        np.testing.assert_array_equal(split.assign(0, np.zeros(rows), pa.table(same), None), splits)
    by_pair = {}
    for row in range(rows):
        assert by_pair.setdefault((table["a"][row], table["b"][row]), splits[row]) == splits[row]
    assert len({splits[row] for row in range(rows) if table["a"][row] == 7}) > 1  # both columns count
    assert len({splits[row] for row in range(rows) if table["b"][row] == "x7"}) > 1
    missing = pa.table({"a": pa.array([None, None], pa.int64()), "b": ["", None]})
    assert len(set(split.assign(0, np.zeros(2), missing, None).tolist())) == 1


def test_a_schema_names_the_columns_of_a_hash(prepared):
    schema = {**SCHEMA, "split": {"hash": "price", "train": 0.34, "valid": 0.33, "test": 0.33, "seed": 1}}
    data, _ = prepared(TEXT, schema)
    prices = pa.table({"price": [f"{row}.5" for row in range(100)]})
    splits = ByHash("price", 0.34, 0.33, 0.33, seed=1).assign(0, np.zeros(100), prices, None)
    for split, name in enumerate(("train", "valid", "test")):
        stored = stored_block(data.folder, (name,)).numerical[:, 0]
        assert sorted(stored) == [row + 0.5 for row in range(100) if splits[row] == split]
    assert split_from_dict({"hash": ["a", "b"]}, seed=5) == ByHash(("a", "b"), seed=5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hash": []}, "`hash` of a split must name columns"),
        ({"hash": ["a", "a"]}, "must name columns, each once"),
        ({"hash": 7}, "must name columns"),
        ({"hash": "a", "column": "b"}, "key of a split by `hash`"),
        ({"hash": "a", "train": 0.5}, "add up to 1"),
    ],
)
def test_wrong_splits_by_a_hash_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        split_from_dict(config)
