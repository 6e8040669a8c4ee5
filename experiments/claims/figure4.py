"""What GraphFM's section 5.5 says of its Figure 4, measured over a split instead of on single rows.

Command: `python -m ctrzoo.experiments.claims.figure4 --workdir=runs/graphfm --folder=experiments/results/claims`

The paper looks at the edge weights of single rows and says: those of the first layer are hard to tell apart; those on
its diagonal are the smallest; and layers 2 and 3, which the paper calls orders 3 and 4, choose less of the same
interactions in rows that are predicted rightly than in rows that are predicted wrongly.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap, rankdata

from ctrzoo.explanation.explainer import explain_rows
from ctrzoo.files import write_json, write_text
from ctrzoo.model import CTRModel
from ctrzoo.types import Config, Features

from ... import data_pipelines
from ..cli import one_line_failures
from ..explained_run import load_model
from .markdown import table_lines

ROWS_AT_ONCE = 8192
RESAMPLES = 1000
CONFIDENCE = 0.95
LAYERS = (1, 2, 3)
LABELS = {"all": (0, 1), "clicked": (1,), "not clicked": (0,)}


def measure(model: CTRModel, features: Features, labels: np.ndarray, seed: int = 2018) -> Config:
    """Return the three claims as numbers, each mean with the 95 % interval of a bootstrap over rows.

    Rows of one user resemble each other, so the intervals are too narrow if users have several rows.

    Args:
        model: A GraphFM of at least three layers that selects interactions and predicts a probability.
        features: The features of the rows.
        labels: Their labels, 0 or 1.
        seed: Seed of the bootstrap.

    Returns:
        A dictionary of:
        `"spread"`: for each layer, the lowest and highest edge weight, and the mean over rows of the standard deviation
        of the selected ones within a row; for layers 2 and 3 also how much larger it is than that of layer 1.
        `"diagonal"`: the mean rank of a field's edge with itself among its edges in layer 1 (1 is the smallest), how
        often it is the only smallest, how much smaller it is than the mean of the others, and what chance gives. None
        if layer 1 does not select all interactions.
        `"overlap"`: for all rows and for each label, the share of the choices of layers 2 and 3 that are the same, in
        rightly and in wrongly predicted rows, and the difference. The share is the number of common choices, divided by
        the smaller number of choices.

    Raises:
        ValueError: If the model has no such layers.
    """
    _check_model(model)
    parts = []
    for start in range(0, len(labels), ROWS_AT_ONCE):
        rows = {name: array[start : start + ROWS_AT_ONCE] for name, array in features.items()}
        found = explain_rows(model, rows)
        right = (found["probability"] > 0.5) == (labels[start : start + ROWS_AT_ONCE] > 0.5)
        parts.append({"right": right, **_of_rows([found[f"edges_{layer}"] for layer in LAYERS])})
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    intervals = _Intervals(seed)
    return {
        "rows": len(labels),
        "rightly predicted": float(rows["right"].mean()),
        "spread": _spread(rows, intervals),
        "diagonal": _diagonal(rows, model.schema.num_fields, intervals),
        "overlap": {name: _overlap(rows, np.isin(labels > 0.5, kept), intervals) for name, kept in LABELS.items()},
    }


def _check_model(model):
    if not {f"edges_{layer}" for layer in LAYERS} <= set(model.explanation_names):
        raise ValueError(f"Figure 4 needs a GraphFM of at least three layers. Received: {model.name}.")
    config = model.get_config()
    if model.task != "classification" or not config["use_selection"]:
        raise ValueError(
            "Figure 4 needs a GraphFM that selects interactions and predicts clicks. Received: "
            f"task={model.task!r}, use_selection={config['use_selection']}."
        )


def _of_rows(edges: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return numbers of each row, given the edge weights `(rows, fields, fields)` of each layer."""
    found: dict[str, np.ndarray] = {}
    for layer, weights in zip(LAYERS, edges, strict=True):
        chosen = weights > 0
        number = np.maximum(chosen.sum(axis=(1, 2)), 1)
        mean = weights.sum(axis=(1, 2), dtype=np.float64) / number
        squares = np.where(chosen, weights - mean[:, None, None], 0.0) ** 2
        found[f"deviation_{layer}"] = np.sqrt(squares.sum(axis=(1, 2)) / number)
        found[f"lowest_{layer}"] = np.where(chosen, weights, np.inf).min(axis=(1, 2))
        found[f"highest_{layer}"] = weights.max(axis=(1, 2))
    first = edges[0].astype(np.float64)
    own = np.diagonal(first, axis1=1, axis2=2)
    others = (first.sum(axis=2) - own) / max(first.shape[1] - 1, 1)
    ranks = rankdata(first, axis=2)  # equal weights share the mean of their ranks
    found["complete"] = np.asarray((first > 0).all(axis=(1, 2)))
    found["rank"] = np.diagonal(ranks, axis1=1, axis2=2).mean(axis=1)
    found["smallest"] = (np.diagonal(ranks, axis1=1, axis2=2) == 1).mean(axis=1)
    found["gap"] = (others - own).mean(axis=1)
    second, third = edges[1] > 0, edges[2] > 0
    fewer = np.minimum(second.sum(axis=(1, 2)), third.sum(axis=(1, 2)))
    found["overlap"] = np.where(fewer > 0, (second & third).sum(axis=(1, 2)) / np.maximum(fewer, 1), np.nan)
    return found


