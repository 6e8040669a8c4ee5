"""Figure 3 as a table and a test: do GraphFM's numbers of neighbors change results beyond the noise of seeds?"""

import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import f, f_oneway, pearsonr

from ctrzoo.files import write_text
from ctrzoo.types import Config

from .figure3_plot import picture_name, plot_neighborhood, published_cells


def report_neighborhood(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `neighborhood.md` and a picture for each data set (see `figure3_plot.plot_neighborhood`).

    Args:
        rows: The rows of a sweep whose runs chose `num_neighbors`, see `results.rows_of`.
        folder: Where to write.
    """
    plot_neighborhood(rows, folder)
    lines = ["# AUC by the neighbors that layers 2 and 3 select", ""]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        lines += _section(dataset, [row for row in rows if row["dataset"] == dataset and row["state"] == "finished"])
    write_text(folder / "neighborhood.md", "\n".join(lines))


def _cell(row):
    return tuple(row["choices"]["num_neighbors"][1:])


def _section(dataset, rows):
    if not rows:
        return [f"{dataset}: no run is finished.", ""]
    cells = {}
    for row in rows:
        cells.setdefault(_cell(row), []).append(row["test_auc"])
    second, third = (sorted({cell[axis] for cell in cells}) for axis in (0, 1))
    lines = [
        f"## {dataset}",
        "",
        "Test AUC, mean ± sample standard deviation over seeds (their number).",
        "",
        f"| layer 2 \\ layer 3 | {' | '.join(map(str, third))} | all |",
        "|---" * (len(third) + 2) + "|",
    ]
    for row in second:
        texts = [_text(cells.get((row, column), [])) for column in third]
        lines.append(f"| {row} | {' | '.join(texts)} | {_mean(cells, 0, row)} |")
    lines.append(f"| all | {' | '.join(_mean(cells, 1, column) for column in third)} | |")
    return [*lines, "", *_noise(cells, rows), *_printed(cells, published_cells(dataset)), _picture(dataset), ""]


def _text(aucs):
    if not aucs:
        return ""
    deviation = f" ± {statistics.stdev(aucs):.4f}" if len(aucs) > 1 else ""
    return f"{statistics.fmean(aucs):.4f}{deviation} ({len(aucs)})"


def _mean(cells, axis, number):
    return f"{statistics.fmean(auc for cell, aucs in cells.items() if cell[axis] == number for auc in aucs):.4f}"


def _noise(cells, rows):
    """Report whether cells differ more than the seeds within a cell."""
    repeated = [aucs for aucs in cells.values() if len(aucs) > 1]
    if len(repeated) < 2:
        return []
    squares = sum(statistics.variance(aucs) * (len(aucs) - 1) for aucs in repeated)
    spread = (squares / sum(len(aucs) - 1 for aucs in repeated)) ** 0.5
    between = statistics.stdev(map(statistics.fmean, repeated))
    test = f_oneway(*repeated)
    return [
        f"The means of {len(repeated)} cells with at least two seeds have a standard deviation of {between:.4f}; seeds "
        f"within a cell, {spread:.4f}. One-way analysis of variance: F = {test.statistic:.2f}, p = {test.pvalue:.2g}. "
        f"{_by_number(rows, 0)} {_by_number(rows, 1)}",
        "",
    ]


def _by_number(rows, axis):
    """Report whether one layer's number changes results, after removing the effects of the other's and the seed."""
    aucs = np.array([row["test_auc"] for row in rows])
    number, other = (_indicators([_cell(row)[place] for row in rows]) for place in (axis, 1 - axis))
    rest = np.column_stack([np.ones(len(rows)), other, _indicators([row["seed"] for row in rows])])
    (without, fewer), (left, more) = (_unexplained(columns, aucs) for columns in (rest, np.hstack([rest, number])))
    if not fewer < more < len(rows):
        return f"Layer {axis + 2}: too few runs."
    ratio = (without - left) / (more - fewer) / (left / (len(rows) - more))
    p = f.sf(ratio, more - fewer, len(rows) - more)
    return f"Layer {axis + 2}'s number, given the other's and the seed: F = {ratio:.2f}, p = {p:.2g}."


def _indicators(values):
    """Return an indicator column for each value but one."""
    levels = sorted(set(values))[1:]
    return np.array([[value == level for level in levels] for value in values], dtype=float)


def _unexplained(columns, target):
    """Return the residual sum of squares of a linear model on the columns, and the columns' rank."""
    weights, _, rank, _ = np.linalg.lstsq(columns, target, rcond=None)
    return float(np.sum((target - columns @ weights) ** 2)), int(rank)


def _printed(cells, printed):
    """Report the spread of the published cells and their correlation with ours."""
    both = [cell for cell in cells if cell in printed]
    if len(both) < 3:
        return []
    means = {cell: statistics.fmean(cells[cell]) for cell in both}
    result: Any = pearsonr([means[cell] for cell in both], [printed[cell] for cell in both])
    ours, theirs = max(both, key=means.__getitem__), max(printed, key=printed.__getitem__)
    return [
        f"Published, one number per cell: {min(printed.values()):.4f} to {max(printed.values()):.4f}, standard "
        f"deviation {statistics.stdev(printed.values()):.4f}, best at {theirs}. Our best is at {ours}. Correlation of "
        f"our means with the published numbers of {len(both)} cells: {result.statistic:.2f} (p = {result.pvalue:.2g}).",
        "",
    ]


def _picture(dataset):
    return f"![AUC by neighbors]({picture_name(dataset)})"
