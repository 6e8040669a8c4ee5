"""Where text tables are cut into chunks, and headers that are none."""

import dataclasses

import pytest

from ctrzoo.data_pipelines.preparation.table import KEYS
from ctrzoo.data_pipelines.raw import sources
from ctrzoo.data_pipelines.raw.delimited import Format, header_of, parse
from ctrzoo.data_pipelines.raw.sources import TextSource


@pytest.mark.parametrize(
    ("whole", "rest"),
    [
        (b"1,a\n2,b\n", b"3,c"),
        (b'1,"a\nb"\n', b'2,"c\nd'),  # a line end within quotes
        (b'1,27" monitor\n2,b\n', b"3,c"),  # an inch mark opens nothing
        (b'1,27" monitor\n', b'2,"c\n3,d'),  # nor does it close what another quote opens
        (b'"a ""b"" c",1\n', b'"d,""\ne'),  # doubled quotes are letters
        (b"", b'"a\nb\nc'),
    ],
)
@pytest.mark.parametrize("separator", [",", "|"])
def test_chunks_end_at_the_end_of_a_row(whole, rest, separator):
    whole, rest = (text.replace(b",", separator.encode()) for text in (whole, rest))
    assert Format(separator).last_line_end(whole + rest) == len(whole)


def test_a_stray_quote_does_not_stop_the_reading(tmp_path):
    lines = [f"{number % 2},27 inch,{number}\n" for number in range(20_000)]
    lines[0] = '0,27" monitor,0\n'
    (tmp_path / "clicks.csv").write_text("click,title,price\n" + "".join(lines))
    source = TextSource((str(tmp_path / "clicks.csv"),), chunk_bytes=1 << 16)
    chunks = [chunk.parse({"title": False, "price": True}) for chunk in source.chunks([])]
    assert len(chunks) > 2
    titles = [title for rows in chunks for title in rows.table["title"].to_pylist()]
    assert titles == ['27" monitor'] + ["27 inch"] * 19_999


def test_a_cell_that_never_ends_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST_ROW", 1 << 16)
    (tmp_path / "clicks.csv").write_text("click,title\n1,a\n" + '1,"27 inch\n' + "0,b\n" * 50_000)
    source = TextSource((str(tmp_path / "clicks.csv"),), chunk_bytes=1 << 16)
    with pytest.raises(ValueError, match="clicks.csv, row 3: the row does not end within .* `quote: null`"):
        list(source.chunks([]))


def test_every_option_is_a_key_of_a_schema_file_and_holds_for_header_and_rows():
    options = {"separator": ";", "columns": None, "quote": "'", "missing": ("NULL",)}
    assert set(options) == set(Format.keys()) <= set(KEYS)
    format = Format.from_schema({**options, "label": "click"}, ",")
    assert dataclasses.asdict(format) == options
    assert format.split_line("click;'a;b'") == ["click", "a;b"]
    table, _, bad = parse(b"1;'a;b'\n0;NULL\n", ["click", "site"], {"click": True, "site": False}, format, 2)
    assert table.to_pydict() == {"click": [1.0, 0.0], "site": ["a;b", None]} and bad == []


@pytest.mark.parametrize(("separator", "quote"), [(",", '"'), ("\t", None)])
def test_quotes_are_text_between_tabs_by_default(separator, quote):
    assert Format.from_schema({}, separator).quote == quote
    assert Format.from_schema({"quote": "'"}, separator).quote == "'"


def test_a_header_that_is_no_line_of_a_table():
    with pytest.raises(ValueError, match="clicks.csv, row 1: the header is not a line"):
        header_of("clicks.csv", b"click,title\r1,a\r", Format())


@pytest.mark.parametrize(
    ("missing", "expected"), [("NULL", ("NULL",)), (None, ()), ((), ()), (["NULL", "-1"], ("NULL", "-1"))]
)
def test_a_text_is_one_missing_cell_and_not_its_letters(missing, expected):
    assert Format(missing=missing).missing == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"missing": [None]}, r'`missing` must be texts, in quotes: missing: \["NULL"\]. Received: \[None\]'),
        ({"missing": [-1, "NA"]}, r'in quotes: missing: \["-1", "NA"\]'),
        ({"missing": -1}, r'in quotes: missing: \["-1"\]. Received: -1'),
        ({"columns": "y,a"}, r"`columns` must be a list of names, such as \[label, site\]. Received: 'y,a'"),
        ({"columns": ["y", 1]}, r'`columns` must be texts, in quotes: columns: \["y", "1"\]'),
        ({"columns": ["y", "a", "y"]}, "`columns` names these columns more than once: y"),
    ],
)
def test_missing_cells_and_names_are_texts(arguments, message):
    with pytest.raises(ValueError, match=message):
        Format(**arguments)
