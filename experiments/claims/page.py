"""The parts of the page of claims that follow from results of sweeps, written anew when there are more of them.

Command: `python -m ctrzoo.experiments.claims.page`

The page, `experiments/results/claims.md`, is written by hand, but for the tables between marks. These are the article's
order and pairs of models (`article.py`), and GraphFM's heads and layers, from `heads_and_layers/results.csv`. Run the
command after copying results of new runs into the folders of results.
"""

from __future__ import annotations

import argparse
import csv
import pathlib
import re
import statistics
from collections.abc import Sequence

from scipy.stats import ttest_rel

from ctrzoo.files import write_text

from ..cli import one_line_failures
from ..sweeps.order import SIGNIFICANCE
from .article import order_lines, pair_lines
from .markdown import table_lines

RESULTS = pathlib.Path(__file__).parents[1] / "results"


def heads_and_layers_lines(results: pathlib.Path = RESULTS) -> list[str]:
    """Return the table of test AUCs by heads and layers, each with p of the t-test against the default, by seed."""
    with open(results / "heads_and_layers" / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = list(dict.fromkeys(row["label"] for row in rows))
    scores = {
        label: {
            row["seed"]: float(row["test_auc"]) for row in rows if row["label"] == label and row["state"] == "finished"
        }
        for label in labels
    }
    default, lines = scores["graphfm"], []
    for label in labels:
        values, common = list(scores[label].values()), sorted(set(scores[label]) & set(default))
        cells = {"GraphFM": "2 heads, 3 layers (the paper's)" if label == "graphfm" else label, "seeds": len(values)}
        deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        cells["test AUC"] = f"{statistics.fmean(values):.4f}{deviation}" if values else ""
        if label == "graphfm":
            cells |= {"difference": "", "p": "", "result": "the default"}
        elif len(common) < 2:
            cells |= {"difference": "", "p": "", "result": "too few seeds" if common else "not tested"}
        else:
            ours, theirs = ([found[seed] for seed in common] for found in (scores[label], default))
            difference, p = statistics.fmean(ours) - statistics.fmean(theirs), float(ttest_rel(ours, theirs).pvalue)
            result = "within noise" if not p < SIGNIFICANCE else "better" if difference > 0 else "worse"
            cells |= {"difference": f"{difference:+.4f}", "p": f"{p:.2g}", "result": result}
        lines.append(cells)
    return table_lines(lines)


PARTS = {
    "heads and layers": heads_and_layers_lines,
    "order of the article": order_lines,
    "pairs of the article": pair_lines,
}


def updated(page: str, results: pathlib.Path = RESULTS) -> str:
    """Return the page with the tables between its marks written anew.

    Args:
        page: The page, with lines `<!-- begin: order of the article -->` and `<!-- end -->`, and so on.
        results: The folder of results.

    Raises:
        ValueError: If the marks of a part are not there exactly once.
    """
    for name, lines in PARTS.items():
        table = "\n".join(lines(results))
        mark = rf"(<!-- begin: {re.escape(name)} -->\n).*?(<!-- end -->)"
        page, count = re.subn(mark, lambda found, table=table: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"The page must have the marks '<!-- begin: {name} -->' and '<!-- end -->' once.")
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the measured tables of the page anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS, help="The folder of claims.md and results.")
    options = parser.parse_args(arguments)
    with one_line_failures("page", "Interrupted."):
        path = options.results / "claims.md"
        before = path.read_text(encoding="utf-8")
        after = updated(before, options.results)
        write_text(path, after)
        print(f"{path}: {'nothing changed' if after == before else 'tables written anew'}")


if __name__ == "__main__":
    main()
