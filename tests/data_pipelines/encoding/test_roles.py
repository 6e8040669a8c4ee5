"""Weights, groups, times and ids of rows, and labels that are numbers, from any kind of table to batches."""

import datetime
import hashlib
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow_datasets as tfds

from ctrzoo.data_pipelines import Block, FrameEncoder, PreparedWriter, load
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.labels import Label
from ctrzoo.data_pipelines.encoding.roles import Roles
from ctrzoo.data_pipelines.errors import RowError
from ctrzoo.data_pipelines.preparation import division
from ctrzoo.data_pipelines.preparation.report import tables_of
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.storage import writing
from ctrzoo.schema import Field, Schema

ROWS = 60
START = datetime.datetime(2024, 6, 1, 12)
RANDOM = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "site": [f"s{number % 7}" for number in range(ROWS)],
        "click": [number % 2 for number in range(ROWS)],
        "stars": [number % 9 / 2 for number in range(ROWS)],
        "cost": [number / 4 for number in range(ROWS)],
        "user": [f"u{number}" for number in RANDOM.integers(0, 9, ROWS)],
        "at": [START + datetime.timedelta(minutes=37 * number) for number in range(ROWS)],
        "row": [f"row {number} ü" for number in range(ROWS)],
    }
)
SCHEMA = {
    "label": "click",
    "weight": "cost",
    "group": "user",
    "time": "at",
    "id": "row",
    "fields": ["site"],
    "split": {"train": 0.5, "valid": 0.5, "test": 0.0},
}
ALL = ("weight", "group", "time", "id")


def prepare(tmp_path, schema=SCHEMA, frame=FRAME, kind="csv", name="clicks", **options):
    path = tmp_path / f"{name}.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    report = prepare_own_table(tmp_path / name, name, path, schema, **options)
    return load(tmp_path / name), report


