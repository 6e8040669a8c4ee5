"""Generated Parquet files hold after preparation what pyarrow reads, cell by cell in Python."""

import datetime
import decimal
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.fuzz import oracle
from tests.fuzz.mutations import judged, seeds
from tests.fuzz.stored import stored, values_of

INTEGERS = [0, 1, -1, 7, 127, -128]
FLOATS = [0.0, -0.0, 1.0, 0.1, -2.5, 1e-30, 123456.0, 3.25, float("nan"), 1e20, 12345678.5]
DECIMALS = [decimal.Decimal(text) for text in ("0.000", "7.000", "7.100", "-0.001", "12345678901234567.125")]
TEXTS = ["a", "", " a ", "é", "007", "nan", "NULL", "a,b", '"', "a\nb", "\u00a0", "x" * 300, "\0"]
TIMES = [datetime.datetime(2024, 6, 1, 9, 30, 0, 5000), datetime.datetime(2024, 6, 1), datetime.datetime(1969, 12, 31)]
TIMES += [datetime.datetime(2000, 2, 29, 23, 59, 59, 999000), datetime.datetime(1970, 1, 1)]
ZONES = ["UTC", "+05:30", "Asia/Kolkata", "America/New_York", "-00:01"]
LABELS = {
    pa.int8(): [0, 1],
    pa.uint64(): [0, 1],
    pa.float32(): [0.0, 1.0],
    pa.bool_(): [False, True],
    pa.string(): ["0", "1"],
    pa.dictionary(pa.int8(), pa.string()): ["False", "true"],
    pa.decimal128(5, 2): [decimal.Decimal("0.00"), decimal.Decimal("1.00")],
    pa.int64(): [-1, 1],
}
NUMBERS = {
    **dict.fromkeys([pa.int8(), pa.int16(), pa.int64()], INTEGERS),
    **dict.fromkeys([pa.uint8(), pa.uint32()], [0, 1, 255]),
    pa.int64(): [*INTEGERS, 2**53 + 1, 2**63 - 1, -(2**63)],
    pa.uint64(): [0, 2**64 - 1, 2**63],
    pa.float16(): [0.0, 1.0, 0.5, -2.25, float("nan"), 60000.0],
    pa.float32(): FLOATS,
    pa.float64(): [*FLOATS, 2**53 + 2.0, 1e-300],
    pa.decimal128(30, 3): DECIMALS,
    pa.decimal128(4, 0): [decimal.Decimal(number) for number in (0, 7, -9999)],
    pa.null(): [None],
}
LARGEST = float(np.finfo(np.float32).max)
NO_NUMBERS = [1e39, float("inf"), -float("inf")]


def category(source):
    """Return a type and its values."""
    zone, unit = source.choice(ZONES), source.choice(["ms", "us", "ns"])
    others = {
        pa.bool_(): [True, False],
        pa.string(): TEXTS,
        pa.large_string(): TEXTS,
        pa.dictionary(pa.int8(), pa.string()): TEXTS,
        pa.date32(): [time.date() for time in TIMES],
        pa.timestamp(unit): TIMES,
        pa.timestamp(unit, zone): TIMES,
    }
    return source.choice(list(source.choice([NUMBERS, others]).items()))


def array(source, dtype, values, rows, share_of_nulls):
    """Return an array of random values."""
    cells = [None if source.random() < share_of_nulls else source.choice(values) for _ in range(rows)]
    if pa.types.is_dictionary(dtype):
        return pa.array(cells, dtype.value_type).dictionary_encode().cast(dtype)
    if pa.types.is_float16(dtype):
        cells = [cell if cell is None else np.float16(cell) for cell in cells]
    return pa.array(cells, dtype)


def meanings(cells, dtype):
    """Return what each cell of a column means: None is missing, equal values are one category."""
    present = [cell for cell in cells if cell is not None and cell == cell]
    if dtype in (pa.float16(), pa.float32()):  # the shortest number that is this one among numbers of the type
        kind = np.float16 if dtype == pa.float16() else np.float32
        return [None if cell is None or cell != cell else float(str(kind(cell))) for cell in cells]
    if present and isinstance(present[0], str):
        return oracle.meanings([cell or "" for cell in cells])
    if present and isinstance(present[0], decimal.Decimal):
        is_whole = all(cell == int(cell) for cell in present)
        return [cell if cell is None else int(cell) if is_whole else float(cell) for cell in cells]
    return [moment(cell) if cell == cell else None for cell in cells]


def moment(cell):
    """Return a date or time in UTC, without zone; other cells as they are."""
    if isinstance(cell, datetime.datetime):
        return cell if cell.tzinfo is None else cell.astimezone(datetime.UTC).replace(tzinfo=None)
    return datetime.datetime.combine(cell, datetime.time()) if isinstance(cell, datetime.date) else cell


