"""Files prepared on Spark: the folder is that of a single machine, byte for byte."""

import collections
import dataclasses
import functools
import gzip
import json
import os
import pathlib
import secrets
import signal

import numpy as np
import polars as pl
import pyarrow.parquet as parquet
import pytest

from ctrzoo.data_pipelines import prepare
from ctrzoo.data_pipelines.preparation import division
from ctrzoo.data_pipelines.preparation.engine import prepare_table
from ctrzoo.data_pipelines.preparation.table import prepare_own_table, table_plan
from ctrzoo.data_pipelines.raw.sources import TextSource
from ctrzoo.data_pipelines.spark import files
from ctrzoo.data_pipelines.spark.files import prepare_files, prepare_source, source_and_plan
from ctrzoo.data_pipelines.spark.shards import ChunkEncoder, ShardAssembler
from tests.data_pipelines.spark import kinds_table
from tests.data_pipelines.spark.test_preparing import executor_process

# What depends on the time, and, for the checksums, on that.
TIMED = {"report.json", "report.html", "checksums.json"}
TIMES = {"seconds", "rows_per_second", "seconds_of_steps", "peak_memory_bytes"}
HISTORY = {"of": "site", "by": "user", "order": "at", "length": 5, "with": ["price"]}
SCHEMAS = {
    "shares": {},
    "negatives": {"negatives": 0.4},
    "history": {"history": HISTORY},
    "decimal": {
        "history": [HISTORY, {**HISTORY, "name": "old", "order": "late", "where": {"column": "click", "is": 1}}]
    },
    "groups": {"group": "user", "keep_groups": True, "split": {"hash": "user"}},
}


def check_same(one, many):
    """Check that two folders have the same files, but for times."""
    names = {path.name for path in one.iterdir()}
    assert names == {path.name for path in many.iterdir()} and TIMED < names
    for name in sorted(names - TIMED):
        assert (one / name).read_bytes() == (many / name).read_bytes(), name
    reports = [json.loads((folder / "report.json").read_text()) for folder in (one, many)]
    first, second = ({key: value for key, value in each.items() if key not in TIMES} for each in reports)
    assert first == second


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """Return three CSV files of several chunks each, one of them compressed, with odd cells, and line ends in cells."""
    folder, random = tmp_path_factory.mktemp("clicks"), np.random.default_rng(0)
    paths = []
    for part in range(3):
        rows = 4000
        columns = {
            "click": random.integers(0, 2, rows),
            "site": random.choice(["8", "8.0", " 9", "", "a\nb", 'a "b"'], rows),
            "price": np.round(random.exponential(9, rows), 2),
            "user": [f"u{number}" for number in random.zipf(1.5, rows) % 100],
            "at": random.integers(0, 2000, rows),
            "late": random.integers(0, 99, rows) + (0.5 if part == 1 else 0),
            "tags": random.choice(["a|b", "b|c|d", "", "x"], rows),
        }
        content = pl.DataFrame(columns).write_csv().encode()
        packed = part == 2
        paths.append(folder / f"part{part}.csv{'.gz' if packed else ''}")
        paths[-1].write_bytes(gzip.compress(content) if packed else content)
    return paths