def hash_of(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def expected_of(ids, frame=FRAME):
    """The columns of the rows with some ids, from the frame."""
    rows = frame.set_index("row").loc[[text.decode() for text in ids]]
    hashes = [hash_of(user) for user in rows["user"]]
    micros = [int((at - datetime.datetime(1970, 1, 1)) / datetime.timedelta(microseconds=1)) for at in rows["at"]]
    return {"weight": rows["cost"].to_numpy("float32"), "group": hashes, "time": np.array(micros)}, rows


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_every_row_keeps_its_columns(kind, tmp_path):
    data, report = prepare(tmp_path, kind=kind)
    assert data.columns == ALL
    seen = []
    for split in ("train", "valid"):
        ids = data.column(split, "id")
        expected, rows = expected_of(ids)
        for name in ("weight", "group", "time"):
            np.testing.assert_array_equal(data.column(split, name), expected[name], err_msg=name)
        features, labels = data.arrays(split)
        np.testing.assert_array_equal(labels[:, 0], rows["click"])
        assert data.encoding.decode(features["ids"], np.zeros((len(ids), 0)))["site"].to_list() == list(rows["site"])
        frame = data.frame(split)
        frame = frame.set_index("row")[["cost", "at"]]
        pd.testing.assert_frame_equal(frame, rows[["cost", "at"]], check_dtype=False)
        seen += list(ids)
    assert sorted(seen) == sorted(text.encode() for text in FRAME["row"])
    assert report["mean_weight"] == pytest.approx(FRAME["cost"].mean())
    assert report["columns"] == {"weight": "cost", "group": "user", "time": "at", "id": "row"}


def test_a_frame_encoder_gives_the_same_columns(tmp_path):
    encoder = FrameEncoder(
        "click", categorical=["site"], weight="cost", group="user", time="at", id="row", time_format=None
    ).fit(FRAME)
    block = encoder.block(FRAME)
    expected, _ = expected_of(block.columns["id"])
    for name, column in expected.items():
        np.testing.assert_array_equal(block.columns[name], column)
    features, labels, weights = encoder.encode(FRAME)
    assert (weights == FRAME["cost"]).all() and labels.shape == (ROWS, 1)
    np.testing.assert_array_equal(encoder.groups(FRAME), expected["group"])
    again = FrameEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(again.block(FRAME).columns["time"], expected["time"])
    with PreparedWriter(tmp_path / "written", "written", encoder.schema, encoder.encoding) as writer:
        writer.add("train", block)
        writer.add("valid", block)
    data = load(tmp_path / "written")
    for name in ALL:
        np.testing.assert_array_equal(data.column("valid", name), block.columns[name])
    np.testing.assert_array_equal(np.sort(data.column("train", "id")), np.sort(block.columns["id"]))
    with pytest.raises(ValueError, match="knows no groups"):
        FrameEncoder("click", categorical=["site"]).groups(FRAME)


def test_plain_tensorflow_datasets_reads_the_columns(tmp_path):
    data, _ = prepare(tmp_path)
    builder = tfds.builder_from_directory(str(data.folder))
    examples = list(builder.as_dataset(split="valid").as_numpy_iterator())
    for name in (*ALL, "label"):
        found = np.concatenate([example[name] for example in examples])
        expected = data.arrays("valid")[1][:, 0] if name == "label" else data.column("valid", name)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("cache", [False, True])
def test_batches_have_weights_always_and_other_columns_on_request(cache, tmp_path):
    data, _ = prepare(tmp_path)
    features, labels, weights = next(iter(data.dataset("valid", 8, cache=cache)))
    assert features["ids"].shape == (8, 1) and labels.shape == (8, 1) and weights.shape == (8,)
    np.testing.assert_array_equal(weights, data.column("valid", "weight")[:8])
    *_, weights, columns = next(iter(data.dataset("valid", 8, cache=cache, columns=("id", "time"))))
    assert sorted(columns) == ["id", "time"]
    # Shuffled, a row still has its own columns.
    for _, labels, weights, columns in data.dataset("train", 8, cache=cache, columns=("id",)):
        expected, rows = expected_of(columns["id"].numpy())
        np.testing.assert_array_equal(weights, expected["weight"])
        np.testing.assert_array_equal(labels[:, 0], rows["click"])
    with pytest.raises(ValueError, match="column 'ids'"):
        data.dataset("train", 8, columns=("ids",))


def test_without_weights_requested_columns_come_with_weights_of_one(tmp_path):
    data, _ = prepare(tmp_path, {**SCHEMA, "weight": None})
    assert len(next(iter(data.dataset("train", 8)))) == 2
    *_, weights, columns = next(iter(data.dataset("train", 8, columns=("group",))))
    assert weights.numpy().tolist() == [1] * 8 and list(columns) == ["group"]


@pytest.mark.parametrize(("kind", "column"), [("real", "cost"), ("graded", "stars")])
def test_labels_may_be_numbers(kind, column, tmp_path):
    schema = {"label": {"column": column, "kind": kind}, "id": "row", "fields": ["site"]}
    data, report = prepare(tmp_path, schema)
    assert data.label_kind == kind
    for split in ("train", "valid", "test"):
        _, rows = expected_of(data.column(split, "id"))
        np.testing.assert_array_equal(data.arrays(split)[1][:, 0], rows[column].to_numpy("float32"))
        np.testing.assert_array_equal(data.frame(split)[column], rows[column].to_numpy("float32"))
    assert report["mean_label"] == pytest.approx(FRAME[column].mean())
    assert data.num_rows == {"train": 48, "valid": 6, "test": 6}
    assert data.encoding.roles.the_label == Label(column, kind=kind)
    from rich.console import Console

    console = Console(width=200)
    with console.capture() as capture:
        console.print(*tables_of(report))
    assert f"{kind}, mean" in capture.get() and "positive" not in capture.get()


def test_clicks_without_columns_are_written_as_before(tmp_path):
    data, _ = prepare(tmp_path, {"label": "click", "fields": ["site"]})
    preparation = json.loads((data.folder / "preparation.json").read_text())
    assert preparation["format_version"] == 2 and not {"columns", "label_kind"} & set(preparation)
    assert "roles" not in json.loads((data.folder / "encoding.json").read_text())
    assert (data.columns, data.label_kind) == ((), "binary")
    data, _ = prepare(tmp_path, name="more")
    assert json.loads((data.folder / "preparation.json").read_text())["format_version"] == 3


@pytest.mark.parametrize(("block_rows", "shard_blocks"), [(16, 1), (4, 2), (4, 100)])
def test_groups_stay_together_if_asked_for(block_rows, shard_blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(division, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(division, "SHARD_BLOCKS", shard_blocks)
    data, _ = prepare(tmp_path, {**SCHEMA, "keep_groups": True})
    assert data.keep_groups
    stored = data.column("train", "group")
    assert np.count_nonzero(np.diff(stored)) + 1 == len(set(stored))  # each group is in one piece
    for epoch in (0, 1):
        rows = list(data.dataset("train", 7, seed=5, start_epoch=epoch, columns=("id", "group"), by_group=True))
        groups = np.concatenate([columns["group"] for *_, columns in rows])
        if block_rows > 4:  # a group of more rows than a block is read in pieces
            assert np.count_nonzero(np.diff(groups)) + 1 == len(set(groups))
        ids = np.concatenate([columns["id"] for *_, columns in rows])
        assert sorted(ids) == sorted(data.column("train", "id"))
        for _, labels, weights, columns in rows:
            assert labels.shape[1] == 2
            np.testing.assert_array_equal(labels[:, 1], pd.factorize(columns["group"].numpy())[0])
            expected, frame = expected_of(columns["id"].numpy())
            np.testing.assert_array_equal(labels[:, 0], frame["click"])
            np.testing.assert_array_equal(weights, expected["weight"])
        again = data.dataset("train", 7, seed=5, start_epoch=epoch, skip_batches=2, columns=("id",), by_group=True)
        np.testing.assert_array_equal(ids[14:], np.concatenate([columns["id"] for *_, columns in again]))
    other = np.concatenate([c["id"] for *_, c in data.dataset("train", 7, seed=6, columns=("id",), by_group=True)])
    assert (other != ids).any()


def test_ids_of_many_lengths_are_read_from_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "BLOCK_ROWS", 4)
    frame = FRAME.assign(row=["x" * (number * number % 50) + f"{number}" for number in range(ROWS)])
    data, _ = prepare(tmp_path, frame=frame)
    encoder = FrameEncoder("click", categorical=["site"], weight="cost", group="user", time="at", id="row").fit(frame)
    with PreparedWriter(tmp_path / "written", "written", encoder.schema, encoder.encoding) as writer:
        writer.add("train", encoder.block(frame))
        writer.add("valid", encoder.block(frame))
    for folder in (data, load(tmp_path / "written")):
        for split in ("train", "valid"):
            ids = folder.column(split, "id")
            expected, rows = expected_of(ids, frame)
            np.testing.assert_array_equal(folder.column(split, "weight"), expected["weight"])
            np.testing.assert_array_equal(folder.arrays(split)[1][:, 0], rows["click"])
            found = np.concatenate([c["id"] for *_, c in folder.dataset(split, 7, shuffle=True, columns=("id",))])
            assert sorted(found) == sorted(ids)


def test_blocks_end_where_groups_end(monkeypatch):
    monkeypatch.setattr(writing, "BLOCK_ROWS", 4)
    groups = np.repeat([1, 2, 3, 4, 5], [3, 2, 9, 1, 4])
    assert writing._starts(len(groups), groups) == [0, 3, 5, 9, 13, 15]
    assert writing._starts(0, groups[:0]) == []
    assert writing._starts(9, None) == [0, 4, 8]


def test_groups_that_are_not_together_are_refused(tmp_path):
    data, _ = prepare(tmp_path)
    with pytest.raises(ValueError, match="Write keep_groups: true"):
        data.dataset("train", 8, by_group=True)
    _, labels, _ = next(iter(data.dataset("valid", 8, by_group=True)))  # in stored order they need not be
    assert labels.shape == (8, 2)
    data, _ = prepare(tmp_path, {"label": "click", "fields": ["site"]}, name="plain")
    with pytest.raises(ValueError, match="has no groups"):
        data.dataset("train", 8, by_group=True)


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("cost", "", "the weight 'cost' must be a number of at least 0, not empty"),
        ("cost", "-0.5", "the weight 'cost' must be a number of at least 0, not -0.5"),
        ("cost", "1e39", "the weight 'cost' must be a number of at least 0, not 1e\\+39"),
        ("cost", "high", "column 'cost' must hold finite numbers, not 'high'"),
        ("user", "", "the group 'user' must not be empty"),
        ("at", "soon", "the time 'at' must be written such as 2024-06-20 12:00:00, not 'soon'"),
        ("at", "", "the time 'at' must be written such as 2024-06-20 12:00:00, not ''"),
        ("row", "x" * 1001, "the id 'row' must be a text of at most 1,000 bytes"),
    ],
)
def test_a_cell_that_is_none_of_its_role_is_named_or_skipped(column, cell, reason, tmp_path):
    frame = FRAME.astype(str)
    frame.loc[41, column] = cell
    with pytest.raises(ValueError, match=f"row 43: {reason}"):
        prepare(tmp_path, frame=frame)
    data, report = prepare(tmp_path, frame=frame, name="skipped", bad_rows="skip")
    assert report["bad_rows"] == 1 and sum(data.num_rows.values()) == ROWS - 1
    encoder = FrameEncoder("click", categorical=["site"], weight="cost", group="user", time="at", id="row")
    with pytest.raises(RowError, match=reason):
        encoder.fit(frame).block(frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": "costs"}, "column 'costs'.*cost"),
        ({"weight": 3}, "`weight` must be a text"),
        ({"weight": "click"}, "both the label and the weight"),
        ({"time": {"column": "at", "fromat": "%d"}}, "key 'fromat'.*format"),
        ({"time": {"format": "%d"}}, "needs the column of the times"),
        ({"group": None, "keep_groups": True}, "`keep_groups` needs the column"),
        ({"keep_groups": "yes"}, "must be true or false"),
        ({"label": {"column": "stars", "kind": "stars"}}, "`kind` of a label must be one of binary, real, graded"),
        ({"label": {"column": "stars", "kind": "real", "positive": 5}}, "has no `positive` values"),
    ],
)
def test_wrong_roles_are_refused_at_once(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, {**SCHEMA, **change})
    assert not (tmp_path / "clicks").exists()


