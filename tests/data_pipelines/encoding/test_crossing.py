"""Crosses of fields: every entry point agrees with a dictionary of tuples in plain Python."""

import collections
import csv

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo import models
from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.crossing import combinations, graph_joined, joined, part_values
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.frame import FrameEncoder
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder, serving_model
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

ROWS = 120
RANDOM = np.random.default_rng(5)
# The cells of each column, and what each means; None is missing.
SITES = {"a_b": "a_b", "a": "a", "a & b": "a & b", "\\": "\\", "&": "&", "": None, "NULL": None}
ADS = {"c": "c", "b_c": "b_c", "b & c": "b & c", "& c": "& c", "": None}
ITEMS = {"8": 8, "8.0": 8, " 9": 9, "+10": 10, "NULL": None}
HOURS = {"2024-06-01 23:30": 23, "2024-06-02T23:59:59Z": 23, "2024-06-02 00:00": 0, "": None}
AGES = {"20": 20, "20.5": 20.5, "31": 31, "48": 48, "NULL": None}
MEANINGS = {"site": SITES, "ad": ADS, "item": ITEMS, "at": HOURS, "age": AGES}
CELLS = {name: RANDOM.choice(list(cells), ROWS).tolist() for name, cells in MEANINGS.items()}
PARTS = [
    "site",
    {"name": "ad", "missing": "category", "min_count": 30},
    {"name": "item", "hash_buckets": 2},
    {"name": "hour", "column": "at", "part": "hour"},
]
CROSSES = [
    {"name": "site_ad", "cross": ["site", "ad"]},
    {"name": "rare", "cross": ["ad", "item"], "min_count": 9},
    {"name": "all", "cross": ["hour", "site", "item"], "oov": True, "missing": "category"},
]
SPLIT = {"train": 1.0, "valid": 0.0, "test": 0.0}


def meant(name):
    return [MEANINGS[name][cell] for cell in CELLS[name]]


def expected_ids():
    """Return what tells the rows of each cross apart: a tuple, `None` for absent, `"rare"`; and the counts."""
    parts = {"site": meant("site"), "item": meant("item"), "hour": meant("at")}
    parts["ad"] = ["" if ad is None else ad for ad in meant("ad")]  # a category of its own
    found, counts = {}, {}
    for cross in CROSSES:
        rows = [
            None if None in values else values for values in zip(*(parts[part] for part in cross["cross"]), strict=True)
        ]
        rows = ["missing" if row is None and "missing" in cross else row for row in rows]
        occurring = collections.Counter(row for row in rows if row is not None)
        least = cross.get("min_count", 1)
        found[cross["name"]] = ["rare" if row and occurring[row] < least else row for row in rows]
        counts[cross["name"]] = sorted(count for count in occurring.values() if count >= least)
    return found, counts


def check(ids, schema):
    """Compare global ids `(rows, slots)` with the dictionaries: one id for each tuple, one tuple for each id."""
    expected, counts = expected_ids()
    for name, values in expected.items():
        field, slot = schema.fields[schema.names.index(name)], schema.slot_fields.index(schema.names.index(name))
        first, column = schema.first_ids[schema.names.index(name)], ids[:, slot]
        pairs = set(zip(values, column.tolist(), strict=True))
        assert len(pairs) == len(set(values)) == len({number for _, number in pairs}), name
        for value, number in pairs:
            assert (number == 0) == (value is None) and number in (0, *range(first, first + field.vocabulary_size))
        has_oov = name in ("rare", "all")
        assert not has_oov or all((number == first) == (value == "rare") for value, number in pairs)
        assert field.vocabulary_size == has_oov + len(counts[name])
    return expected


def write(path):
    rows = list(zip(*CELLS.values(), range(ROWS), [row % 2 for row in range(ROWS)], strict=True))
    if path.suffix == ".parquet":
        pl.DataFrame(rows, schema=[*CELLS, "row", "click"], orient="row").write_parquet(path)
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        # Tab-separated text has no quotes, so every cell is as it is.
        options = {"delimiter": ",", "quoting": csv.QUOTE_MINIMAL}
        if path.suffix == ".tsv":
            options = {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}
        writer = csv.writer(file, lineterminator="\n", **options)
        writer.writerow([*CELLS, "row", "click"])
        writer.writerows(rows)


