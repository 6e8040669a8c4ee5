"""Tables of one's own: every kind of file and field, and what is wrong with rows."""

import contextlib
import datetime
import errno
import functools
import gzip
import json
import zipfile

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation import first_pass as compact
from ctrzoo.data_pipelines.preparation import table
from ctrzoo.data_pipelines.preparation.schema_draft import draft_schema
from ctrzoo.data_pipelines.preparation.table import prepare_own_table, read_schema
from tests.data_pipelines.small_table import stored_block

HEADER = "click,site,price,tags\n"
ROWS = [f"{row % 2},s{row % 3},{row}.5,a:1|b:2\n" for row in range(100)]
SCHEMA = {
    "label": "click",
    "fields": [
        "site",
        {"name": "price", "kind": "numerical"},
        {"name": "tags", "kind": "multivalued", "weight_separator": ":", "pooling": "sum"},
    ],
}


TAGS = SCHEMA["fields"][2]


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr("ctrzoo.data_pipelines.preparation.report.draw_fields", lambda report, path: None)


@pytest.fixture
def prepared(tmp_path):
    """Return a function that writes a table and prepares it."""

    def prepare(content, schema=SCHEMA, suffix=".csv", **options):
        path = tmp_path / f"clicks{suffix}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        report = prepare_own_table(tmp_path / "prepared", "clicks", path, schema, **options)
        return load(tmp_path / "prepared"), report

    return prepare


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


def all_rows(data):
    """Stored ids, numbers and labels of all splits, sorted by price."""
    ids, numbers, labels = stored_block(data.folder)
    order = np.argsort(numbers[:, 0])
    return ids[order], numbers[order], labels[order]


# Sites 1 to 3, price 4, tags a and b 5 and 6 with weights 1 and 2.
IDS = [[1 + row % 3, 5, 6] for row in range(100)]
NUMBERS = [[row + 0.5, 1, 2] for row in range(100)]


def test_a_text_table_becomes_the_features_of_the_design(prepared):
    data, report = prepared(HEADER + "".join(ROWS))
    ids, numbers, labels = all_rows(data)
    np.testing.assert_array_equal(ids, IDS)
    np.testing.assert_array_equal(numbers, NUMBERS)
    np.testing.assert_array_equal(labels, np.arange(100) % 2)
    features, _ = data.arrays("test")
    np.testing.assert_array_equal(features["ids"][:, 1:], [[4, 5, 6]] * 10)
    np.testing.assert_array_equal(features["values"][:, [0, 2, 3]], [[1, 1, 2]] * 10)
    assert data.num_rows == {"train": 80, "valid": 10, "test": 10} and data.num_positives["test"] == 5
    assert report["rows"] == 100 and report["positives"] == 50 and report["bad_rows"] == 0
    assert report["bytes_per_row"] > 25 and report["peak_memory_bytes"] > 2**20 and report["rows_per_second"] > 0
    shares = [(field["name"], field["vocabulary_size"], field["missing_share"]) for field in report["fields"]]
    assert shares == [("site", 3, 0), ("price", 1, 0), ("tags", 2, 0)]
    assert json.loads((data.folder / "report.json").read_text())["rows"] == 100


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


TABBED = "click\tsite\n" + '1\t"half\n0\twhole\n' * 20


@pytest.mark.parametrize(("suffix", "options"), [(".tsv", {}), (".txt", {}), (".csv", {"separator": "\t"})])
def test_a_quote_between_tabs_is_text_and_swallows_no_line(prepared, suffix, options):
    data, report = prepared(TABBED, {"label": "click", "fields": ["site"], **options}, suffix=suffix)
    assert (report["rows"], report["bad_rows"]) == (40, 0)
    assert data.encoding.fields[0].values.to_list() == ['"half', "whole"]


@pytest.mark.parametrize(
    ("suffix", "separator", "options"),
    [(".csv", ",", {}), (".txt", ",", {"separator": ","}), (".tsv", "\t", {"quote": '"'})],
)
def test_quotes_hold_a_separator_elsewhere_or_if_the_schema_says_so(prepared, suffix, separator, options):
    lines = [f'{row % 2}{separator}"Rome{separator}""Italy"""\n' for row in range(40)]
    content = f"click{separator}site\n" + "".join(lines)
    data, _ = prepared(content, {"label": "click", "fields": ["site"], **options}, suffix=suffix)
    assert data.encoding.fields[0].values.to_list() == [f'Rome{separator}"Italy"']


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


