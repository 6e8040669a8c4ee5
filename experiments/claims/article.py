"""What the next-movie article says about pairs of models, tested on our runs.

`order_lines` tests each step of the article's order of seven models, and `pair_lines` what it says about one model
compared with another. Mean ranks are from the `next_movie.csv` of each folder `next_movie*`, AUCs from the
`results.csv` of other sweeps. The p values are those of Welch's t-test over seeds.

`python -m ctrzoo.experiments.claims.page` writes both tables into `claims.md`.
"""

from __future__ import annotations

import csv
import pathlib
import statistics
from typing import NamedTuple

from scipy.stats import ttest_ind_from_stats

from ..next_movie.report import PRINTED, SPLITS_BY
from ..sweeps.order import SIGNIFICANCE
from .markdown import table_lines

RESULTS = pathlib.Path(__file__).parents[1] / "results"
NAMES = {"afm": "AFM", "ffm": "FFM", "deepfm": "DeepFM", "dlrm (concat)": "the simplified DLRM", "fm": "FM"}
NAMES |= {"wide_deep": "Wide&Deep", "nfm": "NFM", "hofm": "HOFM", "lr": "LR", "dnn": "DNN", "xdeepfm": "xDeepFM"}
NAMES |= {"cin": "CIN"}
FAR = ("ffm", "deepfm")  # the article writes >> instead of >
# The sweeps of each data set; of a label in several sweeps, the runs of the first one count.
SWEEPS = {"movielens_1m": ("table2", "modern"), "synthetic": ("recovery",)}
TITLES = {"movielens_1m": "MovieLens-1M, test AUC", "synthetic": "synthetic clicks, test AUC"}
NO_RUNS = "no runs"


class Sample(NamedTuple):
    """The mean of a metric over seeds, its sample standard deviation, and the number of seeds."""

    mean: float
    deviation: float
    seeds: int


Samples = dict[str, Sample]  # by label
# What is said of pairs of models, each the better and the worse one.
PAIRS = (
    ("Interactions help", ("fm", "lr")),
    ("A vector for each other field helps (FFM)", ("ffm", "fm")),
    ("Weights of interactions help (AFM)", ("afm", "fm")),
    ("Layers after the sum of interactions help (NFM)", ("nfm", "fm")),
    ("A deep part next to the wide one helps (Wide&Deep)", ("wide_deep", "lr")),
    ("A wide part next to the deep one helps (Wide&Deep)", ("wide_deep", "dnn")),
    ("An FM is a better wide part than raw features (DeepFM)", ("deepfm", "wide_deep")),
    ("High orders add to low ones", ("deepfm", "fm")),
    ("Low orders add to high ones", ("deepfm", "dnn")),
    ("An MLP adds to explicit high orders (xDeepFM)", ("xdeepfm", "cin")),
    ("Order 3 adds to order 2", ("hofm", "fm")),
)


def order_lines(results: pathlib.Path = RESULTS) -> list[str]:
    """Return the table that tests each step of the article's order, for each division of the queries."""
    rows = []
    for split_by, found in mean_ranks(results).items():
        ranks = {label: found[label] for label in PRINTED if label in found}
        if not ranks:
            continue
        missing = [label for label in PRINTED if label not in ranks]
        if missing:
            rows.append(_row(split_by, "the order", f"without runs: {', '.join(missing)}", "not tested"))
            continue
        first, last = PRINTED[0], PRINTED[-1]
        rows.append(_end(split_by, ranks, first, min(ranks, key=lambda label: ranks[label].mean), "lowest"))
        for better, worse in zip(PRINTED, PRINTED[1:], strict=False):
            far = "far " if (better, worse) == FAR else ""
            claim = f"{_name(better)} is {far}ahead of {NAMES[worse]}"
            rows.append(_row(split_by, claim, *_compared_ranks(ranks, better, worse)))
        rows.append(_end(split_by, ranks, last, max(ranks, key=lambda label: ranks[label].mean), "highest"))
    return table_lines(rows) if rows else ["No runs."]


def pair_lines(results: pathlib.Path = RESULTS) -> list[str]:
    """Return the table that tests each of `PAIRS`, by AUCs and by mean ranks of the next movie."""
    aucs, ranks = {dataset: aucs_of(dataset, results) for dataset in SWEEPS}, mean_ranks(results)
    rows = []
    for claim, (better, worse) in PAIRS:
        row = {"claim": claim, "better, worse": f"{_name(better)}, {NAMES[worse]}"}
        for dataset, title in TITLES.items():
            row[title] = _cell(aucs[dataset], better, worse, 4, lower_is_better=False)
        for split_by in SPLITS_BY:
            row[f"next movie, split by {split_by}"] = _cell(ranks.get(split_by, {}), better, worse, 1)
        rows.append(row)
    return table_lines(rows)