def prepared(folder, suffix, fields, **others):
    write(folder / f"t{suffix}")
    schema = {"label": "click", "fields": fields, "fit_on": "all", "split": SPLIT, "missing": ["NULL"], **others}
    report = prepare_own_table(folder / "data", "t", str(folder / f"t{suffix}"), schema)
    data = load(folder / "data")
    features, _ = data.arrays("train")
    slot = data.schema.slot_fields.index(data.schema.names.index("row"))
    return data, features["ids"][np.argsort(features["values"][:, slot])], report


# A cross may stand before its parts.
FIELDS = [CROSSES[0], {"name": "row", "kind": "numerical"}, *PARTS, *CROSSES[1:]]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_preparation_encode_and_serving_equal_a_dictionary_of_tuples(suffix, tmp_path):
    data, ids, report = prepared(tmp_path, suffix, FIELDS)
    expected = check(ids, data.schema)
    by_name = {field["name"]: field for field in report["fields"]}
    for cross in CROSSES:
        values, found = expected[cross["name"]], by_name[cross["name"]]
        assert found["cross"] == cross["cross"] and found["kind"] == "categorical"
        is_absent = [value in (None, "missing") and "missing" not in cross for value in values]
        assert found["missing_share"] == pytest.approx(np.mean(is_absent))
        assert found["rare_share"] == pytest.approx(np.mean([value == "rare" for value in values]))
    frame = pl.DataFrame({**CELLS, "row": range(ROWS)})
    served = {name: tf.constant(cells) for name, cells in CELLS.items()} | {"row": tf.range(ROWS, dtype="float64")}
    for encoding in (data.encoding, TableEncoding.from_dict(data.encoding.to_dict())):
        np.testing.assert_array_equal(encoding.features(frame)["ids"], ids)
        np.testing.assert_array_equal(ServingEncoder(encoding)(served)["ids"], ids)


def test_a_saved_serving_model_crosses_raw_cells(tmp_path):
    age = {"name": "age", "transform": "quantile", "num_buckets": 3, "missing": "category"}
    fields = [*FIELDS, age, {"name": "by_age", "cross": ["age", "ad"], "hash_buckets": 50}]
    data, ids, _ = prepared(tmp_path, ".csv", fields)
    model = models.build("lr", data.schema)
    weights = RANDOM.normal(size=(data.schema.num_ids, 1)).astype(np.float32)
    model.get_layer("linear").weights_of_ids.table.assign(weights)
    serving_model(model, data.encoding).save(tmp_path / "serving.keras")
    loaded = keras.models.load_model(tmp_path / "serving.keras")
    assert set(loaded.input) == {*CELLS, "row"}
    frame = pd.DataFrame({**CELLS, "row": range(ROWS)})
    features = data.encoding.features(pl.from_pandas(frame))
    np.testing.assert_array_equal(features["ids"], ids)
    np.testing.assert_allclose(loaded.predict(frame, verbose=0), model.predict(features, verbose=0), rtol=1e-5)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_frame_encoder_equals_a_dictionary_of_tuples(as_text):
    frame = pd.DataFrame({"a": meant("site"), "b": meant("item"), "at": CELLS["at"], "click": 0})
    frame["b"] = frame["b"].astype(object) if as_text else frame["b"]
    encoder = FrameEncoder(
        "click",
        categorical=["a", "b"],
        time_parts={"at": ["hour"]},
        crosses={"ab": ["a", "b"], "abh": ["b", "at_hour", "a"]},
        order=["abh", "a", "b", "ab", "at_hour"],
        min_count={"abh": 4},
    ).fit(frame)
    tuples = {"ab": list(zip(meant("site"), meant("item"), strict=True))}
    tuples["abh"] = list(zip(meant("item"), meant("at"), meant("site"), strict=True))
    for again in (encoder, FrameEncoder.from_dict(encoder.to_dict())):
        ids = again.features(frame)["ids"]
        for name, values in tuples.items():
            least = 4 if name == "abh" else 1
            rows = [None if None in value else value for value in values]
            occurring = collections.Counter(row for row in rows if row)
            rows = ["rare" if row and occurring[row] < least else row for row in rows]
            pairs = set(zip(rows, ids[:, encoder.order.index(name)].tolist(), strict=True))
            assert len(pairs) == len(set(rows)) == len({number for _, number in pairs}) > 5
            assert (None, 0) in pairs and len([row for row in set(rows) if row == "rare"]) == (least > 1)


