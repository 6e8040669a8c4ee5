"""The second pass over chunks with places, in this process: the shards are those of a single machine, byte for byte."""

import dataclasses
import json
import pathlib

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.preparation import division
from ctrzoo.data_pipelines.preparation.division import Division
from ctrzoo.data_pipelines.preparation.engine import prepare_table
from ctrzoo.data_pipelines.preparation.table import table_plan
from ctrzoo.data_pipelines.raw.sources import TextSource
from ctrzoo.data_pipelines.spark import shards
from ctrzoo.data_pipelines.spark.partitions import PlacedReader
from ctrzoo.data_pipelines.spark.shards import ChunkEncoder, ShardAssembler
from ctrzoo.data_pipelines.spark.writing import collect_shards, counts_of
from tests.data_pipelines.spark.test_places import places_of
from tests.data_pipelines.spark.test_writing import Received

ROWS = 12_000
FIELDS = ["site", {"name": "age", "kind": "numerical", "transform": "log1p"}]
SCHEMAS = {
    "shares": {},
    "negatives": {"negatives": 0.3},
    "groups": {"group": "user", "keep_groups": True, "split": {"hash": "user"}, "id": "user"},
    "online": {"fields": ["age", {"name": "site", "assign_ids_online": True, "min_count": 900}], "fit_on": "all"},
}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Return a source of several chunks, whose rows fill several shards."""
    monkeypatch.setattr(division, "SHARD_BLOCKS", 1)
    monkeypatch.setattr(shards, "PIECE_BYTES", 10_000)
    random = np.random.default_rng(0)
    columns = {"click": random.integers(0, 2, ROWS), "age": random.integers(1, 90, ROWS)}
    columns |= {name: [f"{name} {n}" for n in random.zipf(1.5, ROWS) % 60] for name in ("site", "user")}
    pl.DataFrame(columns).write_csv(tmp_path / "rows.csv")
    return TextSource([tmp_path / "rows.csv"], chunk_bytes=66_000)


def early_of(folder, source, encoding):
    """Write what `early_values` finds, by a loop over the rows of all chunks."""
    occurred = {}
    for number, chunk in enumerate(source.chunks([])):
        cells = chunk.parse({"site": False}).table["site"].to_pylist()
        least = encoding.fields[1].min_count - 1
        found = [{"field": 1, "text": cell, "before": occurred.get(cell, 0)} for cell in sorted(set(cells))]
        (folder / f"chunk={number}").mkdir(parents=True)
        kept = [row for row in found if row["before"] < least]
        types = {"field": pl.Int32, "text": pl.String, "before": pl.Int64}
        pl.DataFrame(kept, schema=types).write_parquet(folder / f"chunk={number}" / "part.parquet")
        for cell in cells:
            occurred[cell] = occurred.get(cell, 0) + 1
    return folder


def divided(folder, source, plan):
    """Return the rows of each chunk in each split, as the first pass counts them."""
    places = places_of(source)
    reader = PlacedReader(plan, "error", places)
    chunks = [chunk for task in tasks(places) for chunk in reader.chunks(task)]
    return reader, Division(np.array([chunk.stats["splits"] for chunk in chunks]), 5, plan.roles.keep_groups)


def tasks(places):
    return [[pa.record_batch({"id": [task]})] for task in range(len(places.work))]


def written(tmp_path, encoder, places):
    """Encode all chunks, the last one first, and write their shards as one task; return what was written."""
    pieces = [piece for task in reversed(tasks(places)) for piece in encoder.pieces(task)]
    table = pa.Table.from_batches(pieces).sort_by(
        [("shard", "ascending"), ("chunk", "ascending"), ("part", "ascending")]
    )
    (tmp_path / "rows").mkdir()
    assembler = ShardAssembler(encoder.sent.value.schema, encoder.sent.value.roles, encoder.division, tmp_path / "rows")
    return pa.Table.from_batches(list(assembler.write(table.to_batches(max_chunksize=7))))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_shards_and_counts_are_those_of_a_single_machine(tmp_path, source, kind):
    schema = {"label": "click", "fields": FIELDS, **SCHEMAS[kind]}
    plan = table_plan(schema, source.columns(), seed=5)
    prepare_table(tmp_path / "one", "rows", plan, source, shuffle_seed=5)
    encoding = TableEncoding.load(tmp_path / "one")
    encoding = TableEncoding(encoding.fields, roles=plan.roles)
    reader, division = divided(tmp_path, source, plan)
    assert len(division.rows) > 3 and division.num_shards[0] > 1
    early = early_of(tmp_path / "early", source, encoding) if kind == "online" else None
    table = written(tmp_path, ChunkEncoder(reader, Received(encoding), division, None, early), reader.places)
    (tmp_path / "many").mkdir()
    splits = collect_shards(table, tmp_path / "rows", tmp_path / "many", "rows")
    names = sorted(path.name for path in (tmp_path / "one").glob("*.tfrecord-*"))
    assert names == sorted(path.name for path in (tmp_path / "many").iterdir())
    for name in names:
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    report = json.loads((tmp_path / "one" / "report.json").read_text())
    assert {name: split.rows for name, split in splits.items()} == {
        name: split["rows"] for name, split in report["splits"].items()
    }
    # Of the counts of a field: missing, rows, rare, unseen, values, cut; over all splits.
    missing, rows, rare = counts_of(table).sum(axis=1)[:, :3].T
    assert (rows == report["rows"]).all() and missing.sum() == 0
    np.testing.assert_allclose(rare / rows, [field["rare_share"] for field in report["fields"]])


def test_splits_of_a_file_are_used(tmp_path, source):
    plan = table_plan({"label": "click", "fields": ["age"]}, source.columns())
    places = places_of(source)
    plan = dataclasses.replace(plan, split=division_of_all(), fit_on="all")
    prepare_table(tmp_path / "one", "rows", plan, source)
    encoding = TableEncoding.load(tmp_path / "one")
    reader = PlacedReader(plan, "error", places)
    labels = [chunk.content["label"] for task in tasks(places) for chunk in reader.chunks(task)]
    splits = plan.split.assign_all(np.concatenate(labels))
    np.save(tmp_path / "splits.npy", splits)
    ends = np.cumsum([len(chunk) for chunk in labels])
    rows = np.array([np.bincount(chunk, minlength=3) for chunk in np.split(splits, ends[:-1])])
    encoder = ChunkEncoder(reader, Received(encoding), Division(rows, 0), tmp_path / "splits.npy")
    table = written(tmp_path, encoder, places)
    (tmp_path / "many").mkdir()
    collect_shards(table, tmp_path / "rows", tmp_path / "many", "rows")
    for path in (tmp_path / "many").iterdir():
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes()


def division_of_all():
    from ctrzoo.data_pipelines.preparation.splits import Folds

    return Folds(7)


def test_other_rows_the_second_time_are_refused(tmp_path, source):
    plan = table_plan({"label": "click", "fields": ["age"]}, source.columns())
    prepare_table(tmp_path / "one", "rows", plan, source)
    reader, division = divided(tmp_path, source, plan)
    fewer = dataclasses.replace(division, rows=division.rows - np.array([[1, 0, 0]]))
    encoder = ChunkEncoder(reader, Received(TableEncoding.load(tmp_path / "one")), fewer)
    with pytest.raises(ValueError, match="other rows the second time. Do not change its files"):
        list(encoder.pieces(tasks(reader.places)[0]))


def test_a_shard_without_rows_is_written_too(tmp_path, source):
    schema = {"label": "click", "fields": ["age"], "group": "site", "keep_groups": True, "split": {"hash": "user"}}
    plan = table_plan(schema, source.columns())
    prepare_table(tmp_path / "one", "rows", plan, source)
    reader, division = divided(tmp_path, source, plan)
    many = dataclasses.replace(division, shard_rows=100)  # more shards than the 60 groups fill
    encoder = ChunkEncoder(reader, Received(TableEncoding.load(tmp_path / "one")), many)
    table = written(tmp_path, encoder, reader.places).to_pylist()
    rows = [row["rows"] for row in table if row["split"] == 0]
    assert len(rows) == many.num_shards[0] and 0 in rows and sum(rows) == division.rows[:, 0].sum()


def test_an_attempt_that_fails_leaves_no_part_of_a_file(tmp_path, source, monkeypatch):
    plan = table_plan({"label": "click", "fields": ["age"]}, source.columns())
    prepare_table(tmp_path / "one", "rows", plan, source)
    reader, division_ = divided(tmp_path, source, plan)

    def fail(file, *others):
        assert pathlib.Path(file.name).exists()
        file.write(b"a part")
        raise OSError("the disk is gone")

    monkeypatch.setattr(division, "write_blocks", fail)
    encoder = ChunkEncoder(reader, Received(TableEncoding.load(tmp_path / "one")), division_)
    with pytest.raises(OSError, match="disk is gone"):
        written(tmp_path, encoder, reader.places)
    assert list((tmp_path / "rows").iterdir()) == []
