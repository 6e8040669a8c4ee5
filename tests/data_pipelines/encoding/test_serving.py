import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.data_pipelines.encoding.features import assemble
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder, serving_model
from ctrzoo.models import build

CITIES = ["Oslo", "Rome", "São Paulo", "7", "a\nb"]
COUNTS = [str(number) for number in range(-9, 200, 2)]
FIELDS = [
    FieldEncoding("city", values=CITIES),
    FieldEncoding("city_rare", column="city", values=CITIES, min_count=2),
    FieldEncoding("city_missing", column="city", values=[*CITIES, ""], missing="category"),
    FieldEncoding("city_missing_rare", column="city", values=CITIES, min_count=2, missing="category"),
    FieldEncoding("city_reserved", column="city", values=["", *CITIES], min_count=2, missing="reserved", unused_ids=3),
    FieldEncoding("city_hashed", column="city", hash_buckets=5),
    FieldEncoding("city_hashed_missing", column="city", hash_buckets=5, missing="category"),
    FieldEncoding("price", "numerical"),
    FieldEncoding("price_log", "numerical", column="price", transform="log1p", offset=0.3, scale=1.7),
    FieldEncoding("price_log_squared", "numerical", column="price", transform="log_squared"),
    FieldEncoding("price_standard", "numerical", column="price", transform="standard", offset=31.5, scale=0.37),
    FieldEncoding("price_min_max", "numerical", column="price", transform="min_max", offset=-3.0, scale=1e9),
    FieldEncoding("price_quantile", column="price", transform="quantile", boundaries=(0.0, 2.5, 40.0)),
    FieldEncoding(
        "price_quantile_missing", column="price", transform="quantile", boundaries=(0.0, 2.5), missing="category"
    ),
    FieldEncoding("price_bucket", column="price", transform="log_squared_bucket", values=COUNTS, min_count=2),
    FieldEncoding("tags", "multivalued", values=["a", "b", "c"], max_values=2),
    FieldEncoding("tags_rare", "multivalued", column="tags", values=["a", "b"], min_count=2, max_values=4),
    FieldEncoding("tags_hashed", "multivalued", column="tags", hash_buckets=9, max_values=3, pooling="sum"),
    FieldEncoding(
        "weighted", "multivalued", values=["x", "y"], separator=" ", weight_separator=":", oov=True, max_values=3
    ),
]
ENCODING = TableEncoding(FIELDS)


def random_table(rows=3000):
    """Cells of which many are missing, unknown, on a boundary or odd."""
    random = np.random.default_rng(0)
    prices = np.concatenate([np.arange(-5, 60), [np.nan, 2.5, 1e-300, 978_300_760.0, 978_300_761.0, -1e12, 40.0]])
    few = random.choice(prices, rows)
    prices = np.where(random.random(rows) < 0.5, few, np.exp(random.normal(2, 6, rows)).round(random.integers(0, 5)))
    tags = ["|".join(random.choice(["a", "b", "c", "d", ""], count)) for count in random.integers(0, 6, rows)]
    pairs = ["x:0.5", "y:2", "z", "x", "y:-1", ":3", ""]
    weighted = [" ".join(random.choice(pairs, count)) for count in random.integers(0, 5, rows)]
    return {
        "city": random.choice([*CITIES, "", "Paris", "oslo", "7.0", " Rome"], rows).tolist(),
        "price": prices,
        "tags": tags,
        "weighted": weighted,
    }


def offline(table):
    features = assemble(ENCODING.schema, *ENCODING.encode(pl.DataFrame(table)))
    return {name: values.numpy() for name, values in features.items()}


def tensors(table):
    return {column: tf.constant(cells) for column, cells in table.items()}


def assert_equal(found, expected):
    for name in ("ids", "values"):
        for slot, owner in enumerate(ENCODING.schema.slot_fields):
            message = f"{name} of {ENCODING.schema.names[owner]}"
            np.testing.assert_array_equal(found[name][:, slot], expected[name][:, slot], err_msg=message)


def test_every_row_is_encoded_as_offline():
    table = random_table()
    assert_equal(ServingEncoder(ENCODING)(tensors(table)), offline(table))


def test_columns_of_a_column_numbers_as_text_and_ragged_cells_are_taken():
    table = random_table(300)
    inputs = {column: cells[:, None] for column, cells in tensors(table).items()}
    inputs["price"] = tf.constant([["" if np.isnan(price) else f" {float(price)!r} "] for price in table["price"]])
    inputs["tags"] = tf.ragged.constant([cell.split("|") for cell in table["tags"]])
    assert_equal(ServingEncoder(ENCODING)(inputs), offline(table))


