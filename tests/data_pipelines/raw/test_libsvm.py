import json

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.raw.libsvm import SparseTextSource

LIBFFM = """1 0:12:1 1:3:0.25 2:7:1 2:9:0.5
-1 0:13:1\t2:7:1

0 1:3:-2e-1 0:12:1.0 # of no interest
"""


def rows_of(source, needed=None):
    parts = [chunk.parse(dict.fromkeys(needed or source.columns(), False)) for chunk in source.chunks([])]
    return pl.concat([pl.from_arrow(part.table) for part in parts]), parts


def test_a_libffm_field_is_a_column(tmp_path):
    (tmp_path / "rows.ffm").write_text(LIBFFM)
    source = SparseTextSource((tmp_path / "rows.ffm",), "libffm")
    assert source.columns() == ["label", "field0", "field1", "field2", "value0", "value1", "value2"]
    frame, parts = rows_of(source)
    assert frame.to_dict(as_series=False) == {
        "label": ["1", "-1", "0"],
        "field0": ["12", "13", "12"],
        "field1": ["3:0.25", None, "3:-2e-1"],
        "field2": ["7 9:0.5", "7", None],
        "value0": ["1", "1", "1.0"],
        "value1": ["0.25", None, "-2e-1"],
        "value2": [None, "1", None],
    }
    assert parts[0].row_numbers.tolist() == [1, 2, 4] and parts[0].bad == []


def test_a_libffm_table_is_encoded(tmp_path):
    (tmp_path / "rows.ffm").write_text(LIBFFM)
    frame, _ = rows_of(SparseTextSource((tmp_path / "rows.ffm",), "libffm"), ["field0", "value1", "field2"])
    weighted = {"separator": " ", "weight_separator": ":", "max_values": 2}
    encoding = TableEncoding(
        [
            FieldEncoding("ad", column="field0", values=["12", "13"]),
            FieldEncoding("price", "numerical", column="value1"),
            FieldEncoding("tags", "multivalued", column="field2", values=["7", "9"], **weighted),
        ]
    )
    ids, numbers = encoding.encode(frame)
    assert ids.tolist() == [[1, 4, 5], [2, 4, 0], [1, 0, 0]]
    assert numbers.tolist() == [[0.25, 1, 0.5], [0, 1, 0], [np.float32(-0.2), 0, 0]]


def test_a_libsvm_row_is_a_cell_of_weighted_features(tmp_path):
    (tmp_path / "rows.svm").write_text("+1 3:0.5 7:1\n-1 1:2\n1\n")
    frame, _ = rows_of(SparseTextSource((tmp_path / "rows.svm",), "libsvm"))
    assert frame.to_dict(as_series=False) == {"label": ["+1", "-1", "1"], "features": ["3:0.5 7", "1:2", None]}


