"""Histories of prepared logs, compared with a slow loop over their rows."""

import collections
import pathlib
import tempfile

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation import history_log, table
from ctrzoo.data_pipelines.preparation.history import History
from ctrzoo.data_pipelines.preparation.history_log import HistoryLog
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.raw.sources import ParquetSource, TextSource

HISTORIES = (
    History("item", "user", "at", 3),
    History("item", "user", "at", 2, name="liked", side=("kind",), where=("stars", ("4", "5"))),
    History("kind", "item", "at", 50, name="others"),
)


@st.composite
def logs(draw):
    """Return the rows of a log, with equal times, and with users, items and kinds that are missing."""
    row = st.tuples(
        st.sampled_from(["u", "v", "w", ""]),
        st.sampled_from(["a", "b", "c", ""]),
        st.sampled_from(["x", "y", ""]),
        st.integers(0, 6).map(str),
        st.sampled_from(["1", "3", "4", "5", ""]),
    )
    rows = draw(st.lists(row, min_size=1, max_size=40))
    return [dict(zip(("user", "item", "kind", "at", "stars"), cells, strict=True)) for cells in rows]


def slow_history(log, row, history):
    """Return the newest earlier events of a row, by a loop over all rows."""
    own = log[row]
    if not own[history.by]:
        return []
    events = []
    for number, other in enumerate(log):
        listed = tuple(other[column] or None for column in history.columns.values())
        is_event = any(listed) and (history.where is None or other[history.where[0]] in history.where[1])
        if (
            other[history.by] == own[history.by]
            and float(other[history.order]) < float(own[history.order])
            and is_event
        ):
            events.append((float(other[history.order]), number, listed))
    return [listed for _, _, listed in sorted(events)][-history.length :]


def found(folder, log, kind="csv"):
    """Return the columns of all rows, in order."""
    path = pathlib.Path(folder) / f"log.{kind}"
    frame = pl.DataFrame(log, schema=dict.fromkeys(("user", "item", "kind", "at", "stars"), pl.String))
    if kind == "csv":
        frame.write_csv(path)
        source = TextSource([path])
    else:
        frame.with_columns(pl.col("at").cast(pl.Int64)).write_parquet(path)
        source = ParquetSource([path], chunk_rows=7)
    (pathlib.Path(folder) / "state").mkdir()
    many = HistoryLog(pathlib.Path(folder) / "state", "log", source, HISTORIES)
    many.build()
    tables = [chunk.parse({"stars": False}).table for chunk in many.chunks([]) if chunk]
    return pl.concat([pl.DataFrame(each) for each in tables])


@pytest.fixture(scope="module", autouse=True)
def small_partitions():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_log, "PARTITION_BYTES", 200)
        yield


@settings(max_examples=25, deadline=None)
@given(logs(), st.sampled_from(["csv", "parquet"]))
def test_histories_are_those_of_a_slow_loop(log, kind):
    with tempfile.TemporaryDirectory() as folder:
        frame = found(folder, log, kind)
    assert frame["stars"].to_list() == [row["stars"] or None if kind == "csv" else row["stars"] for row in log]
    for history in HISTORIES:
        columns = [frame[name].to_list() for name in history.columns]
        for row, lists in enumerate(zip(*columns, strict=True)):
            assert list(zip(*lists, strict=True)) == slow_history(log, row, history)


@settings(max_examples=15, deadline=None)
@given(logs(), logs(), st.integers(0, 6))
def test_the_future_changes_no_history(log, others, now):
    """Rows after a moment may be any others, and those at the moment may have other labels and kinds."""
    other = [dict(row) for row in log] + [row for row in others if int(row["at"]) > now]
    for row, change in zip(other, [*others, *reversed(others)] * 20, strict=False):
        if int(row["at"]) > now:
            row |= {**change, "at": str(now + 1 + int(change["at"]))}
        elif int(row["at"]) == now:
            row |= {"kind": change["kind"], "stars": change["stars"]}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        before, after = found(one, log), found(two, other)
    past = [row for row, cells in enumerate(log) if int(cells["at"]) <= now]
    assert before.drop("stars")[past].equals(after.drop("stars")[past])


def write_log(path, rows=3000):
    random = np.random.default_rng(0)
    log = {
        "user": random.integers(0, 60, rows),
        "item": (random.random(rows) ** 2 * 40).astype(int),
        "at": random.integers(0, 400, rows),
        "click": random.integers(0, 2, rows),
    }
    pl.DataFrame({**log, "row": np.arange(rows)}).write_csv(path)
    return log


def earlier(log, row):
    """Return the last four clicks of the user before a row."""
    is_earlier = (log["user"] == log["user"][row]) & (log["at"] < log["at"][row]) & (log["click"] == 1)
    return [other for _, other in sorted((log["at"][other], other) for other in np.flatnonzero(is_earlier))[-4:]]