TYPED = {
    "category": pl.Series(["a", "b"] * 50, dtype=pl.Categorical),
    "codes": pl.Series(["1", "2"] * 50, dtype=pl.Enum(["1", "2"])),
    "bytes": pl.Series([b"x", b"y"] * 50),
    "no_text": pl.Series([b"x", b"\xff"] * 50),
    "lists": pl.Series([[1, 2], [3]] * 50),
    "byte_lists": pl.Series([[b"x"], [b"y", b"\xff"]] * 50),
    "list_lists": pl.Series([[["a"]], []] * 50),
    "structure": pl.Series([{"a": 1}, {"a": 2}] * 50),
    "span": pl.Series([1, 2] * 50, dtype=pl.Duration("us")),
}


@pytest.fixture
def typed(tmp_path):
    """Return the path of a Parquet file of unusual types, the label last."""
    pl.DataFrame({**TYPED, "click": pl.Series(["0", "1"] * 50, dtype=pl.Categorical)}).write_parquet(
        tmp_path / "typed.parquet"
    )
    return tmp_path / "typed.parquet"


def test_parquet_columns_of_any_type_are_drafted_and_prepared(typed, tmp_path):
    schema = draft_schema(typed, tmp_path / "schema.yaml")
    assert schema["label"] == "click"
    kinds = {field["name"]: field["kind"] for field in schema["fields"]}
    assert kinds == {**dict.fromkeys(("category", "codes", "bytes", "span"), "categorical"), "lists": "multivalued"}
    prepare_own_table(tmp_path / "prepared", "typed", typed, tmp_path / "schema.yaml")
    values = {field.name: field.values.to_list() for field in load(tmp_path / "prepared").encoding.fields}
    pairs = {"codes": ["1", "2"], "bytes": ["x", "y"], "span": ["1", "2"], "category": ["a", "b"]}
    assert values == {**pairs, "lists": ["1", "2", "3"]}


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "lists",
            "categorical",
            r"Column 'lists' must hold one number or text per cell, not List\(Int64\). .*'multivalued'",
        ),
        ("lists", "numerical", r"Column 'lists' must hold one number or text per cell, not List\(Int64\)"),
        ("structure", "numerical", "Column 'structure' must hold one number or text per cell, not Struct"),
        ("list_lists", "multivalued", r"Column 'list_lists' must hold one number or text per cell, not List\(String\)"),
        ("no_text", "categorical", "typed.parquet, row 2: column 'no_text' is not UTF-8 text"),
        ("byte_lists", "multivalued", "typed.parquet, row 2: column 'byte_lists' is not UTF-8 text"),
        ("category", "numerical", "typed.parquet, row 1: column 'category' must hold finite numbers, not 'a'"),
    ],
)
def test_a_parquet_column_that_a_field_cannot_take_is_named(typed, tmp_path, name, kind, message):
    schema = {"label": "click", "fields": [{"name": name, "kind": kind}]}
    with pytest.raises(ValueError, match=message) as caught:
        prepare_own_table(tmp_path / "prepared", "typed", typed, schema)
    assert "\n" not in str(caught.value) and not (tmp_path / "prepared").exists()