@pytest.mark.parametrize(
    ("kind", "cell", "reason"),
    [
        ("real", "", "the label 'stars' must be a number, not empty"),
        ("real", "1e39", "must be a number, not 1e\\+39"),
        ("graded", "-1", "must be a grade from 0 to 30, not -1"),
        ("graded", "31", "must be a grade from 0 to 30, not 31"),
    ],
)
def test_a_label_that_is_no_number_is_named(kind, cell, reason, tmp_path):
    frame = FRAME.astype(str)
    frame.loc[5, "stars"] = cell
    with pytest.raises(ValueError, match=f"row 7: .*{reason}"):
        prepare(tmp_path, {"label": {"column": "stars", "kind": kind}, "fields": ["site"]}, frame)


def test_times_in_other_formats_are_the_same_moments(tmp_path):
    data, _ = prepare(tmp_path)
    expected = data.column("valid", "time")
    others = {
        "%d.%m.%Y %H:%M": FRAME["at"].dt.strftime("%d.%m.%Y %H:%M"),
        "epoch_seconds": (FRAME["at"] - datetime.datetime(1970, 1, 1)).dt.total_seconds(),
    }
    for number, (written, cells) in enumerate(others.items()):
        schema = {**SCHEMA, "time": {"column": "at", "format": written}}
        other, _ = prepare(tmp_path, schema, FRAME.assign(at=cells), name=f"other{number}")
        np.testing.assert_array_equal(other.column("valid", "time"), expected)