SCHEMA = {
    "label": "click",
    "fields": [{"name": "row", "kind": "numerical"}, {"name": "item", "min_count": 150}],
    "history": {"of": "item", "by": "user", "order": "at", "length": 4, "where": {"column": "click", "is": 1}},
    "split": {"column": "at", "valid_from": 300, "test_from": 350},
}


def test_a_log_is_prepared_with_its_histories(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "TextSource", lambda *arguments: TextSource(*arguments, chunk_bytes=65536 * 2))
    log = write_log(tmp_path / "log.csv")
    prepare_own_table(tmp_path / "data", "log", tmp_path / "log.csv", SCHEMA)
    data = load(tmp_path / "data")
    item, history = data.schema.fields[1:]
    lists = [earlier(log, row) for row in range(3000)]
    counts = collections.Counter(
        log["item"][other] for row in np.flatnonzero(log["at"] < 300) for other in [row, *lists[row]]
    )
    assert data.encoding.fields[1].values.to_list() == sorted(str(one) for one, n in counts.items() if n >= 150)
    assert (history.kind, history.num_slots, history.share) == ("sequence", 4, "item")
    ids = {text: 2 + 1 + place for place, text in enumerate(data.encoding.fields[1].values)}  # id 1 is the row's
    assert 0 < len(ids) < 40 and item.vocabulary_size == len(ids) + 1
    seen = 0
    for split, (low, high) in {"train": (-1, 300), "valid": (300, 350), "test": (350, 999)}.items():
        features, labels = data.arrays(split)
        for cells, values, label in zip(features["ids"], features["values"], labels.ravel(), strict=True):
            row = int(values[0])
            assert low <= log["at"][row] < high and log["click"][row] == label
            expected = [ids.get(str(log["item"][other]), 2) for other in lists[row]]
            assert cells[2:].tolist() == expected + [0] * (4 - len(expected))
            assert values[2:].tolist() == [1.0] * len(expected) + [0.0] * (4 - len(expected))
            seen += 1
    assert seen == 3000


def test_rows_without_an_order_are_skipped_and_those_without_a_user_have_no_history(tmp_path, capsys):
    (tmp_path / "log.csv").write_text(
        "user,item,at,click,row\n"
        + "".join(f"u,i{row},{row},{row % 2},{row}\n" for row in range(30))
        + "u,bad,soon,1,30\n,x,31,0,31\nu,last,32,1,32\n"
    )
    schema = {**SCHEMA, "fields": ["row", "item"], "split": {"train": 1, "valid": 0, "test": 0}}
    with pytest.raises(
        ValueError, match="log.csv, row 32: the order 'at' of a history must be .*'soon'.*bad_rows=skip"
    ):
        prepare_own_table(tmp_path / "data", "log", tmp_path / "log.csv", schema)
    report = prepare_own_table(tmp_path / "data", "log", tmp_path / "log.csv", schema, bad_rows="skip")
    assert report["rows"] == 32 and report["bad_rows"] == 1
    assert "log: 1 rows have no 'user', so 'history' is empty there" in " ".join(capsys.readouterr().err.split())
    features, _ = load(tmp_path / "data").arrays("train")
    lengths = dict(zip(features["ids"][:, 0].tolist(), (features["ids"][:, 2:] > 0).sum(axis=1).tolist(), strict=True))
    rows = {text: 1 + place for place, text in enumerate(sorted(str(row) for row in range(33) if row != 30))}
    assert lengths[rows["31"]] == 0 and lengths[rows["32"]] == 4 and lengths[rows["3"]] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": "itm"}, "Unknown column 'itm'"),
        ({"name": "item"}, "would make the column 'item', which the table has"),
    ],
)
def test_wrong_schemas(change, message, tmp_path):
    write_log(tmp_path / "log.csv", 20)
    schema = {**SCHEMA, "history": {**SCHEMA["history"], **change}}
    with pytest.raises(ValueError, match=message):
        prepare_own_table(tmp_path / "data", "log", tmp_path / "log.csv", schema)


def test_a_folder_with_histories_is_not_extended(tmp_path):
    write_log(tmp_path / "log.csv", 20)
    with pytest.raises(ValueError, match="`history` cannot be combined with `keep_counts` or `extend`"):
        prepare_own_table(tmp_path / "data", "log", tmp_path / "log.csv", SCHEMA, keep_counts=True)


def test_numbers_and_times_are_not_mixed(tmp_path):
    rows = [f"u,a,{row},1,1\n" for row in range(9000)] + [f"u,a,2024-01-01,1,{row}\n" for row in range(9000)]
    (tmp_path / "log.csv").write_text("user,item,at,click,row\n" + "".join(rows))
    (tmp_path / "state").mkdir()
    source = TextSource([tmp_path / "log.csv"], chunk_bytes=1)
    with pytest.raises(ValueError, match="must be either numbers or times"):
        HistoryLog(
            tmp_path / "state", "log", source, HISTORIES[:1] and [History("item", "user", "at", 3)], "skip"
        ).build()
