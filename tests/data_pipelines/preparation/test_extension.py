"""Folders that extend each other, compared with counters over the raw rows, and with one preparation of all days."""

import collections
import csv
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.small_table import stored_block

SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "site", "min_count": 4},
        {"name": "price", "kind": "numerical", "transform": "standard"},
        {"name": "tags", "kind": "multivalued", "min_count": 3, "max_values": 3},
        {"name": "home", "share": "site", "min_count": 4},
        {"name": "hour", "column": "at", "part": "hour"},
        {"name": "size", "transform": "quantile", "num_buckets": 4},
        {"name": "page", "hash_buckets": 50},
        {"name": "user", "min_count": 2, "compositional": "auto"},
        {"name": "both", "cross": ["site", "size"], "min_count": 2},
        {"name": "seen", "column": "site", "min_count": 3, "assign_ids_online": True},
        {"name": "note", "missing": "category"},
    ],
}
# CTRZOO_KILLS=12 pytest tests/data_pipelines/preparation -k killed
KILLS = max(3, int(os.environ.get("CTRZOO_KILLS", "4")))
COLUMNS = ("click", "site", "price", "tags", "home", "at", "size", "page", "user", "note")


def rows_of(day, count=400):
    """Rows whose values drift from day to day."""
    chance = random.Random(day)

    def site():
        return f"s{int(chance.paretovariate(0.8)) % 60 + 8 * day}"

    return [
        {
            "click": row % 2,
            "site": site(),
            "price": f"{chance.gauss(day, 1):.3f}",
            "tags": "|".join(f"t{chance.randrange(30 + 5 * day)}" for _ in range(row % 4)),
            "home": site() if row % 5 else "",
            "at": f"2024-01-0{day + 1} {chance.randrange(24):02}:30:00",
            "size": f"{chance.random() + day:.3f}",
            "page": f"p{chance.randrange(99)}",
            "user": f"u{chance.randrange(60 * (day + 1))}",
            "note": chance.choice(["", "x", "y"]),
        }
        for row in range(count)
    ]


