"""Random schemas that use all options together: every entry point agrees, on every row, with plain Python."""

import functools
import hashlib
import pathlib
import tempfile
from unittest import mock

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.frame import FrameEncoder
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder
from ctrzoo.data_pipelines.preparation.table import ParquetSource, TextSource, prepare_own_table
from tests.data_pipelines.slow_encoding import SlowTable, moment_of

WORDS = ["a", "b", "c & d", "&", "\\", "é", "NULL", ""]
MOMENTS = ["2024-03-31T00:59:59Z", "2024-03-31 23:30:00", "2024-11-04", "2024-06-01T22:15:00Z"]
NUMBERS = ["0.5", "3", "40", "1e3", "-1", "2", "NULL", ""]
LISTS = st.lists(st.sampled_from(["a", "b", "c & d", "e", "é", "f"]), max_size=4).map("|".join)
WEIGHTED = st.lists(st.sampled_from(["a:2", "b", "c:0.5", "d:1"]), max_size=3).map("|".join)
COLUMNS = {
    "word": st.sampled_from(WORDS),
    "other": st.sampled_from(WORDS),
    "whole": st.sampled_from(["8", "8.0", "+9", "-1", "10", "NULL", ""]),
    "decimal": st.sampled_from(["1.5", "0.10", "15e-1", "2", "-7.25", "NULL", ""]),
    "number": st.sampled_from(NUMBERS),
    "moment": st.sampled_from([*MOMENTS, "NULL", ""]),
    "tags": LISTS,
    "weighted": WEIGHTED,
    "vector": st.sampled_from(["1|2|3", "-0.5|1e2|0", "0|0|0.25", "NULL", ""]),
    "x": st.sampled_from(["1", "-0.5", "2e1"]),
    "y": st.sampled_from(["0", "0.125"]),
    "fold": st.sampled_from(["train", "valid", "test", "train"]),
    "click": st.sampled_from(["0", "1"]),
    "stars": st.sampled_from(["0", "1", "4.5"]),
    "cost": st.sampled_from(["0", "1", "2.5"]),
    "user": st.sampled_from(["u", "v", "w"]),
    "at": st.sampled_from(MOMENTS),
}
# An item and its kind, either of which may be missing.
EVENTS_OF_A_ROW = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c & d", ""]), st.sampled_from(["x", "y", ""])), max_size=4
)
ROLES = {"weight": "cost", "group": "user", "time": "at", "id": "name"}


def options(**choices):
    """Draw some of the keys, each with one of its values."""
    return st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in choices.items()})


COUNTED = options(min_count=[1, 2, 3], oov=[True, False], unused_ids=[0, 2], compositional=[1, 2, "auto"])
HASHED = options(unused_ids=[0, 2]).map(lambda config: {**config, "hash_buckets": 5})
MANY = options(unused_ids=[0, 2]).map(lambda config: {**config, "hash_buckets": 10**11, "compositional": "auto"})
IDS = COUNTED | HASHED | MANY
ABSENT = options(missing=["absent", "category", "reserved"])


def merged(*parts):
    return st.tuples(*parts).map(lambda configs: {key: value for config in configs for key, value in config.items()})


PARTS = options(time_zone=["Europe/Berlin", "Asia/Kolkata"])
CATEGORIES = st.one_of(
    merged(st.just({"column": "word"}), IDS, ABSENT, options(missing_texts=[["a"], ["&", "b"]], type=["text"])),
    merged(st.just({"column": "other"}), IDS, ABSENT),
    merged(st.just({"column": "whole", "type": "integer"}), IDS, ABSENT, options(missing_texts=[["-1"]])),
    merged(st.just({"column": "decimal", "type": "decimal"}), IDS, ABSENT, options(missing_texts=[["2"]])),
    merged(st.just({"column": "moment", "part": "hour"}), IDS, ABSENT, PARTS),
    merged(st.just({"column": "moment", "part": "is_weekend"}), IDS, ABSENT, PARTS),
    merged(st.just({"column": "moment", "part": "month"}), IDS, ABSENT, PARTS),
    merged(st.just({"column": "moment", "type": "time"}), IDS, ABSENT),
    merged(
        st.just({"column": "number", "transform": "log_squared_bucket"}),
        COUNTED,
        ABSENT,
        options(missing_texts=[["-1"]]),  # also the bucket of the number 2
    ),
    merged(
        st.just({"column": "number", "transform": "quantile"}),
        ABSENT,
        options(num_buckets=[2, 3], unused_ids=[0, 1], missing_texts=[["-1"]]),
    ),
)
SEVERAL = options(max_values=[1, 2, 3], keep=["first", "last"])
OTHERS = st.one_of(
    merged(
        st.just({"column": "number", "kind": "numerical"}),
        options(transform=["standard", "min_max"], missing_texts=[["-1"]]),
    ),
    merged(
        st.just({"column": "tags", "kind": "multivalued"}), IDS, SEVERAL, options(pooling=["mean", "sum", "max"])
    ).filter(lambda field: "compositional" not in field or field.get("pooling") != "max"),
    merged(st.just({"column": "vector", "kind": "vector", "length": 3}), options(missing_texts=[["0|0|0.25"]])),
    st.just({"kind": "vector", "columns": ["x", "y"]}),
    merged(
        st.just({"column": "weighted", "kind": "multivalued", "weight_separator": ":"}),
        IDS,
        SEVERAL,
        options(pooling=["mean", "sum"]),
    ),
)
WITHOUT_PAIRS = options(min_count=[1, 2, 3], oov=[True, False], unused_ids=[0, 2]) | HASHED
EVENTS = merged(WITHOUT_PAIRS, options(pooling=["mean", "sum", "max"], missing_texts=[["b"], ["x"]]))
SHARED = ("min_count", "oov", "hash_buckets", "unused_ids", "missing_texts", "type", "compositional")


