"""Preparation on Spark, compared with that on a single machine."""

import dataclasses
import functools
import os
import pathlib
import signal

import numpy as np
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table, table_plan
from ctrzoo.data_pipelines.spark import preparing, writing
from ctrzoo.data_pipelines.spark.partitions import partition_number
from ctrzoo.data_pipelines.spark.preparing import check_places
from tests.data_pipelines.spark import kinds_table


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Return the pattern of the files of the table of all kinds."""
    return kinds_table.write(tmp_path_factory.mktemp("raw") / "kinds")


@pytest.fixture
def shards_of(monkeypatch):
    """Write shards of so many rows."""
    return lambda rows: monkeypatch.setattr(preparing, "shard_rows", lambda: rows)


def prepare(spark, raw, folder, schema=kinds_table.SCHEMA, **options):
    return preparing.prepare(spark.read.parquet(raw), schema, folder, name="kinds", **options)


def test_the_folder_is_that_of_a_single_machine(spark, raw, tmp_path, shards_of):
    shards_of(2000)
    prepare_own_table(tmp_path / "one", "kinds", raw, kinds_table.SCHEMA)
    prepare(spark, raw, tmp_path / "many")
    (fields, rounded, values), expected = kinds_table.fitted(tmp_path / "many"), kinds_table.fitted(tmp_path / "one")
    assert fields == expected[0] and values == expected[2]
    for (name, *numbers), (same, *others) in zip(rounded, expected[1], strict=True):
        assert name == same
        np.testing.assert_allclose(numbers, others, rtol=1e-12)
    assert kinds_table.counts_in(tmp_path / "many") == kinds_table.counts_in(tmp_path / "one")
    assert len(list((tmp_path / "many").glob("kinds-train.tfrecord-*-of-00005"))) == 5  # 9,000 rows
    found, rows = kinds_table.rows_of(tmp_path / "many"), kinds_table.rows_of(tmp_path / "one")
    assert set(found) == set(rows) == {"train", "valid", "test"}
    for split in rows:
        for name in rows[split]:
            if name == "values":  # scaled numbers may differ in the last bit
                np.testing.assert_allclose(found[split][name], rows[split][name], rtol=1e-6)
            else:
                np.testing.assert_array_equal(found[split][name], rows[split][name])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many", "one"]


@dataclasses.dataclass(frozen=True)
class KilledWriter(writing.ShardWriter):
    """Kills its process, or that of the executor, while the first task writes its second file for the first time."""

    marker: pathlib.Path = pathlib.Path()
    executor: bool = False

    def _write_shard(self, block, split):
        write_blocks = writing.write_blocks

        def write_and_die(file, *others):
            write_blocks(file, *others)
            file.flush()
            self.marker.touch()
            os.kill(executor_process() if self.executor else os.getpid(), signal.SIGKILL)
            signal.pause()

        if partition_number() == 0 and split == 1 and not self.marker.exists():
            writing.write_blocks = write_and_die
        return super()._write_shard(block, split)


def executor_process():
    """Return the id of the executor of this process, which must have a Java process of its own."""
    process = os.getppid()
    while "CoarseGrainedExecutorBackend" not in pathlib.Path(f"/proc/{process}/cmdline").read_text():
        process = int(pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
        assert process > 1, "no executor with a process of its own"
    return process


@pytest.mark.parametrize("killed", ["worker", "executor"])
def test_a_task_killed_while_it_writes_changes_nothing(spark, raw, tmp_path, shards_of, monkeypatch, killed):
    if killed == "executor" and not spark.sparkContext.master.startswith("local-cluster"):
        pytest.skip("executors have no processes of their own on this master")
    schema = {**kinds_table.SCHEMA, "fields": ["site", "whole", {"name": "price", "kind": "numerical"}]}
    shards_of(2000)
    prepare(spark, raw, tmp_path / "calm", schema)
    dying = functools.partial(KilledWriter, marker=tmp_path / "killed", executor=killed == "executor")
    monkeypatch.setattr(preparing, "ShardWriter", dying)
    prepare(spark, raw, tmp_path / "retried", schema)
    assert (tmp_path / "killed").exists()
    names = sorted(path.name for path in (tmp_path / "calm").glob("*.tfrecord-*"))
    assert names == sorted(path.name for path in (tmp_path / "retried").glob("*.tfrecord-*"))
    for name in names:
        assert (tmp_path / "calm" / name).read_bytes() == (tmp_path / "retried" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calm", "killed", "retried"]


def test_rows_that_cannot_be_used_are_skipped_alike(spark, tmp_path):
    rows = [(row % 2, f"s{row % 7}", "high" if row % 100 == 7 else str(row), f"u{row % 90}") for row in range(500)]
    columns = ["click", "site", "price", "user"]
    dataframe = spark.createDataFrame(rows, columns).repartition(3)
    schema = {"label": "click", "fields": ["site", {"name": "price", "kind": "numerical"}], "split": {"hash": "user"}}
    with pytest.raises(
        ValueError, match="^partition . of the table, row .*: column 'price' must hold finite numbers, not 'high'"
    ):
        preparing.prepare(dataframe, schema, tmp_path / "clicks")
    report = preparing.prepare(dataframe, schema, tmp_path / "clicks", bad_rows="skip")
    assert report["bad_rows"] == 5 and report["rows"] == 495
    assert sum(load(tmp_path / "clicks").num_rows.values()) == 495
    with pytest.raises(FileExistsError, match="overwrite"):
        preparing.prepare(dataframe, schema, tmp_path / "clicks", bad_rows="skip")


def with_random_users(batches):
    for batch in batches:
        users = pa.array([os.urandom(8).hex() for _ in range(batch.num_rows)])
        yield pa.record_batch({"click": batch["click"], "site": batch["site"], "user": users})


def test_a_table_that_changes_between_the_passes_is_refused(spark, tmp_path):
    rows = spark.createDataFrame([(row % 2, row % 5) for row in range(2000)], ["click", "site"])
    dataframe = rows.mapInArrow(with_random_users, "click long, site long, user string")
    schema = {"label": "click", "fields": ["site"], "split": {"hash": "user"}}
    with pytest.raises(ValueError, match="had other rows the second time.*dataframe.write.parquet"):
        preparing.prepare(dataframe, schema, tmp_path / "clicks")
    assert not (tmp_path / "clicks").exists()


def plan(**more):
    return table_plan({"label": "click", "fields": ["site"], **more}, ["click", "site"])


def test_plans_that_need_the_place_of_a_row_are_refused():
    check_places(plan(split={"hash": "site"}))
    check_places(plan(split={"column": "site", "valid_from": "b"}))
    with pytest.raises(ValueError, match="'Fractions' depends on the place of each row.*hash.*Parquet"):
        check_places(plan())
    with pytest.raises(ValueError, match="`negatives` depends on the order of rows.*Parquet"):
        check_places(plan(split={"hash": "site"}, negatives=0.5))
    online = [{"name": "site", "assign_ids_online": True, "min_count": 2}]
    with pytest.raises(ValueError, match="`assign_ids_online` depends on the order"):
        check_places(plan(split={"hash": "site"}, fields=online))
    check_places(plan(split={"hash": "site"}, fields=[{"name": "site", "kind": "sequence"}]))
    with pytest.raises(ValueError, match="`history` depends on the order"):
        built = {"of": "site", "by": "user", "order": "at", "length": 5}
        config = {"label": "click", "fields": ["site"], "split": {"hash": "site"}, "history": built}
        check_places(table_plan(config, ["click", "site", "user", "at"]))
