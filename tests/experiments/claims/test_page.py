"""The page of claims: its links lead somewhere, and its tables are whole."""

import pathlib
import re

RESULTS = pathlib.Path(__file__).resolve().parents[3] / "experiments" / "results"
PAGE = (RESULTS / "claims.md").read_text(encoding="utf-8")


def anchors(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_to_files_and_headings():
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) >= 10
    for link in links:
        filename, _, anchor = link.partition("#")
        assert (RESULTS / filename).is_file(), link
        assert not anchor or anchor in anchors(RESULTS / filename), link


def test_rows_have_as_many_cells_as_their_titles():
    tables = re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
        assert all(line.split("|")[-2].strip() for line in table.splitlines()), "each claim has a result"
