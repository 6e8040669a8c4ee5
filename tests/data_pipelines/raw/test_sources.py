"""Raw tables in chunks: every kind of file, and what is wrong with files."""

import decimal
import gzip
import io
import tarfile
import time
import uuid
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.schema_draft import draft_schema
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.raw import sources
from ctrzoo.data_pipelines.raw.sources import ParquetSource, TextSource, open_raw, readable
from tests.data_pipelines.clicks_table import HEADER, IDS, NUMBERS, ROWS, SCHEMA, TEXT, all_rows


def zipped(text, tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clicks.csv", text)
    return (tmp_path / "other.zip").read_bytes()


def odd_zip(text, tmp_path, place, value):
    """A zip file with a byte of its directory changed: the flags (8) or the kind of compression (10)."""
    content = bytearray(zipped(text, tmp_path))
    content[content.rfind(b"PK\x01\x02") + place] = value
    return bytes(content)


def zstandard(text, tmp_path):
    with pa.CompressedOutputStream(str(tmp_path / "other.zst"), "zstd") as file:
        file.write(text.encode())
    return (tmp_path / "other.zst").read_bytes()


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".csv.gz", lambda text, folder: gzip.compress(text.encode())),
        (".csv.zip", zipped),
        (".csv.zst", zstandard),
        (".csv", lambda text, folder: text.replace("\n", "\r\n")),
        (".csv", lambda text, folder: "\ufeff" + text.rstrip("\n")),
        (".tsv", lambda text, folder: text.replace(",", "\t").replace("\n", "\n\n")),
    ],
    ids=["gz", "zip", "zstd", "other line ends", "mark and no last line end", "tabs and blank lines"],
)
def test_other_ways_to_write_a_table_give_the_same(prepared, tmp_path, suffix, pack):
    data, _ = prepared(pack(HEADER + "".join(ROWS), tmp_path), suffix=suffix)
    ids, numbers, _ = all_rows(data)
    np.testing.assert_array_equal(ids, IDS)
    np.testing.assert_array_equal(numbers, NUMBERS)