@st.composite
def crosses(draw, names):
    parts = draw(st.lists(st.sampled_from(names), min_size=2, max_size=min(3, len(names)), unique=True))
    return {"cross": parts, **draw(merged(IDS, ABSENT))}


@st.composite
def schemas(draw):
    """Return a schema whose fields use all options."""
    fields = [draw(CATEGORIES) for _ in range(draw(st.integers(2, 4)))]
    fields += draw(st.lists(OTHERS, max_size=3))
    fields = [{"name": f"f{index}", **field} for index, field in enumerate(fields)]
    names = [field["name"] for field in fields if field.get("kind", "categorical") == "categorical"]
    for owner in [field for field in fields if field.get("column") in ("word", "tags")]:
        if draw(st.booleans()):
            same = {key: owner[key] for key in SHARED if key in owner}
            columns = {"tags": {"column": "tags", "kind": "multivalued", **draw(SEVERAL)}, "other": {"column": "other"}}
            columns["seen"] = {"column": "seen", "kind": "sequence", **draw(options(max_values=[1, 2, 3]))}
            is_list = draw(st.booleans()) if owner.get("missing", "absent") == "absent" else False
            is_plain = "compositional" not in owner
            own = columns[draw(st.sampled_from(["tags", "seen"] if is_plain else ["tags"])) if is_list else "other"]
            if not is_list and "missing" in owner:
                own["missing"] = owner["missing"]
            fields.append({"name": f"f{len(fields)}", "share": owner["name"], **own, **same})
    for number in range(draw(st.integers(0, 2))):  # histories of one or two columns
        length = draw(options(max_values=[1, 2, 3]))
        columns = draw(st.sampled_from([["seen"], ["kinds"], ["seen", "kinds"]]))
        sequences = [
            {"name": f"h{number}{column}", "kind": "sequence", "column": column, **length, **draw(EVENTS)}
            for column in columns
        ]
        fields += [{**one, "events": f"h{number}seen"} if len(columns) > 1 else one for one in sequences]
    fields += [{"name": f"x{index}", **draw(crosses(names))} for index in range(draw(st.integers(1, 2)))]
    fields = draw(st.permutations(fields))
    label = draw(st.sampled_from(["click", {"column": "stars", "kind": "real"}, {"column": "stars", "kind": "graded"}]))
    roles = {role: column for role, column in ROLES.items() if draw(st.booleans())}
    schema = {"label": label, **roles, "fields": [{"name": "row", "kind": "numerical"}, *fields], "missing": ["NULL"]}
    schema["split"] = {"column": "fold"}
    schema["fit_on"] = draw(st.sampled_from(["train", "all"]))
    if label == "click" and draw(st.booleans()):
        schema["negatives"] = 0.5
    if "group" in roles and draw(st.booleans()):
        schema["keep_groups"] = True
    return schema