def mean_ranks(results: pathlib.Path = RESULTS) -> dict[str, Samples]:
    """Return the mean ranks of each model of the next movie, by what the queries are divided by."""
    found: dict[str, Samples] = {}
    for path in sorted(results.glob("next_movie*/next_movie.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["seeds"]:  # baselines have none
                    numbers = float(row["mean rank"]), float(row["mean rank deviation"] or 0), int(float(row["seeds"]))
                    found.setdefault(row["split_by"], {})[row["model"]] = Sample(*numbers)
    return {split_by: found[split_by] for split_by in SPLITS_BY if split_by in found}


def aucs_of(dataset: str, results: pathlib.Path = RESULTS) -> Samples:
    """Return the test AUC of each label with finished runs on a data set of `SWEEPS`."""
    samples: Samples = {}
    for sweep in SWEEPS[dataset]:
        path = results / sweep / "results.csv"
        if not path.is_file():
            continue
        found: dict[str, list[float]] = {}
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["state"] == "finished" and row["dataset"] == dataset:
                    found.setdefault(row["label"], []).append(float(row["test_auc"]))
        for label, values in found.items():
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            samples.setdefault(label, Sample(statistics.fmean(values), deviation, len(values)))
    return samples


def compared(better: Sample, worse: Sample, lower_is_better: bool = True) -> tuple[float | None, str]:
    """Return p of Welch's t-test of two samples, and whether the first is better beyond noise.

    Returns:
        The p value (None with fewer than two seeds of a model), and "holds", "within noise", "the other way" or "too
        few seeds".

    >>> p, result = compared(Sample(100.0, 1.0, 2), Sample(101.0, 1.0, 2))
    >>> round(p or 0, 4), result
    (0.4226, 'within noise')
    """
    if min(better.seeds, worse.seeds) < 2:
        return None, "too few seeds"
    if better.deviation == worse.deviation == 0:  # the test divides by deviations
        p = float(better.mean == worse.mean)
    else:
        p = float(ttest_ind_from_stats(*better, *worse, equal_var=False).pvalue)
    is_better = (better.mean < worse.mean) == lower_is_better
    return p, "within noise" if p >= SIGNIFICANCE else "holds" if is_better else "the other way"


def _cell(samples, better, worse, digits, lower_is_better=True):
    if better not in samples or worse not in samples:
        return NO_RUNS
    p, result = compared(samples[better], samples[worse], lower_is_better)
    means = ", ".join(f"{samples[label].mean:.{digits}f}" for label in (better, worse))
    return f"{means}: {result}" + ("" if p is None else f" (p = {p:.2g})")


def _name(label):
    return NAMES[label].replace("the simplified", "The simplified")


def _row(split_by, claim, evidence, result):
    return {"claim": claim, "test queries": SPLITS_BY[split_by].lower(), "mean ranks": evidence, "result": result}


def _end(split_by, ranks, printed, ours, end):
    """Return the row of the claim that a model has the lowest or the highest mean rank."""
    claim = f"{_name(printed)} has the {end} mean rank"
    if printed == ours:
        others = sorted((label for label in ranks if label != ours), key=lambda label: ranks[label].mean)
        other = others[0 if end == "lowest" else -1]
        better, worse = (printed, other) if end == "lowest" else (other, printed)
        return _row(split_by, claim, *_compared_ranks(ranks, better, worse))
    better, worse = (printed, ours) if end == "lowest" else (ours, printed)
    evidence, result = _compared_ranks(ranks, better, worse)
    return _row(split_by, claim, evidence, "does not hold" if result == "the other way" else result)


def _compared_ranks(ranks, better, worse):
    """Return the mean ranks of two models in words, and whether the first is lower beyond noise."""
    words = ", ".join(f"{label} {_spread(ranks[label])}" for label in (better, worse))
    p, result = compared(ranks[better], ranks[worse])
    return words if p is None else f"{words}; p = {p:.2g}", result


def _spread(sample):
    return f"{sample.mean:.1f} ± {sample.deviation:.1f}" if sample.seeds > 1 else f"{sample.mean:.1f}"
