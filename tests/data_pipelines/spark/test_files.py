"""Files of a table as lines and rows; the whole way on Spark is compared with that of a single machine."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.raw.delimited import Format
from ctrzoo.data_pipelines.spark.files import LineParser, prepare_files, without_headers
from tests.data_pipelines.clicks_table import all_rows
from tests.data_pipelines.spark.kinds_table import fitted

SCHEMA = {
    "label": "click",
    "fields": [
        "site",
        {"name": "price", "kind": "numerical", "transform": "min_max"},
        {"name": "tags", "kind": "multivalued"},
    ],
    "split": {"hash": "price"},
}
NEEDED = {"click": True, "site": False}


def lines(*texts):
    return pa.table({"value": pa.array(texts, pa.string())})


def test_only_the_first_line_of_each_file_is_a_header():
    batches = [
        pa.record_batch({"value": ["h", "1"], "file": ["a", "a"], "start": [0, 0]}),
        pa.record_batch({"value": ["h", "h", "2"], "file": ["a", "b", "b"], "start": [0, 0, 0]}),
        pa.record_batch({"value": ["3", "4"], "file": ["c", "c"], "start": [128, 128]}),  # a later part of a file
    ]
    assert [batch["value"].to_pylist() for batch in without_headers(batches)] == [["1"], ["h", "2"], ["3", "4"]]


def test_lines_are_parsed_as_on_a_single_machine():
    parser = LineParser(("click", "site"), Format())
    table, numbers, bad = parser(lines("1,a\r", "", "0,é", "1", "\r", '0,"b,c"'), NEEDED, 11)
    assert table["site"].to_pylist() == ["a", "é", "b,c"] and [float(cell) for cell in table["click"].to_pylist()] == [
        1,
        0,
        0,
    ]
    assert numbers.tolist() == [11, 13, 16] and bad == [(14, "1 columns, expected 2")]


def test_cells_with_line_ends_are_refused():
    with pytest.raises(ValueError, match="3 lines hold 2 rows: cells in quotes hold line ends.*Parquet"):
        LineParser(("click", "site"), Format())(lines("1,a", '0,"b', 'c"'), NEEDED, 1)


@pytest.fixture
def clicks(tmp_path):
    """Return the pattern of three CSV files, one of them compressed, with odd cells."""
    for part in range(3):
        rows = range(part, 3000, 3)
        text = "".join(f"{row % 2},{['8', '8.0', ' 9', ''][row % 4]},{row}.5,a|b{row % 9}\n" for row in rows)
        content = f"click,site,price,tags\n{text}\n".encode()
        packed = part == 2
        path = tmp_path / f"part{part}.csv{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return str(tmp_path / "part*.csv*")


def test_text_becomes_the_folder_of_a_single_machine(spark, clicks, tmp_path):
    from ctrzoo.data_pipelines import load

    prepare_own_table(tmp_path / "one", "part", clicks, SCHEMA)
    prepare_files(spark, clicks, SCHEMA, tmp_path / "many", name="part")
    assert fitted(tmp_path / "one") == fitted(tmp_path / "many")
    one, many = load(tmp_path / "one"), load(tmp_path / "many")
    assert one.num_rows == many.num_rows and sum(one.num_rows.values()) == 3000
    assert one.num_positives == many.num_positives and one.encoding.table == many.encoding.table
    for found, expected in zip(all_rows(many), all_rows(one), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_other_files_are_refused(clicks, tmp_path):
    (tmp_path / "partx.csv").write_text("click,price\n1,2\n")
    with pytest.raises(ValueError, match="partx.csv: the header differs from the one of .*part0.csv"):
        prepare_files(None, clicks, SCHEMA, tmp_path / "many")
    first = str(tmp_path / "part0.csv")
    with pytest.raises(ValueError, match="`keep_groups` of text"):
        prepare_files(None, first, {**SCHEMA, "group": "site", "keep_groups": True}, tmp_path / "many")
    with pa.CompressedOutputStream(str(tmp_path / "rows.csv.zst"), "zstd") as file:
        file.write((tmp_path / "part0.csv").read_bytes())
    with pytest.raises(ValueError, match="rows.csv.zst: Spark unpacks only .gz, .bz2"):
        prepare_files(None, str(tmp_path / "rows.csv.zst"), SCHEMA, tmp_path / "many")
    (tmp_path / "rows.svm").write_text("1 2:3\n")
    sparse = {"label": "label", "fields": [{"name": "features", "kind": "multivalued"}], "split": {"hash": "label"}}
    with pytest.raises(ValueError, match="not libsvm"):
        prepare_files(None, str(tmp_path / "rows.svm"), sparse, tmp_path / "many")


def test_a_column_that_one_file_lacks_is_not_read_as_missing_cells(tmp_path):
    parquet.write_table(pa.table({"click": [0, 1], "site": ["a", "b"]}), tmp_path / "0.parquet")
    parquet.write_table(pa.table({"click": [0, 1]}), tmp_path / "1.parquet")
    schema = {"label": "click", "fields": ["site"], "split": {"hash": "site"}}
    with pytest.raises(ValueError, match="1.parquet, unlike the first file: .*'site'"):
        prepare_files(None, f"{tmp_path}/*.parquet", schema, tmp_path / "many")