def test_parquet_files_of_typed_columns(tmp_path):
    rows = range(100)
    columns = {"click": [row % 2 == 1 for row in rows], "site": [row % 3 for row in rows]}
    columns |= {"price": [row + 0.5 for row in rows], "tags": [["a:1", "b:2"] for row in rows]}
    for part in range(2):
        pl.DataFrame(columns)[part * 50 : part * 50 + 50].write_parquet(tmp_path / f"part{part}.parquet")
    prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "*.parquet", SCHEMA)
    data = load(tmp_path / "prepared")
    np.testing.assert_array_equal(all_rows(data)[0], IDS)
    assert data.encoding.fields[0].values.to_list() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        ("", ".csv", "clicks.csv is empty"),
        (HEADER, ".csv", "has no rows that can be used"),
        ("\n" + TEXT, ".csv", "row 1: expected the column names, but the line is empty"),
        ("".join(ROWS), ".csv", "Unknown label column 'click'.* does not look like a header"),
        (gzip.compress(TEXT.encode())[:-50], ".csv.gz", "clicks.csv.gz is damaged"),
        (TEXT, ".csv.gz", "clicks.csv.gz is damaged or of another kind"),
        (TEXT, ".csv.zip", "clicks.csv.zip is damaged or of another kind"),
        (TEXT, ".csv.zst", "clicks.csv.zst is damaged or of another kind"),
        (TEXT, ".parquet", "clicks.parquet is damaged or of another kind"),
        (TEXT, ".xlsx", "the name must end in .csv, .tsv, .txt, .parquet"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(prepared, tmp_path, content, suffix, message):
    with pytest.raises(ValueError, match=message) as caught:
        prepared(content, suffix=suffix)
    assert "\n" not in str(caught.value) and not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(("place", "value", "reason"), [(10, 9, "deflate64|compression"), (8, 1, "encrypted")])
def test_a_zip_file_that_python_cannot_unpack_is_to_be_unpacked(prepared, tmp_path, place, value, reason):
    with pytest.raises(
        ValueError, match=rf"clicks.csv.zip cannot be unpacked here \(.*({reason}).* Unpack it yourself"
    ):
        prepared(odd_zip(TEXT, tmp_path, place, value), suffix=".csv.zip")


def test_a_part_that_lacks_a_column_is_named(tmp_path):
    frame = pl.DataFrame({"click": [0, 1] * 50, "site": ["a", "b"] * 50})
    frame.write_parquet(tmp_path / "part0.parquet")
    frame.rename({"site": "sites"}).write_parquet(tmp_path / "part1.parquet")
    with pytest.raises(ValueError, match=r"part1.parquet, unlike the first file: Unknown column 'site'. .*'sites'\?"):
        prepare_own_table(
            tmp_path / "prepared", "clicks", tmp_path / "*.parquet", {"label": "click", "fields": ["site"]}
        )


def test_a_stray_quote_does_not_stop_the_reading(tmp_path):
    lines = [f"{number % 2},27 inch,{number}\n" for number in range(20_000)]
    lines[0] = '0,27" monitor,0\n'
    (tmp_path / "clicks.csv").write_text("click,title,price\n" + "".join(lines))
    source = TextSource((str(tmp_path / "clicks.csv"),), chunk_bytes=1 << 16)
    chunks = [chunk.parse({"title": False, "price": True}) for chunk in source.chunks([])]
    assert len(chunks) > 2
    titles = [title for rows in chunks for title in rows.table["title"].to_pylist()]
    assert titles == ['27" monitor'] + ["27 inch"] * 19_999


def test_a_cell_that_never_ends_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST_ROW", 1 << 16)
    (tmp_path / "clicks.csv").write_text("click,title\n1,a\n" + '1,"27 inch\n' + "0,b\n" * 50_000)
    source = TextSource((str(tmp_path / "clicks.csv"),), chunk_bytes=1 << 16)
    with pytest.raises(ValueError, match="clicks.csv, row 3: the row does not end within .* `quote: null`"):
        list(source.chunks([]))


HOUR = 3_600_000_000
# Columns of types that polars does not hold, or that mean something else than their numbers.
ODD = {
    "period": lambda: pa.array(pd.Series(pd.period_range("2024-01", periods=40, freq="M"))),
    "json": lambda: pa.array(['{"a": 1}', '{"a": 2}'] * 20, pa.json_(pa.string())),
    "bool8": lambda: pa.array([1, 0] * 20, pa.int8()).cast(pa.bool8()),
    "tensor": lambda: pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((40, 2), np.float32)),
    "uuid": lambda: pa.array([uuid.UUID(int=number).bytes for number in range(40)], pa.uuid()),
    "decimal256": lambda: pa.array([decimal.Decimal("1.5")] * 40, pa.decimal256(60, 2)),
    "list<": lambda: pa.array([[1]] * 40, pa.list_(pa.timestamp("us", "+05:30"))),
}


def write_odd(path, name):
    """Write a Parquet file with a column `x` of an unusual type."""
    if name == "Int128":
        big = pl.Series([2**70, 5] * 20, dtype=pl.Int128)
        pl.DataFrame({"x": big, "site": ["a", "b"] * 20, "click": [0, 1] * 20}).write_parquet(path)
    else:
        parquet.write_table(pa.table({"x": ODD[name](), "site": ["a", "b"] * 20, "click": [0, 1] * 20}), path)


@pytest.mark.parametrize("name", [*ODD, "Int128"])
def test_an_odd_column_matters_only_if_it_is_needed(tmp_path, name):
    path = tmp_path / "odd.parquet"
    write_odd(path, name)
    assert [field["name"] for field in draft_schema(path, tmp_path / "schema.yaml")["fields"]] == ["site"]
    report = prepare_own_table(tmp_path / "site", "odd", path, {"label": "click", "fields": ["site"]})
    assert report["rows"] == 40
    with pytest.raises(ValueError, match=rf"odd.parquet: Column 'x' holds .*{name}.*, which no field reads") as caught:
        prepare_own_table(tmp_path / "x", "odd", path, {"label": "click", "fields": ["x"]})
    assert "\n" not in str(caught.value) and "damaged" not in str(caught.value)


