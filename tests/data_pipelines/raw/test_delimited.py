"""Where text tables are cut into chunks, and headers that are none."""

import dataclasses

import pytest

from ctrzoo.data_pipelines.preparation.table import KEYS
from ctrzoo.data_pipelines.raw.delimited import Format, header_of, parse
from tests.data_pipelines.clicks_table import ROWS, SCHEMA, TEXT


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


TABBED = "click\tsite\n" + '1\t"half\n0\twhole\n' * 20


@pytest.mark.parametrize(("suffix", "options"), [(".tsv", {}), (".txt", {}), (".csv", {"separator": "\t"})])
def test_a_quote_between_tabs_is_text_and_swallows_no_line(prepared, suffix, options):
    data, report = prepared(TABBED, {"label": "click", "fields": ["site"], **options}, suffix=suffix)
    assert (report["rows"], report["bad_rows"]) == (40, 0)
    assert data.encoding.fields[0].values.to_list() == ['"half', "whole"]


@pytest.mark.parametrize(
    ("suffix", "separator", "options"),
    [(".csv", ",", {}), (".txt", ",", {"separator": ","}), (".tsv", "\t", {"quote": '"'})],
)
def test_quotes_hold_a_separator_elsewhere_or_if_the_schema_says_so(prepared, suffix, separator, options):
    lines = [f'{row % 2}{separator}"Rome{separator}""Italy"""\n' for row in range(40)]
    content = f"click{separator}site\n" + "".join(lines)
    data, _ = prepared(content, {"label": "click", "fields": ["site"], **options}, suffix=suffix)
    assert data.encoding.fields[0].values.to_list() == [f'Rome{separator}"Italy"']


def test_a_table_without_its_header_says_so_in_its_first_row(prepared):
    columns = ["click", "site", "price", "tags"]
    with pytest.raises(ValueError, match=r"row 1: the label .* not 'click' \(a header in the wrong place\?\)"):
        prepared(TEXT, {**SCHEMA, "columns": columns})
    data, _ = prepared("".join(ROWS), {**SCHEMA, "columns": columns})
    assert sum(data.num_rows.values()) == 100


@pytest.mark.parametrize("row", ['1,"a\nb",c', '1,"a\nb","c\nd"', '"1","a\r\nb","c"', '1,"a""\n""b",c'])
def test_lines_are_cut_at_no_line_end_within_quotes(row):
    """However many bytes of the last row were read, only the rows before it are complete."""
    before = b'0,"x\ny",z\n'
    for length in range(len(row) + 1):
        assert Format().last_line_end(before + row[:length].encode()) == len(before)
    assert Format().last_line_end(before + row.encode() + b"\n") == len(before) + len(row) + 1


def test_a_last_row_of_several_lines_needs_no_line_end(prepared):
    content = "click,site\n" + '0,"a\nb"\n1,c\n' * 30 + '1,"d\ne"'
    data, report = prepared(content, {"label": "click", "fields": ["site"], "fit_on": "all"})
    assert report["rows"] == 61 and data.encoding.fields[0].values.to_list() == ["a\nb", "c", "d\ne"]


def test_a_byte_order_mark_in_a_cell_is_a_part_of_it():
    mark = "\ufeff"
    for first, expected in ((1, "a"), (2, mark + "a")):
        table, _, _ = parse(f"{mark}a,b\n".encode(), ["c", "d"], {"c": False}, Format(), first)
        assert table["c"].to_pylist() == [expected]


def test_a_row_of_another_width_need_not_be_text():
    content = b"a,b\n\xff,b,c\n\xff,e\n\xc3\xa9,y\n"
    table, numbers, bad = parse(content, ["c", "d"], {"c": False, "d": False}, Format(), 5)
    assert table.to_pylist() == [{"c": "a", "d": "b"}, {"c": "é", "d": "y"}] and numbers.tolist() == [5, 8]
    assert bad == [(6, "3 columns, expected 2"), (7, "column 'c' is not UTF-8 text")]


def test_carriage_returns_end_lines_although_a_cell_holds_a_line_end():
    content = b'1,"a\nb"\r"2","c\r\nd"\r3,e\r'
    table, _, bad = parse(content, ["c", "d"], {"c": False, "d": False}, Format(), 1)
    assert bad == [] and table["d"].to_pylist() == ["a\nb", "c\r\nd", "e"] and table["c"].to_pylist() == [*"123"]


def test_a_header_with_an_open_quote_is_refused():
    """Python's csv module takes the lines that follow as a part of the name."""
    with pytest.raises(ValueError, match="t.csv, row 1: a quote in the header is never closed"):
        header_of("t.csv", b'click,"site\n', Format())
    assert header_of("t.csv", b'click,"si""te",3"\n', Format()) == ["click", 'si"te', '3"']