def test_whole_numbers_are_categories():
    encoding = TableEncoding([FieldEncoding("item", values=["7", "-12"])])
    features = ServingEncoder(encoding)({"item": tf.constant([7, -12, 8], tf.int64)})
    assert features["ids"].numpy().tolist() == [[1], [2], [0]]
    with pytest.raises(ValueError, match="Categories must be texts or whole numbers. Received: float32"):
        ServingEncoder(encoding)({"item": tf.constant([7.0])})


def test_fields_that_were_missing_in_all_training_rows_are_served():
    fields = [
        FieldEncoding("city"),
        FieldEncoding("city_rare", column="city", min_count=2),
        FieldEncoding("city_missing", column="city", min_count=2, missing="category"),
        FieldEncoding("tags", "multivalued", max_values=1),
        FieldEncoding("tags_rare", "multivalued", column="tags", min_count=2, max_values=2),
        FieldEncoding("price", transform="quantile"),
        FieldEncoding("price_bucket", column="price", transform="log_squared_bucket"),
    ]
    encoding = TableEncoding(fields)
    table = {"city": ["", "Rome"], "tags": ["", "a|b"], "price": [np.nan, 2.5]}
    # First ids 1 to 7: only the rare ids, the bucket below no boundary, and a missing category that is rare.
    expected = [[0, 0, 3, 0, 0, 0, 0, 0], [0, 2, 3, 0, 5, 5, 6, 0]]
    np.testing.assert_array_equal(encoding.encode(pl.DataFrame(table))[0], expected)
    served = serving_model(build("lr", encoding.schema), encoding)
    assert served(tensors(table)).shape == (2, 1)
    np.testing.assert_array_equal(ServingEncoder(encoding)(tensors(table))["ids"], expected)


@pytest.mark.parametrize(
    "options",
    [
        {"values": ["a", "b"], "min_count": 2},
        {"hash_buckets": 5},
        {"values": ["a", "b"], "min_count": 2, "weight_separator": ":"},
        {"values": ["1", "2"], "min_count": 2, "type": "integer"},
    ],
    ids=["rare", "hashed", "weighted", "numbers"],
)
def test_a_marker_among_the_values_of_a_cell_is_no_value(options):
    encoding = TableEncoding(
        [FieldEncoding("tags", "multivalued", max_values=3, missing_texts=("NULL", "-1"), **options)]
    )
    cells = ["a|NULL|b", "NULL", "q|NULL", "NULL|NULL", "1|-1|2", "7|-1", "NULL|a|b|q", ""]
    ids, _ = encoding.encode(pl.DataFrame({"tags": cells}))
    alone, _ = encoding.encode(pl.DataFrame({"tags": ["a|b", "", "q", "", "1|2", "7", "a|b|q", ""]}))
    np.testing.assert_array_equal(ids, alone)
    lists = tf.ragged.constant([cell.split("|") for cell in cells])
    for served in (tf.constant(cells), lists):
        np.testing.assert_array_equal(ServingEncoder(encoding)({"tags": served})["ids"], ids)


def test_log_squared_is_the_same_for_all_counts():
    encoding = TableEncoding([FieldEncoding("count", "numerical", transform="log_squared")])
    counts = np.concatenate([np.arange(-3, 1_000_000), np.random.default_rng(0).integers(0, 2**40, 100_000)])
    found = ServingEncoder(encoding)({"count": tf.constant(counts)})["values"]
    np.testing.assert_array_equal(found, encoding.encode(pl.DataFrame({"count": counts}))[1])


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"price": tf.constant([np.inf])}, "price"),
        ({"price": tf.constant(["-inf"])}, "price"),
        ({"price": tf.constant([1e39], tf.float64)}, "price"),
        ({"weighted": tf.constant(["x:2 y:inf"])}, "weighted"),
        ({"weighted": tf.constant(["x:nan"])}, "weighted"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_as_offline(change, column):
    row = {"city": ["Rome"], "price": [1.0], "tags": ["a"], "weighted": ["x:2"]}
    cells = {name: tensor.numpy() for name, tensor in change.items()}
    with pytest.raises(ValueError, match=f"column '{column}' must hold"):
        ENCODING.encode(pl.DataFrame({**row, **{name: pl.Series(cell.astype(str)) for name, cell in cells.items()}}))
    layer = tf.function(ServingEncoder(ENCODING))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"column '{column}' must hold finite numbers"):
        layer({**tensors(row), **change})


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="Unknown column 'price'. Did you mean 'prize'"):
        ServingEncoder(ENCODING)({"city": tf.constant(["Oslo"]), "prize": tf.constant([1.0])})


