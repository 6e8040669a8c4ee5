"""The page of a prepared folder, read back by a parser and compared with what pandas counts in the table."""

import json
import pathlib
import shutil

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.preparation import report_page
from ctrzoo.data_pipelines.preparation.report_page import write_page
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.parsed_page import ParsedPage

VERSION_0_1 = pathlib.Path(__file__).parents[2] / "version_0_1" / "clicks"
EVIL, HEBREW, LONG = "<script>alert(1)</script>", "\u05d0\u05d1", "x" * 500
SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "site & co", "column": "site", "min_count": 10, "type": "text"},
        {"name": "price", "kind": "numerical"},
        {"name": "tags", "kind": "multivalued", "max_values": 2},
        {"name": "hashed", "column": "site", "hash_buckets": 7},
    ],
    "split": {"column": "fold"},
}


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(1)
    names = [EVIL, HEBREW, LONG, *(f"s{number}" for number in range(30))]
    shares = np.array([0.3, 0.2, 0.1, *[0.4 / 30] * 30])
    rows = 2000
    frame = pd.DataFrame(
        {"click": (random.random(rows) < 0.3).astype(int), "site": random.choice(names, rows, p=shares)}
    )
    frame["price"] = np.where(random.random(rows) < 0.25, np.nan, random.lognormal(2, 1, rows).round(2))
    frame["tags"] = ["|".join(random.choice(list("abcd"), number)) for number in random.integers(0, 4, rows)]
    frame["fold"] = random.choice(["train", "valid", "test"], rows, p=[0.6, 0.2, 0.2])
    frame.loc[random.random(rows) < 0.1, "site"] = None
    return frame


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    frame.to_csv(folder / "clicks.csv", index=False)
    prepare_own_table(folder / "clicks", "clicks", folder / "clicks.csv", SCHEMA)
    return folder / "clicks"