@st.composite
def tables(draw):
    """Return the cells of each column."""
    rows = draw(st.integers(1, 30))
    cells = {name: draw(st.lists(kind, min_size=rows, max_size=rows)) for name, kind in COLUMNS.items()}
    events = [draw(EVENTS_OF_A_ROW) for _ in range(rows)]
    cells["seen"] = ["|".join(item for item, _ in row) for row in events]
    cells["kinds"] = ["|".join(kind for _, kind in row) if draw(st.booleans()) else "" for row in events]
    cells["fold"][0], cells["click"][0] = "train", "1"  # there is a training row, and no negative
    return cells | {"row": [str(row) for row in range(rows)], "name": [f"row {row} ü" for row in range(rows)]}


def write(path, cells):
    frame = pl.DataFrame(cells)
    if path.suffix == ".parquet":  # a missing cell may also be null there
        frame = frame.with_columns(pl.when(pl.col("decimal") != "").then("decimal").alias("decimal"))
        frame.write_parquet(path)
    elif path.suffix == ".tsv":
        frame.write_csv(path, separator="\t", quote_style="never")
    else:
        frame.write_csv(path, quote_style="non_numeric")


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    table = "ctrzoo.data_pipelines.preparation.table"
    with (
        mock.patch(f"{table}.ParquetSource", functools.partial(ParquetSource, chunk_rows=7)),
        mock.patch(f"{table}.TextSource", functools.partial(TextSource, chunk_bytes=600)),
    ):
        yield


def prepared(folder, suffix, cells, schema):
    """Prepare a table; return the data and, by the number of the row, ids, values and columns of the prepared rows."""
    write(folder / f"t{suffix}", cells)
    prepare_own_table(folder / "data", "t", folder / f"t{suffix}", schema)
    data = load(folder / "data")
    assert data.encoding is not None  # read while the folder is there
    slot = data.schema.slot_fields.index(data.schema.names.index("row"))
    rows = {}
    for split, total in data.num_rows.items():
        batch = next(iter(data.dataset(split, total, shuffle=False, columns=data.columns).as_numpy_iterator()))
        features, labels, columns = batch[0], batch[1], batch[-1] if data.columns else {}
        for place, row in enumerate(features["values"][:, slot].astype(int).tolist()):
            own = {role: column[place] for role, column in columns.items()}
            rows[row] = (split, features["ids"][place], features["values"][place], labels[place, 0], own)
    return data, rows


def expected_columns(cells, row):
    digest = hashlib.blake2b(cells["user"][row].encode(), digest_size=8).digest()
    moment = moment_of(cells["at"][row]).replace(tzinfo=None)
    return {
        "weight": np.float32(cells["cost"][row]),
        "group": int.from_bytes(digest, "little") >> 1,
        "time": (moment - moment_of("1970-01-01")).total_seconds() * 1e6,
        "id": cells["name"][row].encode(),
    }


@settings(max_examples=12, deadline=None)
@given(schemas(), tables(), st.sampled_from([".csv", ".tsv", ".parquet"]))
def test_all_options_together(schema, cells, suffix):
    with tempfile.TemporaryDirectory() as folder:
        data, rows = prepared(pathlib.Path(folder), suffix, cells, schema)
    total = len(cells["row"])
    left_out = set(range(total)) - set(rows)
    assert not left_out or "negatives" in schema
    assert all(cells["click"][row] == "0" and cells["fold"][row] == "train" for row in left_out)
    folds = np.array(cells["fold"])
    learn = np.isin(np.arange(total), list(rows)) & ((folds == "train") | (schema["fit_on"] == "all"))
    boundaries = {field.name: field.boundaries for field in data.encoding.fields}
    slow = SlowTable(schema["fields"], cells, learn, boundaries)
    assert [field.vocabulary_size for field in data.schema.fields] == [slow.sizes[name] for name in data.schema.names]
    label = schema["label"] if isinstance(schema["label"], str) else schema["label"]["column"]
    every = range(total)
    found = {"encode": data.encoding.features(pl.DataFrame(cells))}
    again = TableEncoding.from_dict(data.encoding.to_dict())
    found["again"] = again.features(pl.DataFrame(cells))
    found["serving"] = ServingEncoder(again)({name: tf.constant(texts) for name, texts in cells.items()})
    for row in every:
        encoded = [slow.encode(field, row) for field in schema["fields"]]
        ids = [one for some, _ in encoded for one in some]
        values = [one for _, some in encoded for one in some]
        for way, features in found.items():
            np.testing.assert_array_equal(features["ids"][row], ids, err_msg=way)
            np.testing.assert_allclose(features["values"][row], values, rtol=1e-5, atol=1e-5, err_msg=way)
        if row in rows:
            split, prepared_ids, prepared_values, target, columns = rows[row]
            np.testing.assert_array_equal(prepared_ids, ids)
            np.testing.assert_allclose(prepared_values, values, rtol=1e-5, atol=1e-5)
            assert split == cells["fold"][row] and target == float(cells[label][row])
            expected = expected_columns(cells, row)
            assert columns == {role: expected[role] for role in ROLES if role in schema}