def test_buckets_and_hashes_of_parts(tmp_path):
    """The bucket is the part, not the number; of a hashed part it is the value, not the hash."""
    age = {"name": "age", "transform": "quantile", "num_buckets": 2}
    log = {"name": "log", "column": "age", "transform": "log_squared_bucket"}
    crosses = [{"name": "by_age", "cross": ["item", "age"]}, {"name": "by_log", "cross": ["log", "item"]}]
    fields = ["site", age, log, PARTS[2], *crosses, {"name": "row", "kind": "numerical"}]
    data, ids, _ = prepared(tmp_path, ".csv", fields)
    ages = np.array([np.nan if value is None else value for value in meant("age")])
    # Two buckets of equal weight; floor(ln(x)^2) for x > 2.
    middle = data.encoding.fields[1].boundaries[0]
    buckets = {"by_age": ages >= middle, "by_log": np.floor(np.log(ages) ** 2)}
    assert 20 < middle <= 48
    for name, bucket in buckets.items():
        values = [
            None if item is None or np.isnan(number) else (item, float(which))
            for item, number, which in zip(meant("item"), ages, bucket, strict=True)
        ]
        pairs = set(zip(values, ids[:, data.schema.names.index(name)].tolist(), strict=True))
        assert len(pairs) == len(set(values)) == len({number for _, number in pairs}) > 5 and (None, 0) in pairs
    assert data.schema.fields[3].vocabulary_size == 2  # hashed, but three different items are crossed
    frame = pl.DataFrame({**CELLS, "row": range(ROWS)})
    np.testing.assert_array_equal(data.encoding.features(frame)["ids"], ids)
    served = {name: tf.constant(cells) for name, cells in CELLS.items()} | {"row": tf.range(ROWS, dtype="float64")}
    np.testing.assert_array_equal(ServingEncoder(data.encoding)(served)["ids"], ids)


def test_a_hashed_cross_is_the_hash_of_its_text(tmp_path):
    fields = ["site", "item", {"name": "x", "cross": ["site", "item"], "hash_buckets": 1000, "unused_ids": 5}]
    data, ids, _ = prepared(tmp_path, ".csv", [*fields, {"name": "row", "kind": "numerical"}])
    escaped = [None if site is None else site.replace("\\", "\\\\").replace("&", "\\&") for site in meant("site")]
    texts = ["" if None in pair else f"{pair[0]} & {pair[1]}" for pair in zip(escaped, meant("item"), strict=True)]
    hashed = keras.layers.Hashing(1000)(tf.constant(texts)).numpy()
    expected = np.where(np.array(texts) == "", 0, data.schema.first_ids[2] + hashed)
    np.testing.assert_array_equal(ids[:, 2], expected)
    assert data.schema.fields[2].vocabulary_size == 1005