def test_times_with_an_offset_are_read_in_utc(tmp_path):
    times = pa.array([hour * HOUR for hour in range(40)], pa.timestamp("us", "+05:30"))
    table = pa.table({"time": times, "click": [0, 1] * 20})
    parquet.write_table(table, tmp_path / "times.parquet", row_group_size=7)
    source = ParquetSource((tmp_path / "times.parquet",), chunk_rows=10)
    rows = [chunk.parse({"time": False}) for chunk in source.chunks([])]
    assert [len(part.row_numbers) for part in rows] == [10] * 4
    cells = pa.concat_tables([part.table for part in rows])["time"]
    assert (
        cells.type == pa.timestamp("us", "UTC")
        and cells.cast(pa.int64()).to_pylist() == times.cast(pa.int64()).to_pylist()
    )
    schema = {"label": "click", "fields": [{"name": "time", "kind": "numerical"}]}
    assert prepare_own_table(tmp_path / "prepared", "times", tmp_path / "times.parquet", schema)["rows"] == 40


def test_two_columns_of_one_name_matter_only_if_they_are_needed(tmp_path):
    site, click = pa.array(["a", "b"] * 20), pa.array([0, 1] * 20)
    names = ["site", "b", "b", "click"]
    parquet.write_table(pa.table([site, site, site, click], names=names), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text(",".join(names) + "\n" + "a,1,2,0\nb,3,4,1\n" * 20)
    for path in (tmp_path / "t.parquet", tmp_path / "t.csv"):
        folder = tmp_path / path.suffix[1:]
        assert prepare_own_table(folder, "t", path, {"label": "click", "fields": ["site"]})["rows"] == 40
        assert [field["name"] for field in draft_schema(path, folder / "s.yaml")["fields"]] == ["site"]
        with pytest.raises(ValueError, match=r"2 columns are named 'b'. Rename all but one\."):
            prepare_own_table(tmp_path / "b", "t", path, {"label": "click", "fields": ["b"]})


def test_columns_without_a_name_are_left_out_of_the_draft(tmp_path):
    (tmp_path / "t.csv").write_text(",site,,click\n" + "".join(f"{row},a{row % 2},7,{row % 2}\n" for row in range(40)))
    schema = draft_schema(tmp_path / "t.csv", tmp_path / "s.yaml")
    assert [field["name"] for field in schema["fields"]] == ["site"]
    assert prepare_own_table(tmp_path / "p", "t", tmp_path / "t.csv", schema)["rows"] == 40


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_is_no_table(tmp_path, suffix):
    folder = tmp_path / f"logs{suffix}"
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match=rf"logs{suffix} is a folder. Pass its files, such as '.*/\*{suffix}'"):
        prepare_own_table(tmp_path / "p", "t", folder, {"label": "click", "fields": ["site"]})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_empty_part_is_named(tmp_path, suffix):
    frame = pl.DataFrame({"click": [0, 1] * 50, "site": ["a", "b"] * 50})
    frame.write_csv(tmp_path / "part0.csv")
    frame.write_parquet(tmp_path / "part0.parquet")
    (tmp_path / "part1.csv").write_bytes(b"")
    frame[:0].write_parquet(tmp_path / "part1.parquet")
    with pytest.raises(ValueError, match=rf"part1{suffix} (is empty|has no rows)\. Leave it out, or correct the path"):
        prepare_own_table(tmp_path / "p", "t", tmp_path / f"*{suffix}", {"label": "click", "fields": ["site"]})


