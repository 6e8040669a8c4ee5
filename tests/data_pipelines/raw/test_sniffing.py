"""The format of a text table, guessed from its first lines."""

import pytest

from ctrzoo.data_pipelines.raw.delimited import Format
from ctrzoo.data_pipelines.raw.sniffing import sniff_format


@pytest.mark.parametrize(
    ("text", "usual", "expected"),
    [
        ("a,b\n1,x\n2,y\n", ",", Format(",")),
        ("a;b\n1,5;x\n2,5;y\n", ",", Format(";")),
        ("a\tb\n1\tx\n", ",", Format("\t", quote=None)),
        ("a|b\n1|x\n", ",", Format("|")),
        ("a,b\n1,x\n", "\t", Format(",")),
        ('a\tb\n1\t"x\ty"\n2\tz\n', "\t", Format("\t", quote='"')),
        ('a,b\n1,"x,y"\n2,"u\nv"\n', ",", Format(",")),
        ("a\n1\n2\n", ",", Format(",")),  # one column
        ("a,b;c\n1,x;y\n2,u;v\n", ",", Format(",")),  # the usual one wins
        ("0,a,1.5\n1,b,\n0,c,2\n", ",", Format(",", columns=("column1", "column2", "column3"))),
        ("0,1,click\n5,6,1\n7,8,0\n", ",", Format(",")),  # the names of pandas
        ("0,1\n5,6\n", ",", Format(",")),
        ("", ",", Format(",")),
    ],
)
def test_formats(text, usual, expected):
    assert sniff_format(text.encode(), usual) == expected


def test_a_known_separator_is_taken():
    assert sniff_format(b"a,b;c\n1,x;y\n", ",", ";").separator == ";"


def test_a_few_odd_lines_do_not_matter():
    content = b"a;b\n" + b"1;2\n" * 50 + b"1;2;3\n" + b"1;2\n" * 50
    assert sniff_format(content, ",").separator == ";"