def test_only_training_rows_are_counted(tmp_path):
    rows = [("a", "x")] * 2 + [("a", "y")] * 3 + [("b", "x")] * 2
    for split, some in (("train", rows), ("valid", [("b", "y")] * 4 + [("a", "x")])):
        with open(tmp_path / f"{split}.csv", "w", encoding="utf-8") as file:
            file.write("click,p,q\n" + "".join(f"{row % 2},{p},{q}\n" for row, (p, q) in enumerate(some)))
    schema = {"label": "click", "fields": ["p", "q", {"name": "pq", "cross": ["p", "q"], "min_count": 3}]}
    tables = {split: tmp_path / f"{split}.csv" for split in ("train", "valid")}
    prepare_own_table(tmp_path / "data", "t", tables, schema)
    data = load(tmp_path / "data")
    cross = data.encoding.fields[2]
    assert cross.values.to_list() == ["a & y"] and cross.counts.to_list() == [3]
    assert data.arrays("valid")[0]["ids"][:, 2].tolist() == [data.schema.first_ids[2]] * 5
    decoded = data.encoding.decode(*data.encoding.encode(pl.DataFrame({"p": ["a", "b"], "q": ["y", "y"]})))
    assert decoded["pq"].to_list() == ["a & y", "(rare)"]


def test_texts_of_combinations_differ_and_graphs_write_the_same():
    first = pl.Series(["a", "a & b", "a & b\\", "\\", "\\\\", "&", "", " ", "é\\&"])
    second = pl.Series(["c", "b & c", "& c", "\\& ", "", " &", "c\\"])
    fields = FieldEncoding("p", missing="category"), FieldEncoding("q", missing="category")
    values = [part_values(field, cells) for field, cells in zip(fields, (first, second), strict=True)]
    left, right = np.divmod(np.arange(len(first) * len(second)), len(second))
    texts = joined(values, [left, right])
    assert texts.n_unique() == len(first) * len(second)
    cells = [tf.constant(cells.gather(codes).to_list()) for cells, codes in ((first, left), (second, right))]
    graph = graph_joined(list(zip(fields, cells, strict=True)))
    assert [text.decode() for text in graph.numpy()] == texts.to_list()


def test_combinations_of_three_parts_equal_a_dictionary():
    parts = [RANDOM.integers(0, size, 500) for size in (3, 200, 7)]
    numbers, codes = combinations([(part, int(part.max()) + 1) for part in parts])
    rows = list(zip(*(part.tolist() for part in parts), strict=True))
    assert list(zip(*(part[numbers].tolist() for part in codes), strict=True)) == rows
    assert len(codes[0]) == len(set(rows))
    empty, _ = combinations([(np.zeros(0, np.uint8), 0), (np.zeros(0, np.uint8), 0)])
    assert len(empty) == 0


def test_combinations_that_are_new_are_no_reason_to_warn(recwarn):
    frame = pd.DataFrame({"p": list("ab") * 100, "q": list("xy") * 100, "click": 0})
    encoder = FrameEncoder("click", categorical=["p", "q"], crosses={"pq": ["p", "q"]}).fit(frame)
    assert encoder.features(frame.assign(q=list("yx") * 100))["ids"][:, 2].any() == 0
    assert [str(warning.message) for warning in recwarn] == []


COLUMNS = ["site", {"name": "price", "kind": "numerical"}, {"name": "tags", "kind": "multivalued"}, "ad", "hour"]
PAIR = {"name": "x", "cross": ["site", "ad"]}


