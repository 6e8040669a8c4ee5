"""Our results compared with published ones: Markdown, CSV and a picture."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ctrzoo.files import replaced, write_csv, write_text
from ctrzoo.types import Config

from ..published import read_published
from .order import order_lines, orders
from .results import name_of, spread, summary_of

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = ("data set", "label", "seeds", "published AUC", "our AUC", "difference", "published log loss", "our log loss")


def compare(rows: Sequence[Config], published: Sequence[str], folder: pathlib.Path) -> None:
    """Write `comparison.md`, `comparison.csv` and `comparison.png`; also `order.csv` if two published rows have seeds.

    Args:
        rows: The rows of a sweep, see `results.rows_of`.
        published: Names of files in `ctrzoo.experiments.published`, or none. The first with a row for the data set and
            label is used. The lookup ignores a label's suffix in parentheses, such as in "graphfm (paper)".
        folder: Where to write.
    """
    compared = compared_rows(summary_of(rows), [read_published(name) for name in published])
    write_csv(folder / "comparison.csv", compared)
    pairs = orders(compared)
    if pairs:
        write_csv(folder / "order.csv", pairs)
    write_text(folder / "comparison.md", _markdown(compared, pairs))
    _plot(compared, folder / "comparison.png")


def compared_rows(groups: Sequence[Config], tables: Sequence[pd.DataFrame]) -> list[Config]:
    """Return a dictionary for each group of runs: our results, the published ones (or None), and the difference."""
    printed = {}
    for table in tables:
        for row in table.to_dict("records"):
            printed.setdefault((row["dataset"], row["label"]), row)
    compared = []
    for group in groups:
        row = printed.get((group["dataset"], group["label"].split(" (")[0]))
        compared.append(
            {
                "dataset": group["dataset"],
                "label": group["label"],
                "variant": group["variant"],
                "seeds": group["finished"],
                "published_auc": row and float(row["auc"]),
                "auc": group["test_auc"],
                "auc_deviation": group["test_auc_deviation"],
                "published_log_loss": row and float(row["log_loss"]),
                "log_loss": group["test_log_loss"],
                "log_loss_deviation": group["test_log_loss_deviation"],
                "auc_difference": group["test_auc"] - float(row["auc"]) if row and group["test_auc"] else None,
                "auc_text": spread(group, "test_auc"),
                "log_loss_text": spread(group, "test_log_loss"),
                "source": row["source"] if row else "",
            }
        )
    return compared


def _markdown(compared, pairs):
    reached = [row["auc_difference"] >= 0 for row in compared if row["auc_difference"] is not None]
    lines = ["# Test metrics", "", "Means ± sample standard deviation over seeds."]
    if reached:
        lines = [
            "# Compared with the published numbers",
            "",
            f"{sum(reached)} of {len(reached)} rows reach the published AUC. Ours are means ± sample standard "
            "deviation over seeds; published numbers come without a spread.",
        ]
    lines += ["", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in compared:
        difference = "" if row["auc_difference"] is None else f"{row['auc_difference']:+.4f}"
        cells = [
            row["dataset"],
            name_of(row),
            str(row["seeds"]),
            _text(row["published_auc"]),
            row["auc_text"],
            difference,
        ]
        lines.append(f"| {' | '.join([*cells, _text(row['published_log_loss']), row['log_loss_text']])} |")
    sources = dict.fromkeys(row["source"] for row in compared if row["source"])
    lines += ["", "![AUC](comparison.png)", "", *order_lines(pairs), *(["## Sources", ""] if sources else [])]
    return "\n".join([*lines, *(f"- {source}" for source in sources)]) + "\n"


def _text(number):
    return "" if number is None else f"{number:.4f}"


def _plot(compared, path):
    """Draw our AUC with its deviation next to the published one, one panel per data set."""
    datasets = list(dict.fromkeys(row["dataset"] for row in compared))
    longest = max(sum(row["dataset"] == name for row in compared) for name in datasets)
    figure = Figure(figsize=(6 * len(datasets), 1.4 + 0.3 * longest), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
        rows = [row for row in compared if row["dataset"] == name][::-1]
        axes.set_yticks(range(len(rows)), [name_of(row) for row in rows])
        ours = [(place, row) for place, row in enumerate(rows) if row["auc"] is not None]
        theirs = [(place, row) for place, row in enumerate(rows) if row["published_auc"] is not None]
        places, aucs = [place for place, _ in theirs], [row["published_auc"] for _, row in theirs]
        if theirs:
            axes.plot(aucs, places, "D", color="tab:gray", markersize=5, label="published")
        axes.errorbar(
            [row["auc"] for _, row in ours],
            [place for place, _ in ours],
            xerr=[row["auc_deviation"] or 0 for _, row in ours],
            fmt="o",
            color="tab:blue",
            markersize=4,
            capsize=3,
            label="ours, ± standard deviation over seeds",
        )
        axes.set(title=name, xlabel="test AUC")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)
