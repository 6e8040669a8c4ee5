"""The chunks that tasks read, compared with those of a single machine; without Spark."""

import gzip
import json

import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.preparation.plan import TablePlan
from ctrzoo.data_pipelines.raw.delimited import Format
from ctrzoo.data_pipelines.raw.libsvm import SparseTextSource
from ctrzoo.data_pipelines.raw.sources import DerivedSource, FrameSource, ParquetSource, TextSource
from ctrzoo.data_pipelines.spark.partitions import PlacedReader
from ctrzoo.data_pipelines.spark.places import Places, Work, _Lister, _pinned, only_file, paths_of

LINES = [f'{number % 2},"a\n{"x" * 40}{number}"' for number in range(6000)]


def places_of(source):
    """Return the places that the executors find, one task after the other."""
    source = _pinned(source)
    lister = _Lister(source, tuple(source.columns()))
    batches = [pa.record_batch({"id": [file]}) for file in range(len(paths_of(source)))]
    found = pa.Table.from_batches(list(lister(batches))).to_pylist()
    return Places.of(source, [json.loads(row["positions"]) for row in found])


def shout(frame):
    return frame.select("click", pl.col("site").str.to_uppercase().alias("loud"))


@pytest.fixture
def sources(tmp_path):
    """Return sources of all kinds, each with several chunks."""
    header, third = "click,site\n", len(LINES) // 3
    (tmp_path / "a.csv").write_text(header + "\n".join(LINES[:third]) + "\n")
    (tmp_path / "b.csv").write_text(header + "\n".join(LINES[third : 2 * third]))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress((header + "\n".join(LINES[2 * third :])).encode()))
    text = TextSource([tmp_path / name for name in ("a.csv", "b.csv", "c.csv.gz")], Format(), (), 70_000)
    for number in range(2):
        pl.DataFrame({"click": [0, 1] * 50, "site": [f"s{number}"] * 100}).write_parquet(tmp_path / f"{number}.parquet")
    (tmp_path / "a.ffm").write_text("".join(f"{row % 2} 0:{row}:1 1:{row * 7}:0.5\n" for row in range(9000)))
    (tmp_path / "b.ffm").write_text("1 0:3:1\n")  # alone, it would have one field
    return {
        "text": text,
        "derived": DerivedSource(text, shout, ("click", "loud"), ("click", "site")),
        "parquet": ParquetSource([tmp_path / f"{number}.parquet" for number in range(2)], ("train", "test"), 30),
        "libffm": SparseTextSource([tmp_path / "a.ffm", tmp_path / "b.ffm"], "libffm", chunk_bytes=70_000),
        "frame": FrameSource(tmp_path, pl.DataFrame({"click": range(100)}), 30),
    }


@pytest.mark.parametrize("kind", ["text", "derived", "parquet", "libffm", "frame"])
def test_tasks_read_the_chunks_of_a_single_machine(sources, kind):
    source = sources[kind]
    needed = dict.fromkeys(source.columns(), False)
    expected = [(chunk.path, chunk.split, chunk.parse(needed)) for chunk in source.chunks([])]
    places = places_of(source)
    assert len(expected) > len(paths_of(source)) and sum(map(len, places.positions)) == len(expected)
    found = {}
    for task in reversed(range(len(places.work))):  # in any order
        for number, chunk in places.chunks([pa.record_batch({"id": [task]})]):
            found[number] = (chunk.path, chunk.split, chunk.parse(needed))
    assert sorted(found) == list(range(len(expected)))
    for number, (path, split, rows) in enumerate(expected):
        assert found[number][:2] == (path, split) and found[number][2].table.equals(rows.table)
        assert found[number][2].row_numbers.tolist() == rows.row_numbers.tolist()


def test_a_task_reads_one_chunk_or_a_whole_compressed_file(sources):
    places = places_of(sources["text"])
    first, second, packed = map(len, places.positions)
    assert min(first, second, packed) > 1
    alone = [Work(0, number, number, number + 1) for number in range(first)]
    alone += [Work(1, first + number, number, number + 1) for number in range(second)]
    assert places.work == [*alone, Work(2, first + second, 0, packed)]


def test_a_file_with_another_header_is_refused(sources, tmp_path):
    (tmp_path / "d.csv").write_text("click,price\n1,2\n")
    source = TextSource([tmp_path / "a.csv", tmp_path / "d.csv"])
    with pytest.raises(ValueError, match="d.csv: the header differs from the one of .*a.csv"):
        places_of(source)


def test_files_without_rows_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("click,site\n")
    with pytest.raises(ValueError, match="a.csv has no rows that can be used"):
        places_of(TextSource([tmp_path / "a.csv"]))


def test_a_source_of_one_file_keeps_its_split_and_columns(sources):
    assert only_file(sources["parquet"], 1).splits == ["test"]
    assert only_file(sources["frame"], 0) is sources["frame"]
    assert only_file(_pinned(sources["libffm"]), 1).columns() == sources["libffm"].columns()


def test_a_reader_numbers_the_rows_as_in_their_file(sources, tmp_path):
    (tmp_path / "bad.csv").write_text("click,site\n0,a\n1,b\n7,c\n")
    source = TextSource([tmp_path / "bad.csv"])
    plan = TablePlan([], "click")
    with pytest.raises(ValueError, match="bad.csv, row 4: .*click"):
        list(PlacedReader(plan, "error", places_of(source)).chunks([pa.record_batch({"id": [0]})]))
    (chunk,) = PlacedReader(plan, "skip", places_of(source)).chunks([pa.record_batch({"id": [0]})])
    assert chunk.place == (0,) and chunk.content["label"].tolist() == [0, 1]