def test_a_model_of_another_schema_is_refused():
    other = build("lr", TableEncoding([FieldEncoding("city", values=["Oslo"])]).schema)
    with pytest.raises(ValueError, match="built for a schema that differs from the encoding.*`vocabulary_size`"):
        serving_model(other, TableEncoding([FieldEncoding("city", values=["Oslo", "Rome"])]))


def test_predict_takes_the_cells_of_a_table_and_keeps_their_64_bits():
    """Keras alone would round numbers to 32 bits, and take no text."""
    fields = [
        FieldEncoding("time", "numerical", transform="standard", offset=978_300_000.0, scale=10.0),
        FieldEncoding("price", transform="quantile", boundaries=(9.99, 19.99, 49.9)),
        FieldEncoding("city", values=["Oslo", "7"]),
    ]
    encoding = TableEncoding(fields)
    model = build("lr", encoding.schema, task="regression")
    model.get_layer("linear").weights_of_ids.table.assign([[0.0], [1.0], [1e3], [2e3], [3e3], [4e3], [1e5], [2e5]])
    served = serving_model(model, encoding)
    table = {
        "time": [978_300_001, 978_300_025, 978_300_000],
        "price": [9.99, 19.99, None],
        "city": ["Oslo", None, "7"],
    }
    expected = [[0.1 + 2e3 + 1e5], [2.5 + 3e3], [2e5]]
    whole = {"city": tf.constant(["Oslo", "", "7"]), "price": np.array([9.99, 19.99, np.nan])}
    arrays = {**table, "price": np.array(table["price"], "float64"), "city": np.array(table["city"], object)[:, None]}
    frame = pd.DataFrame({**table, "other": [1, 2, 3]})
    gaps = {**table, "city": np.array(["Oslo", np.nan, 7], object)}
    codes = {**table, "city": pd.Series(table["city"], dtype="category"), "price": np.array(["9.99", " 19.99", ""])}
    for cells in (table, arrays, frame, pl.DataFrame(table), {**table, **whole}, gaps, pd.DataFrame(gaps), codes):
        np.testing.assert_allclose(served.predict(cells, verbose=0), expected, rtol=1e-7)
    np.testing.assert_allclose(served.predict(table, batch_size=2, verbose=0), expected, rtol=1e-7)
    batches = tf.data.Dataset.from_tensor_slices(tensors({**table, **whole})).batch(2)
    np.testing.assert_allclose(served.predict(batches, verbose=0), expected, rtol=1e-7)
    numbers = {**table, "city": np.array([7.0, np.nan, 8.0])}
    np.testing.assert_allclose(served.predict(numbers, verbose=0), [[0.1 + 2e3 + 2e5], [2.5 + 3e3], [0]], rtol=1e-7)
    with pytest.raises(ValueError, match="Unknown column 'price'. Did you mean 'prize'"):
        served.predict({"time": [1], "prize": [1.0], "city": ["Oslo"]}, verbose=0)
    with pytest.raises(ValueError, match="column 'price' must hold finite numbers, not 'dear'"):
        served.predict({"time": [1], "price": ["dear"], "city": ["Oslo"]}, verbose=0)


def test_any_names_of_columns_are_exported(tmp_path):
    columns = ["größe", "_id", "self", "user id", "user_id", "1st", "价格"]
    encoding = TableEncoding([FieldEncoding(column, values=["a"]) for column in columns])
    served = serving_model(build("lr", encoding.schema), encoding)
    table = {column: tf.constant([["a"], ["b"]]) for column in columns}
    served.export(tmp_path / "exported", verbose=False)
    assert tf.saved_model.load(tmp_path / "exported").serve(table).shape == (2, 1)
    served.save(tmp_path / "served.keras")
    assert keras.models.load_model(tmp_path / "served.keras").predict(table, verbose=0).shape == (2, 1)


def test_the_encoder_of_a_frame_serves_too_and_another_object_is_refused():
    encoder = FrameEncoder(label="click", categorical=["site"], numerical=["price"])
    frame = pd.DataFrame({"site": ["a", "b"], "price": [1.0, 2.0], "click": [0, 1]})
    with pytest.raises(ValueError, match="or a fitted `FrameEncoder`. Received: FrameEncoder"):
        serving_model(build("lr", ENCODING.schema), encoder)
    encoder.fit(frame)
    model = build("fm", encoder.schema)
    np.testing.assert_allclose(
        serving_model(model, encoder).predict(frame, verbose=0), model.predict(encoder.features(frame), verbose=0)
    )


