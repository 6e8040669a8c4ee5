"""What a preparation found: shares of cells, rows left out, the tables and the picture."""

import io
import json
import time

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.preparation.report import draw_fields, tables_of, warnings_of, write_report
from ctrzoo.data_pipelines.storage.writing import Split

ENCODING = TableEncoding(
    [
        FieldEncoding("$site", min_count=2, values=["a", "b"]),
        FieldEncoding("tags", "multivalued", values=["x"], max_values=3),
        FieldEncoding("price", "numerical"),
        FieldEncoding("empty", "multivalued"),
    ]
)
SPLITS = {"train": Split(6, 2, {"a": 100, "b": 60}, [1, 1]), "test": Split(2, 1, {"c": 40}, [1])}
BAD = {"bad": 2, "first_bad": "clicks.csv, row 3: 1 columns, expected 4"}


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.setattr("ctrzoo.data_pipelines.preparation.report.draw_fields", draw_fields)
    chunks = [{"bad": 0, "first_bad": None}, BAD, {"bad": 1, "first_bad": "clicks.csv, row 9: the same"}]
    # Of train, valid and test: missing, rows, rare, unseen, values, values cut.
    none = [0, 0, 0, 0, 0, 0]
    counts = [
        [[2, 6, 0, 0, 6, 0], none, [0, 2, 1, 1, 2, 0]],
        [[2, 6, 2, 0, 9, 4], none, [0, 2, 1, 0, 3, 1]],
        [[0, 6, 0, 0, 6, 0], none, [0, 2, 0, 0, 2, 0]],
        [[6, 6, 0, 0, 0, 0], none, [2, 2, 0, 0, 0, 0]],
    ]
    report = write_report(
        tmp_path, "clicks", ENCODING, SPLITS, chunks, np.array(counts), {"read": 0.5}, time.monotonic() - 2
    )
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert (tmp_path / "fields.png").read_bytes().startswith(b"\x89PNG")
    return report


def test_numbers_by_hand(report):
    assert (report["rows"], report["positives"], report["num_ids"]) == (8, 3, 1 + 3 + 1 + 1 + 1)
    assert report["bytes_per_row"] == 200 / 8
    assert (report["bad_rows"], report["first_bad_row"]) == (3, BAD["first_bad"])
    assert 2 <= report["seconds"] < 60 and report["rows_per_second"] == 8 / report["seconds"]
    site, tags, price, empty = report["fields"]
    assert (site["vocabulary_size"], site["missing_share"], site["rare_share"], site["min_count"]) == (
        3,
        0.25,
        0.125,
        2,
    )
    # 3 of the 12 values in 8 cells are rare; no cell of the last field has a value, so that none is.
    assert (tags["num_slots"], tags["missing_share"], tags["rare_share"]) == (3, 2 / 8, 3 / 12)
    assert (empty["missing_share"], empty["rare_share"]) == (1, 0)
    assert site["splits"]["train"] == {"missing_share": 2 / 6, "rare_share": 0, "unseen_share": 0}
    assert site["splits"]["test"] == {"missing_share": 0, "rare_share": 0.5, "unseen_share": 0.5}
    assert list(tags["splits"]) == ["train", "test"]
    warning, cut = report["warnings"]
    assert tags["cut_values"] == 5 and cut.startswith(
        "Field 'tags': 5 values were cut, because their cells have more than 3"
    )
    assert warning.startswith("Field '$site': only 0.0% of the values in the split 'test' have an id of their own, ")
    assert "compared with 100.0% of the training values" in warning
    assert (price["kind"], price["vocabulary_size"], price["missing_share"]) == ("numerical", 1, 0)


def test_a_single_field_of_many_values_is_told(report):
    tags = {**report["fields"][1], "cut_values": 0}
    (warning,) = warnings_of([tags])
    assert warning.startswith("Field 'tags' is the only one, so models of interactions find no pairs of fields.")
    assert warnings_of([report["fields"][2]]) == []


def test_few_known_combinations_are_said_in_their_own_words():
    shares = {"missing_share": 0, "rare_share": 0, "unseen_share": 0}
    splits = {"train": shares, "test": {**shares, "unseen_share": 0.75}}
    field = {"name": "f", "kind": "categorical", "vocabulary_size": 9, "splits": splits}
    plain, cross = warnings_of([field]), warnings_of([{**field, "cross": ["a", "b"]}])
    said = "Field 'f': only 25.0% of the values in the split 'test' have an id of their own, compared with 100.0% of "
    assert plain == [f"{said}the training values. Check that both are written alike."]
    assert cross == [f"{said}the training values. A cross needs values that recur together."]


@pytest.mark.parametrize("bad_rows", [3, 0])
def test_tables_for_the_screen(report, bad_rows):
    console = Console(file=io.StringIO(), width=120)
    for table in tables_of({**report, "bad_rows": bad_rows}):
        console.print(table)
    text = console.file.getvalue()
    for words in (
        "clicks: 8 rows prepared",
        "train 6 (2 positive), test 2 (1 positive)",
        "3 (37.50%)",
        "0.0 / 100.0",
        "only 0.0%",
    ):
        assert words in text
    assert ("3; the first: clicks.csv, row 3" in text) == (bad_rows > 0)


@pytest.mark.parametrize("name", ["price [/kg]", "price [eur]", "[bold]", "price [/]"])
def test_square_brackets_are_shown_as_they_are(report, name):
    fields = [{**report["fields"][0], "name": name}]
    console = Console(file=io.StringIO(), width=160)
    for table in tables_of(
        {**report, "first_bad_row": f"clicks.csv, row 3: column '{name}' is wrong", "fields": fields}
    ):
        console.print(table)
    assert console.file.getvalue().count(name) == 2


def test_a_picture_of_many_fields_shows_the_most_telling(tmp_path, monkeypatch, report):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: (figures.append(figure), path.touch()))
    shares = [number / 1000 for number in range(1000)]
    fields = [
        {**report["fields"][0], "name": f"f{number}", "missing_share": share} for number, share in enumerate(shares)
    ]
    draw_fields({**report, "fields": fields}, tmp_path / "fields.png")
    draw_fields(report, tmp_path / "few.png")
    many, few = figures
    assert many.get_suptitle() == "clicks, 8 rows\nthe 60 of 1,000 fields with most missing or rare cells"
    assert few.get_suptitle() == "clicks, 8 rows"
    sizes, _ = many.axes
    assert [label.get_text() for label in sizes.get_yticklabels()] == [f"f{number}" for number in range(940, 1000)][
        ::-1
    ]
    (legend,) = many.legends
    many.draw_without_rendering()
    assert not any(legend.get_window_extent().overlaps(axes.get_window_extent()) for axes in many.axes)