@pytest.mark.parametrize(
    ("cross", "message"),
    [
        (
            {"cross": ["site", "tags"]},
            "Field 'x': `cross` takes categorical fields, and 'tags' is multivalued: leave it",
        ),
        ({"cross": ["price", "site"]}, "and 'price' is numerical: make it categorical, in a schema by `tra"),
        ({"cross": ["site", "sight"]}, "Field 'x': `cross`: Unknown field 'sight'. Did you mean 'site'?"),
        ({"cross": ["site", "x"]}, "must name fields that are no crosses. Received: itself."),
        ({"cross": ["site", "both"]}, "must name fields that are no crosses. Received: 'both', which is a cross."),
        (
            {"cross": ["site"]},
            "must be a list of two or three different fields, such as .site, ad.. Received: .'site'.",
        ),
        ({"cross": ["site", "site"]}, "two or three different fields"),
        ({"cross": ["site", "ad", "hour", "row"]}, "two or three different fields"),
        ({"cross": []}, "two or three different fields"),
        ({"cross": "site"}, "two or three different fields, .* Received: 'site'"),
        ({"cross": {"site": "ad"}}, "two or three different fields"),
        ({"cross": ["site", 3]}, "a field in `cross` must be a text. Received: 3"),
        ({"cross": ["site", False]}, "a field in `cross` must be a text. Received: False. .* .'no', 'off', 'false'"),
        ({**PAIR, "kind": "numerical"}, "a cross is categorical. Remove `kind`. Received: 'numerical'"),
        ({**PAIR, "kind": "multivalued"}, "a cross is categorical"),
        (
            {**PAIR, "column": "site"},
            "`column` is for fields of a column, and the parts of a cross have theirs. Remove",
        ),
        ({**PAIR, "transform": "quantile"}, "`transform` is for fields of a column"),
        ({**PAIR, "type": "integer"}, "`type` is for fields of a column"),
        ({**PAIR, "missing_texts": ["-"]}, "`missing_texts` is for fields of a column"),
        ({**PAIR, "part": "hour"}, "`part` is for fields of a column"),
        ({**PAIR, "time_zone": "Asia/Tokyo"}, "`time_zone` is for fields of a column"),
        ({**PAIR, "time_format": "%Y"}, "`time_format` is for fields of a column"),
        ({**PAIR, "share": "site"}, "`share` is for fields of a column"),
        ({**PAIR, "assign_ids_online": True, "min_count": 2}, "`assign_ids_online` is for fields of a column"),
        ({**PAIR, "type": None}, "`type` has no effect, it is for fields of a column"),
        ({**PAIR, "separator": ";"}, "`separator` has no effect, it is for multi-valued fields"),
        ({**PAIR, "max_values": 3}, "`max_values` has no effect"),
        ({**PAIR, "pooling": "sum"}, "`pooling` has no effect"),
        ({**PAIR, "num_buckets": 3}, "`num_buckets` has no effect"),
        (
            {**PAIR, "hash_buckets": 9, "min_count": 3},
            "`min_count` has no effect, it is for fields whose values are counted",
        ),
        ({**PAIR, "crosses": 9}, "Unknown key 'crosses'. Did you mean 'cross'?"),
        (
            {"share": "both"},
            "`share` is for categories of a column that are counted or hashed. Field 'both' is a cross",
        ),
    ],
)
def test_a_cross_that_makes_no_sense_is_refused_in_a_line(cross, message, tmp_path):
    pl.DataFrame({name: ["1", "2"] for name in ("site", "price", "tags", "ad", "hour", "x", "click")}).write_csv(
        tmp_path / "t.csv"
    )
    fields = [*COLUMNS, {"name": "both", "cross": ["site", "ad"]}, {"name": "x", **cross}]
    with pytest.raises(ValueError, match=message) as caught:
        prepare_own_table(tmp_path / "data", "t", tmp_path / "t.csv", {"label": "click", "fields": fields})
    assert "\n" not in str(caught.value) and not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("crosses", "message"),
    [
        ({"x": ["a", "tags"]}, "takes categorical fields, and 'tags' is multivalued"),
        ({"x": ["a", "c"]}, "Unknown field 'c'"),
        ({"x": []}, "two or three different fields"),
        ([["a", "b"]], "`crosses` must be columns by name, such as .* Received: "),
        ({"x": None}, "`crosses` must name the columns of 'x'"),
        ({"a": ["a", "b"]}, "Field names must differ. Received more than once: a"),
    ],
)
def test_a_frame_encoder_refuses_before_it_is_fitted(crosses, message):
    with pytest.raises(ValueError, match=message):
        FrameEncoder("click", categorical=["a", "b"], multivalued=["tags"], crosses=crosses)


def test_the_label_is_no_part():
    with pytest.raises(ValueError, match="Unknown field 'click'"):
        FrameEncoder("click", categorical=["a", "b"], crosses={"x": ["a", "click"]})
