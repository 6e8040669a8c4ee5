"""Folders that extend others, compared with pandas; what an extension keeps, refuses and survives."""

import collections
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.small_table import stored_block

pytestmark = pytest.mark.usefixtures("without_pictures")

SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "site", "min_count": 3},
        {"name": "home", "share": "site", "min_count": 3},
        {"name": "price", "kind": "numerical", "transform": "standard"},
        {"name": "size", "transform": "quantile", "num_buckets": 4},
        {"name": "tags", "kind": "multivalued", "min_count": 2},
        {"name": "page", "hash_buckets": 7},
        {"name": "user", "compositional": "auto"},
        {"name": "both", "cross": ["site", "page"], "min_count": 2},
        {"name": "vector", "kind": "vector"},
    ],
    "split": {"train": 0.6, "valid": 0.2, "test": 0.2},
    "fit_on": "all",
}
COLUMNS = ("click", "site", "home", "price", "size", "tags", "page", "user", "vector")


def rows_of(day, count=400):
    """Rows of a day: values drift, so that some are new each day and others are no longer seen."""
    draw = random.Random(day)
    rows = []
    for _ in range(count):
        site, home = (f"s{20 * day + int(draw.expovariate(0.05))}" for _ in range(2))
        tags = "|".join(sorted({f"t{draw.randrange(9) + 3 * day}" for _ in range(draw.randrange(4))}))
        numbers = (10 * day + draw.random(), draw.randrange(30) + 100 * day)
        row = (*numbers, tags, f"p{draw.randrange(4)}", f"u{draw.randrange(50) + 10 * day}", f"[{draw.random():.3f};1]")
        rows.append((draw.randrange(2), site, home, *row))
    return rows


def write(path, rows):
    text = [",".join(map(str, row)).replace(";", " ") for row in (COLUMNS, *rows)]
    path.write_text("\n".join(text) + "\n")
    return path


@pytest.fixture
def days(tmp_path):
    return [write(tmp_path / f"day{day}.csv", rows_of(day)) for day in range(3)]


def prepare(folder, table, schema=None, **options):
    return prepare_own_table(folder, "clicks", table, schema, **options)


def counts_of(folder, field):
    frame = pl.read_parquet(folder / "counts.parquet").filter(pl.col("field") == field)
    return dict(frame.select("text", "count").rows())


def cells_of(paths, field):
    """The cells of a field in files, by pandas."""
    frame = pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths])
    columns = {"site": ["site", "home"]}.get(field, [field])
    cells = [cell for column in columns for cell in frame[column]]
    return [value for cell in cells for value in cell.split("|") if value] if field == "tags" else cells


LEAST = {"site": 3, "tags": 2, "user": 1}