def schema_of(**more):
    fields = [
        {"name": "site", "min_count": 3},
        {"name": "price", "kind": "numerical", "transform": "standard"},
        {"name": "bucket", "column": "price", "transform": "quantile"},
        {"name": "tags", "kind": "multivalued"},
        {"name": "early", "column": "user", "assign_ids_online": True, "min_count": 30},
        {"name": "both", "cross": ["site", "bucket"], "min_count": 2},
    ]
    return {"label": "click", "fields": fields, **more}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_text_becomes_the_folder_of_a_single_machine(spark, clicks, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(division, "SHARD_BLOCKS", 1)
    source = TextSource(clicks, chunk_bytes=70_000)
    plan = table_plan(schema_of(**SCHEMAS[kind]), source.columns(), seed=3)
    prepare_table(tmp_path / "one", "clicks", plan, source, shuffle_seed=3)
    prepare_source(spark, tmp_path / "many", "clicks", plan, source, shuffle_seed=3)
    assert len(list((tmp_path / "one").glob("clicks-train*"))) > 1
    check_same(tmp_path / "one", tmp_path / "many")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many", "one"]


def test_parquet_files_of_splits_become_the_folder_of_a_single_machine(spark, tmp_path):
    tables = {}
    for number, split in enumerate(("train", "valid", "test")):
        tables[split] = tmp_path / f"{split}.parquet"
        parquet.write_table(kinds_table.table(900, seed=number), tables[split])
    schema = {key: value for key, value in kinds_table.SCHEMA.items() if key != "split"}
    prepare_own_table(tmp_path / "one", "kinds", tables, schema)
    prepare_files(spark, tables, schema, tmp_path / "many", name="kinds")
    check_same(tmp_path / "one", tmp_path / "many")


@dataclasses.dataclass(frozen=True)
class CountingEncoder(ChunkEncoder):
    """Leaves a file for each attempt at a chunk."""

    attempts: pathlib.Path = pathlib.Path()

    def _splits(self, chunk):
        (self.attempts / f"{chunk.place[0]}-{secrets.token_hex(8)}").touch()
        return super()._splits(chunk)


@dataclasses.dataclass(frozen=True)
class DyingAssembler(ShardAssembler):
    """Kills its process, or that of the executor, when the shard 1 is written for the first time, but not closed."""

    marker: pathlib.Path = pathlib.Path()
    executor: bool = False

    def _write_shard(self, shard, parts):
        write_blocks = division.write_blocks

        def write_and_die(file, *others):
            write_blocks(file, *others)
            file.flush()
            self.marker.touch()
            os.kill(executor_process() if self.executor else os.getpid(), signal.SIGKILL)
            signal.pause()

        if shard == 1 and not self.marker.exists():
            division.write_blocks = write_and_die
        return super()._write_shard(shard, parts)


@pytest.mark.parametrize("killed", ["worker", "executor"])
def test_a_killed_task_and_a_stage_that_is_run_again_change_nothing(spark, clicks, tmp_path, monkeypatch, killed):
    if killed == "executor" and not spark.sparkContext.master.startswith("local-cluster"):
        pytest.skip("executors have no processes of their own on this master")
    monkeypatch.setattr(division, "SHARD_BLOCKS", 1)
    source = TextSource(clicks, chunk_bytes=70_000)
    plan = table_plan({"label": "click", "fields": ["site", "user"]}, source.columns())
    prepare_table(tmp_path / "one", "clicks", plan, source)
    (tmp_path / "attempts").mkdir()
    dying = functools.partial(DyingAssembler, marker=tmp_path / "killed", executor=killed == "executor")
    monkeypatch.setattr(files, "ShardAssembler", dying)
    monkeypatch.setattr(files, "ChunkEncoder", functools.partial(CountingEncoder, attempts=tmp_path / "attempts"))
    prepare_source(spark, tmp_path / "many", "clicks", plan, source)
    assert (tmp_path / "killed").exists()
    check_same(tmp_path / "one", tmp_path / "many")
    attempts = collections.Counter(path.name.split("-")[0] for path in (tmp_path / "attempts").iterdir())
    assert set(attempts) == {str(number) for number in range(len(attempts))} and len(attempts) > 5
    if killed == "executor":  # what it had encoded was lost with it, so that stage ran again
        assert max(attempts.values()) > 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attempts", "killed", "many", "one"]


def write_criteo(folder):
    random = np.random.default_rng(0)
    numbers = random.integers(0, 99, (3000, 13)).astype(str)
    categories = random.zipf(1.6, (3000, 26)) % 500
    lines = ("\t".join([str(n % 2), *numbers[n], *map(str, categories[n])]) for n in range(3000))
    (folder / "raw.txt").write_text("\n".join(lines))


def write_avazu(folder):
    random = np.random.default_rng(0)
    names = ["id", "click", "hour", *AVAZU]
    lines = [
        ",".join([str(row), str(row % 3 // 2), f"141021{row % 24:02d}", *map(str, random.zipf(1.6, 21) % 300)])
        for row in range(3000)
    ]
    (folder / "raw.txt").write_text("\n".join([",".join(names), *lines]))


AVAZU = [
    *("C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category"),
    *("device_id", "device_ip", "device_model", "device_type", "device_conn_type", *(f"C{n}" for n in range(14, 22))),
]


@pytest.mark.parametrize("protocol", ["reference", "clean"])
@pytest.mark.parametrize("name", ["criteo", "avazu"])
def test_benchmarks_become_the_folders_of_a_single_machine(spark, tmp_path, name, protocol):
    {"criteo": write_criteo, "avazu": write_avazu}[name](tmp_path)
    options = {"raw": tmp_path / "raw.txt", "protocol": protocol}
    one = prepare(name, tmp_path / "one", **options)
    many = prepare(name, tmp_path / "many", engine=functools.partial(prepare_source, spark), **options)
    check_same(one, many)


def write_movielens(folder):
    random = np.random.default_rng(0)
    users = "".join(f"{user}::F::1::10::48067\n" for user in range(1, 60))
    movies = "".join(f"{movie}::Film {movie} (1999)::War|Drama\n" for movie in range(1, 90))
    ratings = {(int(user), int(movie)) for user, movie in random.integers(1, [60, 90], (2000, 2))}
    stars = random.integers(1, 6, len(ratings))
    text = "".join(f"{u}::{m}::{s}::{random.integers(300)}\n" for (u, m), s in zip(sorted(ratings), stars, strict=True))
    for name, content in (("users", users), ("movies", movies), ("ratings", text)):
        (folder / f"{name}.dat").write_text(content)


@pytest.mark.parametrize("protocol", ["reference", "clean", "history"])
def test_movielens_becomes_the_folder_of_a_single_machine(spark, tmp_path, protocol):
    write_movielens(tmp_path)
    one = prepare("movielens_1m", tmp_path / "one", tmp_path, protocol=protocol)
    engine = functools.partial(prepare_source, spark)
    many = prepare("movielens_1m", tmp_path / "many", tmp_path, engine=engine, protocol=protocol)
    check_same(one, many)


def test_rows_that_cannot_be_used_are_skipped_alike(spark, tmp_path):
    lines = [
        f"{row % 2},{'never' if row == 30 else row},{'x' if row == 70 else row}.5,u{row % 9}" for row in range(200)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["click,at,price,user", *lines, "1,2"]))
    fields = ["user", {"name": "price", "kind": "numerical"}]
    history = {"of": "price", "by": "user", "order": "at", "length": 3}
    schema = {"label": "click", "fields": fields, "history": history}
    arguments = (str(tmp_path / "rows.csv"), schema)
    with pytest.raises(ValueError, match="rows.csv, row 32: the order 'at'.*'never'.*--bad_rows=skip"):
        prepare_files(spark, *arguments, tmp_path / "many")
    prepare_own_table(tmp_path / "one", "rows", *arguments, bad_rows="skip")
    report = prepare_files(spark, *arguments, tmp_path / "many", bad_rows="skip")
    assert report["bad_rows"] == 3
    check_same(tmp_path / "one", tmp_path / "many")


def test_a_column_that_one_file_lacks_is_not_read_as_missing_cells(tmp_path):
    pl.DataFrame({"click": [0, 1], "site": ["a", "b"]}).write_parquet(tmp_path / "0.parquet")
    pl.DataFrame({"click": [0, 1]}).write_parquet(tmp_path / "1.parquet")
    schema = {"label": "click", "fields": ["site"]}
    with pytest.raises(ValueError, match="1.parquet, unlike the first file: .*'site'"):
        prepare_files(None, f"{tmp_path}/*.parquet", schema, tmp_path / "many")
    with pytest.raises(ValueError, match="'sight'"):
        source_and_plan(f"{tmp_path}/*.parquet", {**schema, "fields": ["sight"]})