def wrong(line):
    return HEADER + "".join(ROWS[:50]) + line + "".join(ROWS[50:])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,s1,2\n", "3 columns, expected 4"),
        ("1,s1,2,a:1,5\n", "5 columns, expected 4"),
        ("1,s1,cheap,a:1\n", "column 'price' must hold finite numbers, not 'cheap'"),
        ("1,s1,-inf,a:1\n", "column 'price' must hold finite numbers, not -inf"),
        ("1,s1,-1e39,a:1\n", r"column 'price' must hold numbers of at most 3.4e\+38 once scaled, not -1e\+39"),
        ("1,s1,2,a:many\n", "weights: column 'tags' must hold finite numbers, not 'many'"),
        ("1,s1,2,b:2|a:\n", "weights: column 'tags' must hold finite numbers, not ''"),
        ("1,s1,2,a:nan\n", "weights: column 'tags' must hold finite numbers, not 'nan'"),
        ("1,s1,2,a:1e39\n", "weights: column 'tags' must hold finite numbers, not '1e39'"),
        (b"1,s\xff1,2,a:1\n", "column 'site' is not UTF-8 text"),
        ("2,s1,2,a:1\n", "the label 'click' must be 0 or 1, not 2"),
        (",s1,2,a:1\n", "the label 'click' must be 0 or 1, not None"),
        (HEADER, r"the label 'click' must be 0 or 1, not 'click' \(a header in the wrong place\?\)"),
    ],
)
def test_a_wrong_row_is_named_or_left_out(prepared, tmp_path, line, reason):
    before, after = (HEADER + "".join(ROWS[:50])).encode(), "".join(ROWS[50:]).encode()
    content = before + (line if isinstance(line, bytes) else line.encode()) + after
    # The header is row 1, so the line after 50 rows is row 52.
    with pytest.raises(ValueError, match=rf"clicks.csv, row 52: {reason}. Pass --bad_rows=skip") as caught:
        prepared(content)
    assert "\n" not in str(caught.value) and not (tmp_path / "prepared").exists()
    data, report = prepared(content, bad_rows="skip")
    assert (report["rows"], report["bad_rows"]) == (100, 1) and "row 52" in report["first_bad_row"]
    np.testing.assert_array_equal(all_rows(data)[0], IDS)


TEXT = HEADER + "".join(ROWS)


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


def test_a_table_without_its_header_says_so_in_its_first_row(prepared):
    columns = ["click", "site", "price", "tags"]
    with pytest.raises(ValueError, match=r"row 1: the label .* not 'click' \(a header in the wrong place\?\)"):
        prepared(TEXT, {**SCHEMA, "columns": columns})
    data, _ = prepared("".join(ROWS), {**SCHEMA, "columns": columns})
    assert sum(data.num_rows.values()) == 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "clicked"}, "Unknown label column 'clicked'. Did you mean 'click'?"),
        ({"fields": ["sites"]}, "Unknown column 'sites'. Did you mean 'site'?"),
        (
            {"fields": [{"name": "site", "mincount": 3}]},
            "Field 'site': Unknown key 'mincount'. Did you mean 'min_count'",
        ),
        ({"fields": [{"name": "site", "values": ["a"]}]}, "values is fitted by the preparation. Remove it"),
        ({"fields": []}, "the key 'fields' is missing"),
        ({"feilds": []}, "Unknown key 'feilds'. Did you mean 'fields'?"),
        ({"split": {"colum": "price"}}, "Unknown key of `split` 'colum'. Did you mean 'column'?"),
        ({"split": {"column": "price"}}, "Missing: valid_from"),
        ({"split": {"column": "price", "valid_from": None, "test_from": 9}}, "Missing: valid_from"),
        (
            {"split": {"column": "price", "valid_from": 30, "test_from": "4"}},
            "validation rows before the test rows. Received: valid_from 30, test_from '4'",
        ),
        (
            {"split": {"column": "price", "valid_from": "2024-06-10", "test_from": "2024-06-09"}},
            "validation rows before the test rows",
        ),
        ({"split": {"train": 0.5}}, "must be whole hundredths that add up to 1"),
        ({"split": {"column": "price", "valid_from": 0}}, "no row in the split 'train'"),
        ({"separator": "::"}, "`separator` must be one character"),
        ({"fit_on": "test"}, "`fit_on` must be 'train' or 'all'"),
        ({"learn_from": "all"}, "the key 'learn_from' was renamed to 'fit_on'"),
        ({"fields": [{"name": "site", "rare": True}]}, "Field 'site': the key 'rare' was renamed to 'oov'"),
        ({"fields": [{"name": "site", "running": True}]}, "the key 'running' was renamed to 'assign_ids_online'"),
        ({"split": None}, r"`split` must be shares, .* or a column and its bounds. Received: None"),
        ({"split": {"train": 0.8, "valid": 0.2, "test": None}}, "`test` of a split must be a number. Received: None"),
        ({"split": {"train": "0.8"}}, "`train` of a split must be a number. Received: '0.8'"),
        ({"split": {"seed": "one"}}, "`seed` of a split must be a whole number. Received: 'one'"),
        ({"split": {"column": "price", "valid_from": [5]}}, r"`valid_from` of a split must be a number or text"),
        ({"split": {"column": 5, "valid_from": 5}}, r"`column` of a split must be the name of a column, in quotes"),
        ({"fields": "site"}, "`fields` must be a list, such as .* Received: 'site'"),
        ({"fields": [TAGS | {"separator": 1}]}, "`separator` must be a text, in quotes. Received: 1"),
        ({"fields": [TAGS | {"separator": ""}]}, "`separator` of a multi-valued field must not be empty"),
        ({"fields": [TAGS | {"weight_separator": 5}]}, "`weight_separator` must be a text, in quotes. Received: 5"),
        ({"fields": [{"name": "site", "column": 5}]}, "`column` must be a text. Received: 5"),
        ({"fields": [{"name": "site", "oov": "no"}]}, "`oov` must be true or false. Received: 'no'"),
        (
            {"fields": [{"name": "site", "assign_ids_online": 1}]},
            "`assign_ids_online` must be true or false. Received: 1",
        ),
        (
            {"fields": [{"name": "site", "assign_ids_online": True, "hash_buckets": 9}]},
            "`assign_ids_online` needs an OOV id",
        ),
        ({"fields": [{"name": "site", "unused_ids": -3}]}, "`unused_ids` must be a whole number of at least 0"),
        ({"fields": [{"name": "site", "min_count": None}]}, "`min_count` must be a whole number of at least 1"),
    ],
)
def test_a_wrong_schema_is_named(prepared, change, message):
    with pytest.raises(ValueError, match=message):
        prepared(TEXT, {**SCHEMA, **change})


