"""Sentences of GraphFM's section 5.2 about its Table 2, tested on the printed cells and on our runs.

Command: `python -m ctrzoo.experiments.claims.sentences --folder=experiments/results/claims`

A sentence is a set of pairs: each model on its one side is above each on its other side, by more than a margin. Every
pair is tested on every data set of the table, and on our seeds by Welch's t-test. "Order of the classes" is not a
sentence of the paper: it tests whether the classes, as the table lists them, ascend.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from ctrzoo.files import write_csv, write_text
from ctrzoo.types import Config

from ..cli import one_line_failures
from ..sweeps.order import SIGNIFICANCE
from .cells import BEST, RESULTS, TITLES, Cells, Runs, printed_cells, read_runs, welch
from .markdown import table_lines
from .table2 import gains

# The classes of the table: linear; pairs of fields; high order; aggregation, without GraphFM.
CLASSES = {
    "A": ("lr",),
    "B": ("fm", "afm"),
    "C": ("nfm", "hofm", "deep_crossing", "cross_net", "cin"),
    "D": ("autoint", "fignn", "interhat"),
}
OTHERS = CLASSES["A"] + CLASSES["B"] + CLASSES["C"]
AVERAGE = "average"
MOVIELENS = "movielens_1m"
HOLDS, NOISE, FAILS = "holds", "within noise", "does not hold"
SIGNS = {"auc": 1, "log_loss": -1}  # of an improvement


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence about pairs of rows of the table.

    Args:
        text: What it says.
        higher: Labels of the better models.
        lower: Labels of the worse models.
        margin: By how much more than this they differ.
        on_average: Whether it is about means over the three data sets, instead of each of them.
    """

    text: str
    higher: Sequence[str]
    lower: Sequence[str]
    margin: float = 0.0
    on_average: bool = False


SENTENCES = (
    Sentence("GraphFM is above every other model", (BEST,), OTHERS + CLASSES["D"]),
    Sentence("AutoInt, Fi-GNN and InterHAt (class D) are above classes A to C", CLASSES["D"], OTHERS),
    Sentence("Order of the classes: FM and AFM (B) are above LR (A)", CLASSES["B"], CLASSES["A"]),
    Sentence("Order of the classes: C is above LR (A)", CLASSES["C"], CLASSES["A"]),
    Sentence("Order of the classes: C is above FM and AFM (B)", CLASSES["C"], CLASSES["B"]),
    Sentence("GraphFM gains more than 0.01 on classes A to C", (BEST,), OTHERS, 0.01, on_average=True),
    Sentence("CrossNet and xDeepFM are above NFM and DeepCrossing", ("cross_net", "cin"), ("nfm", "deep_crossing")),
)


def printed_pairs(sentence: Sentence, tables: Mapping[str, Cells]) -> list[Config]:
    """Return a dictionary for each pair and metric of a sentence, and each data set: `improvement` and `verdict`.

    Args:
        sentence: The sentence.
        tables: The printed cells of each data set.
    """
    if sentence.on_average:
        tables = {AVERAGE: _average(tables)}
    rows = []
    for dataset, cells in tables.items():
        for metric, higher, lower in _pairs(sentence):
            improvement = SIGNS[metric] * (cells[higher][metric] - cells[lower][metric])
            # A difference of two cells of four decimals has four decimals.
            holds = round(improvement, 6) > sentence.margin
            row = {"sentence": sentence.text, "source": f"printed, {dataset}", "metric": metric, "higher": higher}
            row |= {"lower": lower, "improvement": improvement, "margin": sentence.margin, "p": None}
            rows.append({**row, "verdict": HOLDS if holds else FAILS})
    return rows


def our_pairs(sentence: Sentence, dataset: str, runs: Runs) -> list[Config]:
    """Return a dictionary for each pair and metric of a sentence, with `p` of Welch's t-test over our seeds.

    A pair holds, or does not hold, if the difference is above, or below, the margin with p < 0.05. A pair with fewer
    than two seeds of a model is left out.

    Args:
        sentence: The sentence.
        dataset: The data set of the runs.
        runs: The metrics of each label by seed.
    """
    rows = []
    for metric, higher, lower in _pairs(sentence):
        if higher not in runs or lower not in runs:
            continue
        first, second = ([SIGNS[metric] * number for number in runs[label][metric]] for label in (higher, lower))
        p = welch(first, second, sentence.margin)
        if p is None:
            continue
        improvement = statistics.fmean(first) - statistics.fmean(second)
        verdict = NOISE if p >= SIGNIFICANCE else HOLDS if improvement > sentence.margin else FAILS
        row = {"sentence": sentence.text, "source": f"ours, {dataset}", "metric": metric, "higher": higher}
        row |= {"lower": lower, "improvement": improvement, "margin": sentence.margin, "p": p}
        rows.append({**row, "verdict": verdict})
    return rows


