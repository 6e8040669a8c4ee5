"""Raw tables in chunks: every kind of file, and what is wrong with files."""

import gzip
import zipfile

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.raw import sources
from ctrzoo.data_pipelines.raw.sources import TextSource
from tests.data_pipelines.clicks_table import HEADER, IDS, NUMBERS, ROWS, SCHEMA, TEXT, all_rows

pytestmark = pytest.mark.usefixtures("without_pictures")


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
        (TEXT.replace("site", "click", 1), ".csv", "header names these columns more than once: click"),
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
