"""From the folder of a trained model to a folder of explanations."""

import json
import pathlib
import typing
import zipfile
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike
from rich.console import Console

from ctrzoo.explanation.analysis import EXPLANATION, METHODS, Analysis, analyse, correlation
from ctrzoo.explanation.explainer import explain_rows
from ctrzoo.explanation.report import choose_rows, write_explanations
from ctrzoo.files import seal_is_intact
from ctrzoo.model import CTRModel, output_name
from ctrzoo.schema import Schema
from ctrzoo.types import Path

from .. import (
    data_pipelines,
    models,  # noqa: F401  (the classes of saved models)
)

BATCH = 4096


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
    console: Console | None = None,
) -> pathlib.Path:
    """Explain the model of a run on rows of its data; return the path of the report.

    Args:
        workdir: Folder of the run, with `experiment.json` and `model.keras`.
        output: Folder to write into.
        data_folder: The prepared folder; None for the one that the run read.
        split: `"train"`, `"valid"` or `"test"`.
        num_rows: How many rows, chosen at random.
        instances: How many of them to show one by one.
        chosen: Numbers of rows of the split to show instead.
        repeats: Permutations of each field and pair.
        most_pairs: The most pairs to shuffle.
        seed: Seed of rows and permutations.
        compared: Folders of other runs on the same data.
        console: A `rich` console for messages, or None.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If a model does not fit the data, or a row is not in the split.
    """
    data = data_pipelines.load(data_folder or _data_folder(workdir / "experiment.json"))
    _check_rows(data, split, chosen)
    total = data.num_rows[split]
    rows = _read(data, split, np.sort(np.random.default_rng(seed).choice(total, min(num_rows, total), replace=False)))
    planted = data.truth["pairs"] if data.truth else ()
    analyses: dict[pathlib.Path, tuple[CTRModel, Analysis]] = {}
    for folder in (workdir, *compared):
        model = load_model(folder, data.schema)
        _print(console, f"{folder}: {model.name}, {len(rows.labels):,} rows of {data.name}/{split}")
        analyses[folder] = model, analyse(model, rows.features, rows.labels, planted, most_pairs, repeats, seed)
    model, analysis = analyses[workdir]
    shown = _read(data, split, np.array(chosen)) if chosen else _worth_a_look(model, rows, instances)
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
        base_rate=data.num_positives[split] / total,
    )


def _data_folder(path):
    """Return the prepared folder that a run read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["data"]["folder"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error}), so the data of the run are unknown. Name them with --data=...."
        ) from error


class _Rows(typing.NamedTuple):
    """Rows of a split: their numbers in stored order, features and labels."""

    numbers: np.ndarray
    features: dict[str, np.ndarray]
    labels: np.ndarray


def _check_rows(data, split, chosen):
    if split not in data.num_rows:
        raise ValueError(f"{data.name} has no split '{split}', but: {', '.join(data.num_rows)}.")
    for number in chosen:
        if number >= data.num_rows[split]:
            raise ValueError(
                f"The split '{split}' has {data.num_rows[split]:,} rows, counted from 0. Received: {number}."
            )


def _read(data, split, numbers):
    return _Rows(numbers, *rows_of(data, split, numbers))


def _worth_a_look(model, rows, count):
    """Return some of the rows, those that `choose_rows` finds worth a look."""
    chosen = choose_rows(rows.labels, explain_rows(model, rows.features)[output_name(model.task)], count)
    features = {name: array[chosen] for name, array in rows.features.items()}
    return _Rows(rows.numbers[chosen], features, rows.labels[chosen])


def _print(console, message):
    if console:
        console.print(message, markup=False)


def rows_of(
    data: data_pipelines.PreparedData, split: str, numbers: ArrayLike
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return features and labels of rows of a split, by their numbers in stored order, however large it is."""
    numbers, start, found = np.asarray(numbers), 0, []
    for features, labels, *_ in data.dataset(split, BATCH, shuffle=False).as_numpy_iterator():
        asked = np.flatnonzero((numbers >= start) & (numbers < start + len(labels)))
        in_batch = numbers[asked] - start
        found.append((asked, {name: array[in_batch] for name, array in features.items()}, labels[in_batch, 0]))
        start += len(labels)
    order = np.argsort(np.concatenate([asked for asked, _, _ in found]))
    features = {name: np.concatenate([part[name] for _, part, _ in found])[order] for name in ("ids", "values")}
    return features, np.concatenate([labels for _, _, labels in found])[order]


def load_model(folder: pathlib.Path, schema: Schema) -> CTRModel:
    """Load the best model of a run.

    Raises:
        ValueError: If the file is damaged, or the model was built for another schema.
    """
    path = folder / "model.keras"
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
    """Return a row of the table of models: AUC, planted pairs found, agreement with shuffling and the first run.

    Args:
        folder: The folder of the run.
        model: Its model.
        analysis: Its analysis.
        first: The analysis of the first run; None if it is the only one.
    """
    row = {"model": model.name, "run": str(folder), "AUC": analysis.importance.auc}
    precision = analysis.precision()
    if precision:
        for method in METHODS:
            row[f"planted pairs found by {method}"] = precision.get(method)
    agreement = analysis.agreement()
    for method in METHODS:
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
