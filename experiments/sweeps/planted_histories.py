"""Compare models of planted histories with the ceilings: all known, no order of events, no events."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

from ctrzoo.files import write_json, write_text
from ctrzoo.types import Config

from ... import data_pipelines
from .results import name_of, spread, summary_of

CEILINGS = {
    "no_history": "ceiling without events",
    "order_free": "ceiling without the order of events",
    "bayes": "ceiling: the true probabilities",
}
KEPT = "ceilings.json"


def write_histories(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `histories.md`: the test AUC of each model and, of the same rows, the ceilings; all in rising order.

    The ceilings are stored in `ceilings.json`, so that the report needs no data later.

    Args:
        rows: The rows of the sweep's results.
        folder: The folder of the sweep.
    """
    finished = [row for row in rows if row["state"] == "finished"]
    if not finished:
        return
    if not (folder / KEPT).is_file():
        write_json(folder / KEPT, _ceilings(folder / finished[0]["group"] / f"seed_{finished[0]['seed']}"))
    ceilings = json.loads((folder / KEPT).read_text(encoding="utf-8"))
    lines = [
        (group["test_auc"], f"| {name_of(group)} | {group['finished']} | {spread(group, 'test_auc')} |")
        for group in summary_of(finished)
    ]
    lines += [(ceilings[name], f"| *{title}* | | {ceilings[name]:.4f} |") for name, title in CEILINGS.items()]
    said = f"{len(finished)} of {len(rows)} runs are finished. Mean ± sample standard deviation over seeds."
    table = ["| model | seeds | test AUC |", "|---|---|---|", *(line for _, line in sorted(lines))]
    write_text(folder / "histories.md", "\n".join(["# Planted histories", "", said, "", *table]) + "\n")


def _ceilings(run):
    """Return the AUC of each ceiling on the test rows that a run read."""
    data = data_pipelines.load(json.loads((run / "experiment.json").read_text(encoding="utf-8"))["data"]["folder"])
    if not data.truth or "order_free" not in data.truth:
        raise ValueError(f"The ceilings of {data.name} are unknown. Sweep over `synthetic` with histories=true.")
    return {name: data.truth[name]["test"]["auc"] for name in CEILINGS}
