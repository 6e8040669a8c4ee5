"""Rows as features: the columns that are read, the rows that are left out, the counts."""

import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.encoding.labels import Label
from ctrzoo.data_pipelines.encoding.roles import Roles, group_hashes
from ctrzoo.data_pipelines.encoding.unknown import Unknown
from ctrzoo.data_pipelines.raw.delimited import Format
from ctrzoo.data_pipelines.raw.libsvm import SparseTextSource
from ctrzoo.data_pipelines.raw.sources import ParquetSource, TextSource
from ctrzoo.experiments.scoring.rows import encoded_chunks, merged, needed_columns, table_to_score

ENCODING = TableEncoding(
    [
        FieldEncoding("site", values=["a", "b"]),
        FieldEncoding("price", "numerical"),
        FieldEncoding("cost", "numerical", column="price"),
        FieldEncoding("shown", column="price", values=["1"]),
    ],
    label="click",
)


def encode(source, ids=(), skip_bad=False):
    source = table_to_score(source, ENCODING, ids)
    return list(encoded_chunks(source, ENCODING, ids, skip_bad))


def test_labels_are_not_needed_and_a_column_that_one_field_reads_as_text_is_text():
    assert needed_columns(ENCODING, ["price", "key"]) == {"site": False, "price": False, "key": False}
    numbers = TableEncoding([FieldEncoding("price", "numerical")])
    assert needed_columns(numbers, []) == {"price": True}
    assert needed_columns(numbers, ["price"]) == {"price": False}


def test_places_count_bad_rows_but_not_empty_lines(tmp_path):
    (tmp_path / "t.csv").write_text("site,price,key\na,1,00\n\nb,x,01\nb,2\nc,3,02\n")
    (rows,) = encode(TextSource([tmp_path / "t.csv"]), ["key"], skip_bad=True)
    assert rows.ids["key"].to_pylist() == ["00", "02"]
    assert (rows.places.tolist(), rows.total) == ([0, 3], 4)
    assert rows.first_bad.endswith("t.csv, row 4: column 'price' must hold finite numbers, not 'x'")
    assert rows.features["ids"][:, 0].tolist() == [1, 0] and rows.share == 1
    with pytest.raises(ValueError, match="row 4: column 'price'.*. Correct the table or its schema"):
        encode(TextSource([tmp_path / "t.csv"]))


def test_texts_for_missing_cells_stay_in_ids_only(tmp_path):
    (tmp_path / "t.csv").write_text("site,price,key\na,1,NA\nNA,NA,01,7\nNA,NA,02\n")
    (rows,) = encode(TextSource([tmp_path / "t.csv"], Format(missing="NA")), ["key", "site"], skip_bad=True)
    assert rows.ids.to_pydict() == {"key": ["NA", "02"], "site": ["a", "NA"]}
    assert rows.features["values"].tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]


def test_the_first_line_tells_whether_it_is_a_header_and_the_label_is_there(tmp_path):
    form = Format(columns=("click", "site", "price"))
    for text, expected in (
        ("1,b,4\n0,a,5\n", [4, 5]),
        ("b,4\na,5\n", [4, 5]),
        ("price,site\n4,b\n5,a\n", [4, 5]),
        ("price,more,site\n4,x,b\n5,x,a\n", [4, 5]),
        ("site,click,price\nb,0,4\na,0,5\n", [4, 5]),
    ):
        (tmp_path / "t.csv").write_text(text)
        (rows,) = encode(TextSource([tmp_path / "t.csv"], form))
        assert rows.features["values"][:, 1].tolist() == expected
        assert rows.total == 2
    (tmp_path / "t.csv").write_text("1\n2\n")
    with pytest.raises(ValueError, match="row 1: 1 columns, expected 3"):
        encode(TextSource([tmp_path / "t.csv"], form))


def test_parquet_ids_keep_their_type(tmp_path):
    pl.DataFrame({"site": ["a", "z"], "price": [1, None], "key": [7, 8]}).write_parquet(tmp_path / "t.parquet")
    (rows,) = encode(ParquetSource([tmp_path / "t.parquet"]), ["key"])
    assert rows.ids["key"].to_pylist() == [7, 8]
    assert [(count.field, count.values, count.unknown) for count in rows.unknown] == [("site", 2, 1), ("shown", 1, 0)]


def test_lines_of_sparse_text_need_a_label(tmp_path):
    (tmp_path / "t.ffm").write_text("0 0:a:1\n0:b:1 1:c:1\n")
    encoding = TableEncoding([FieldEncoding("field0", values=["a", "b"])])
    source = table_to_score(SparseTextSource([tmp_path / "t.ffm"], "libffm", 2), encoding, [])
    with pytest.raises(ValueError, match="t.ffm, row 2: the line has no label, which libffm text begins with"):
        list(encoded_chunks(source, encoding, [], skip_bad=False))
    (rows,) = encoded_chunks(source, encoding, [], skip_bad=True)
    assert (rows.features["ids"].tolist(), rows.total) == ([[1]], 2)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("sites,price\na,1\n")
    with pytest.raises(ValueError, match="Unknown column 'site'. Did you mean 'sites'?"):
        encode(TextSource([tmp_path / "t.csv"]))


def test_counts_of_chunks_are_added_and_misfits_shown_first():
    parts = [
        [Unknown("a", 5, 1, 0, "new", "integer")],
        [Unknown("a", 3, 2, 1, "x", "integer"), Unknown("b", 1, 0, 0, "", "text")],
        [Unknown("a", 2, 1, 1, "y", "integer")],
    ]
    assert merged(parts) == [Unknown("a", 10, 4, 2, "x", "integer"), Unknown("b", 1, 0, 0, "", "text")]


def test_labels_weights_and_groups_are_read_by_the_rules_of_the_schema(tmp_path):
    roles = Roles(Label("click", positive="yes"), weight="cost", group="user")
    (tmp_path / "t.csv").write_text(
        "site,price,click,cost,user\na,1,yes,2,u1\nb,2,,1,u1\nb,3,no,0.5,u2\na,4,no,-1,u3\na,5,no,1,NA\n"
    )
    source = table_to_score(TextSource([tmp_path / "t.csv"], Format(missing="NA")), ENCODING, [], roles)
    (rows,) = encoded_chunks(source, ENCODING, [], True, roles)
    assert rows.columns["label"].tolist() == [1, 0] and rows.columns["weight"].tolist() == [2, 0.5]
    assert rows.columns["group"].tolist() == group_hashes(pl.Series(["u1", "u2"])).tolist()
    assert (rows.places.tolist(), rows.total) == ([0, 2], 5)
    assert "t.csv, row 3: the label 'click' must be" in rows.first_bad
    assert rows.label_values == ["yes", "no"]
    (rows,) = encoded_chunks(source, ENCODING, [], True)
    assert rows.columns == {} and rows.total == 5 and len(rows.places) == 5
    (tmp_path / "t.csv").write_text("site,price,clicked,cost,user\na,1,yes,2,u1\n")
    with pytest.raises(ValueError, match="Unknown column 'click'. Did you mean 'clicked'.*or --by, needs it"):
        table_to_score(TextSource([tmp_path / "t.csv"]), ENCODING, [], roles)