def write(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def tables(folder, name, train):
    """Separate files, so that the training rows are known; the others have values of their own."""
    others = rows_of(8, 20)
    return {
        "train": write(folder / f"{name}.csv", train),
        "valid": write(folder / f"{name}_valid.csv", others),
        "test": write(folder / f"{name}_test.csv", others),
    }


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Three days, each extending the one before, and all rows of the three prepared at once."""
    folder = tmp_path_factory.mktemp("days")
    raw = [rows_of(day) for day in range(3)]
    for day, rows in enumerate(raw):
        how = {"extend": folder / f"day{day - 1}"} if day else {"schema": SCHEMA, "keep_counts": True}
        prepare_own_table(folder / f"day{day}", f"day{day}", tables(folder, f"day{day}", rows), **how)
    every = tables(folder, "all", [row for rows in raw for row in rows])
    prepare_own_table(folder / "all", "all", every, SCHEMA, keep_counts=True)
    return folder, raw


def counted(raw, field):
    """How often each value of a field occurs: a slow loop over the rows."""
    counts = collections.Counter()
    for row in raw:
        if field in ("site", "seen", "user", "note"):
            counts[row["site" if field == "seen" else field]] += 1
        if field == "site" and row["home"]:
            counts[row["home"]] += 1
        if field == "tags":
            counts.update(tag for tag in row["tags"].split("|") if tag)
        if field == "hour":
            counts[str(int(row["at"][11:13]))] += 1
    return counts


@pytest.mark.parametrize(
    ("index", "name"), [(0, "site"), (2, "tags"), (4, "hour"), (7, "user"), (9, "seen"), (10, "note")]
)
def test_ids_stay_and_new_values_follow(days, index, name):
    folder, raw = days
    least, ids, total = SCHEMA["fields"][index].get("min_count", 1), [], collections.Counter()
    for day, rows in enumerate(raw):
        total += counted(rows, name)
        ids += sorted(value for value, count in total.items() if count >= least and value not in ids)
        field = load(folder / f"day{day}").encoding.fields[index]
        assert field.values.to_list() == ids
        assert field.counts.to_list() == [total[value] for value in ids]
    assert day == 2 and (
        name in ("note", "hour") or len(ids) > len(load(folder / "day0").encoding.fields[index].values)
    )


def test_counts_equal_those_of_all_days_at_once(days):
    folder, _ = days
    columns = ["field", "text", "count"]
    found, expected = (
        pl.read_parquet(folder / name / "counts.parquet").select(columns).sort(columns) for name in ("day2", "all")
    )
    # Buckets of a cross are those of the first day, so its values are others than those of all days at once.
    for frame in (found, expected):
        assert frame.filter(pl.col("field") == "both")["count"].sum() > 0
    others = pl.col("field") != "both"
    assert found.filter(others).equals(expected.filter(others))
    same = [index for index, field in enumerate(SCHEMA["fields"]) if field["name"] in ("site", "tags", "user", "seen")]
    for index in same:
        one, other = (load(folder / name).encoding.fields[index] for name in ("day2", "all"))
        assert sorted(one.values) == other.values.to_list()


def test_each_row_has_the_ids_of_its_values(days):
    folder, raw = days
    data = load(folder / "day2")
    block = stored_block(data.folder, ("train",))
    decoded = data.encoding.decode(block.ids, block.numerical)
    known = {field.name: set(field.values) for field in data.encoding.fields}
    found, expected = collections.Counter(), collections.Counter()
    for row in decoded.iter_rows(named=True):
        found[row["site"], tuple(row["tags"]), row["home"], row["hour"], row["user"], row["note"]] += 1
    for row in raw[2]:
        site = row["site"] if row["site"] in known["site"] else "(rare)"
        tags = tuple(tag if tag in known["tags"] else "(rare)" for tag in row["tags"].split("|") if tag)
        home = (row["home"] if row["home"] in known["site"] else "(rare)") if row["home"] else None
        user = row["user"] if row["user"] in known["user"] else "(rare)"
        expected[site, tags, home, str(int(row["at"][11:13])), user, row["note"]] += 1
    assert found == expected


def test_what_a_model_depends_on_stays(days):
    folder, _ = days
    first, last = (load(folder / f"day{day}").encoding.fields for day in (0, 2))
    for before, now in zip(first, last, strict=True):
        for key in ("type", "offset", "scale", "boundaries", "max_values", "hash_buckets"):
            assert getattr(before, key) == getattr(now, key), (now.name, key)
    remainders = first[7].schema_field().compositional
    assert last[7].schema_field().compositional == remainders and last[7].num_values > first[7].num_values
    # Numbers are scaled by the first day, whose mean is about 0; those of the last day are about 2.
    mean = stored_block(folder / "day2", ("train",)).numerical[:, 0].mean()
    assert 1.5 < mean < 2.5


def test_ids_assigned_online_count_the_earlier_days_too(days):
    folder, raw = days
    seen, least, expected = counted(raw[0] + raw[1], "seen"), 3, collections.Counter()
    total = counted([row for rows in raw for row in rows], "seen")
    for row in raw[2]:
        is_early = seen[row["site"]] < least - 1
        seen[row["site"]] += 1
        expected["(rare)" if is_early or total[row["site"]] < least else row["site"]] += 1
    data = load(folder / "day2")
    block = stored_block(data.folder, ("train",))
    assert collections.Counter(data.encoding.decode(block.ids, block.numerical)["seen"]) == expected


def test_the_old_folder_is_not_touched_and_the_report_says_what_changed(days, tmp_path):
    folder, raw = days
    before = {path.name: path.read_bytes() for path in (folder / "day1").iterdir()}
    report = prepare_own_table(tmp_path / "again", "again", tables(tmp_path, "again", raw[2]), extend=folder / "day1")
    assert {path.name: path.read_bytes() for path in (folder / "day1").iterdir()} == before
    change, old = report["growth"]["fields"]["site"], load(folder / "day1").encoding.fields[0]
    new = load(tmp_path / "again").encoding.fields[0]
    assert change["kept"] == len(old.values) and change["appended"] == len(new.values) - len(old.values)
    assert "home" not in report["growth"]["fields"] and report["growth"]["number"] == 2


def test_values_expire_and_their_ids_are_used_again(tmp_path):
    def prepare(day, sites, **how):
        rows = [{**row, "site": site, "home": ""} for row, site in zip(rows_of(0, len(sites)), sites, strict=True)]
        place = tmp_path / f"day{day}"
        return prepare_own_table(place, "day", tables(tmp_path, f"raw{day}", rows), **how), load(place).encoding

    schema = {"label": "click", "fields": ["site"]}
    prepare(0, ["a", "b", "c", "d"], schema=schema, keep_counts=True)
    prepare(1, ["a", "e"], extend=tmp_path / "day0", expire=2)
    report, encoding = prepare(2, ["a", "f"], extend=tmp_path / "day1", expire=2)
    assert encoding.fields[0].values.to_list() == ["a", "f", None, None, "e"]
    assert report["growth"]["fields"]["site"]["dropped"] == 3
    assert encoding.encode(pl.DataFrame({"site": list("abcdef")}))[0].ravel().tolist() == [1, 0, 0, 0, 5, 2]
    # Without expire, nothing is dropped any more; b begins anew.
    _, encoding = prepare(3, ["b", "a"], extend=tmp_path / "day2")
    assert encoding.fields[0].values.to_list() == ["a", "f", "b", None, "e"]
    assert encoding.fields[0].counts.to_list() == [4, 1, 1, 0, 1]


def test_a_schema_may_split_the_new_rows_otherwise_but_not_change_fields(days, tmp_path):
    folder, raw = days
    table = write(tmp_path / "one.csv", raw[2])
    with pytest.raises(ValueError, match="split by files. Pass --valid_table and --test_table too, or a --schema"):
        prepare_own_table(tmp_path / "new", "new", table, extend=folder / "day1")
    schema = {**SCHEMA, "split": {"train": 0.5, "valid": 0.3, "test": 0.2}}
    prepare_own_table(tmp_path / "new", "new", table, schema, extend=folder / "day1")
    assert load(tmp_path / "new").num_rows == {"train": 200, "valid": 120, "test": 80}
    other = {**schema, "fields": [*SCHEMA["fields"][:-1], "note"]}
    for changed, message in (
        (other, "'note' differs"),
        ({**schema, "fields": SCHEMA["fields"][:-1]}, "'note' is missing"),
        ({**schema, "fields": [*SCHEMA["fields"][:-1], "note2"]}, "Unknown column 'note2'"),
        ({**schema, "fields": SCHEMA["fields"][::-1]}, "in another order"),
        ({**schema, "weight": "price"}, "another label, weight, group, time or id"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare_own_table(tmp_path / "other", "other", table, changed, extend=folder / "day1")
        assert not (tmp_path / "other").exists()


def test_folders_and_arguments_that_cannot_be_extended_are_refused(days, tmp_path):
    folder, raw = days
    table = write(tmp_path / "one.csv", raw[0])
    schema = {"label": "click", "fields": ["site"]}
    prepare_own_table(tmp_path / "plain", "plain", table, schema)
    assert not (tmp_path / "plain" / "counts.parquet").exists()
    for how, message in (
        ({"extend": tmp_path / "plain"}, "keeps no counts, .* Prepare it again with --keep_counts"),
        ({"extend": folder / "day0", "expire": 0}, "`expire` must be a whole number of at least 1. Received: 0"),
        ({"extend": folder / "day0", "keep_counts": True}, "always keeps its counts. Leave out `keep_counts`"),
        ({"schema": schema, "expire": 3}, "`expire` drops values of the folder to `extend`"),
        ({"schema": None}, "A table needs a schema"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare_own_table(tmp_path / "new", "new", table, **how)
    prepare_own_table(tmp_path / "kept", "kept", table, schema, keep_counts=True)
    damaged = tmp_path / "kept" / "growth.json"
    content = json.loads(damaged.read_text())
    damaged.write_text(json.dumps({**content, "format_version": 9}))
    with pytest.raises(ValueError, match="growth.json was damaged or edited"):
        prepare_own_table(tmp_path / "new", "new", table, extend=tmp_path / "kept")
    (tmp_path / "kept" / "checksums.json").unlink()
    with pytest.raises(ValueError, match="counts in .* cannot be read .its format version is 9, not 1"):
        prepare_own_table(tmp_path / "new", "new", table, extend=tmp_path / "kept")


def test_a_folder_with_counts_may_be_replaced(days, tmp_path):
    folder, raw = days
    table = write(tmp_path / "one.csv", raw[0])
    schema = {"label": "click", "fields": ["site"]}
    for _ in range(2):
        prepare_own_table(tmp_path / "one", "one", table, schema, keep_counts=True, overwrite=True)
    assert np.isin(["growth.json", "counts.parquet"], [path.name for path in (tmp_path / "one").iterdir()]).all()


# The parent only imports; each child extends the folder and is killed by a timer of its own.
EXTEND = """
    import functools, os, pathlib, signal, sys, threading
    from ctrzoo.data_pipelines.preparation import division, engine, table
    from ctrzoo.data_pipelines.raw import layout, sources

    folder, raw, earlier, delays = *map(pathlib.Path, sys.argv[1:4]), map(float, sys.argv[4:])
    division.SHARD_BLOCKS = 1
    original = sources.TextSource
    layout.TextSource = functools.partial(original, chunk_bytes=100_000)
    engine.layout_of = lambda source: {"kind": "csv"}
    for delay in delays:
        child = os.fork()
        if not child:
            timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL))
            timer.daemon = True  # a child that fails ends at once
            timer.start()
            table.prepare_own_table(folder, "small", raw, extend=earlier, expire=1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or status == 0, "an extension failed"
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


def digests(folder):
    """What was prepared; the report holds times, and so does its picture's checksum."""
    files = [path for path in folder.rglob("*") if path.name not in ("report.json", "checksums.json")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_killed_at_random_moments_nothing_is_lost_or_half_written(tmp_path):
    schema = {**SCHEMA, "split": {"train": 0.8, "valid": 0.1, "test": 0.1}}
    earlier = tmp_path / "earlier"
    prepare_own_table(earlier, "small", write(tmp_path / "one.csv", rows_of(0, 5000)), schema, keep_counts=True)
    before, raw = digests(earlier), write(tmp_path / "two.csv", rows_of(1, 20_000))
    assert extend(tmp_path / "undisturbed", raw, earlier, [1000]) == ["finished"]
    expected = digests(tmp_path / "undisturbed")
    assert len(expected) > 14 and {"growth.json", "counts.parquet"} <= set(expected)  # several shards
    seconds = json.loads((tmp_path / "undisturbed" / "report.json").read_text())["seconds"]
    chance, kills, finishes = random.Random(0), 0, 0
    while kills < KILLS:
        delays = [chance.uniform(0.02, 0.6 * seconds) for _ in range(KILLS - kills)]
        outcomes = extend(tmp_path / "killed", raw, earlier, delays)
        kills += outcomes.count("killed")
        if outcomes[-1] == "killed":
            extend(tmp_path / "killed", raw, earlier, [1000])
        assert digests(tmp_path / "killed") == expected
        shutil.rmtree(tmp_path / "killed")
        finishes += 1
    assert digests(earlier) == before
    assert {path.name for path in tmp_path.iterdir()} == {"earlier", "undisturbed", "one.csv", "two.csv"}
    assert finishes < KILLS  # work was kept from one kill to the next
