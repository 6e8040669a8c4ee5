"""What a schema says of histories, and how the cells of a log are read."""

import polars as pl
import pytest

from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.errors import RowError
from ctrzoo.data_pipelines.preparation.history import History, histories_from_schema

GIVEN = {"of": "item", "by": "user", "order": "at", "length": 3}


def read(history, **cells):
    return history.read({name: pl.Series(name, column) for name, column in cells.items()})


def test_events_are_rows_with_a_value_that_fit_the_condition():
    history = History.from_schema({**GIVEN, "with": ["kind"], "where": {"column": "stars", "is": [4, "five", True]}})
    frame, kind = read(
        history,
        item=["a", "", None, "d", "e", "f"],
        kind=["x", "y", None, "y", "y", None],
        user=["u", "u", "v", None, "v", "u"],
        at=["1", "2.5", "-0.0", "4", "1e1", "6"],
        stars=["4.0", "five", "4", "3", "true", None],
    )
    assert frame["is_event"].to_list() == [True, True, False, False, True, False]
    assert kind == "decimal" and frame["key"].to_list() == [1, 2.5, 0, 4, 10, 6]
    by = frame["by"].to_list()
    assert by[0] == by[1] == by[5] != by[2] == by[4] and by[3] is None
    assert frame["0"].to_list() == ["a", None, None, "d", "e", "f"]


@pytest.mark.parametrize(
    ("cells", "format", "kind", "expected"),
    [
        (["9007199254740993", "-2"], None, "integer", [9007199254740993, -2]),
        ([3, 1], None, "integer", [3, 1]),
        (["1970-01-01 00:00:01", "1970-01-02"], None, "time", [1_000_000, 86_400_000_000]),
        (["02.01.1970", "01.01.1970"], "%d.%m.%Y", "time", [86_400_000_000, 0]),
        (pl.Series([1, 0]).cast(pl.Datetime("ms")), None, "time", [1000, 0]),
    ],
)
def test_orders(cells, format, kind, expected):
    frame, found = read(History("item", "user", "at", 3, format=format), item=["a", "b"], user=[1, 1], at=cells)
    assert found == kind and frame["key"].to_list() == expected


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        (["1", "soon", "3"], [1]),
        ([1.0, None, float("nan")], [1, 2]),
        (["1", "2", "inf"], [2]),
        (["2024-01-01", "", ""], [1, 2]),
    ],
)
def test_rows_without_an_order_are_named(cells, wrong):
    with pytest.raises(RowError, match="the order 'at' of a history must be") as error:
        read(History("item", "user", "at", 3), item=list("abc"), user=[1, 1, 1], at=cells)
    assert list(error.value.rows) == wrong


def test_fields_share_the_ids_of_what_they_list():
    history = History("item", "user", "at", 3, name="seen", side=("kind", "price", "tags"))
    given = [
        FieldEncoding("thing", column="item", min_count=2, missing_texts=("-",)),
        FieldEncoding("kind", hash_buckets=5),
        FieldEncoding("price", "numerical"),
        FieldEncoding("tags", "multivalued"),
        FieldEncoding("own", "sequence", column="seen_tags"),
    ]
    item, kind, price = history.fields(given)
    assert (item.name, item.share, item.min_count, item.missing_texts) == ("seen", "thing", 2, ("-",))
    assert (kind.name, kind.share, kind.hash_buckets, kind.events) == ("seen_kind", "kind", 5, "seen")
    assert (price.name, price.share, price.events, price.max_values) == ("seen_price", None, "seen", 3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("item", "must be a mapping"),
        ({**GIVEN, "off": 1}, "Unknown key 'off'"),
        ({"of": "item", "by": "user", "length": 3}, "Missing: order"),
        ({**GIVEN, "length": 0}, "`length` of a history must be a whole number of at least 1. Received: 0"),
        ({**GIVEN, "of": 3}, "`of` of a history must be a text"),
        ({**GIVEN, "with": "kind"}, "`with` of a history must be a list"),
        ({**GIVEN, "with": ["item"]}, "must differ"),
        ({**GIVEN, "where": {"column": "stars"}}, "`where` of a history must be a column and its values"),
        ({**GIVEN, "where": {"column": "stars", "is": []}}, "`is` of a history's `where`"),
        ({**GIVEN, "format": "%Q"}, "format"),
        ([GIVEN, GIVEN], "two histories have the column 'history'"),
    ],
)
def test_wrong_schemas(config, message):
    with pytest.raises(ValueError, match="(?i)" + message.replace("(", r"\(")):
        histories_from_schema(config)