def number(cell):
    """Return the stored number of a cell, None if it is none."""
    value = 0.0 if cell is None or cell != cell else float(cell)
    return float(np.float32(value)) if abs(value) <= LARGEST else None


def tags(cells, dtype):
    """Return the values of cells that are lists."""
    lengths = [len(cell or []) for cell in cells]
    values = iter(meanings([value for cell in cells for value in cell or []], dtype))
    lists = [[next(values) for _ in range(length)] for length in lengths]
    return [[value for value in values if value is not None][:3] for values in lists]


def generated(source):
    """Return a table."""
    rows, nulls = source.randint(1, 40), source.choice([0, 0.2, 0.2, 1])
    label_type, labels = source.choice(list(LABELS.items()))
    price_type, prices = source.choice(list(NUMBERS.items()))
    if source.random() < 0.2:
        price_type, prices = pa.float64(), [*FLOATS, *NO_NUMBERS]
    site_type, sites = category(source)
    tag_type, tag_values = source.choice([(pa.string(), TEXTS), (pa.int64(), INTEGERS), (pa.float64(), FLOATS)])
    lists = [
        None if source.random() < nulls else source.choices([*tag_values, None], k=source.randint(0, 5))
        for _ in range(rows)
    ]
    list_type = source.choice([pa.list_, pa.large_list])(tag_type)
    columns = {
        "click": array(source, label_type, labels, rows, 0),
        "site": array(source, site_type, sites, rows, nulls),
        "price": array(source, price_type, prices, rows, source.choice([0, 0.3])),
        "tags": pa.array(lists, list_type),
    }
    names = source.sample(list(columns), len(columns))
    return pa.table({name: columns[name] for name in names})


def expected(path):
    """Return the usable rows of a file, and the number of the others."""
    table = parquet.read_table(path)
    rows = table.to_pylist()
    usable = [row for row in rows if number(row["price"]) is not None]
    kinds = {name: table.schema.field(name).type for name in table.column_names}
    site_type = kinds["site"].value_type if pa.types.is_dictionary(kinds["site"]) else kinds["site"]
    columns = [
        [int(oracle.label_of(str(row["click"])) == 1) for row in usable],
        meanings([row["site"] for row in usable], site_type),
        [number(row["price"]) for row in usable],
        tags([row["tags"] for row in usable], kinds["tags"].value_type),
    ]
    return list(map(list, zip(*columns, strict=True))), len(rows) - len(usable)


def found(folder, split):
    """Return the rows of a split as values."""
    values = values_of(folder)
    ids, numbers, labels = stored(folder, split)
    return [
        [int(label), values["site"][site], float(price), [values["tags"][tag] for tag in row if tag]]
        for label, (site, *row), (price,) in zip(labels, ids.tolist(), numbers, strict=True)
    ]


SCHEMA = {
    "label": "click",
    "fields": [
        "site",
        {"name": "price", "kind": "numerical"},
        {"name": "tags", "kind": "multivalued", "max_values": 3},
    ],
}


@pytest.mark.parametrize("bad_rows", ["error", "skip"])
def test_parquet_files_hold_what_pyarrow_reads(tmp_path, monkeypatch, bad_rows):
    monkeypatch.setattr("ctrzoo.data_pipelines.preparation.engine.MOST_SKIPPED", 1.0)
    compared = place = 0
    for place, source in enumerate(seeds(f"values of parquet {bad_rows}")):
        table = generated(source)
        paths = {split: tmp_path / f"{split}{place}.parquet" for split in ("train", "test")}
        options = {
            "row_group_size": source.choice([1, 3, 100]),
            "use_dictionary": source.random() < 0.5,
            "compression": source.choice(["none", "snappy", "zstd"]),
            "version": source.choice(["1.0", "2.6"]),
        }
        for path in paths.values():
            parquet.write_table(table, path, **options)
        what = f"{place}: {table.schema.to_string(show_schema_metadata=False)} {table.to_pydict()}"
        with judged(what) as accepted:
            prepare_own_table(tmp_path / str(place), "t", paths, SCHEMA, bad_rows=bad_rows)
        if accepted:
            compared += 1
            rows, bad = expected(paths["test"])
            assert bad_rows == "skip" or not bad, what
            assert json.loads((tmp_path / str(place) / "report.json").read_text())["bad_rows"] == 2 * bad, what
            assert found(tmp_path / str(place), "test") == rows, what
            shuffled = found(tmp_path / str(place), "train")
            assert sorted(map(repr, shuffled)) == sorted(map(repr, found(tmp_path / str(place), "test"))), what
    assert place < 50 or compared > place / 2
