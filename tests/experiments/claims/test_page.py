"""The page of claims: its links lead somewhere, its tables are whole, and those between marks follow from results."""

import pathlib
import re

import pytest

from ctrzoo.experiments.claims.page import heads_and_layers_lines, main, order_lines, updated

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
    assert len(tables) == 10
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
        assert all(line.split("|")[-2].strip() for line in table.splitlines()), "each claim has a result"


def test_measured_tables_are_those_of_the_results():
    """If results changed, run `python -m ctrzoo.experiments.claims.page`."""
    assert updated(PAGE) == PAGE


def write_ranks(results, folder, rows):
    (results / folder).mkdir()
    lines = ["split_by,model,seeds,mean rank,mean rank deviation", *rows]
    (results / folder / "next_movie.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_order_by_hand(tmp_path):
    """With 2 seeds each and deviations of 1, a difference d has t = d and 2 degrees of freedom, so that

    p = 1 - t / sqrt(2 + t ** 2): 0.42 for d = 1.
    """
    ranks = {"afm": 110, "ffm": 100, "deepfm": 111, "dlrm (concat)": 121, "wide_deep": 131, "nfm": 132, "fm": 142}
    write_ranks(tmp_path, "next_movie", [f"random,{label},2,{rank},1" for label, rank in ranks.items()])
    write_ranks(tmp_path, "next_movie_user", [f"user,{label},1,{rank}," for label, rank in ranks.items()])
    write_ranks(tmp_path, "next_movie_time", ["time,afm,2,110,1", "time,popularity,,300,"])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in order_lines(tmp_path)[2:]]
    p = 1 - 10 / 102**0.5
    assert rows[0][2:] == [f"afm 110.0 ± 1.0, ffm 100.0 ± 1.0; p = {p:.2g}", "does not hold"]
    assert [row[3] for row in rows[1:8]] == [
        "the other way", "holds", "holds", "holds", "within noise", "holds", "holds"
    ]  # fmt: skip
    assert rows[5][2].endswith("p = 0.42") and rows[7][0] == "FM has the highest mean rank"
    assert rows[8][1] == "the last fifth of each user's queries" and rows[8][3] == "not tested"
    assert rows[9][2:] == ["afm 110.0, ffm 100.0", "too few seeds"] and len(rows) == 8 + 1 + 8


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
    write_ranks(tmp_path, "next_movie", ["time,afm,2,110,1"])
    (tmp_path / "heads_and_layers").mkdir()
    text = "label,seed,state,test_auc\ngraphfm,1,finished,0.8\n"
    (tmp_path / "heads_and_layers" / "results.csv").write_text(text, encoding="utf-8")
    marks = [f"<!-- begin: {name} -->\nold\n<!-- end -->" for name in ("order of the article", "heads and layers")]
    (tmp_path / "claims.md").write_text("\n\n".join(["before", *marks, "after"]), encoding="utf-8")
    main([f"--results={tmp_path}"])
    page = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "old" not in page and page.startswith("before\n") and page.endswith("<!-- end -->\n\nafter")
    assert "| 2 heads, 3 layers (the paper's) | 1 | 0.8000 |" in page
    main([f"--results={tmp_path}"])
    assert "nothing changed" in capsys.readouterr().out.splitlines()[-1]
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") == page
    with pytest.raises(ValueError, match="must have the marks '<!-- begin: order of the article -->'"):
        updated("no marks", tmp_path)
