"""Samples of tables: rows from everywhere, whole lines, few bytes read."""

import gzip

import polars as pl
import pytest

from ctrzoo.data_pipelines.preparation import sampling
from ctrzoo.data_pipelines.preparation.sampling import sample_table


@pytest.fixture
def small_samples(monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", 16_000)
    monkeypatch.setattr(sampling, "SAMPLE_ROWS", 1600)


def test_a_small_table_is_read_whole(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("click,site\n" + f"0,{name}\n" * 9 + f"1,{name}")
    sample = sample_table([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert sample.frame["site"].to_list() == ["a"] * 10 + ["b"] * 10
    assert sample.is_complete and sample.kind == "csv" and sample.config == {"separator": ","}
    assert sample.where == "20 rows of 2 files"


@pytest.mark.usefixtures("small_samples")
@pytest.mark.parametrize("files", [1, 3])
def test_lines_are_from_all_places_and_whole(tmp_path, files):
    lines = [f"{row},{'x' * (row % 40)}\n" for row in range(30_000)]
    paths = [tmp_path / f"{number}.csv" for number in range(files)]
    for number, path in enumerate(paths):
        path.write_text(
            "row,text\n" + "".join(lines[number::files] if files == 1 else lines[number * 10_000 :][:10_000])
        )
    sample = sample_table(paths)
    rows = sample.frame["row"].cast(pl.Int64).to_list()
    assert rows == sorted(set(rows)) and 300 < len(rows) < 3000 and not sample.is_complete
    assert rows[0] == 0 and rows[-1] == 29_999 and max(b - a for a, b in zip(rows, rows[1:], strict=False)) < 2500
    assert all(
        text == (lines[row].split(",")[1].strip() or None) for row, text in zip(rows, sample.frame["text"], strict=True)
    )


@pytest.mark.usefixtures("small_samples")
def test_a_large_parquet_table(tmp_path):
    pl.DataFrame({"row": range(0, 5000)}).write_parquet(tmp_path / "a.parquet", row_group_size=1000)
    pl.DataFrame({"row": range(5000, 20_000)}).write_parquet(tmp_path / "b.parquet", row_group_size=1000)
    sample = sample_table([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    rows = sample.frame["row"].to_list()
    assert len(rows) == 1600 and rows[0] == 0 and rows[-1] == 19_999 and not sample.is_complete
    assert sample.where == "1,600 rows from 16 places"


@pytest.mark.usefixtures("small_samples")
def test_compressed_text_is_read_from_its_beginning(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"row;b\n" + b"".join(b"%d;2\n" % row for row in range(9000))))
    sample = sample_table([tmp_path / "a.csv.gz"])
    assert sample.frame["row"].to_list() == [str(row) for row in range(len(sample.frame))]
    assert not sample.is_complete and sample.where.endswith("at the beginning of a.csv.gz")


def test_wrong_tables_are_named(tmp_path):
    (tmp_path / "empty.csv").write_text("a,b\n")
    (tmp_path / "double.csv").write_text("a,a\n1,2\n")
    for name, message in (
        ("empty", "empty.csv has no rows"),
        ("double", "double.csv has no column of a name of its own. Received: a, a"),
    ):
        with pytest.raises(ValueError, match=message):
            sample_table([tmp_path / f"{name}.csv"])
    with pytest.raises(FileNotFoundError, match="absent.csv does not exist"):
        sample_table([tmp_path / "absent.csv"])


def test_a_column_without_a_name_is_not_renamed(tmp_path):
    (tmp_path / "t.csv").write_text(",click\n5,0\n3,1\n")
    assert sample_table([tmp_path / "t.csv"]).frame.columns == ["", "click"]