def test_rows_are_divided_by_a_column(prepared):
    data, _ = prepared(TEXT, {**SCHEMA, "split": {"column": "price", "valid_from": 60, "test_from": "90"}})
    assert data.num_rows == {"train": 60, "valid": 30, "test": 10}
    np.testing.assert_array_equal(stored_block(data.folder, ["test"]).numerical[:, 0], np.arange(90, 100) + 0.5)


@pytest.mark.parametrize(
    ("cells", "valid_from", "reason"),
    [
        (["1", "", "9"], 5, "column 'day' gives no split: it is empty"),
        (["a", "", "z"], "m", "column 'day' gives no split: it is empty"),
        ([1.0, float("nan"), 9.0], 5, "column 'day' gives no split: it is empty"),
        ([1.0, float("nan"), 9.0], "m", "column 'day' gives no split: it is empty"),
        (
            ["1", "2024-06-01", "9"],
            5,
            "column 'day' must hold finite numbers, not '2024-06-01', as valid_from is the num",
        ),
    ],
)
def test_a_cell_that_says_no_split_is_a_wrong_row(tmp_path, cells, valid_from, reason):
    rows = {"click": [0, 1, 1], "day": cells}
    pl.DataFrame(rows).write_parquet(tmp_path / "clicks.parquet")
    schema = {"label": "click", "fields": ["day"], "split": {"column": "day", "valid_from": valid_from}}
    with pytest.raises(ValueError, match=f"clicks.parquet, row 2: {reason}"):
        prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "clicks.parquet", schema)


def test_times_are_not_compared_with_a_number(tmp_path):
    days = [datetime.date(2024, 6, day) for day in range(1, 31)]
    pl.DataFrame({"click": [0, 1] * 15, "day": days}).write_parquet(tmp_path / "clicks.parquet")
    schema = {"label": "click", "fields": ["day"], "split": {"column": "day", "valid_from": 20240620}}
    with pytest.raises(ValueError, match=r"'day' holds times \(Date\).* number 20240620. .* times, such as 2024-06-20"):
        prepare_own_table(tmp_path / "prepared", "clicks", tmp_path / "clicks.parquet", schema)


def test_rows_are_divided_by_a_day_of_a_yaml_schema(prepared, tmp_path):
    rows = [f"{row % 2},s,2024-06-{row + 1:02d}\n" for row in range(30)]
    split = "split: {column: day, valid_from: 2024-06-21, test_from: 2024-06-26}"
    (tmp_path / "schema.yaml").write_text(f"label: click\nfields: [site]\n{split}\n")
    data, _ = prepared("click,site,day\n" + "".join(rows), tmp_path / "schema.yaml")
    assert data.num_rows == {"train": 20, "valid": 5, "test": 5}


