"""What GraphFM's numbers of neighbors change, beyond the noise of seeds: Figure 3 as a table and a test."""

import statistics

from scipy.stats import f_oneway, pearsonr

from ctrzoo.experiments.sweeps.surface import picture_name, plot_neighborhood, published_cells
from ctrzoo.files import write_text


def report_neighborhood(rows, folder):
    """Write `neighborhood.md`, and a picture for each data set (see `surface.plot_neighborhood`).

    Args:
        rows: The rows of a sweep whose runs chose `num_neighbors`, see `results.rows_of`.
        folder: Where to write.
    """
    plot_neighborhood(rows, folder)
    lines = ["# AUC by the neighbors that layers 2 and 3 select", ""]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        lines += _section(dataset, cells_of(rows, dataset))
    write_text(folder / "neighborhood.md", "\n".join(lines))


def cells_of(rows, dataset):
    """Return the test AUCs of the finished runs of each cell, `{(layer 2, layer 3): [AUC, ...]}`."""
    cells = {}
    for row in rows:
        if row["dataset"] == dataset and row["state"] == "finished":
            cells.setdefault(tuple(row["choices"]["num_neighbors"][1:]), []).append(row["test_auc"])
    return cells


def _section(dataset, cells):
    if not cells:
        return [f"{dataset}: no run is finished.", ""]
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
    return [*lines, "", *_noise(cells), *_printed(cells, published_cells(dataset)), _picture(dataset), ""]


def _text(aucs):
    if not aucs:
        return ""
    deviation = f" ± {statistics.stdev(aucs):.4f}" if len(aucs) > 1 else ""
    return f"{statistics.fmean(aucs):.4f}{deviation} ({len(aucs)})"


def _mean(cells, axis, number):
    return f"{statistics.fmean(auc for cell, aucs in cells.items() if cell[axis] == number for auc in aucs):.4f}"


def _noise(cells):
    """Say whether cells differ more than the seeds of a cell do."""
    repeated = [aucs for aucs in cells.values() if len(aucs) > 1]
    if len(repeated) < 2:
        return []
    squares = sum(statistics.variance(aucs) * (len(aucs) - 1) for aucs in repeated)
    spread = (squares / sum(len(aucs) - 1 for aucs in repeated)) ** 0.5
    between = statistics.stdev(map(statistics.fmean, repeated))
    test = f_oneway(*repeated)
    return [
        f"Means of {len(repeated)} cells with two seeds or more deviate by {between:.4f} from each other, the seeds of "
        f"a cell by {spread:.4f}. One-way analysis of variance: F = {test.statistic:.2f}, p = {test.pvalue:.2g}. "
        f"{_alone(cells, 0)} {_alone(cells, 1)}",
        "",
    ]


def _alone(cells, axis):
    """Say whether runs differ by the number of one layer, whatever the other's."""
    groups = {}
    for cell, aucs in cells.items():
        groups.setdefault(cell[axis], []).extend(aucs)
    if len(groups) < 2:
        return f"Layer {axis + 2} alone: one number."
    test = f_oneway(*groups.values())
    return f"Layer {axis + 2} alone: F = {test.statistic:.2f}, p = {test.pvalue:.2g}."


def _printed(cells, printed):
    """Say how the printed cells spread, and whether ours go with them."""
    both = [cell for cell in cells if cell in printed]
    if len(both) < 3:
        return []
    means = {cell: statistics.fmean(cells[cell]) for cell in both}
    result = pearsonr([means[cell] for cell in both], [printed[cell] for cell in both])
    ours, theirs = max(both, key=means.get), max(printed, key=printed.get)
    return [
        f"Printed, one number a cell: {min(printed.values()):.4f} to {max(printed.values()):.4f}, standard deviation "
        f"{statistics.stdev(printed.values()):.4f}, the best at {theirs}; our best at {ours}. Correlation of our means "
        f"with the printed numbers of {len(both)} cells: {result.statistic:.2f} (p = {result.pvalue:.2g}).",
        "",
    ]


def _picture(dataset):
    return f"![AUC by neighbors]({picture_name(dataset)})"