def test_roles_survive_the_files_of_an_encoding(tmp_path):
    roles = Roles(Label("stars", kind="graded"), "cost", "user", "at", "%d.%m.%Y", "row", True)
    encoding = TableEncoding([{"name": "site", "values": ["a"]}], roles=roles)
    encoding.save(tmp_path)
    assert TableEncoding.load(tmp_path).roles == roles
    assert Roles.from_dict(roles.describe()) == roles


def test_a_group_may_be_a_field_and_the_label_of_another_role_not():
    assert Roles("click", group="click").columns == ("group",)
    with pytest.raises(ValueError, match="both the label and the id"):
        Roles("click", id="click")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "A block needs the columns weight, id"),
        ({"weight": [1.0, -1.0], "id": [b"a", b"b"]}, "Weights must be finite numbers of at least 0"),
        ({"weight": [1.0], "id": [b"a", b"b"]}, "`weight` must have the shape"),
        ({"weight": [1.0, 2.0], "id": [b"a", b"b" * 1001]}, "at most 1,000 bytes"),
    ],
)
def test_a_writer_checks_the_columns_of_a_block(columns, message, tmp_path):
    schema, roles = Schema([Field("site", vocabulary_size=2)]), Roles(weight="w", id="i")
    block = Block(np.array([[1], [2]]), np.zeros((2, 0)), np.array([0, 1]), columns)
    with pytest.raises(ValueError, match=message), PreparedWriter(tmp_path / "x", "x", schema, roles=roles) as writer:
        writer.add("train", block)
    with pytest.raises(ValueError, match="shuffles single rows"):
        PreparedWriter(tmp_path / "x", "x", schema, roles=Roles(group="g", keep_groups=True))


def test_polars_columns_are_read_as_they_are():
    cells = {"y": pl.Series([1, 0]), "w": pl.Series([0.5, 2]), "g": pl.Series([7.0, 8.0]), "i": pl.Series([1, None])}
    read = Roles("y", weight="w", group="g", id="i").read(cells.__getitem__)
    assert read["id"].tolist() == [b"1", b""]
    assert read["group"].tolist() == [hash_of("7"), hash_of("8")]  # 7.0 is the user 7