@pytest.mark.parametrize(
    ("kind", "line", "reason"),
    [
        ("libffm", "1 0:12:1 1:3", "'1:3', expected field:feature:value"),
        ("libffm", "1 0:12:many", "'0:12:many', expected field:feature:value"),
        ("libffm", "1 9:12:1", "'9:12:1' has a field above 1, the last one in the first rows"),
        ("libsvm", "1 3:0.5 qid:1", "'qid:1', expected index:value"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_are_kept(tmp_path, kind, line, reason):
    good = {"libffm": "0 0:1:1 1:2:1", "libsvm": "0 1:1"}[kind]
    (tmp_path / "rows").write_text(f"{good}\n{line}\n{good}\n")
    frame, parts = rows_of(SparseTextSource((tmp_path / "rows",), kind, 2 if kind == "libffm" else None))
    assert parts[0].bad == [(2, reason)]
    assert len(frame) == 2 and parts[0].row_numbers.tolist() == [1, 3]


def drawn_lines(random, rows):
    """Return libffm lines, with tabs, comments and empty lines, and what Python reads from them."""
    lines, table = [], []
    for row in range(rows):
        fields = {field: [] for field in random.permutation(5)[: random.integers(0, 6)].tolist()}
        for tokens in fields.values():
            for _ in range(random.choice([1, 1, 3])):
                tokens.append((str(random.integers(0, 9)), str(random.choice(["1", "1.0", "0.5", "-2e-1", "1."]))))
        texts = [f"{field}:{feature}:{value}" for field, tokens in fields.items() for feature, value in tokens]
        lines.append("\t ".join([str(row), *texts]) + random.choice(["", "  # 9:9:9", " "]))
        lines += ["", "  # nothing"] if row % 7 == 0 else []
        cells = {
            f"field{field}": " ".join(
                feature if value in ("1", "1.", "1.0") else f"{feature}:{value}" for feature, value in tokens
            )
            for field, tokens in fields.items()
        }
        cells |= {f"value{field}": tokens[0][1] for field, tokens in fields.items() if len(tokens) == 1}
        table.append({"label": str(row), **cells})
    return lines, table


def test_lines_are_read_as_python_reads_them_in_chunks_of_any_size(tmp_path):
    lines, expected = drawn_lines(np.random.default_rng(0), 3000)
    (tmp_path / "rows.ffm").write_text("\n".join(lines) + "\n")
    for chunk_bytes in (1 << 16, 1 << 23):
        source = SparseTextSource((tmp_path / "rows.ffm",), "libffm", num_fields=5, chunk_bytes=chunk_bytes)
        frame, parts = rows_of(source)
        assert (len(parts) > 1) == (chunk_bytes == 1 << 16)
        assert [{name: cell for name, cell in row.items() if cell is not None} for row in frame.to_dicts()] == expected
        numbers = np.concatenate([part.row_numbers for part in parts])
        assert [int(lines[number - 1].split()[0]) for number in numbers] == list(range(3000))


def test_other_text_is_refused(tmp_path):
    (tmp_path / "rows.ffm").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="rows.ffm is not libffm text: expected `label field:feature:value"):
        SparseTextSource((tmp_path / "rows.ffm",), "libffm").columns()


def test_a_libffm_file_is_prepared_as_a_table_is(tmp_path):
    lines = [f"{row % 2} 0:{row % 5}:1 1:0:0.{row % 10} 2:{row % 3}:1 2:7:0.5" for row in range(200)]
    (tmp_path / "rows.ffm").write_text("\n".join(lines))
    tags = {"name": "field2", "kind": "multivalued", "separator": " ", "weight_separator": ":"}
    fields = ["field0", {"name": "value1", "kind": "numerical"}, tags]
    (tmp_path / "schema.json").write_text(json.dumps({"label": "label", "fields": fields}))
    prepare_own_table(tmp_path / "rows", "rows", tmp_path / "rows.ffm", tmp_path / "schema.json")
    data = load(tmp_path / "rows")
    assert sum(data.num_rows.values()) == 200
    assert [field.vocabulary_size for field in data.schema.fields] == [5, 1, 4]
    features, labels = data.arrays("train")
    np.testing.assert_array_equal(features["values"][:, 2:], np.float32([[2 / 3, 1 / 3]] * len(labels)))


@pytest.mark.parametrize("number", [10_000, 10**9, 10**30])
def test_a_field_number_that_is_too_large_is_named(tmp_path, number):
    (tmp_path / "rows.ffm").write_text(f"1 0:12:1\n0 1:3:1 {number}:5:1\n")
    with pytest.raises(ValueError, match=rf"rows.ffm, row 2: the field number {number} is too large. .* at most 9,999"):
        SparseTextSource((tmp_path / "rows.ffm",), "libffm").columns()
    *_, rows = rows_of(SparseTextSource((tmp_path / "rows.ffm",), "libffm", num_fields=2))[1]
    assert rows.bad == [(2, f"'{number}:5:1' has a field above 1, the last one in the first rows")]
