"""Compare models of numbers and of orders with the mean label of each group."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np

from ctrzoo.files import write_text
from ctrzoo.metrics import grouped_metrics, mae, metric_of, rmse
from ctrzoo.types import Config

from ...data_pipelines import PreparedData, load
from .results import name_of, spread, summary_of

SHOWN = {"regression": ("rmse", "mae"), "ranking": ("ndcg@10", "grouped_auc", "mrr")}


def group_means(data: PreparedData, split: str = "test") -> dict[str, float]:
    """Return the metrics of predicting the mean training label of the row's group, or of all rows if it has none.

    Args:
        data: Prepared data with groups.
        split: The split to predict.

    Returns:
        `rmse` and `mae` of the means; `ndcg@10`, `grouped_auc` and `mrr` of a constant score within each group, which
        is what the means are.
    """
    known, places = np.unique(data.column("train", "group"), return_inverse=True)
    labels = data.arrays("train")[1][:, 0].astype(np.float64)
    means = np.bincount(places, labels) / np.bincount(places)
    groups, actual = data.column(split, "group"), data.arrays(split)[1][:, 0]
    at = np.minimum(np.searchsorted(known, groups), len(known) - 1)
    predicted = np.where(known[at] == groups, means[at], labels.mean())
    order = grouped_metrics(actual, predicted, groups)
    named = {"ndcg@10": order.ndcg, "grouped_auc": order.grouped_auc, "mrr": order.mrr}
    return {"rmse": rmse(actual, predicted), "mae": mae(actual, predicted), **named}


def write_stars(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `stars.md`: each model by its task, then the means of groups.

    Args:
        rows: The rows of the sweep's results.
        folder: The folder of the sweep.
    """
    lines = ["# Stars", ""]
    for task, names in SHOWN.items():
        chosen = [row for row in rows if row["choices"].get("task") == task and f"test_{names[0]}" in row]
        finished = [row for row in chosen if row["state"] == "finished"]
        if not finished:
            continue
        titles = " | ".join(metric_of(name).title for name in names)
        lines += [f"## {task.capitalize()}", "", f"| model | seeds | {titles} |", "|---" * (len(names) + 2) + "|"]
        for group in summary_of(chosen):
            cells = " | ".join(spread(group, f"test_{name}") for name in names)
            lines.append(f"| {name_of(group)} | {group['finished']}/{group['runs']} | {cells} |")
        baseline = group_means(load(_data_of(finished[0], folder)))
        cells = " | ".join(f"{baseline[name]:.4f}" for name in names)
        lines += [f"| mean of the user's training ratings | | {cells} |", ""]
    write_text(folder / "stars.md", "\n".join(lines))


def _data_of(row, folder):
    """Return the folder of the data that a run read."""
    path = folder / row["group"] / f"seed_{row['seed']}" / "experiment.json"
    return json.loads(path.read_text(encoding="utf-8"))["data"]["folder"]
