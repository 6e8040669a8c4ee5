"""AUC by the numbers of neighbors of GraphFM's second and third layer: 3-D surfaces and heat maps, as in Figure 3."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

from ctrzoo.files import replaced
from ctrzoo.types import Config

from ..published import read_published
from .results import summary_of


def plot_neighborhood(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `neighborhood_<data set>.png`: our mean AUC, its deviation over seeds, and the published AUC.

    Args:
        rows: The rows of a sweep whose runs chose `num_neighbors`, see `results.rows_of`.
        folder: Where to write.
    """
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        groups = [group for group in summary_of(rows) if group["dataset"] == dataset]
        finished = {group["choices"]["num_neighbors"][1:]: group for group in groups if group["finished"]}
        if finished:
            _plot(finished, dataset, folder / picture_name(dataset))


def picture_name(dataset: str) -> str:
    """Return the file name of a data set's picture."""
    return f"neighborhood_{dataset}.png"


def grid_of(cells: Mapping[tuple[int, int], float | None]) -> tuple[list[int], list[int], np.ndarray]:
    """Return the sorted rows and columns and the matrix of `{(row, column): number}`; missing entries are NaN.

    >>> grid_of({(1, 1): 0.5, (4, 2): 0.6})[2]
    array([[0.5, nan],
           [nan, 0.6]])
    """
    rows, columns = (sorted({place[axis] for place in cells}) for axis in (0, 1))
    matrix = np.full((len(rows), len(columns)), np.nan)
    for (row, column), number in cells.items():
        if number is not None:
            matrix[rows.index(row), columns.index(column)] = number
    return rows, columns, matrix


def _plot(finished, dataset, path):
    seeds = [group["finished"] for group in finished.values()]
    fewest, most = min(seeds), max(seeds)
    count = f"{fewest} to {most} seeds" if fewest < most else "one seed" if most == 1 else f"{most} seeds"
    panels = {
        f"ours, mean of {count}": {place: group["test_auc"] for place, group in finished.items()},
        "ours, standard deviation": {place: group["test_auc_deviation"] for place, group in finished.items()},
        "published": published_cells(dataset),
    }
    panels = {title: cells for title, cells in panels.items() if any(cell is not None for cell in cells.values())}
    figure = Figure(figsize=(5 * len(panels), 8.5), layout="constrained")
    figure.suptitle(f"GraphFM on {dataset}: test AUC by the neighbors that layers 2 and 3 select")
    for number, (title, cells) in enumerate(panels.items(), start=1):
        rows, columns, matrix = grid_of(cells)
        surface = figure.add_subplot(2, len(panels), number, projection="3d")
        if min(matrix.shape) > 1:  # a surface needs an area
            across, along = np.meshgrid(columns, rows)
            surface.plot_surface(across, along, matrix, cmap="viridis")
        surface.set(title=title, xlabel="layer 3", ylabel="layer 2", xticks=columns, yticks=rows)
        surface.zaxis.set_major_formatter(FormatStrFormatter("%.4f"))
        surface.tick_params(axis="z", pad=8)  # pyright: ignore[reportArgumentType] (an axis of 3-D plots)
        heat = figure.add_subplot(2, len(panels), len(panels) + number)
        figure.colorbar(heat.imshow(matrix, cmap="viridis", origin="lower"), ax=heat, shrink=0.7, format="%.4f")
        heat.set(xlabel="neighbors of layer 3", ylabel="neighbors of layer 2")
        heat.set_xticks(range(len(columns)), list(map(str, columns)))
        heat.set_yticks(range(len(rows)), list(map(str, rows)))
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)


def published_cells(dataset: str) -> dict[tuple[int, int], float]:
    """Return the published AUC of each cell; the cells' numbers of neighbors are known only for MovieLens-1M."""
    if dataset != "movielens_1m":
        return {}
    table = read_published("graphfm_figure3")
    table = table[table["dataset"] == dataset]
    return dict(zip(zip(table["row"], table["column"], strict=True), table["auc"], strict=True))