def test_separate_files_are_the_splits_and_only_the_first_is_learned_from(tmp_path):
    for name, rows in (("a", ROWS[:60]), ("b", ["1,new,1,a:1\n", *ROWS[60:80]])):
        (tmp_path / f"{name}.csv").write_text(HEADER + "".join(rows))
    schema = {**SCHEMA, "fields": [{"name": "site", "oov": True}, *SCHEMA["fields"][1:]]}
    tables = {"train": tmp_path / "a.csv", "test": tmp_path / "b.csv"}
    prepare_own_table(tmp_path / "prepared", "clicks", tables, schema)
    data = load(tmp_path / "prepared")
    assert data.num_rows == {"train": 60, "test": 21}
    assert data.encoding.fields[0].values.to_list() == ["s0", "s1", "s2"]
    np.testing.assert_array_equal(stored_block(data.folder, ["test"]).ids[:2, 0], [1, 2])  # rare, then s0


def test_a_file_is_in_one_split_alone(tmp_path):
    for name in "av":
        (tmp_path / f"{name}.csv").write_text(TEXT)
    (tmp_path / "again.csv").symlink_to("v.csv")
    tables = {"train": tmp_path / "[av].csv", "valid": tmp_path / "again.csv"}
    with pytest.raises(ValueError, match=r"again.csv is in two splits, train and valid. Correct"):
        prepare_own_table(tmp_path / "prepared", "clicks", tables, SCHEMA)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_path_with_brackets_is_a_path_if_there_is_such_a_file(tmp_path, suffix):
    folder = tmp_path / "day[1]"
    folder.mkdir()
    frame = pl.DataFrame({"click": [0, 1] * 50, "site": ["a", "b"] * 50})
    getattr(frame, f"write_{suffix[1:]}")(folder / f"clicks{suffix}")
    report = prepare_own_table(
        folder / "prepared", "clicks", folder / f"clicks{suffix}", {"label": "click", "fields": ["site"]}
    )
    assert report["rows"] == 100
    assert sum(load(folder / "prepared").num_rows.values()) == 100