def page_of(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = ParsedPage(text)
    assert set(page.tags) <= set(
        "html head meta title style body h1 h2 h3 p ul li table thead tbody tr th td".split()
    ) | {*("a", "bdi", "span", "div", "svg", "rect", "text", "polyline")}
    assert all(link.startswith("#field-") for link in page.links) and "http" not in text and "url(" not in text
    return page


def records(table):
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def test_rows_and_labels_are_those_of_the_table(folder, frame):
    splits = records(page_of(folder).tables[0])
    for row in splits:
        labels = frame.loc[frame["fold"] == row["split"], "click"]
        assert (row["rows"], row["share"]) == (f"{len(labels):,}", f"{len(labels) / len(frame):.2%}")
        assert (row["positive"], row["share positive"]) == (f"{labels.sum():,}", f"{labels.mean():.2%}")
    assert [row["split"] for row in splits] == ["train", "valid", "test"]


def test_shares_of_cells_are_those_of_the_table(folder, frame):
    site, price, tags, hashed = records(page_of(folder).tables[1])
    counts = frame.loc[frame["fold"] == "train", "site"].value_counts()
    known = counts.index[counts >= 10]
    assert site["field"] == "site & co" and site["ids"] == f"{len(known) + 1:,}"
    assert site["missing"] == f"{frame['site'].isna().mean():.2%}"
    for split in ("train", "valid", "test"):
        sites = frame.loc[frame["fold"] == split, "site"]
        assert site[f"unknown, {split}"] == f"{(sites.notna() & ~sites.isin(known)).mean():.2%}"
    assert (price["kind"], price["missing"]) == ("numerical", f"{frame['price'].isna().mean():.2%}")
    cut = frame["tags"].map(lambda cell: max(len(cell.split("|")) - 2, 0)).sum()
    assert (tags["cut"], hashed["cut"]) == (f"{cut:,}", "")
    assert hashed["ids"] == "7"


def test_frequent_values_are_those_of_the_table_and_cannot_run(folder, frame):
    page = page_of(folder)
    values = next(table for table in page.tables if table[0][0] == "most frequent")
    counts = frame.loc[frame["fold"] == "train", "site"].value_counts()
    counts = counts[counts >= 10]
    for name, row in zip((EVIL, HEBREW, f"{LONG[:59]}…"), records(values)[:3], strict=True):
        number = counts[LONG if "…" in name else name]
        assert (row["most frequent"], row["count"]) == (name, f"{number:,}")
        assert row["share"] == f"{number / counts.sum():.2%}"
    cumulated = counts.sort_values(ascending=False).cumsum()
    needed = [int((cumulated < share * counts.sum()).sum()) + 1 for share in (0.5, 0.9, 0.99)]
    said = "Of {:,} values, {:,} make up 50%, {:,} make up 90%, {:,} make up 99%.".format(len(counts), *needed)
    assert len(counts) > 10 and sum(said in text for text in page.texts) == 1


def test_numbers_are_those_of_the_table(folder, frame):
    table = next(table for table in page_of(folder).tables if "lowest" in table[0])
    for row in records(table):
        prices = frame.loc[frame["fold"] == row["split"], "price"]
        assert row["missing"] == f"{prices.isna().mean():.2%}"
        expected = np.nanquantile(prices, [0, 0.05, 0.5, 1], method="inverted_cdf")
        found = [row[key] for key in ("lowest", "5% below", "median", "highest")]
        assert found == [f"{number:,.6g}" for number in expected]


def test_warnings_come_first_and_bad_rows_are_among_them(tmp_path):
    rows = [f"{int(row % 3 == 0 and row < 900)},{'ab'[row % 2]}" for row in range(1000)] + ["1"]
    (tmp_path / "odd.csv").write_text("\n".join(["click,site", *rows]))
    schema = {"label": "click", "fields": ["site"], "split": {"train": 0.5, "valid": 0.5, "test": 0}}
    prepare_own_table(tmp_path / "odd", "odd", tmp_path / "odd.csv", schema, bad_rows="skip")
    data = load(tmp_path / "odd")
    data.num_positives["valid"] = 0
    text = report_page.page_of_data(data, json.loads((tmp_path / "odd" / "report.json").read_text()), data.encoding)
    texts = ParsedPage(text).texts
    assert texts.index("Warnings") < texts.index("Rows")
    assert any("1 row could not be used and was skipped. The first: " in said for said in texts)
    assert "All labels of the split 'valid' are 0, so that AUC is not defined there." in texts


def test_a_page_can_be_written_again_and_the_folder_stays_whole(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    before = (folder / "report.html").read_bytes()
    (tmp_path / "copy" / "report.html").write_text("edited")
    assert load(tmp_path / "copy").num_rows == load(folder).num_rows
    assert write_page(tmp_path / "copy").read_bytes() == before
    (tmp_path / "copy" / "report.html").unlink()
    assert write_page(tmp_path / "copy").read_bytes() == before


def test_folders_of_version_0_1_and_synthetic_data_show_what_they_know(tmp_path):
    shutil.copytree(VERSION_0_1, tmp_path / "old")
    write_page(tmp_path / "old")
    page = page_of(tmp_path / "old")
    assert [row[1] for row in page.tables[0][1:]] == ["257", "32", "31"]
    said = "This folder has no counts of missing, rare and unseen values."
    assert said in page.texts and len(page.tables) > 2  # and frequent values
    synthetic = prepare("synthetic", tmp_path, num_rows=500)
    write_page(synthetic)
    page = page_of(synthetic)
    assert said in page.texts and len(page.tables) == 2


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no preparation.json, so it is not a prepared data set"):
        write_page(tmp_path)
    shutil.copytree(VERSION_0_1, tmp_path / "old")
    (tmp_path / "old" / "report.json").write_text("[")
    with pytest.raises(ValueError, match="report.json is damaged. Delete it to write a page without it"):
        write_page(tmp_path / "old")


def test_of_many_fields_the_first_are_shown_one_by_one(folder, monkeypatch):
    monkeypatch.setattr(report_page, "MOST_FIELDS", 2)
    data = load(folder)
    report = json.loads((folder / "report.json").read_text())
    page = ParsedPage(report_page.page_of_data(data, report, data.encoding))
    assert page.tags.count("h3") == 2 and page.links == ["#field-0", "#field-1"]
    assert "Only the first 2 of 4 fields are shown one by one." in page.texts