class _Intervals:
    """Means, and differences of means, with intervals."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def mean(self, values: np.ndarray) -> Config:
        return self._of((values,), np.mean)

    def difference(self, first: np.ndarray, second: np.ndarray) -> Config:
        return self._of((first, second), lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis))

    def _of(self, samples, statistic):
        value = float(statistic(*samples, axis=-1))
        if min(map(len, samples)) < 2:
            return {"mean": value, "low": None, "high": None}
        found: Any = bootstrap(
            samples,
            statistic,
            n_resamples=RESAMPLES,
            batch=max(1, 10**7 // max(map(len, samples))),
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=self.random,
        )
        low, high = found.confidence_interval
        return {"mean": value, "low": float(low), "high": float(high)}


def _spread(rows, intervals):
    first = rows["deviation_1"]
    layers = {}
    for layer in LAYERS:
        own = rows[f"deviation_{layer}"]
        layers[str(layer)] = {
            "lowest": float(rows[f"lowest_{layer}"].min()),
            "highest": float(rows[f"highest_{layer}"].max()),
            "deviation": intervals.mean(own),
            "more than layer 1": intervals.mean(own - first) if layer > 1 else None,
        }
    return layers


def _diagonal(rows, num_fields, intervals):
    if not rows["complete"].all():
        return None
    return {
        "rank": intervals.mean(rows["rank"]),
        "rank by chance": (num_fields + 1) / 2,
        "smallest": intervals.mean(rows["smallest"]),
        "smallest by chance": 1 / num_fields,
        "smaller by": intervals.mean(rows["gap"]),
    }


def _overlap(rows, kept, intervals):
    """Compare the overlap of rightly and wrongly predicted rows among those kept; None if there are not both."""
    kept = kept & ~np.isnan(rows["overlap"])  # a threshold may select nothing
    right, wrong = (rows["overlap"][kept & chosen] for chosen in (rows["right"], ~rows["right"]))
    if not len(right) or not len(wrong):
        return None
    return {
        "rows": [len(right), len(wrong)],
        "right": intervals.mean(right),
        "wrong": intervals.mean(wrong),
        "difference": intervals.difference(right, wrong),
    }


def verdicts(found: Config) -> dict[str, str]:
    """Return whether each claim holds beyond the interval: "holds", "within noise" or "does not hold".

    The first claim holds if the deviations within a row are larger in both other layers, the second if the diagonal is
    the only smallest edge more often than not, the third if the overlap is smaller in rightly predicted rows.
    """
    wider = [found["spread"][str(layer)]["more than layer 1"] for layer in LAYERS[1:]]
    said = {_sign(each, 0.0) for each in wider}
    spread = said.pop() if len(said) == 1 else "does not hold" if "does not hold" in said else "within noise"
    diagonal, overlap = found["diagonal"], found["overlap"]["all"]
    untested = "not measured"
    return {
        "spread": spread,
        "diagonal": _sign(diagonal["smallest"], 0.5) if diagonal else untested,
        "overlap": _sign(
            {"low": _minus(overlap["difference"]["high"]), "high": _minus(overlap["difference"]["low"])}, 0.0
        )
        if overlap
        else untested,
    }


def _sign(interval, bound):
    if interval["low"] is None:
        return "within noise"
    return "holds" if interval["low"] > bound else "does not hold" if interval["high"] < bound else "within noise"


def _minus(number):
    return None if number is None else -number


def markdown(found: Config, title: str) -> str:
    """Return the measurements as Markdown."""
    said = verdicts(found)
    lines = [
        "# GraphFM's Figure 4 over a split",
        "",
        f"{title}: {found['rows']:,} rows, of which {found['rightly predicted']:.1%} are predicted rightly (at 0.5). "
        "Intervals are of 95 %, by a bootstrap over rows. Rows of one user resemble each other, so intervals are too "
        "narrow.",
        "",
        f"## Edge weights of layer 1 are hard to tell apart: {said['spread']}",
        "",
        "Weights of selected interactions. The deviation is the standard deviation within a row, averaged over rows.",
        "",
    ]
    lines += table_lines(
        [
            {
                "layer": layer,
                "lowest": f"{numbers['lowest']:.4f}",
                "highest": f"{numbers['highest']:.4f}",
                "deviation": _interval(numbers["deviation"], 6),
                "more than layer 1": _interval(numbers["more than layer 1"], 6),
            }
            for layer, numbers in found["spread"].items()
        ]
    )
    lines += ["", f"## The diagonal is the smallest: {said['diagonal']}", ""]
    diagonal = found["diagonal"]
    if diagonal:
        lines += [
            f"- In layer 1, a field's edge with itself has rank {_interval(diagonal['rank'], 3)} among its edges, from "
            f"the smallest. Chance gives {diagonal['rank by chance']:.1f}.",
            f"- It is the only smallest of them in {_interval(diagonal['smallest'], 3)} of the cases; by chance in "
            f"{diagonal['smallest by chance']:.3f}.",
            f"- It is {_interval(diagonal['smaller by'], 6)} smaller than the mean of the others.",
        ]
    else:
        lines += ["Layer 1 does not select all interactions, so its smallest weights are unknown."]
    lines += ["", f"## Layers 2 and 3 overlap less in rightly predicted rows: {said['overlap']}", ""]
    lines += ["The overlap is the number of common choices, divided by the smaller number of choices.", ""]
    lines += table_lines(
        [
            {
                "rows": name,
                "right, wrong": "{:,}, {:,}".format(*numbers["rows"]),
                "overlap, right": _interval(numbers["right"], 4),
                "overlap, wrong": _interval(numbers["wrong"], 4),
                "difference": _interval(numbers["difference"], 4),
            }
            if numbers
            else {"rows": name, **dict.fromkeys(("right, wrong", "overlap, right", "overlap, wrong", "difference"), "")}
            for name, numbers in found["overlap"].items()
        ]
    )
    return "\n".join(lines) + "\n"


def _interval(numbers, digits):
    if numbers is None:
        return ""
    if numbers["low"] is None:
        return f"{numbers['mean']:.{digits}f}"
    return f"{numbers['mean']:.{digits}f} ({numbers['low']:.{digits}f} to {numbers['high']:.{digits}f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the claims on the model of a run, print them, and write them on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=pathlib.Path, required=True, help="The folder of a run of `ctrzoo-train`.")
    parser.add_argument("--data", help="The prepared folder, by default the one that the run read.")
    parser.add_argument("--split", default="test", help="train, valid or test.")
    parser.add_argument("--folder", type=pathlib.Path, help="Where to write figure4.md and figure4.json.")
    options = parser.parse_args(arguments)
    with one_line_failures("figure4", "Interrupted."):
        settings = json.loads((options.workdir / "experiment.json").read_text(encoding="utf-8"))
        data = data_pipelines.load(options.data or settings["data"]["folder"])
        if options.split not in data.num_rows:
            raise ValueError(f"{data.name} has no split '{options.split}', but: {', '.join(data.num_rows)}.")
        features, labels = data.arrays(options.split)
        found = measure(load_model(options.workdir, data.schema), features, labels[:, 0])
        train = settings["settings"]
        title = f"{train['model']}, seed {train['seed']}, at most {train['epochs']} epochs, {data.name}/{options.split}"
        text = markdown(found, title)
        print(text, end="")
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            write_json(options.folder / "figure4.json", {"title": title, **found, "verdicts": verdicts(found)})
            write_text(options.folder / "figure4.md", text)


if __name__ == "__main__":
    main()
