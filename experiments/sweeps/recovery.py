"""How many planted pairs of fields a sweep's models found, as Markdown, CSV and a picture."""

import json
import pathlib
import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ctrzoo.explanation.analysis import EXPLANATION, LOGIT_DIFFERENCE, METRIC_INTERACTION, analyse
from ctrzoo.files import replaced, write_csv, write_json, write_text
from ctrzoo.metrics import metric_of
from ctrzoo.model import CTRModel
from ctrzoo.types import Config

from ... import data_pipelines
from ..explained_rows import sample_rows
from ..explained_run import load_model

WAYS = {
    EXPLANATION: "by the model's explanation",
    LOGIT_DIFFERENCE: "by shuffling, {logit}",
    METRIC_INTERACTION: "by shuffling, {metric}",
}
SPLIT, NUM_ROWS, SEED = "test", 4_096, 2018
KEPT = "recovery.json"


def recover(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `recovery.md`, `recovery.csv` and `recovery.png` for the finished runs of a sweep on synthetic data.

    With n planted pairs, a model's share is the fraction of them among its n strongest pairs, on 4,096 rows of the test
    split. Measuring it takes seconds per run, so it is stored in the run's folder.

    Args:
        rows: The rows of a sweep, see `results.rows_of`.
        folder: The folder of the sweep; the files go there.
    """
    places = [(row, folder / row["group"] / f"seed_{row['seed']}") for row in rows if row["state"] == "finished"]
    places = [(row, place) for row, place in places if any((place / name).is_file() for name in (KEPT, "model.keras"))]
    found = [{"label": row["label"], **_shares(place)} for row, place in places]
    table = [_mean(label, found) for label in dict.fromkeys(entry["label"] for entry in found)]
    table.sort(key=lambda row: [-(row[way] or 0) for way in WAYS])
    metrics = list(dict.fromkeys(entry["metric"] for entry in found))
    words = {"metric": "/".join(metric_of(metric).title for metric in metrics) or "AUC"}
    words["logit"] = "/".join(dict.fromkeys(entry["logit"] for entry in found)) or "logit"
    if table:
        names = {"value": "/".join(metrics)}
        write_csv(
            folder / "recovery.csv",
            [{names.get(key, key.format(**words)): cell for key, cell in row.items()} for row in table],
        )
    ways = {way: name.format(**words) for way, name in WAYS.items()}
    write_text(folder / "recovery.md", _markdown(table, ways, words["metric"]))
    _plot(table, ways, folder / "recovery.png")


def _shares(workdir):
    if not (workdir / KEPT).is_file():
        write_json(workdir / KEPT, _measured(workdir))
    kept = json.loads((workdir / KEPT).read_text(encoding="utf-8"))
    metric, logit = kept.get("metric", "auc"), kept.get("logit", "logit")  # those of classification are not stored
    shares = {way: kept[way.format(metric=metric_of(metric).title, logit=logit)] for way in WAYS}
    return {"metric": metric, "logit": logit, "value": kept[metric], **shares}


def _measured(workdir):
    data = data_pipelines.load(json.loads((workdir / "experiment.json").read_text(encoding="utf-8"))["data"]["folder"])
    if not data.truth:
        raise ValueError(f"The interacting pairs of {data.name} are unknown. Sweep over `synthetic`.")
    model = load_model(workdir, data.schema)
    assert isinstance(model, CTRModel), "ctrzoo-train saves no other kind"
    rows = sample_rows(data, SPLIT, NUM_ROWS, SEED, model.task == "ranking")
    options = {"weights": rows.weights, "groups": rows.groups, "repeats": 1, "seed": SEED}
    analysis = analyse(model, rows.features, rows.labels, data.truth["pairs"], **options)
    shares, importance = analysis.precision(), analysis.importance
    words = {} if model.task == "classification" else {"metric": importance.metric, "logit": analysis.logit}
    measured = {analysis.called(way): shares.get(analysis.called(way)) for way in WAYS}
    return {**words, importance.metric: importance.value, **measured}


def _mean(label, found):
    own = [entry for entry in found if entry["label"] == label]
    mean = {"label": label, "seeds": len(own)}
    for key in ("value", *WAYS):
        numbers = [entry[key] for entry in own if entry[key] is not None]
        mean[key] = statistics.mean(numbers) if numbers else None
    return mean


def _markdown(table, ways, metric):
    lines = ["# Share of planted pairs found", "", "Mean over seeds; – if the model does not explain pairs.", ""]
    lines += [f"| model | seeds | {metric} | {' | '.join(ways.values())} |", "|---" * (3 + len(ways)) + "|"]
    for row in table:
        shares = ["–" if row[way] is None else f"{row[way]:.0%}" for way in ways]
        lines.append(f"| {row['label']} | {row['seeds']} | {row['value']:.4f} | {' | '.join(shares)} |")
    return "\n".join([*lines, "", "![shares](recovery.png)"]) + "\n"


def _plot(table, ways, path):
    figure = Figure(figsize=(8, 1.4 + 0.45 * len(table)), layout="constrained")
    axes, height = figure.subplots(), 0.8 / len(ways)
    for number, (way, name) in enumerate(ways.items()):
        places = np.arange(len(table)) + (number - 1) * height
        axes.barh(places, [row[way] or 0 for row in table], height * 0.9, label=name)
    axes.set_yticks(range(len(table)), [row["label"] for row in table])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the n planted pairs among the n strongest pairs")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(ways), fontsize=8, frameon=False)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)
