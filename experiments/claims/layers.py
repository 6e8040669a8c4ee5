"""What the layers of GraphFM tell, and which explanation of pairs agrees with shuffling.

Command: `python -m ctrzoo.experiments.claims.layers --workdir runs/g2018 runs/g2019
--folder=experiments/results/claims`

Attention times edge weight takes each layer for as telling as the others. `pairs`, the explanation of the model, counts
how far states move without a message. Both are compared with what shuffling a pair of fields says.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from ctrzoo.explanation.correlation import correlation, rank_correlation
from ctrzoo.explanation.permutation import PermutationImportance, permutation_importance
from ctrzoo.files import write_json, write_text
from ctrzoo.model import CTRModel
from ctrzoo.types import Config, Features

from ... import data_pipelines
from ..cli import one_line_failures
from ..explained_rows import sample_rows
from ..explained_run import load_model
from .markdown import table_lines

ROWS_AT_ONCE = 1024
WEIGHTS, EFFECTS = "attention times edge weight", "pairs"
AUC, SIZE, LOGIT = "AUC interaction", "its absolute value", "logit difference"


def layers_of(model: CTRModel, features: Features) -> dict[str, np.ndarray]:
    """Return what each layer says of rows, one entry of the first axis for each layer.

    Args:
        model: A GraphFM.
        features: The features of the rows.

    Returns:
        A dictionary of:
        `"lowest"` and `"highest"`: the lowest and highest edge weight of a selected interaction, `(layers,)`.
        `"weights"`: attention, averaged over heads, times edge weight, and `"effects"`: how far states move without a
        message. Both are averaged over rows and both directions, `(layers, fields, fields)`.

    Raises:
        ValueError: If the model is no GraphFM.
    """
    layers = [layer for layer in model.layers if hasattr(layer, "message_effects")]
    if not layers:
        raise ValueError(f"Only a GraphFM has such layers. Received: {model.name}.")
    outputs = [
        {"edges": edges, "weights": edges * keras.ops.mean(attention, axis=1), "effects": effects}
        for layer in layers
        for _, attention, edges in [layer.output]
        for effects in [layer.message_effects(layer.input, attention, edges)]
    ]
    explainer, rows = keras.Model(model.input, outputs), len(features["ids"])
    lowest, highest = np.full(len(layers), np.inf), np.zeros(len(layers))
    sums = {name: np.zeros((len(layers), *layers[0].output[2].shape[1:])) for name in ("weights", "effects")}
    for start in range(0, rows, ROWS_AT_ONCE):
        batch = {name: array[start : start + ROWS_AT_ONCE] for name, array in features.items()}
        for number, found in enumerate(explainer.predict_on_batch(batch)):
            edges = np.asarray(found["edges"])
            lowest[number] = min(lowest[number], np.where(edges > 0, edges, np.inf).min())
            highest[number] = max(highest[number], edges.max())
            for name, total in sums.items():
                total[number] += np.asarray(found[name], np.float64).sum(axis=0)
    means = {name: (total + total.transpose(0, 2, 1)) / 2 / rows for name, total in sums.items()}
    return {"lowest": lowest, "highest": highest, **means}


def agreement(layers: dict[str, np.ndarray], importance: PermutationImportance) -> list[Config]:
    """Return how well explanations agree with shuffling: of all layers together, and of each one.

    Args:
        layers: What `layers_of` returned.
        importance: What shuffling says of the same rows.

    Returns:
        A dictionary for each explanation, with its `"layer"` (a number, or `"all"`) and, for each thing measured by
        shuffling, the correlation and the rank correlation over pairs.
    """
    first, second = np.transpose(importance.pairs)
    interaction = importance.interaction.mean(axis=0)
    measured = {AUC: interaction, SIZE: np.abs(interaction), LOGIT: importance.logit_interaction.mean(axis=0)}
    rows = []
    for name, matrices in ((WEIGHTS, layers["weights"]), (EFFECTS, layers["effects"])):
        for layer, matrix in [("all", matrices.mean(axis=0)), *enumerate(matrices, start=1)]:
            strengths = matrix[first, second]
            row: Config = {"explanation": name, "layer": layer}
            for what, values in measured.items():
                row[what] = [correlation(strengths, values), rank_correlation(strengths, values)]
            rows.append(row)
    row = {"explanation": LOGIT, "layer": "all"}
    for what, values in measured.items():
        row[what] = [correlation(measured[LOGIT], values), rank_correlation(measured[LOGIT], values)]
    return [*rows, row]


def measure(model: CTRModel, features: Features, labels: np.ndarray, repeats: int = 3, seed: int = 2018) -> Config:
    """Return what each layer of a GraphFM says of rows, and the agreement with shuffling their fields.

    Args:
        model: A GraphFM for classification.
        features: The features of the rows.
        labels: Their labels, 0 or 1.
        repeats: How many permutations to try.
        seed: Seed of the permutations.
    """
    layers = layers_of(model, features)
    importance = permutation_importance(model, features, labels, repeats=repeats, seed=seed)
    apart = ~np.eye(layers["weights"].shape[-1], dtype=bool)
    return {
        "rows": len(labels),
        "layers": [
            {
                "lowest": float(layers["lowest"][number]),
                "highest": float(layers["highest"][number]),
                **{name: float(layers[name][number][apart].mean()) for name in ("weights", "effects")},
            }
            for number in range(len(layers["lowest"]))
        ],
        "agreement": agreement(layers, importance),
    }


def markdown(runs: Sequence[Config]) -> str:
    """Return the measurements of several runs as Markdown; each has a `"title"`."""
    for run in runs[1:]:
        if len(run["agreement"]) != len(runs[0]["agreement"]):
            raise ValueError(f"Runs must have as many layers. {run['title']} has not as many as {runs[0]['title']}.")
    lines = [
        "# What GraphFM's layers tell",
        "",
        f"Random test rows of {len(runs)} runs. An interaction is what shuffling two fields says, see "
        "`ctrzoo.explanation.permutation`.",
        "",
        "## Layers",
        "",
        "Edge weights are those of selected interactions. The last two columns are means over pairs: a layer's part in "
        f"each explanation. {WEIGHTS.capitalize()} is a share; `{EFFECTS}` is a distance between states.",
        "",
    ]
    lines += table_lines(
        [
            {
                "run": run["title"],
                "layer": number,
                "edge weights": f"{layer['lowest']:.4f} to {layer['highest']:.4f}",
                WEIGHTS: f"{layer['weights']:.4f}",
                f"`{EFFECTS}`": f"{layer['effects']:.4f}",
            }
            for run in runs
            for number, layer in enumerate(run["layers"], start=1)
        ]
    )
    lines += [
        "",
        "## Agreement with shuffling",
        "",
        "Correlation and rank correlation over pairs of fields, mean over runs (lowest to highest). The last row says "
        "how well the measurements agree with each other.",
        "",
    ]
    table = []
    for rows in zip(*(run["agreement"] for run in runs), strict=True):
        cells = {"explanation": rows[0]["explanation"], "layers": rows[0]["layer"]}
        for what in (AUC, SIZE, LOGIT):
            for number, kind in enumerate(("", ", ranks")):
                cells[f"{what}{kind}"] = _spread([row[what][number] for row in rows])
        table.append(cells)
    return "\n".join([*lines, *table_lines(table)]) + "\n"


def _spread(values):
    if not np.isfinite(values).all():
        return "constant"
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the layers of the models of runs, print the page, and write it on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=pathlib.Path, nargs="+", required=True, help="Folders of `ctrzoo-train`.")
    parser.add_argument("--data", help="The prepared folder, by default the one that each run read.")
    parser.add_argument("--split", default="test", help="train, valid or test.")
    parser.add_argument("--rows", type=int, default=10_000, help="How many rows, chosen at random.")
    parser.add_argument("--repeats", type=int, default=3, help="Permutations of each field and pair.")
    parser.add_argument("--folder", type=pathlib.Path, help="Where to write layers.md and layers.json.")
    options = parser.parse_args(arguments)
    with one_line_failures("layers", "Interrupted."):
        runs = []
        for workdir in options.workdir:
            settings = json.loads((workdir / "experiment.json").read_text(encoding="utf-8"))
            data = data_pipelines.load(options.data or settings["data"]["folder"])
            if options.split not in data.num_rows:
                raise ValueError(f"{data.name} has no split '{options.split}', but: {', '.join(data.num_rows)}.")
            rows = sample_rows(data, options.split, options.rows, 2018, False)
            found = measure(load_model(workdir, data.schema), rows.features, rows.labels, options.repeats)
            train = settings["settings"]
            runs.append({"title": f"{train['model']}, seed {train['seed']}, {train['epochs']} epochs", **found})
        text = markdown(runs)
        print(text, end="")
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            write_json(options.folder / "layers.json", {"runs": runs})
            write_text(options.folder / "layers.md", text)


if __name__ == "__main__":
    main()