def test_counts_go_on_and_new_values_follow_those_that_have_ids(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    ids = {
        field: sorted(text for text, count in pd.Series(cells_of(days[:1], field)).value_counts().items() if count >= n)
        for field, n in LEAST.items()
    }
    for day in (1, 2):
        report = prepare(tmp_path / f"{day}", days[day], extend=tmp_path / f"{day - 1}")
        data = load(tmp_path / f"{day}")
        fields = {field.name: field for field in data.encoding.fields}
        for name, least in LEAST.items():
            counted = pd.Series(cells_of(days[: day + 1], name)).value_counts().to_dict()
            kept = len(ids[name])
            ids[name] += sorted(text for text in counted if counted[text] >= least and text not in ids[name])
            assert counts_of(data.folder, name) == counted
            assert fields[name].values.to_list() == ids[name]
            assert fields[name].counts.to_list() == [counted[text] for text in ids[name]]
            change = report["growth"]["fields"][name]
            assert (change["kept"], change["appended"], change["dropped"]) == (kept, len(ids[name]) - kept, 0)
            assert change["rare"] == len(counted) - len(ids[name])
            assert change["appended"] > 0
        assert fields["home"].values.to_list() == ids["site"]
        assert report["growth"]["number"] == day


def test_the_last_of_extensions_counts_as_a_preparation_of_all_rows(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    prepare(tmp_path / "1", days[1], extend=tmp_path / "0")
    prepare(tmp_path / "2", days[2], extend=tmp_path / "1")
    write(tmp_path / "all.csv", [row for day in range(3) for row in rows_of(day)])
    prepare(tmp_path / "all", tmp_path / "all.csv", SCHEMA, keep_counts=True)
    for name in ("site", "tags", "user"):
        assert counts_of(tmp_path / "2", name) == counts_of(tmp_path / "all", name)
    grown, once = (load(tmp_path / name).encoding for name in ("2", "all"))
    for one, other in zip(grown.fields, once.fields, strict=True):
        if one.name != "both":
            assert sorted(one.values) == sorted(other.values)
            assert dict(zip(one.values, one.counts, strict=True)) == dict(zip(other.values, other.counts, strict=True))


def test_a_cross_counts_combinations_of_the_values_that_have_ids_on_their_day(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    prepare(tmp_path / "1", days[1], extend=tmp_path / "0")
    expected = collections.Counter()
    for day in (0, 1):
        known = set(load(tmp_path / f"{day}").encoding.fields[0].values)
        frame = pd.read_csv(days[day], dtype=str)
        sites = frame["site"].where(frame["site"].isin(known))
        expected[day] = len(sites.dropna())
    counted = counts_of(tmp_path / "1", "both")
    # A combination with a rare site counts as one with the rare id, so each row counts once.
    assert sum(counted.values()) == 2 * 400
    assert sum(count for text, count in counted.items() if "(rare)" not in text) == sum(expected.values())


def test_numbers_are_read_as_at_first(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    report = prepare(tmp_path / "1", days[1], extend=tmp_path / "0")
    first, second = ({field.name: field for field in load(tmp_path / name).encoding.fields} for name in "01")
    prices = pd.read_csv(days[0])["price"]
    assert second["price"].offset == pytest.approx(prices.mean(), rel=1e-6)
    assert second["price"].scale == pytest.approx(prices.std(ddof=0), rel=1e-6)
    for name in ("price", "size", "vector", "page"):
        assert first[name].to_dict() == second[name].to_dict()
    assert "scalings" in report["growth"]["unchanged"]
    # The rows of the second day all lie above the first day's.
    stored = stored_block(tmp_path / "1", ["train"])
    assert stored.numerical[:, 0].min() > 5


def test_rows_have_the_ids_of_their_values(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    prepare(tmp_path / "1", days[1], extend=tmp_path / "0")
    data, order = load(tmp_path / "1"), load(tmp_path / "0").encoding.fields[0].values.to_list()
    counted = collections.Counter(cells_of(days[:2], "site"))
    order += sorted(text for text in counted if counted[text] >= 3 and text not in order)
    rows = collections.Counter(order.index(cell) + 2 if cell in order else 1 for _, cell, *_ in rows_of(1))
    found = np.concatenate([stored_block(data.folder, [split]).ids[:, 0] for split in ("train", "valid", "test")])
    assert collections.Counter(found.tolist()) == rows


def test_the_earlier_folder_stays_as_it_is(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    before = digests(tmp_path / "0")
    prepare(tmp_path / "1", days[1], extend=tmp_path / "0")
    assert digests(tmp_path / "0") == before
    assert {"growth.json", "counts.parquet"} <= set(before)


def test_values_expire_and_their_ids_are_used_again(tmp_path):
    schema = {"label": "click", "fields": [{"name": "site", "oov": True}], "fit_on": "all"}
    schema["split"] = {"train": 0.6, "valid": 0.2, "test": 0.2}
    days = (("a", "b", "c"), ("b", "c"), ("c", "d"), ("c", "e", "f"))
    for day, sites in enumerate(days):
        lines = [f"{row % 2},{site}" for site in sites for row in range(40)]
        (tmp_path / f"{day}.csv").write_text("\n".join(["click,site", *lines]) + "\n")
    prepare(tmp_path / "0", tmp_path / "0.csv", schema, keep_counts=True)
    changes, values = [], []
    for day in (1, 2, 3):
        options = {"extend": tmp_path / f"{day - 1}", "expire": 2}
        changes.append(prepare(tmp_path / f"{day}", tmp_path / f"{day}.csv", **options)["growth"]["fields"]["site"])
        values.append(load(tmp_path / f"{day}").encoding.fields[0].values.to_list())
    # a was last seen in the first preparation and b in extension 1.
    assert values == [["a", "b", "c"], ["d", "b", "c"], ["d", "e", "c", "f"]]
    assert [change["dropped"] for change in changes] == [0, 1, 1]


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"expire": 0}, None, "`expire` must be a whole number of at least 1"),
        ({"keep_counts": True}, None, "always keeps its counts. Leave out `keep_counts`"),
        ({}, {"fields": [{"name": "site", "min_count": 2}]}, "other fields than .*: 'site' differs"),
        ({}, {"fields": [*SCHEMA["fields"], "page2"]}, "Unknown column 'page2'"),
        ({}, {"fields": SCHEMA["fields"][:-1]}, "'vector' is missing"),
        ({}, {"fields": SCHEMA["fields"][::-1]}, "in another order"),
        ({}, {"label": "page"}, "another label"),
    ],
)
def test_what_cannot_be_extended_is_refused(tmp_path, days, options, change, message):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / "1", days[1], change and {**SCHEMA, **change}, extend=tmp_path / "0", **options)
    assert not (tmp_path / "1").exists()


def test_a_folder_without_counts_or_with_damaged_ones_is_refused(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA)
    with pytest.raises(ValueError, match="keeps no counts.*Prepare it again with --keep_counts"):
        prepare(tmp_path / "1", days[1], extend=tmp_path / "0")
    with pytest.raises(ValueError, match="Pass both, or neither"):
        prepare(tmp_path / "1", days[1], SCHEMA, expire=2)
    prepare(tmp_path / "2", days[0], SCHEMA, keep_counts=True)
    path = tmp_path / "2" / "counts.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"counts\.parquet"):
        prepare(tmp_path / "1", days[1], extend=tmp_path / "2")
    with pytest.raises(FileNotFoundError):
        prepare(tmp_path / "1", days[1], extend=tmp_path / "none")


def test_a_table_of_other_columns_is_refused(tmp_path, days):
    prepare(tmp_path / "0", days[0], SCHEMA, keep_counts=True)
    (tmp_path / "other.csv").write_text("click,sites\n1,a\n")
    with pytest.raises(ValueError, match="Unknown column 'site'"):
        prepare(tmp_path / "1", tmp_path / "other.csv", extend=tmp_path / "0")


def digests(folder):
    """What was prepared; the report, and so its checksum, holds times and is not the same twice."""
    files = [path for path in folder.rglob("*") if path.name not in ("report.json", "checksums.json")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


KILLS = 12
# The parent only imports; each child extends the folder and is killed by a timer of its own.
EXTEND = """
    import os, pathlib, signal, sys, threading
    from ctrzoo.data_pipelines.preparation import engine, table
    from ctrzoo.data_pipelines.raw import layout, sources

    folder, raw, earlier, delays = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    engine.SHARD_BLOCKS = 1
    original = sources.TextSource
    layout.TextSource = lambda *arguments: original(*arguments, chunk_bytes=100_000)
    for delay in delays:
        child = os.fork()
        if not child:
            threading.Timer(float(delay), os.kill, (os.getpid(), signal.SIGKILL)).start()
            table.prepare_own_table(folder, "clicks", raw, extend=earlier)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print("killed" if os.WIFSIGNALED(status) else "finished", flush=True)
        if folder.exists():
            sys.exit()
"""


def extend(folder, raw, earlier, delays):
    command = [sys.executable, "-c", textwrap.dedent(EXTEND), folder, raw, earlier, *map(str, delays)]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_an_extension_that_is_killed_twelve_times_gives_the_bytes_of_an_undisturbed_one(tmp_path, days):
    table = write(tmp_path / "long.csv", rows_of(1, 20_000))
    work = tmp_path / "work"
    work.mkdir()
    prepare(work / "0", days[0], SCHEMA, keep_counts=True)
    earlier = digests(work / "0")
    assert extend(work / "undisturbed", table, work / "0", [1000]) == ["finished"]
    expected = digests(work / "undisturbed")
    seconds = json.loads((work / "undisturbed" / "report.json").read_text())["seconds"]
    draw, kills, finishes = random.Random(0), 0, 0
    while kills < KILLS:
        delays = [draw.uniform(0.02, 0.6 * seconds) for _ in range(KILLS - kills)]
        outcomes = extend(work / "killed", table, work / "0", delays)
        kills += outcomes.count("killed")
        if outcomes[-1] == "killed":
            extend(work / "killed", table, work / "0", [1000])
        assert digests(work / "killed") == expected and digests(work / "0") == earlier
        shutil.rmtree(work / "killed")
        finishes += 1
    assert sorted(path.name for path in work.iterdir()) == ["0", "undisturbed"]
    assert finishes < KILLS
