"""From the folder of a trained model to a folder of explanations."""

import json
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from rich.console import Console

from ctrzoo.explanation.analysis import EXPLANATION, METHODS, Analysis, analyse
from ctrzoo.explanation.correlation import correlation
from ctrzoo.explanation.measure import default_metric
from ctrzoo.explanation.report import write_explanations
from ctrzoo.files import seal_is_intact
from ctrzoo.metrics import metric_of
from ctrzoo.model import CTRModel
from ctrzoo.schema import Schema
from ctrzoo.types import Path

from .. import (
    data_pipelines,
    models,  # noqa: F401  (the classes of saved models)
)
from .explained_rows import places_in_words, read_rows, sample_rows, worth_a_look


def explain_run(
    workdir: pathlib.Path,
    output: pathlib.Path,
    data_folder: Path | None = None,
    split: str = "test",
    num_rows: int = 10_000,
    instances: int = 3,
    chosen: Sequence[int] = (),
    repeats: int = 3,
    most_pairs: int = 60,
    seed: int = 2018,
    compared: Sequence[pathlib.Path] = (),
    metric: str | None = None,
    console: Console | None = None,
) -> pathlib.Path:
    """Explain the model of a run on rows of its data; return the path of the report.

    Args:
        workdir: Folder of the run, with `experiment.json` and `model.keras`.
        output: Folder to write into.
        data_folder: The prepared folder; None for the one that the run read.
        split: `"train"`, `"valid"` or `"test"`.
        num_rows: How many rows, chosen at random; whole groups if the metric is of the order within groups.
        instances: How many of them to show one by one.
        chosen: Numbers of rows of the split to show instead.
        repeats: Permutations of each field and pair.
        most_pairs: The most pairs to shuffle.
        seed: Seed of rows and permutations.
        compared: Folders of other runs on the same data and with the same task.
        metric: What shuffling is measured by; None for AUC of classification, and what training watched for the other
            tasks, see `ctrzoo.explanation.measure.default_metric`.
        console: A `rich` console for messages, or None.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If a model does not fit the data, the tasks of the runs differ, a row is not in the split, or a
            metric needs groups that the data have not.
    """
    data = data_pipelines.load(data_folder or data_folder_of(workdir / "experiment.json"))
    _check_rows(data, split, chosen)
    loaded = {folder: load_model(folder, data.schema) for folder in (workdir, *compared)}
    task = loaded[workdir].task
    for folder, model in loaded.items():
        if model.task != task:
            raise ValueError(
                f"Runs of one task can be compared. Received: {workdir} of {task} and {folder} of {model.task}."
            )
    metric = metric or default_metric(task, monitor_of(workdir / "experiment.json"))
    in_groups = task == "ranking" or metric_of(metric).needs_groups
    if in_groups and "group" not in data.columns:
        raise ValueError(f"{metric_of(metric).title} needs groups, which {data.name} has not. Choose another --metric.")
    rows = sample_rows(data, split, num_rows, seed, in_groups)
    planted = data.truth["pairs"] if data.truth else ()
    options = {"weights": rows.weights, "groups": rows.groups, "metric": metric}
    analyses: dict[pathlib.Path, tuple[CTRModel, Analysis]] = {}
    for folder, model in loaded.items():
        _print(console, f"{folder}: {model.name}, {len(rows.labels):,} rows of {data.name}/{split}")
        analysis = analyse(model, rows.features, rows.labels, planted, most_pairs, repeats, seed, **options)
        analyses[folder] = model, analysis
    model, analysis = analyses[workdir]
    of_groups = metric if metric_of(metric).needs_groups else "ndcg@10"
    numbers = np.array(chosen or rows.numbers[worth_a_look(model, rows, instances, of_groups)], np.int64)
    shown = read_rows(data, split, numbers)
    first = analysis if compared else None
    comparison = [_compared(folder, *analyses[folder], first) for folder in analyses]
    for compared_run in comparison:
        _print(console, ", ".join(f"{key} {_rounded(value)}" for key, value in compared_run.items()))
    return write_explanations(
        output,
        model,
        analysis,
        shown.features,
        shown.labels,
        data.texts(shown.features),
        [int(number) for number in shown.numbers],
        f"What {model.name} says of {data.name}: {len(rows.labels):,} rows of the {split} split",
        comparison,
        base_rate=data.num_positives[split] / data.num_rows[split],
        notes=places_in_words(model, data, split, numbers, of_groups) if task == "ranking" else None,
        event_texts=data.event_texts(shown.features) if data.schema.histories else None,
    )