def tarred(path, **texts):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"folder/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_the_one_table_of_a_tar_archive_is_read_and_several_are_named(tmp_path):
    one = tarred(tmp_path / "one.csv.tar.gz", clicks=TEXT)
    prepare_own_table(tmp_path / "one", "clicks", one, SCHEMA)
    np.testing.assert_array_equal(all_rows(load(tmp_path / "one"))[0], IDS)
    two = tarred(tmp_path / "two.csv.tar.gz", readme="read me", train=TEXT)
    with pytest.raises(
        ValueError, match="such as folder/readme and folder/train; expected one table. Unpack it and pass"
    ):
        prepare_own_table(tmp_path / "two", "clicks", two, SCHEMA)
    whole = one.read_bytes()
    one.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="one.csv.tar.gz is damaged"), readable(one), open_raw(one) as (file, _):
        file.read()


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_first_line_without_an_end_is_read_at_once(prepared, suffix):
    text = b"click" + b",c" * 1_500_000
    start = time.monotonic()
    with pytest.raises(ValueError, match="has no rows|Unknown column 'site'"):
        prepared(
            gzip.compress(text, 1) if suffix.endswith("gz") else text, {"label": "click", "fields": ["site"]}, suffix
        )
    assert time.monotonic() - start < 20


def test_a_first_line_that_never_ends_is_named(prepared, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST_HEADER", 1 << 16)
    with pytest.raises(ValueError, match="clicks.csv, row 1: the line does not end within 65,536 bytes"):
        prepared("x" * 100_000)


def test_rows_longer_than_a_parsed_piece_are_read(prepared):
    lines = [f"{row % 2},{'ab'[row % 2] * 700_000}\n" for row in range(8)]
    data, report = prepared("click,site\n" + "".join(lines), {"label": "click", "fields": ["site"], "fit_on": "all"})
    assert report["rows"] == 8 and [len(text) for text in data.encoding.fields[0].values] == [700_000] * 2


def test_one_row_that_is_not_text_leaves_the_others_as_they_are(prepared):
    lines = [f" {row % 2},{row}.5,a\n".encode() for row in range(201)]
    lines[100] = b" 1,100.5,\xff\n"
    schema = {"label": "click", "fields": [{"name": "price", "kind": "numerical"}, "site"], "fit_on": "all"}
    _, report = prepared(b"click,price,site\n" + b"".join(lines), schema, bad_rows="skip")
    assert (report["rows"], report["bad_rows"]) == (200, 1)
    assert report["first_bad_row"].endswith("clicks.csv, row 102: column 'site' is not UTF-8 text")


def test_a_carriage_return_within_a_row_makes_one_bad_row(prepared):
    lines = [f"{row % 2},a\r\n" for row in range(40)]
    lines[3], lines[7], lines[9] = "1,a\rb\n", '1,"a\rb"\r\n', '1,"a\n\rb"\r\n'
    schema = {"label": "click", "fields": ["site"], "fit_on": "all"}
    data, report = prepared("click,site\n" + "".join(lines), schema, bad_rows="skip")
    assert (report["rows"], report["bad_rows"]) == (39, 1)
    assert "row 5: a carriage return" in report["first_bad_row"]
    assert data.encoding.fields[0].values.to_list() == ["a", "a\n\rb", "a\rb"]


def test_a_zero_byte_is_a_character(prepared):
    lines = [f"{row % 2},a\0{row % 2}\0\n" for row in range(40)]
    data, _ = prepared("click,site\n" + "".join(lines), {"label": "click", "fields": ["site"], "fit_on": "all"})
    assert data.encoding.fields[0].values.to_list() == ["a\x000\0", "a\x001\0"]


def test_a_zero_byte_in_a_label_is_shown(prepared):
    with pytest.raises(ValueError, match=r"row 2: the label 'click' must be 0 or 1, not '\\x000'"):
        prepared("click,site\n\x000,a\n" * 2, {"label": "click", "fields": ["site"]})


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_a_checksum_behind_the_only_file_of_a_tar_is_read(mode, tmp_path):
    """The rows are all there, but the compressed stream ends before its checksum."""
    path = tmp_path / f"rows.csv.tar.{mode}"
    (tmp_path / "rows.csv").write_text("click,site\n" + "1,a\n" * 10_000)
    with tarfile.open(path, f"w:{mode}") as archive:
        archive.add(tmp_path / "rows.csv", "rows.csv")
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(ValueError, match="is damaged or of another kind"):
        TextSource([path]).columns()