def largest_gains(tables: Mapping[str, Cells]) -> dict[str, dict[str, str]]:
    """Return, by metric and label, the data set on which GraphFM's gain over the label is largest."""
    found: dict[str, dict[str, str]] = {}
    for metric, sign in SIGNS.items():
        best: dict[str, float] = {}
        named = found.setdefault(metric, {})
        for dataset, cells in tables.items():
            for label, numbers in gains(cells).items():
                if label not in best or sign * numbers[metric] > best[label]:
                    best[label], named[label] = sign * numbers[metric], dataset
    return found


def _pairs(sentence):
    return [(metric, higher, lower) for metric in SIGNS for higher in sentence.higher for lower in sentence.lower]


def _average(tables):
    labels = next(iter(tables.values()))
    return {
        label: {metric: statistics.fmean(cells[label][metric] for cells in tables.values()) for metric in SIGNS}
        for label in labels
    }


def markdown(rows: Sequence[Config], tables: Mapping[str, Cells], dataset: str) -> str:
    """Return the tests of all sentences as Markdown: counts, then each pair that does not hold."""
    lines = ["# Sentences about Table 2", ""]
    lines += [
        "A pair is one model on each side, on one data set. In our runs, a pair holds or does not hold if p < "
        f"{SIGNIFICANCE} in Welch's t-test over seeds, which is not corrected for the number of pairs.",
        "",
    ]
    summary = []
    for text in dict.fromkeys(row["sentence"] for row in rows):
        for metric, title in TITLES.items():
            chosen = [row for row in rows if (row["sentence"], row["metric"]) == (text, metric)]
            printed, ours = ([row for row in chosen if row["source"].startswith(of)] for of in ("printed", "ours"))
            cells = {"sentence": text, "metric": title, "printed pairs that hold": _share(printed)}
            number = {verdict: sum(row["verdict"] == verdict for row in ours) for verdict in (HOLDS, NOISE, FAILS)}
            counts = f"{number[HOLDS]} hold, {number[NOISE]} within noise, {number[FAILS]} do not"
            summary.append({**cells, f"our pairs on {dataset}": counts if ours else "not run"})
    lines += [*table_lines(summary), "", "## Pairs that do not hold, or not beyond noise", ""]
    lines += table_lines(_exceptions(rows))
    lines += ["", "## Where GraphFM gains most", ""]
    largest = largest_gains(tables)
    for metric, title in TITLES.items():
        elsewhere = {label: found for label, found in largest[metric].items() if found != MOVIELENS}
        said = ", ".join(f"{label} ({found})" for label, found in elsewhere.items())
        lines.append(
            f"- {title}: on {MOVIELENS} over {len(largest[metric]) - len(elsewhere)} of {len(largest[metric])} models"
            + (f"; not over {said}." if said else ".")
        )
    return "\n".join([*lines, "", "We have runs on one data set, which cannot test this.", ""])


def _share(rows):
    return f"{sum(row['verdict'] == HOLDS for row in rows)} of {len(rows)}"


def _exceptions(rows):
    """Return a row of the table for each sentence, metric and source with pairs that do not hold."""
    groups = {}
    for row in rows:
        if row["verdict"] != HOLDS:
            groups.setdefault((row["sentence"], row["source"], row["metric"], row["verdict"]), []).append(row)
    return [
        {"sentence": text, "cells": source, "metric": TITLES[metric], "pairs": ", ".join(map(_pair, found))}
        | {"verdict": verdict}
        for (text, source, metric, verdict), found in groups.items()
    ]


def _pair(row):
    p = "" if row["p"] is None else f", p = {row['p']:.2g}"
    return f"{row['higher']} over {row['lower']} ({round(row['improvement'], 4) + 0.0:+.4f}{p})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tests of all sentences, and write them on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS, help="The results.csv of a sweep `table2`.")
    parser.add_argument("--folder", type=pathlib.Path, help="Where to write sentences.md and sentences.csv.")
    options = parser.parse_args(arguments)
    with one_line_failures("sentences", "Interrupted."):
        (dataset, runs), tables = read_runs(options.results), printed_cells()
        rows = [
            row
            for sentence in SENTENCES
            for row in (*printed_pairs(sentence, tables), *our_pairs(sentence, dataset, runs))
        ]
        text = markdown(rows, tables, dataset)
        print(text, end="")
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            write_csv(options.folder / "sentences.csv", rows)
            write_text(options.folder / "sentences.md", text)


if __name__ == "__main__":
    main()
