"""The "Avg. Improvement" columns of GraphFM's Table 2: as printed, computed from its cells, and of our runs.

Command: `python -m ctrzoo.experiments.claims.table2 --folder=experiments/results/claims`
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from ctrzoo.files import write_csv, write_text
from ctrzoo.types import Config

from ..cli import one_line_failures
from ..published import read_published
from .cells import BEST, RESULTS, TITLES, Cells, Runs, printed_cells, read_runs, welch
from .markdown import table_lines

PRINTED = {"auc": "auc_gain", "log_loss": "log_loss_change"}
# A cell is off by half of its last digit at most, a difference of two by one, and so is a mean of differences. The
# printed mean is rounded too.
MOST_BY_ROUNDING = 1.5
UNIT = 1e-4


def gains(cells: Cells, best: str = BEST) -> Cells:
    """Return what the best model gains on each other one of a data set: its metric minus the other's.

    >>> cells = {"fm": {"auc": 0.7, "log_loss": 0.5}, "graphfm": {"auc": 0.9, "log_loss": 0.25}}
    >>> {metric: round(gain, 4) for metric, gain in gains(cells)["fm"].items()}
    {'auc': 0.2, 'log_loss': -0.25}
    """
    others = {label: numbers for label, numbers in cells.items() if label != best}
    return {
        label: {metric: cells[best][metric] - number for metric, number in numbers.items()}
        for label, numbers in others.items()
    }


def average_gains(tables: Mapping[str, Cells], best: str = BEST) -> Cells:
    """Return the gains of the best model, averaged over data sets."""
    found = [gains(cells, best) for cells in tables.values()]
    return {
        label: {metric: statistics.fmean(table[label][metric] for table in found) for metric in TITLES}
        for label in found[0]
    }


def check_averages(tables: Mapping[str, Cells], printed: Sequence[Config]) -> list[Config]:
    """Compare printed averages with those computed from the table's own cells.

    Args:
        tables: The printed cells of each data set.
        printed: The printed averages: `label`, `printed_name`, `auc_gain` and `log_loss_change`.

    Returns:
        A dictionary for each printed average: `computed`, `printed`, and `verdict`. Cells have four decimals, so a
        printed average may be off by 1.5 units of the last one. If it is further off, the verdict says so, and whether
        the cell is the sum of the differences instead.
    """
    averages = average_gains(tables)
    rows = []
    for row in printed:
        for metric, name in PRINTED.items():
            mean, found = averages[row["label"]][metric], float(row[name])
            cell = {"label": row["label"], "printed_name": row["printed_name"], "metric": metric}
            verdict = _verdict(found, mean, mean * len(tables))
            rows.append({**cell, "computed": mean, "printed": found, "verdict": verdict})
    return rows


def _verdict(printed, mean, total):
    units = abs(printed - mean) / UNIT
    if units <= 0.5 + 1e-6:
        return "follows"
    if units <= MOST_BY_ROUNDING + 1e-6:
        return "rounding"
    if abs(printed - total) < UNIT / 2:
        return "does not follow: the sum of the differences, not their mean"
    return "does not follow"


def our_gains(runs: Runs, best: str = BEST) -> list[Config]:
    """Return what our best model gains on each other one: differences of means over seeds, and p of Welch's t-test.

    Args:
        runs: The metrics of each label by seed.
        best: The label of the model that is compared with the others.
    """
    rows = []
    for label, other in runs.items():
        if label == best:
            continue
        row: Config = {"label": label, "seeds": len(other["auc"])}
        for metric, name in PRINTED.items():
            ours = runs[best][metric]
            row[name] = statistics.fmean(ours) - statistics.fmean(other[metric])
            row[f"{name}_p"] = welch(ours, other[metric])
        rows.append(row)
    return rows


def markdown(checked: Sequence[Config], ours: Sequence[Config], dataset: str) -> str:
    """Return both comparisons as Markdown."""
    odd = sum(row["verdict"].startswith("does not follow") for row in checked)
    rounded = sum(row["verdict"] == "rounding" for row in checked)
    shown = [
        {
            "model": row["printed_name"],
            "metric": TITLES[row["metric"]],
            "computed": f"{row['computed']:+.4f}",
            "printed": f"{row['printed']:+.4f}",
            "the printed cell": row["verdict"],
        }
        for row in checked
    ]
    printed = gains(printed_cells()[dataset])
    lines = [
        "# GraphFM's gains on other models",
        "",
        "## As printed, and computed from the printed cells",
        "",
        f"Of {len(checked)} printed averages over the three data sets, {odd} do not follow from the table, and "
        f"{rounded} are off by what rounding explains.",
        "",
        *table_lines(shown),
        "",
        f"## Our runs on {dataset}",
        "",
        "One data set, so there is nothing to average: GraphFM's mean over seeds minus that of the other model, and p "
        "of Welch's t-test. The printed cells are those of this data set.",
        "",
        *table_lines([_own_cells(row, printed.get(row["label"])) for row in ours]),
    ]
    return "\n".join(lines) + "\n"


def _own_cells(row, printed):
    cells = {"model": row["label"], "seeds": row["seeds"]}
    for metric, name in PRINTED.items():
        title, p = TITLES[metric], row[f"{name}_p"]
        cells[f"{title}, printed cells"] = f"{printed[metric]:+.4f}" if printed else ""
        cells[f"{title}, ours"] = f"{row[name]:+.4f}"
        cells[f"{title}, p"] = "" if p is None else f"{p:.2g}"
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both comparisons, and write them on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS, help="The results.csv of a sweep `table2`.")
    parser.add_argument("--folder", type=pathlib.Path, help="Where to write table2.md, table2.csv, table2_ours.csv.")
    options = parser.parse_args(arguments)
    with one_line_failures("table2", "Interrupted."):
        dataset, runs = read_runs(options.results)
        averages = read_published("graphfm_table2_average").to_dict("records")
        checked, ours = check_averages(printed_cells(), averages), our_gains(runs)
        text = markdown(checked, ours, dataset)
        print(text, end="")
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            write_csv(options.folder / "table2.csv", checked)
            write_csv(options.folder / "table2_ours.csv", ours)
            write_text(options.folder / "table2.md", text)


if __name__ == "__main__":
    main()
