"""The page of claims: its links lead somewhere, its tables are whole, and those between marks follow from results."""

import pathlib
import re

import pytest

from ctrzoo.experiments.claims.page import PARTS, heads_and_layers_lines, main, updated

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
    assert len(tables) == 15
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
        assert all(line.split("|")[-2].strip() for line in table.splitlines()), "each claim has a result"


def test_measured_tables_are_those_of_the_results():
    """If results changed, run `python -m ctrzoo.experiments.claims.page`."""
    assert updated(PAGE) == PAGE


def test_heads_and_layers_by_hand(tmp_path):
    """Differences of 0.01, 0.02 and 0.03: t = 12 ** 0.5 with 2 degrees of freedom, p = 1 - t / sqrt(2 + t ** 2)."""
    (tmp_path / "heads_and_layers").mkdir()
    scores = {"graphfm": (0.80, 0.81, 0.82), "1 head": (0.81, 0.83, 0.85), "4 layers": (0.79, "", "")}
    lines = ["label,seed,state,test_auc"]
    for label, values in scores.items():
        lines += [f"{label},{seed},{'finished' if value else 'open'},{value}" for seed, value in enumerate(values)]
    (tmp_path / "heads_and_layers" / "results.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    p = 1 - 12**0.5 / 14**0.5
    assert heads_and_layers_lines(tmp_path)[2:] == [
        "| 2 heads, 3 layers (the paper's) | 3 | 0.8100 ± 0.0100 |  |  | the default |",
        f"| 1 head | 3 | 0.8300 ± 0.0200 | +0.0200 | {p:.2g} | within noise |",
        "| 4 layers | 1 | 0.7900 |  |  | too few seeds |",
    ]


def test_only_the_text_between_marks_changes(tmp_path, capsys):
    (tmp_path / "heads_and_layers").mkdir()
    text = "label,seed,state,test_auc\ngraphfm,1,finished,0.8\n"
    (tmp_path / "heads_and_layers" / "results.csv").write_text(text, encoding="utf-8")
    marks = [f"<!-- begin: {name} -->\nold\n<!-- end -->" for name in PARTS]
    (tmp_path / "claims.md").write_text("\n\n".join(["before", *marks, "after"]), encoding="utf-8")
    main([f"--results={tmp_path}"])
    page = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "old" not in page and page.startswith("before\n") and page.endswith("<!-- end -->\n\nafter")
    assert "| 2 heads, 3 layers (the paper's) | 1 | 0.8000 |" in page
    main([f"--results={tmp_path}"])
    assert "nothing changed" in capsys.readouterr().out.splitlines()[-1]
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") == page
    with pytest.raises(ValueError, match="must have the marks '<!-- begin: heads and layers -->'"):
        updated("no marks", tmp_path)
