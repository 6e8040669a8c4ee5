"""Fields that a graph reads together get what each of them gets alone, and what `encode` says."""

import collections

import numpy as np
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines.encoding import serving
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder
from ctrzoo.data_pipelines.encoding.together import alike

TEXTS = ["a", "b", "c", "new", "", "NA", " 8.0 ", "8", "+9", "é", "a & b", "0:a"]
FIELDS = [
    FieldEncoding("t1", values=["a", "b", "é"], oov=True),
    FieldEncoding("n1", "numerical", transform="standard", offset=1.5, scale=0.25),
    FieldEncoding("t2", values=["b", "", "8"], missing="category"),
    FieldEncoding("t3", values=["0:a", ""], missing="reserved", oov=True),
    FieldEncoding("shared", share="t1", column="t3", values=["a", "b", "é"], oov=True),
    FieldEncoding("empty", column="t1", oov=True),
    FieldEncoding("nothing", column="t1", oov=False),
    FieldEncoding("i1", type="integer", values=["8", "9"], missing_texts=["NA", "-1"]),
    FieldEncoding("n2", "numerical", transform="standard", offset=-2.0, scale=4.0),
    FieldEncoding("i2", type="integer", values=["9"], missing_texts=["NA", "-1"], missing="category"),
    FieldEncoding("h1", hash_buckets=7),
    FieldEncoding("h2", hash_buckets=7, missing="category"),
    FieldEncoding("h3", hash_buckets=8),
    FieldEncoding("n3", "numerical", missing_texts=["-1"]),
    FieldEncoding("n4", "numerical", missing_texts=["-1"], column="n2"),
    FieldEncoding("tags", "multivalued", column="t2", values=["a", "b"], max_values=2),
    FieldEncoding("cross", cross=["t1", "t2"], values=["a & b"], oov=True),
    FieldEncoding("n0", "numerical", transform="standard", scale=0.0, column="n1"),
    FieldEncoding("log", "numerical", transform="log_squared", column="n1"),
    FieldEncoding("log2", "numerical", transform="log_squared", column="n3"),
]


def cells(num_rows=200, seed=0):
    random, columns = np.random.default_rng(seed), dict.fromkeys(f.column for f in FIELDS if f.column)
    made = {}
    for name in columns:
        if name[0] == "n":
            numbers = np.where(random.random(num_rows) < 0.2, np.nan, random.normal(size=num_rows).round(1) * 10)
            made[name] = np.where(random.random(num_rows) < 0.1, -1.0, numbers)
        else:
            made[name] = random.choice(TEXTS, num_rows).tolist()
    return made


def groups(names):
    return [[FIELDS[place].name for place in group] for group in names]


def test_fields_that_are_read_alike():
    assert groups(alike(FIELDS)) == [
        ["t1", "t2", "t3", "shared", "empty", "nothing"],
        ["n1", "n2"],
        ["i1", "i2"],
        ["h1", "h2"],
        ["n3", "n4"],
        ["log", "log2"],
    ]


@pytest.mark.parametrize("rank", [1, 2])
def test_rows_are_those_of_encode(rank):
    encoding, table = TableEncoding(FIELDS), cells()
    frame = pl.DataFrame(table).with_columns(pl.col(pl.Float64).fill_nan(None))
    expected = encoding.features(frame)
    columns = {name: tf.constant(column) for name, column in table.items()}
    if rank == 2:
        columns = {name: column[:, None] for name, column in columns.items()}
    found = ServingEncoder(encoding)(columns)
    np.testing.assert_array_equal(found["ids"], expected["ids"])
    np.testing.assert_array_equal(found["values"], expected["values"])


def test_together_and_alone_are_equal_bit_for_bit(monkeypatch):
    encoding, table = TableEncoding(FIELDS), {name: tf.constant(column) for name, column in cells(seed=1).items()}
    together = ServingEncoder(encoding)(table)
    monkeypatch.setattr(serving, "alike", lambda fields: [])
    alone = ServingEncoder(encoding)(table)
    for name in ("ids", "values"):
        np.testing.assert_array_equal(together[name], alone[name])


def test_numbers_as_text_and_whole_numbers_as_categories():
    encoding, table = TableEncoding(FIELDS), cells(seed=2)
    table["i1"], table["i2"] = [8, 9, 7, -1] * 50, [9, 8, -1, 9] * 50
    table["n1"] = ["" if np.isnan(number) else str(number) for number in table["n1"]]
    expected = encoding.features(pl.DataFrame(table).with_columns(pl.col(pl.Float64).fill_nan(None)))
    found = ServingEncoder(encoding)({name: tf.constant(column) for name, column in table.items()})
    np.testing.assert_array_equal(found["ids"], expected["ids"])
    np.testing.assert_array_equal(found["values"], expected["values"])


@pytest.mark.parametrize("number", [np.inf, -np.inf, 1e300])
def test_an_error_names_the_columns(number):
    table = cells(4)
    table["n2"] = np.array([1.0, number, 2.0, 3.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="column 'n2' must hold finite numbers"):
        ServingEncoder(TableEncoding(FIELDS))({name: tf.constant(column) for name, column in table.items()})


def test_fractional_categories_are_refused():
    table = cells(4) | {"t1": [1.5, 2.0, 3.0, 4.0]}
    with pytest.raises(ValueError, match="Categories must be texts or whole numbers. Received: float"):
        ServingEncoder(TableEncoding(FIELDS))({name: tf.constant(column) for name, column in table.items()})


def test_one_more_field_adds_one_lookup():
    def operations(count):
        encoding = TableEncoding([FieldEncoding(f"c{number}", values=["a"]) for number in range(count)])
        encoder = ServingEncoder(encoding)
        specs = {f"c{number}": tf.TensorSpec((None,), tf.string) for number in range(count)}
        graph = tf.function(lambda **columns: encoder(columns)).get_concrete_function(**specs).graph
        return collections.Counter(operation.type for operation in graph.get_operations())

    more = operations(9) - operations(8)
    assert set(more) <= {"LookupTableFindV2", "Placeholder", "Const"} and more["LookupTableFindV2"] == 1


@pytest.mark.parametrize("missing", ["absent", "category"])
@pytest.mark.parametrize("together", [True, False])
def test_ids_that_were_freed_belong_to_no_text(missing, together, monkeypatch):
    if not together:
        monkeypatch.setattr(serving, "alike", lambda fields: [])
    values = [[None, "b", "c"], ["a", None, None], [None, None]]
    fields = [FieldEncoding(f"c{n}", min_count=2, values=some, missing=missing) for n, some in enumerate(values)]
    frame = pl.DataFrame({f"c{n}": ["a", "b", "c", "", "x", None] for n in range(3)})
    encoding, cells = TableEncoding(fields), {column.name: column.fill_null("").to_list() for column in frame}
    served = ServingEncoder(encoding)({name: tf.constant(texts) for name, texts in cells.items()})
    np.testing.assert_array_equal(served["ids"], encoding.features(frame)["ids"])