def test_every_transform_and_hashing_by_schema(prepared):
    keras = pytest.importorskip("keras")
    kinds = ("log_squared", "log1p", "min_max", "standard")
    fields = [{"name": kind, "column": "price", "kind": "numerical", "transform": kind} for kind in kinds]
    fields += [
        {"name": "price", "kind": "numerical"},
        {"name": "quarter", "column": "price", "transform": "quantile", "num_buckets": 4},
        {"name": "bucket", "column": "price", "transform": "log_squared_bucket"},
        {"name": "hashed", "column": "site", "hash_buckets": 7},
        {"name": "often", "column": "site", "min_count": 34},
    ]
    data, _ = prepared(TEXT, {"label": "click", "fields": fields, "fit_on": "all"})
    ids, values, _ = stored_block(data.folder)
    order = np.argsort(values[:, 4])
    first, ids, values = data.schema.first_ids, ids[order], values[order]
    price = np.arange(100) + 0.5
    logs = [np.floor(np.log(x) ** 2) if x > 2 else x for x in price]
    expected = [logs, np.log1p(price), (price - 0.5) / 99, (price - price.mean()) / price.std(), price]
    np.testing.assert_allclose(values[:, :5], np.transpose(expected), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ids[:, 0] - first[5], np.arange(100) // 25)
    names = [str(int(value)) if x > 2 else str(int(x) - 3) for x, value in zip(price, logs, strict=True)]
    known = sorted(set(names))
    np.testing.assert_array_equal(ids[:, 1] - first[6], [known.index(name) for name in names])
    hashed = keras.layers.Hashing(7)(np.array([[f"s{row % 3}"] for row in range(100)]))
    np.testing.assert_array_equal(ids[:, 2] - first[7], np.ravel(hashed))
    # s0 is in 34 rows, s1 and s2 in 33: rare.
    np.testing.assert_array_equal(ids[:, 3] - first[8], [row % 3 == 0 for row in range(100)])


def test_each_value_of_a_multivalued_cell_counts(prepared):
    schema = {
        "label": "click",
        "fields": [{"name": "tags", "kind": "multivalued", "min_count": 3}],
        "fit_on": "all",
    }
    # q is in two rows, three times; of 6 values 3 are rare; of 4 cells 1 is missing.
    data, report = prepared("click,tags\n0,q|q|x\n1,q\n0,y|z\n1,\n", schema)
    assert data.encoding.fields[0].values.to_list() == ["q"] and data.encoding.fields[0].counts.to_list() == [3]
    assert (report["fields"][0]["rare_share"], report["fields"][0]["missing_share"]) == (3 / 6, 1 / 4)


def test_a_constant_number_is_learned_from_several_chunks(prepared, monkeypatch):
    monkeypatch.setattr(table, "TextSource", functools.partial(table.TextSource, chunk_bytes=1 << 16))
    fields = [{"name": name, "column": "price", "kind": "numerical"} for name in ("standard", "min_max")]
    schema = {"label": "click", "fields": [{**field, "transform": field["name"]} for field in fields]}
    rows = [f"{row % 2},0.1\n" for row in range(20_000)]
    data, _ = prepared("click,price\n" + "".join(rows), schema)
    assert [(field.offset, field.scale) for field in data.encoding.fields] == [(0.1, 1.0)] * 2
    np.testing.assert_array_equal(stored_block(data.folder).numerical, np.zeros((20_000, 2)))


def test_a_large_number_is_taken_if_its_transform_makes_it_small(prepared):
    schema = {"label": "click", "fields": [{"name": "price", "kind": "numerical", "transform": "log1p"}]}
    data, _ = prepared(HEADER + "1,s,1e39,a\n" * 10, schema)
    np.testing.assert_allclose(stored_block(data.folder).numerical, [[39 * np.log(10)]] * 10, rtol=1e-6)


def test_a_number_that_what_was_learned_makes_too_large_is_refused(prepared):
    fields = [{"name": "price", "kind": "numerical", "transform": "min_max"}]
    schema = {"label": "click", "fields": fields, "split": {"column": "price", "valid_from": 1}}
    rows = "".join(f"{row % 2},s,{row / 1e6},a\n" for row in range(10))
    with pytest.raises(ValueError, match=r"clicks: column 'price' must hold numbers of at most .* not 1e\+36. Choose"):
        prepared(HEADER + rows + "1,s,1e36,a\n", schema)


@pytest.fixture(params=["rows", "vocabularies"])
def full_disk(request, monkeypatch):
    """Return a context in which the disk is full when these are written."""

    def fail(file, **arrays):
        raise OSError(errno.ENOSPC, "No space left on device")

    @contextlib.contextmanager
    def full():
        with monkeypatch.context() as patch:
            if request.param == "rows":
                patch.setattr(compact.np, "savez", fail)
            else:
                write = pl.DataFrame.write_parquet
                patch.setattr(pl.DataFrame, "write_parquet", lambda frame, path: write(frame, "/dev/full"))
            yield

    return full


def test_a_full_disk_is_one_line_and_the_preparation_goes_on_later(prepared, tmp_path, full_disk):
    with full_disk(), pytest.raises(OSError, match="the disk of .*prepared is full. Free space and rerun the command"):
        prepared(TEXT)
    assert not (tmp_path / "prepared").exists()
    assert sum(prepared(TEXT)[0].num_rows.values()) == 100
    assert not list(tmp_path.glob(".prepared*"))


def test_an_existing_folder_is_not_overwritten(prepared):
    prepared(TEXT)
    with pytest.raises(FileExistsError, match="pass --overwrite"):
        prepared(TEXT)


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_drafted_schema_prepares_the_table(prepared, tmp_path, suffix):
    lines = [f"u{row},{row % 2},{row * 1.5},{'x|y' if row % 2 else 'z'},c{row % 7}\n" for row in range(500)]
    content = "key,click,price,tags,city\n" + "".join(lines)
    (tmp_path / "sample.csv").write_text(content)
    draft_schema(tmp_path / "sample.csv", tmp_path / f"schema{suffix}")
    schema = read_schema(tmp_path / f"schema{suffix}")
    kinds = {field["name"]: field["kind"] for field in schema["fields"]}
    assert schema["label"] == "click"
    assert kinds == {"price": "numerical", "tags": "multivalued", "city": "categorical"}
    data, _ = prepared(content, tmp_path / f"schema{suffix}")
    assert data.schema.names == ("price", "tags", "city") and sum(data.num_rows.values()) == 500
    with pytest.raises(FileExistsError, match="Delete it"):
        draft_schema(tmp_path / "sample.csv", tmp_path / f"schema{suffix}")