@pytest.mark.parametrize(
    ("cell", "number"), [("\u00a03", 3.0), (" +1.5E2\t", 150.0), ("NaN", 0.0), (".5", 0.5), ("", 0)]
)
def test_numbers_as_text_are_read_as_offline(cell, number):
    encoding = TableEncoding([FieldEncoding("price", "numerical")])
    assert ServingEncoder(encoding)({"price": tf.constant([cell])})["values"] == [[number]]
    assert encoding.encode(pl.DataFrame({"price": [cell]}))[1] == [[number]]


@pytest.mark.parametrize("cell", ["0x10", "1,5", "dear", "1 2", "--1", "e5"])
def test_a_text_that_is_no_number_is_refused_as_offline(cell):
    encoding = TableEncoding([FieldEncoding("price", "numerical")])
    with pytest.raises(ValueError, match="column 'price' must hold finite numbers"):
        encoding.encode(pl.DataFrame({"price": [cell]}))
    with pytest.raises(tf.errors.InvalidArgumentError, match="column 'price' must hold finite numbers"):
        ServingEncoder(encoding)({"price": tf.constant([cell])})


# Both ways in one process, whose start takes seconds: first without ctrzoo, then with it.
FRESH = """
import sys, numpy as np, tensorflow as tf
table = {{column: tf.constant(np.load(f"{folder}/{{column}}.npy")) for column in {columns}}}
module = tf.saved_model.load("{folder}/exported")
exported = module.serve({{column: cells[:, None] for column, cells in table.items()}})
assert "ctrzoo" not in sys.modules
import keras, ctrzoo.models.fm, ctrzoo.data_pipelines.encoding.serving
loaded = keras.models.load_model("{folder}/clicks.keras", safe_mode=True)(table)
np.savez("{folder}/found.npz", exported=exported, loaded=loaded)
"""


def test_a_fresh_process_predicts_the_same_from_raw_cells(tmp_path):
    table = random_table(200)
    keras.utils.set_random_seed(0)
    model = build("fm", ENCODING.schema)
    whole = serving_model(model, ENCODING)
    expected = model(offline(table)).numpy()
    assert expected.std() > 1e-5
    np.testing.assert_allclose(whole(tensors(table)), expected, rtol=1e-6)
    whole.save(tmp_path / "clicks.keras")
    whole.export(tmp_path / "exported", verbose=False)
    for column, cells in tensors(table).items():
        cells = cells.numpy()
        np.save(tmp_path / f"{column}.npy", cells.astype("S") if cells.dtype == object else cells)
    code = FRESH.format(folder=tmp_path, columns=list(table))
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-2000:]
    found = np.load(tmp_path / "found.npz")
    for way in ("exported", "loaded"):
        np.testing.assert_allclose(found[way], expected, rtol=1e-6, err_msg=way)


@pytest.fixture(scope="module")
def listed():
    frame = pd.DataFrame({"tags": [["a", "b"], ["c"], [], None] * 10, "price": np.arange(40.0), "click": [0, 1] * 20})
    encoder = FrameEncoder("click", [], ["price"], ["tags"]).fit(frame)
    model = build("fm", encoder.schema)
    return frame, serving_model(model, encoder), model.predict(encoder.features(frame), verbose=0)


@pytest.mark.parametrize("form", [lambda frame: frame, pl.from_pandas, lambda frame: frame.to_dict("list")])
def test_cells_may_be_lists(listed, form):
    frame, server, expected = listed
    np.testing.assert_allclose(server.predict(form(frame), verbose=0), expected, atol=1e-6)


def test_lists_of_one_length_are_no_matrix(listed):
    frame, server, expected = listed
    found = server.predict({"tags": [["a", "b"]] * 40, "price": np.arange(40.0)}, verbose=0)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame[:0], "needs at least one row"),
        (lambda frame: pl.from_pandas(frame)[:0], "needs at least one row"),
        (lambda frame: {**frame.to_dict("list"), "price": [1.0]}, "equally many rows. Received: {.*'price': 1.*}"),
        (lambda frame: pd.concat([frame, frame[["price"]]], axis=1), "2 columns are named 'price'"),
        (lambda frame: frame.assign(tags=[["a|b"]] * 40), "'tags': the value 'a\\|b' contains the separator '\\|'"),
    ],
)
def test_cells_that_cannot_be_served_are_named(listed, change, message):
    frame, server, _ = listed
    with pytest.raises(ValueError, match=message):
        server.predict(change(frame), verbose=0)
