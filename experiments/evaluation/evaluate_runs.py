"""From scored rows to the folder of an evaluation: what is measured, said, drawn and written."""

from __future__ import annotations

import csv
import io
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ctrzoo import __version__
from ctrzoo.files import without_nan
from ctrzoo.metrics import metric_of
from ctrzoo.metrics.resampled import MEAN_LABEL
from ctrzoo.metrics.resampling import units_of
from ctrzoo.metrics.significance import LEVEL
from ctrzoo.tasks import task_of

from ...data_pipelines.progress import StepProgress
from ..explained_run import monitor_of
from .measure import MEAN_LABELS, WITHOUT_INTERVALS, measure, measure_slices, metrics_to_measure
from .output import METRICS, REPORT, SLICES, write_folder
from .page import page
from .scored import ScoredRows, ScoredRun


def evaluate_runs(
    scored: ScoredRows, source: dict[str, str], output: pathlib.Path, resamples: int = 1000, seed: int = 2018
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Measure runs, and write the page, `metrics.json` and, of slices, `slices.csv`.

    Args:
        scored: The runs with their scores.
        source: Where the rows are from, `{"table": ...}` or `{"data": ..., "split": ...}`.
        output: The folder to write.
        resamples: Resamples of the bootstrap.
        seed: Their seed.

    Returns:
        What `metrics.json` and `slices.csv` hold.

    Raises:
        ValueError: If the runs are of several tasks, or a metric needs groups that the rows do not have.
    """
    runs = scored.runs
    check_tasks(runs)
    rows = runs[0].rows
    monitored = [
        monitor_of(run.folder / "experiment.json") for run in runs if (run.folder / "experiment.json").is_file()
    ]
    names = metrics_to_measure(task_of(runs[0].task), rows.groups is not None, monitored)
    units, number = units_of(rows)
    with StepProgress(f"{resamples:,} resamples") as progress:
        measured = measure(runs, names, resamples, seed, _advance(progress, resamples))
    slices = []
    if scored.slicings:
        total = len(rows.labels) * len(scored.slicings)
        with StepProgress(f"{resamples:,} resamples of each slice") as progress:
            slices = measure_slices(runs, scored.slicings, resamples, seed, _advance(progress, total))
    content = {
        "ctrzoo_version": __version__,
        **source,
        "task": runs[0].task,
        "rows": len(rows.labels),
        "groups": None if units is None else number,
        "weight": _weight(rows) if scored.are_weighted else None,
        MEAN_LABELS[runs[0].task].replace(" ", "_"): _mean_label(rows),
        "bootstrap": {"resamples": resamples, "seed": seed, "unit": "rows" if units is None else "groups"},
        "level": LEVEL,
        "notes": [
            *scored.notes,
            *measured.notes,
            *_without_intervals(names),
            *_of_resamples(measured, runs, resamples),
            *_of_slices(slices, resamples),
        ],
        "runs": [
            {
                "run": str(run.folder),
                "model": run.model,
                "metrics": {name: estimate._asdict() for name, estimate in metrics.items()},
            }
            for run, metrics in zip(runs, measured.metrics, strict=True)
        ],
        "differences": [_difference(found, runs) for found in measured.differences],
    }
    content = without_nan(content)
    title = f"Evaluation of {', '.join(str(run.folder) for run in runs)}"
    files = {
        REPORT: page(title, list(about(content)), runs, content, slices),
        METRICS: json.dumps(content, indent=2, ensure_ascii=False) + "\n",
    }
    if slices:
        files[SLICES] = _csv(slices, MEAN_LABELS[runs[0].task].replace(" ", "_"))
    write_folder(output, files)
    return content, slices


def check_tasks(runs: Sequence[ScoredRun]) -> None:
    """Refuse runs of several tasks.

    Raises:
        ValueError: If a run has another task than the first one.
    """
    for run in runs:
        if run.task != runs[0].task:
            raise ValueError(
                f"Runs of one task can be compared. Received: {runs[0].folder} of {runs[0].task} and {run.folder} of "
                f"{run.task}."
            )


def about(content: dict[str, Any]) -> list[str]:
    """Return sentences about the rows and about what was done.

    Args:
        content: What `metrics.json` holds.
    """
    where = content["table"] if "table" in content else f"the {content['split']} split of {content['data']}"
    mean = MEAN_LABELS[content["task"]]
    groups = f" in {content['groups']:,} groups" if content["groups"] is not None else ""
    unit, resamples = content["bootstrap"]["unit"], content["bootstrap"]["resamples"]
    sentences = [
        f"{content['rows']:,} rows{groups} of {where}, {mean} {content[mean.replace(' ', '_')]:.4g}.",
        f"Intervals hold {content['level']:.0%} of the values of {resamples:,} bootstrap resamples of {unit} "
        f"(percentiles, seed {content['bootstrap']['seed']}).",
    ]
    if content["weight"] is not None:
        sentences.append(
            f"Rows have weights, {content['weight']:,.6g} in all: a row of weight 2 counts as two rows in all metrics "
            "but those of places within groups. Resamples draw rows or groups, whatever they weigh."
        )
    return sentences


def _advance(progress, total) -> Callable[..., None]:
    """Return a function to call with the number of parts done since the last call."""
    done = 0

    def advance(parts=1):
        nonlocal done
        done += parts
        progress.advance(0, done / total)

    return advance


def _weight(rows):
    return float(rows.weights.sum(dtype=np.float64))


def _mean_label(rows):
    weights = None if rows.weights is None else rows.weights.astype(np.float64)
    return float(np.average(rows.labels.astype(np.float64), weights=weights))


def _without_intervals(names):
    """Yield which metrics have no interval, and why."""
    for name in names:
        if name in WITHOUT_INTERVALS:
            title = metric_of(name).title
            yield (
                f"The {title} has no interval, and runs are not compared by it: the noise of labels raises it, above "
                "all that of models that are calibrated, and resamples would add more."
            )


def _of_resamples(measured, runs, resamples):
    """Yield which metrics were not defined in some resamples, and which ones resamples shift."""
    for run, metrics in zip(runs, measured.metrics, strict=True):
        for name, estimate in metrics.items():
            if 0 < estimate.undefined < resamples:
                yield (
                    f"{run.folder}: {metric_of(name).title} is not defined in {estimate.undefined:,} of {resamples:,} "
                    "resamples, which its interval leaves out."
                )
            if estimate.value < estimate.low or estimate.value > estimate.high:
                side = "high" if estimate.value < estimate.low else "low"
                yield (
                    f"{run.folder}: {metric_of(name).title} is outside of its interval: the noise that resamples add "
                    f"shifts it, so the interval is too {side}."
                )


def _of_slices(slices, resamples):
    """Yield in how many slices a metric is not defined in some resamples."""
    for name in dict.fromkeys(row["by"] for row in slices):
        counts = {row["slice"]: set() for row in slices if row["by"] == name}
        for row in slices:
            if row["by"] == name:
                counts[row["slice"]] |= {count for key, count in row.items() if key.endswith("_undefined")}
        some = sum(any(0 < count < resamples for count in found) for found in counts.values())
        if some:
            yield (
                f"In {some:,} of {len(counts):,} slices by {name}, intervals leave out resamples in which a metric is "
                f"not defined. {SLICES} counts them."
            )


def _difference(found, runs):
    names = {"run": str(runs[found.run].folder), "other": str(runs[found.other].folder)}
    numbers = {"difference": found.value, "low": found.low, "high": found.high, "p": found.p, "p_holm": found.p_holm}
    return {"metric": found.metric, **names, **numbers, "test": found.test}


def _csv(rows, mean_label):
    """Return rows as CSV; the mean label is called what it is of the task, such as `base_rate`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([key.replace(MEAN_LABEL, mean_label) for key in rows[0]])
    writer.writerows(row.values() for row in rows)
    return text.getvalue()