def monitor_of(path: pathlib.Path) -> str | None:
    """Return what the training of a run watched, None if nothing else than its task does.

    Args:
        path: The `experiment.json` of the run.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))["settings"].get("monitor")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def data_folder_of(path: pathlib.Path) -> str:
    """Return the prepared folder that a run read.

    Args:
        path: The `experiment.json` of the run.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))["data"]["folder"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error}), so the data of the run are unknown. Name them with --data=...."
        ) from error


def _check_rows(data, split, chosen):
    if split not in data.num_rows:
        raise ValueError(f"{data.name} has no split '{split}', but: {', '.join(data.num_rows)}.")
    for number in chosen:
        if number >= data.num_rows[split]:
            raise ValueError(
                f"The split '{split}' has {data.num_rows[split]:,} rows, counted from 0. Received: {number}."
            )


def _print(console, message):
    if console:
        console.print(message, markup=False)


def load_model(folder: pathlib.Path, schema: Schema) -> CTRModel:
    """Load the best model of a run.

    Args:
        folder: The folder of the run, or a file of a saved model.
        schema: The schema of the data.

    Raises:
        ValueError: If the file is damaged, or the model was built for another schema.
    """
    path = folder if folder.is_file() else folder / "model.keras"
    _check_file(path)
    try:
        model: Any = keras.models.load_model(path)
        differences = model.schema.differences(schema)
    except Exception as error:  # Keras raises many different ones for files that lack a part
        if isinstance(error, ValueError) and "install the version" in str(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(f"{path} holds no model that ctrzoo can load ({reason}). {_anew(path)}") from error
    if differences:
        raise ValueError(f"The model in {folder} is of other data: {differences[0]}.")
    return model


def _check_file(path):
    """Raise an error if a file of `keras.Model.save` is damaged, so Keras would fail with many different errors."""
    try:
        if seal_is_intact(path) is False:
            raise ValueError("its checksum differs")
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged:
                raise ValueError(f"the checksum of its part {damaged} differs")
    except Exception as error:  # a damaged zip file raises a dozen types
        raise ValueError(f"{path} is damaged ({error}). {_anew(path)}") from error


def _anew(path):
    return (
        f"Delete it and rerun the ctrzoo-train command with --workdir={path.parent}, which writes it again from the "
        "last checkpoint."
    )


def _compared(folder: pathlib.Path, model: CTRModel, analysis: Analysis, first: Analysis | None) -> dict[str, Any]:
    """Return a row of the table of models: the metric, planted pairs found, agreement with shuffling and the first run.

    Args:
        folder: The folder of the run.
        model: Its model.
        analysis: Its analysis.
        first: The analysis of the first run; None if it is the only one.
    """
    title = metric_of(analysis.importance.metric).title
    row = {"model": model.name, "run": str(folder), title: analysis.importance.value}
    methods = [analysis.called(method) for method in METHODS]
    precision = analysis.precision()
    if precision:
        for method in methods:
            row[f"planted pairs found by {method}"] = precision.get(method)
    agreement = analysis.agreement()
    for method in methods:
        if method != EXPLANATION:
            row[f"correlation of {EXPLANATION} and {method}"] = agreement[method][0] if agreement else None
    if first is None:
        return row
    pairs, edges = np.triu_indices(len(analysis.names), 1), None
    if first is not analysis and analysis.edges is not None and first.edges is not None:
        edges = correlation(analysis.edges.mean[pairs], first.edges.mean[pairs])
    row["correlation with the first run's edges"] = edges
    return row


def _rounded(value):
    return f"{value:.3f}" if isinstance(value, float) else "–" if value is None else value
