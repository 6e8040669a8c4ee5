"""Odd tables: the draft of each prepares it at once."""

import datetime
import decimal
import gzip
import io
import random

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.schema_draft import draft_schema
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

ROWS = 400
RANDOM = random.Random(0)
CLICKS = [row % 2 for row in range(ROWS)]
SITES = [f"s{row % 7}" for row in range(ROWS)]
PRICES = [round(RANDOM.lognormvariate(2, 1), 2) for _ in range(ROWS)]
DAYS = [datetime.date(2024, 6, 1 + row * 30 // ROWS) for row in range(ROWS)]
FRAME = pd.DataFrame({"click": CLICKS, "site": SITES, "price": PRICES})


def csv(frame, **options):
    return frame.to_csv(**{"index": False, **options}).encode()


def parquet(**columns):
    file = io.BytesIO()
    pl.DataFrame({"click": CLICKS, "site": SITES, **columns}, strict=False).write_parquet(file)
    return file.getvalue()


def with_cells(cells, name="x", **options):
    return csv(FRAME.assign(**{name: cells}), **options)


def gaps(marker):
    return [marker if row % 9 == 0 else price for row, price in enumerate(PRICES)]


def sparse(label, cells):
    return "".join(f"{label if row % 2 else 1} {cells(row)}\n" for row in range(ROWS)).encode()


# Of each table: its suffix, its bytes, and the kind of one of its fields; None if the column is left out.
TABLES = {
    "index of pandas": (".csv", csv(FRAME, index=True), ("site", "categorical")),
    "index of a shuffled frame": (".csv", csv(FRAME.sample(frac=1, random_state=0), index=True), ("", None)),
    "index of days": (".csv", csv(FRAME.set_index(pd.Series(DAYS)), index=True), ("", None)),
    "index in Parquet": (".parquet", FRAME.sample(frac=1, random_state=0).to_parquet(), ("__index_level_0__", None)),
    "named index": (".csv", with_cells(range(ROWS), "Unnamed: 0"), ("Unnamed: 0", None)),
    "semicolons": (".csv", csv(FRAME, sep=";"), ("price", "numerical")),
    "semicolons and decimal commas": (".csv", csv(FRAME, sep=";", decimal=","), ("price", None)),
    "tabs in a csv": (".csv", csv(FRAME, sep="\t"), ("price", "numerical")),
    "bars": (".csv", csv(FRAME, sep="|"), ("price", "numerical")),
    "commas in a txt": (".txt", csv(FRAME), ("price", "numerical")),
    "quotes in a tsv": (".tsv", with_cells(["a\tb", "c"] * 200, sep="\t"), ("x", "categorical")),
    "line ends of Windows": (".csv", csv(FRAME, lineterminator="\r\n"), ("price", "numerical")),
    "byte order mark": (".csv", b"\xef\xbb\xbf" + csv(FRAME), ("site", "categorical")),
    "no header": (".csv", csv(FRAME, header=False), ("column3", "numerical")),
    "no last line end": (".csv", csv(FRAME).rstrip(), ("price", "numerical")),
    "empty lines": (".csv", csv(FRAME).replace(b"\n", b"\n\n"), ("price", "numerical")),
    "compressed": (".csv.gz", gzip.compress(csv(FRAME, sep=";")), ("price", "numerical")),
    **{f"marker {marker}": (".csv", with_cells(gaps(marker)), ("x", "numerical")) for marker in ("NULL", "\\N", "nan")},
    "markers NA and inf": (".csv", with_cells(["inf", "NA", *PRICES[2:]]), ("x", "numerical")),
    "markers at texts": (".csv", with_cells(["NULL", "a", "b", "c"] * 100), ("x", "categorical")),
    "lists of numbers": (".csv", with_cells([str([row % 3, row % 5]) for row in range(ROWS)]), ("x", "multivalued")),
    "lists of texts": (".csv", with_cells([str(["a", f"b{row % 5}"]) for row in range(ROWS)]), ("x", "multivalued")),
    "vectors in brackets": (
        ".csv",
        with_cells([str(PRICES[row - 3 : row] or PRICES[:3]) for row in range(ROWS)]),
        ("x", "vector"),
    ),
    "vectors with spaces": (".csv", with_cells([f"0.{row} 0.5 -1e-3" for row in range(ROWS)]), ("x", "vector")),
    "vectors of two lengths": (
        ".csv",
        with_cells(["0.5|1.5|2.5|3.5" if row == 9 else f"0.5|1.5|{row}.5" for row in range(ROWS)]),
        ("x", None),
    ),
    "hashes": (".csv", with_cells([hash((row % 90, 5)) for row in range(ROWS)]), ("x", "categorical")),
    "hexadecimal hashes": (".csv", with_cells([f"{row % 90:08x}" for row in range(ROWS)]), ("x", "categorical")),
    "users": (".csv", with_cells([row % 130 for row in range(ROWS)], "user"), ("user", "categorical")),
    "ids without a name": (".csv", with_cells([row * 37 % 111 for row in range(ROWS)]), ("x", "categorical")),
    "counts": (".csv", with_cells([int(200 / (1 + row % 200)) * row for row in range(ROWS)]), ("x", "numerical")),
    "keys": (".csv", with_cells([f"k{row}" for row in range(ROWS)]), ("x", None)),
    "seconds": (".csv", with_cells([1_700_000_000 + 60 * row for row in range(ROWS)]), ("x_hour", "categorical")),
    "milliseconds": (".csv", with_cells([1_700_000_000_000 + row for row in range(ROWS)], "ts"), ("ts", None)),
    "days": (".csv", with_cells(DAYS, "day"), ("day_weekday", "categorical")),
    "times": (
        ".csv",
        with_cells([f"{day} 12:{row % 60:02d}:00" for row, day in enumerate(DAYS)]),
        ("x_weekday", "categorical"),
    ),
    "days as numbers": (
        ".csv",
        with_cells([int(day.strftime("%Y%m%d")) for day in DAYS], "date"),
        ("date_weekday", "categorical"),
    ),
    "empty column": (".csv", with_cells([None] * ROWS), ("x", "categorical")),
    "constant": (".csv", with_cells(["a"] * ROWS), ("x", "categorical")),
    "Chinese names": (".csv", csv(FRAME.rename(columns={"site": "广告位置"})), ("广告位置", "categorical")),
    "names that YAML reads": (
        ".csv",
        csv(FRAME.rename(columns={"site": "no", "price": "null"})),
        ("no", "categorical"),
    ),
    "names with signs": (".csv", csv(FRAME.rename(columns={"site": "a: {b} # [c], 'd'"})), ("price", "numerical")),
    "labels yes and no": (".csv", csv(FRAME.assign(click=["no", "yes"] * 200)), ("site", "categorical")),
    "labels True and False": (".csv", csv(FRAME.assign(click=FRAME.click == 1)), ("site", "categorical")),
    "labels 1 and -1": (".csv", csv(FRAME.assign(click=FRAME.click * 2 - 1)), ("site", "categorical")),
    "labels -1, 0 and 1": (".csv", csv(FRAME.assign(click=[-1, 0, 1, 1] * 100)), ("site", "categorical")),
    "labels 1 and empty": (".csv", csv(FRAME.assign(click=FRAME.click.replace(0, None))), ("site", "categorical")),
    "label of another name": (".csv", csv(FRAME.rename(columns={"click": "bought"})), ("site", "categorical")),
    "sorted by label": (".csv", csv(FRAME.sort_values("click")), ("site", "categorical")),
    "nothing but the label and one field": (".csv", csv(FRAME[["click", "site"]]), ("site", "categorical")),
    "decimals": (".parquet", parquet(x=[decimal.Decimal(f"{row}.25") for row in range(ROWS)]), ("x", "numerical")),
    "dates": (".parquet", parquet(x=DAYS), ("x_weekday", "categorical")),
    "date times": (
        ".parquet",
        parquet(x=[datetime.datetime(2024, 6, 1 + row // 20) for row in range(ROWS)]),
        ("x_weekday", "categorical"),
    ),
    "clock times": (".parquet", parquet(x=[datetime.time(row % 24) for row in range(ROWS)]), ("x", "categorical")),
    "spans": (".parquet", parquet(x=[datetime.timedelta(seconds=row) for row in PRICES]), ("x", "numerical")),
    "booleans": (".parquet", parquet(x=[row % 3 == 0 for row in range(ROWS)]), ("x", "categorical")),
    "null type": (".parquet", parquet(x=pl.Series([None] * ROWS, dtype=pl.Null)), ("x", "categorical")),
    "NaN and null": (".parquet", parquet(x=[None, float("nan"), *PRICES[2:]]), ("x", "numerical")),
    "infinite": (".parquet", parquet(x=[float("inf"), *PRICES[1:]]), ("x", None)),
    "markers in Parquet": (".parquet", parquet(x=[str(cell) for cell in gaps("NULL")]), ("x", "numerical")),
    "lists": (".parquet", parquet(x=[[row % 3, row % 5] for row in range(ROWS)]), ("x", "multivalued")),
    "vectors": (".parquet", parquet(x=[[row / 7, row / 3] for row in range(ROWS)]), ("x", "vector")),
    "arrays": (".parquet", parquet(x=pl.Series(np.random.default_rng(0).random((ROWS, 4)))), ("x", "vector")),
    "large whole numbers": (".parquet", parquet(x=[2**62 + row % 90 for row in range(ROWS)]), ("x", "categorical")),
    "German dates": (".csv", with_cells([f"{day:%d.%m.%Y}" for day in DAYS]), ("x_weekday", "categorical")),
    "American times": (".csv", with_cells([f"{day:%m/%d/%Y} 3:00 PM" for day in DAYS]), ("x_weekday", "categorical")),
    "times with gaps": (".csv", with_cells(["NULL", "", *map(str, DAYS[2:])]), ("x_weekday", "categorical")),
    "libsvm": (".svm", sparse("-1", lambda row: f"{row % 5}:1 {row % 7}:0.5"), ("features", "multivalued")),
    "libsvm with places": (".svm", sparse("-1", lambda row: f"{row % 5}:1 9:{row}.5"), ("field1", "numerical")),
    "libsvm with points": (".svm", sparse("-1.0", lambda row: f"{row % 5}:1"), ("features", "categorical")),
    "libffm": (".ffm", sparse("0", lambda row: f"0:{row % 5}:1 1:7:{row}.5"), ("field1", "numerical")),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_draft_of_an_odd_table_prepares_it(tmp_path, name):
    suffix, content, (column, kind) = TABLES[name]
    path = tmp_path / f"table{suffix}"
    path.write_bytes(content)
    schema = draft_schema(path, tmp_path / "schema.yaml")
    kinds = {field["name"]: field["kind"] for field in schema["fields"]}
    assert kinds.get(column) == kind
    report = prepare_own_table(tmp_path / "prepared", "odd", path, tmp_path / "schema.yaml")
    data = load(tmp_path / "prepared")
    assert report["rows"] == sum(data.num_rows.values()) == ROWS
    assert report["positives"] == ROWS / 2
    features, labels = data.arrays("train")
    assert len(labels) == data.num_rows["train"] and np.isfinite(features["values"]).all()


def test_there_are_many_tables():
    assert len(TABLES) >= 60
