"""Tables of your own: their files, their schema, and what their rows become."""

import json
import time

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table, read_schema, table_plan
from tests.data_pipelines.clicks_table import HEADER, IDS, NUMBERS, ROWS, SCHEMA, TEXT, all_rows
from tests.data_pipelines.small_table import stored_block

TAGS = SCHEMA["fields"][2]


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
        ({"split": {"column": "price"}}, "to split by its values, give `valid_from`"),
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
        ({"split": None}, r"`split` must be shares, .* a column and its bounds, or .*. Received: None"),
        ({"split": {"train": 0.8, "valid": 0.2, "test": None}}, "`test` of a split must be a number. Received: None"),
        ({"split": {"train": "0.8"}}, "`train` of a split must be a number. Received: '0.8'"),
        ({"split": {"seed": "one"}}, "`seed` of a split must be a whole number. Received: 'one'"),
        ({"split": {"column": "price", "valid_from": [5]}}, r"`valid_from` of a split must be a number or text"),
        ({"split": {"column": 5, "valid_from": 5}}, r"`column` of a split must be a text. .* in quotes"),
        ({"fields": "site"}, "`fields` must be a list, such as .* Received: 'site'"),
        ({"fields": [TAGS | {"separator": 1}]}, "`separator` must be a text, in quotes. Received: 1"),
        ({"fields": [TAGS | {"separator": ""}]}, "`separator` of a multi-valued field must not be empty"),
        ({"fields": [TAGS | {"weight_separator": 5}]}, "`weight_separator` must be a text, in quotes. Received: 5"),
        ({"fields": [{"name": "site", "column": 5}]}, "`column` of a field must be a text. Received: 5"),
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
    ids, values, _ = stored_block(data.folder)[:3]
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


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ({"name": "site", "separator": ","}, "separator"),
        ({"name": "site", "max_values": 3}, "max_values"),
        ({"name": "site", "keep": "last"}, "keep"),
        ({"name": "site", "pooling": "sum"}, "pooling"),
        ({"name": "site", "num_buckets": 5}, "num_buckets"),
        ({"name": "site", "hash_buckets": 5, "min_count": 2}, "min_count"),
        ({"name": "price", "kind": "numerical", "min_count": 2}, "min_count"),
        ({"name": "price", "kind": "numerical", "missing": "category"}, "missing"),
    ],
)
def test_options_that_do_nothing_are_refused(field, key):
    with pytest.raises(ValueError, match=f"field '{field['name']}': `{key}` has no effect, it is for .* Remove it"):
        table_plan({"label": "click", "fields": [field]}, ["click", "site", "price"])


@pytest.mark.parametrize("key", ["separator", "columns", "quote"])
def test_options_of_text_are_refused_for_other_files(key, tmp_path):
    pl.DataFrame({"click": [0, 1], "site": ["a", "b"]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=f"Schema: {key} is for CSV and TSV files. Received: parquet"):
        prepare_own_table(
            tmp_path / "d", "t", str(tmp_path / "t.parquet"), {"label": "click", "fields": ["site"], key: ";"}
        )


def read(tmp_path, text):
    (tmp_path / "schema.yaml").write_text(text)
    return table_plan(read_schema(tmp_path / "schema.yaml"), ["no", "1", "on", "site", "click"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label: click\nfields: [no]", "a field must be a text. Received: False. .* in quotes \\('no', "),
        ("label: click\nfields: [1]", "a field must be a text. Received: 1. .* in quotes \\('1'\\)"),
        ("label: click\nfields: [{name: on}]", "`name` of a field must be a text. Received: True. .*'on'"),
        ("label: click\nfields: [{name: site, column: 1}]", "`column` of a field must be a text. Received: 1"),
        ("label: no\nfields: [site]", "`label` must be a text. Received: False"),
        ("label: 1\nfields: [site]", "`label` must be a text. Received: 1"),
        (
            "label: click\nfields: [site]\nsplit: {column: on, valid_from: 3}",
            "`column` of a split must be a text. .*True",
        ),
    ],
)
def test_names_that_yaml_reads_as_other_values_are_to_be_quoted(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)
    quoted = read(tmp_path, "label: click\nfields: ['no', {name: '1'}, {name: a, column: 'on'}]")
    assert list(quoted.needed_columns()) == ["click", "no", "1", "on"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 500 + "]" * 500, "nested more than 50 deep"),
        (
            "a: &a [1, 2]\n"
            + "".join(
                f"b{n}: &b{n} [*{o}, *{o}]\n"
                for n, o in zip(range(40), ["a", *(f"b{n}" for n in range(39))], strict=True)
            )
            + "label: click\nfields: [site]\nfit_on: *b39",
            "references .* stand for more than 1,000,000 values",
        ),
        (
            "a: &a {x: 1}\n"
            + "".join(
                f"b{n}: &b{n}\n  <<: [*{o}, *{o}]\n"
                for n, o in zip(range(40), ["a", *(f"b{n}" for n in range(39))], strict=True)
            ),
            "references .* stand for more than",
        ),
        ("a: &a [*a]", "references .* stand for more than"),
        ("label: !!python/object:os.system x", "cannot be read"),
        ("label: [", "cannot be read"),
        ("label: \0", "cannot be read"),
        ("just text", "must be a mapping"),
    ],
)
def test_a_schema_file_that_is_none_is_refused_at_once(tmp_path, text, message):
    start = time.monotonic()
    with pytest.raises(ValueError, match=rf"The schema .*schema.yaml .*{message}") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value) and time.monotonic() - start < 5


def test_a_deep_json_schema_and_a_large_file_are_refused(tmp_path):
    (tmp_path / "schema.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="schema.json cannot be read: maximum recursion depth"):
        read_schema(tmp_path / "schema.json")
    with open(tmp_path / "schema.json", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="schema.json has 1,099,511,627,776 bytes, more than any schema needs"):
        read_schema(tmp_path / "schema.json")


def test_references_in_a_schema_are_read(tmp_path):
    plan = read(tmp_path, "label: click\nfields: [{name: site, <<: &rare {min_count: 3}}, {name: 'on', <<: *rare}]")
    assert [field.min_count for field in plan.fields] == [3, 3]


@pytest.mark.parametrize("options", [{"hash_buckets": 3_000_000_000}, {"unused_ids": 3_000_000_000}])
def test_more_ids_than_32_bits_hold_are_refused(options):
    schema = {"label": "click", "fields": [{"name": "site", **options}]}
    with pytest.raises(ValueError, match="at most 2,147,483,647 ids.* The field 'site' has 3,000,000,00"):
        table_plan(schema, ["click", "site"])


@pytest.mark.parametrize(
    ("split", "empty"),
    [({"valid_from": 200}, "valid"), ({"valid_from": 50, "test_from": 200}, "test"), ({"valid_from": "x"}, "valid")],
)
def test_a_bound_that_no_row_reaches_is_refused(prepared, split, empty):
    text = "click,day\n" + "".join(f"{day % 2},{day}\n" for day in range(100))
    with pytest.raises(ValueError, match=f"no row in the split '{empty}'. Compare `valid_from` .* column 'day'"):
        prepared(text, {"label": "click", "fields": ["day"], "split": {"column": "day", **split}})


def test_a_table_too_small_for_a_split_is_prepared_and_told(prepared, capsys):
    data, _ = prepared("click,site\n1,a\n0,b\n", {"label": "click", "fields": ["site"], "fit_on": "all"})
    assert set(data.num_rows) < {"train", "valid", "test"}
    assert "has no rows for the split" in capsys.readouterr().err