@st.composite
def encoders(draw):
    """Return the arguments of a `FrameEncoder`, and the fields of a schema that say the same."""
    categorical = draw(st.lists(st.sampled_from(["word", "other", "whole", "decimal"]), min_size=2, unique=True))
    several = draw(st.lists(st.just("tags"), max_size=1))
    parts = draw(st.lists(st.sampled_from(["hour", "weekday", "month"]), max_size=2, unique=True))
    events = draw(st.sampled_from([[], ["seen"], ["seen", "kinds"]]))
    own = [*categorical, *(f"moment_{part}" for part in parts)]
    crossed = {f"x{number}": draw(crosses(own))["cross"] for number in range(draw(st.integers(1, 2)))}
    counts = {name: draw(st.integers(1, 3)) for name in [*own, *several, *events, *crossed]}
    lists = draw(merged(SEVERAL, options(pooling=["mean", "sum", "max"])))
    zone = draw(st.sampled_from([None, "Europe/Berlin"])) if parts else None
    scaling = draw(st.sampled_from([None, "standard", "min_max"]))
    shares = {"other": "word"} if {"word", "other"} <= set(categorical) and draw(st.booleans()) else {}
    counts |= {name: counts[owner] for name, owner in shares.items()}
    order = draw(st.permutations(["row", "number", *own, *several, *events, *crossed]))
    fields = {name: {"name": name, "min_count": counts[name]} for name in [*own, *several, *events, *crossed]}
    fields |= {
        "row": {"name": "row", "kind": "numerical"},
        "number": {"name": "number", "kind": "numerical", "transform": scaling},
    }
    for part in parts:
        fields[f"moment_{part}"] |= {"column": "moment", "part": part, **({"time_zone": zone} if zone else {})}
    for name in several:
        fields[name] |= {"kind": "multivalued", **lists}
    for name in events:
        kept = {key: value for key, value in lists.items() if key != "keep"}
        fields[name] |= {"kind": "sequence", **kept, **({"events": "seen"} if name == "kinds" else {})}
    for name, names in crossed.items():
        fields[name] |= {"cross": names}
    for name, owner in shares.items():
        fields[name] |= {"share": owner}
    kind = draw(st.sampled_from(["binary", "real", "graded"]))
    roles = {role: column for role, column in ROLES.items() if draw(st.booleans())}
    arguments = {
        **{"label": "click" if kind == "binary" else "stars", "label_kind": kind, **roles, "order": order},
        **{"categorical": categorical, "numerical": ["row", "number"], "multivalued": several, **lists},
        **{"min_count": counts, "scaling": {"row": None, "number": scaling}, "crosses": crossed, "share": shares},
        **{"sequence": events, "events": {"kinds": "seen"} if "kinds" in events else None},
        **{"time_parts": {"moment": parts} if parts else None, "time_zone": zone},
    }
    label = "click" if kind == "binary" else {"column": "stars", "kind": kind}
    return arguments, {"label": label, **roles, "fields": [fields[name] for name in order], "fit_on": "all"}


@settings(max_examples=8, deadline=None)
@given(encoders(), tables())
def test_a_frame_encoder_and_a_preparation_give_the_same(encoder, cells):
    arguments, schema = encoder
    cells = {name: ["" if cell == "NULL" else cell for cell in texts] for name, texts in cells.items()}
    with tempfile.TemporaryDirectory() as folder:
        data, rows = prepared(pathlib.Path(folder), ".csv", cells, {**schema, "split": {"column": "fold"}})
    frame = pd.DataFrame({name: [cell or None for cell in texts] for name, texts in cells.items()})
    frame["number"], frame["row"] = frame["number"].astype(float), frame["row"].astype(float)
    fitted = FrameEncoder(**arguments).fit(frame)
    assert fitted.schema.fields == data.schema.fields
    for each in (fitted, FrameEncoder.from_dict(fitted.to_dict())):
        features, block = each.features(frame), each.block(frame)
        for row, (_, ids, values, label, columns) in rows.items():
            np.testing.assert_array_equal(features["ids"][row], ids)
            np.testing.assert_allclose(features["values"][row], values, rtol=1e-5, atol=1e-5)
            assert block.labels[row] == label
            assert {role: column[row] for role, column in block.columns.items()} == columns
