"""The parts of the page of claims that follow from results of sweeps, written anew when there are more of them.

Command: `python -m ctrzoo.experiments.claims.page`

The page, `experiments/results/claims.md`, is written by hand, but for the tables between marks. These are the article's
order of models, from the `next_movie.csv` of each folder `next_movie*`, and GraphFM's heads and layers, from
`heads_and_layers/results.csv`. Run the command after copying results of new runs into these folders.
"""

from __future__ import annotations

import argparse
import csv
import pathlib
import re
import statistics
from collections.abc import Sequence

from scipy.stats import ttest_ind_from_stats, ttest_rel

from ctrzoo.files import write_text

from ..cli import one_line_failures
from ..next_movie.report import PRINTED, SPLITS_BY
from ..sweeps.order import SIGNIFICANCE
from .markdown import table_lines

RESULTS = pathlib.Path(__file__).parents[1] / "results"
NAMES = {"afm": "AFM", "ffm": "FFM", "deepfm": "DeepFM", "dlrm (concat)": "the simplified DLRM", "fm": "FM"}
NAMES |= {"wide_deep": "Wide&Deep", "nfm": "NFM"}
FAR = ("ffm", "deepfm")  # the article writes >> instead of >
Ranks = dict[str, tuple[float, float, int]]  # mean rank, its deviation, and seeds


def order_lines(results: pathlib.Path = RESULTS) -> list[str]:
    """Return the table that tests each step of the article's order, for each division of the queries."""
    found: dict[str, Ranks] = {}
    for path in sorted(results.glob("next_movie*/next_movie.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["model"] in PRINTED:
                    numbers = float(row["mean rank"]), float(row["mean rank deviation"] or 0), int(float(row["seeds"]))
                    found.setdefault(row["split_by"], {})[row["model"]] = numbers
    rows = []
    for split_by in (name for name in SPLITS_BY if name in found):
        ranks = found[split_by]
        missing = [label for label in PRINTED if label not in ranks]
        if missing:
            rows.append(_row(split_by, "the order", f"without runs: {', '.join(missing)}", "not tested"))
            continue
        first, last = PRINTED[0], PRINTED[-1]
        rows.append(_end(split_by, ranks, first, min(ranks, key=lambda label: ranks[label][0]), "lowest"))
        for better, worse in zip(PRINTED, PRINTED[1:], strict=False):
            far = "far " if (better, worse) == FAR else ""
            claim = f"{_name(better)} is {far}ahead of {NAMES[worse]}"
            rows.append(_row(split_by, claim, *_compared(ranks, better, worse)))
        rows.append(_end(split_by, ranks, last, max(ranks, key=lambda label: ranks[label][0]), "highest"))
    return table_lines(rows) if rows else ["No runs."]


def _name(label):
    return NAMES[label][0].upper() + NAMES[label][1:]


def _row(split_by, claim, evidence, result):
    return {"claim": claim, "test queries": SPLITS_BY[split_by].lower(), "mean ranks": evidence, "result": result}


def _end(split_by, ranks, printed, ours, end):
    """Return the row of the claim that a model has the lowest or the highest mean rank."""
    claim = f"{_name(printed)} has the {end} mean rank"
    if printed == ours:
        others = sorted((label for label in ranks if label != ours), key=lambda label: ranks[label][0])
        other = others[0 if end == "lowest" else -1]
        better, worse = (printed, other) if end == "lowest" else (other, printed)
        return _row(split_by, claim, *_compared(ranks, better, worse))
    better, worse = (printed, ours) if end == "lowest" else (ours, printed)
    evidence, result = _compared(ranks, better, worse)
    return _row(split_by, claim, evidence, "does not hold" if result == "the other way" else result)


def _compared(ranks, better, worse):
    """Return the mean ranks of two models in words, and whether the first is lower beyond noise."""
    words = [f"{label} {_spread(*ranks[label])}" for label in (better, worse)]
    samples = [ranks[label] for label in (better, worse)]
    if min(seeds for *_, seeds in samples) < 2:
        return f"{words[0]}, {words[1]}", "too few seeds"
    if not any(deviation for _, deviation, _ in samples):  # the test divides by deviations
        p = float(samples[0][0] == samples[1][0])
    else:
        p = float(ttest_ind_from_stats(*samples[0], *samples[1], equal_var=False).pvalue)
    lower = samples[0][0] < samples[1][0]
    result = "within noise" if p >= SIGNIFICANCE else "holds" if lower else "the other way"
    return f"{words[0]}, {words[1]}; p = {p:.2g}", result


def _spread(mean, deviation, seeds):
    return f"{mean:.1f} ± {deviation:.1f}" if seeds > 1 else f"{mean:.1f}"


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


PARTS = {"order of the article": order_lines, "heads and layers": heads_and_layers_lines}


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
