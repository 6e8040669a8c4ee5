"""What a model says about its fields: explanations of rows, and averaged over a split."""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ctrzoo.explanation.kinds import Kind, kind_of
from ctrzoo.lookup import for_this_process
from ctrzoo.model import CTRModel
from ctrzoo.types import Features


class MeanExplanations:
    """Average the explanations of a model over all rows of a data set; compiled once.

    Args:
        model: A `CTRModel`.
    """

    def __init__(self, model: CTRModel) -> None:
        explainer = model.explainer()
        if keras.backend.backend() != "tensorflow":
            self._sums = functools.partial(_sums_of_predictions, explainer, model.explanation_names)
            return

        @tf.function(reduce_retracing=True)
        def sums(features):
            with for_this_process():
                outputs = explainer(features, training=False)
            wide = {name: tf.cast(outputs[name], tf.float32) for name in model.explanation_names}  # sums of many rows
            return {name: tf.reduce_sum(tf.abs(output), axis=0) for name, output in wide.items()}

        self._sums = sums

    def __call__(self, dataset: Iterable[Any]) -> dict[str, np.ndarray]:
        """Return the means over a `tf.data.Dataset` of `(features, labels)` batches, as `mean_explanations`."""
        totals, rows = {}, 0
        for features, labels, *_ in dataset:
            batch = self._sums(features)
            totals = {name: totals[name] + batch[name] for name in batch} if totals else batch
            rows += len(labels)
        if not rows:
            raise ValueError("The data set has no rows to explain.")
        return {name: np.asarray(total) / rows for name, total in totals.items()}


def _sums_of_predictions(explainer, names, features):
    outputs = explainer.predict_on_batch({name: np.asarray(feature) for name, feature in features.items()})
    return {name: np.abs(outputs[name].astype(np.float32)).sum(axis=0) for name in names}


def mean_explanations(model: CTRModel, dataset: Iterable[Any]) -> dict[str, np.ndarray]:
    """Average the explanations of a model over all rows of a data set.

    Args:
        model: A `CTRModel`.
        dataset: A `tf.data.Dataset` of `(features, labels)` batches.

    Returns:
        A dictionary from the name of each explanation to the mean of its absolute value over rows, a
        NumPy array of the shape of one row's explanation, such as `(fields, fields)`.

    Raises:
        ValueError: If the data has no rows.
    """
    return MeanExplanations(model)(dataset)


def explain_rows(model: CTRModel, features: Features, batch_size: int = 1024) -> dict[str, np.ndarray]:
    """Return what a model says of rows.

    Args:
        model: A `CTRModel`.
        features: `{"ids": (rows, slots), "values": (rows, slots)}`.
        batch_size: Rows computed at once.

    Returns:
        `{"probability": (rows,), "logit": (rows,)}` and each explanation by its name, float32 arrays whose first
        axis is rows. The output of other tasks than classification is called `"prediction"`.

    Raises:
        ValueError: If the data has no rows.
    """
    batches = list(_explained_batches(model, features, batch_size))
    if not batches:
        raise ValueError("The data has no rows to explain.")
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def kinds_of(model: CTRModel) -> dict[str, Kind]:
    """Return the kind of each explanation of a model, by its name.

    >>> from ctrzoo import models
    >>> from ctrzoo.schema import Field, Schema
    >>> model = models.build("lr", Schema([Field("user", vocabulary_size=2), Field("ad", vocabulary_size=2)]))
    >>> kinds_of(model)["fields"].meaning
    'what each field adds to the logit'
    """
    outputs: Any = model.explainer().output
    return {name: kind_of(name, outputs[name].shape[1:], model.schema.num_fields) for name in model.explanation_names}


def matrices_of(explained: Mapping[str, np.ndarray], num_fields: int) -> dict[str, np.ndarray]:
    """Return the explanations of pairs of fields, `(rows, fields, fields)`: heads and layers are averaged.

    Args:
        explained: What `explain_rows` returned.
        num_fields: Number of fields.

    >>> {name: matrix.shape for name, matrix in matrices_of({"attention": np.ones((5, 2, 3, 3))}, 3).items()}
    {'attention': (5, 3, 3)}
    """
    return {name: matrix for name, (_, matrix) in _converted(explained, num_fields, Kind.matrix).items()}


def mean_strengths(model: CTRModel, dataset: Iterable[Any]) -> np.ndarray | None:
    """Return how strong each pair of fields is over all rows of a data set, where the model says so conclusively.

    Args:
        model: A `CTRModel`.
        dataset: A `tf.data.Dataset` of `(features, labels)` batches; not read if the answer is None.

    Returns:
        Strengths `(fields, fields)`, symmetric, zero on the diagonal. None if there are no two fields, or the model has
        no conclusive matrix (`pairs`), but only such as attention.

    Raises:
        ValueError: If the data has no rows.
    """
    num_fields = model.schema.num_fields
    if num_fields < 2 or not any(kind.conclusive for kind in kinds_of(model).values()):
        return None
    means = {name: mean[np.newaxis] for name, mean in mean_explanations(model, dataset).items()}
    strengths = strengths_of(means, num_fields)
    return None if strengths is None else strengths[0]


def vectors_of(explained: Mapping[str, np.ndarray], num_fields: int) -> dict[str, tuple[Kind, np.ndarray]]:
    """Return the explanations of single fields, or of single entries of something else, each with its kind.

    Args:
        explained: What `explain_rows` returned.
        num_fields: Number of fields.

    Returns:
        The `Kind` and the vectors `(rows, fields)` or `(rows, entries)` of each explanation by its name.

    >>> kind, terms = vectors_of({"fields": np.array([[0.5, -2.0]]), "pairs": np.ones((1, 2, 2))}, 2)["fields"]
    >>> kind.signed, terms.tolist()
    (True, [[0.5, -2.0]])
    """
    return _converted(explained, num_fields, Kind.vector)


def strengths_of(explained: Mapping[str, np.ndarray], num_fields: int) -> np.ndarray | None:
    """Return how strong each edge between two fields is in each row.

    That is the absolute value of the conclusive matrix, `pairs`, where the model names it. Otherwise it is the mean
    over all matrices (attention, edges, gates) of their absolute values in both directions.

    Args:
        explained: What `explain_rows` returned.
        num_fields: Number of fields.

    Returns:
        Strengths `(rows, fields, fields)`, symmetric, zero on the diagonal; None if nothing explains pairs.

    >>> strengths_of({"edges": np.array([[[0.9, 0.25], [0.5, 0.8]]])}, 2).tolist()
    [[[0.0, 0.375], [0.375, 0.0]]]
    """
    chosen = _conclusive(explained, num_fields)
    return _in_both_directions([np.abs(matrix) for _, matrix in chosen]) if chosen else None


def weights_of(explained: Mapping[str, np.ndarray], num_fields: int) -> np.ndarray | None:
    """Return the weight of each pair of fields in each row: its strength, with a sign where the model gives one.

    Args:
        explained: What `explain_rows` returned.
        num_fields: Number of fields.

    Returns:
        Weights `(rows, fields, fields)`, symmetric, zero on the diagonal; None if nothing explains pairs.

    >>> weights_of({"pairs": np.array([[[0.0, -2.0], [-2.0, 0.0]]])}, 2).tolist()
    [[[0.0, -2.0], [-2.0, 0.0]]]
    """
    chosen = _conclusive(explained, num_fields)
    if not all(kind.signed for kind, _ in chosen):
        return strengths_of(explained, num_fields)
    return _in_both_directions([matrix for _, matrix in chosen]) if chosen else None


def _converted(explained, num_fields, convert):
    """Return `{name: (kind, array)}` of the explanations that `convert`, a method of `Kind`, can turn into an array."""
    kinds = {name: kind_of(name, array.shape[1:], num_fields) for name, array in explained.items()}
    arrays = {name: convert(kind, explained[name]) for name, kind in kinds.items()}
    return {name: (kinds[name], array) for name, array in arrays.items() if array is not None}


def _conclusive(explained, num_fields):
    """Return the kinds and matrices that say how strong pairs are: the conclusive ones, or else all."""
    found = list(_converted(explained, num_fields, Kind.matrix).values())
    return [(kind, matrix) for kind, matrix in found if kind.conclusive] or found


def _in_both_directions(matrices: list[np.ndarray]) -> np.ndarray:
    mean: Any = np.sum(matrices, axis=0, dtype=np.float32) / len(matrices)
    return (mean + mean.transpose(0, 2, 1)) / 2 * (1 - np.eye(mean.shape[-1], dtype=np.float32))


class EdgeStatistics(typing.NamedTuple):
    """How strong the edges between fields are over rows; matrices `(fields, fields)`, symmetric.

    Args:
        mean: Mean strength.
        deviation: Standard deviation over rows.
        top_share: Share of the rows in which the edge is among the row's strongest.
        top: How many edges of a row count as its strongest.
    """

    mean: np.ndarray
    deviation: np.ndarray
    top_share: np.ndarray
    top: int


def edge_statistics(
    model: CTRModel, features: Features, top: int | None = None, batch_size: int = 1024
) -> EdgeStatistics | None:
    """Return the mean graph of a model over rows, and how much it changes from row to row.

    Args:
        model: A `CTRModel`.
        features: `{"ids": (rows, slots), "values": (rows, slots)}`.
        top: How many edges of a row count as its strongest; by default as many as fields. An edge of strength
            zero never counts.
        batch_size: Rows computed at once.

    Returns:
        The `EdgeStatistics`, or None if the model names nothing that explains pairs.

    Raises:
        ValueError: If the data has no rows.
    """
    num_fields, rows = model.schema.num_fields, 0
    first, second = np.triu_indices(num_fields, 1)
    top = min(top or num_fields, len(first))
    totals, squares, tops = np.zeros((3, len(first)))
    for explained in _explained_batches(model, features, batch_size):
        strengths = strengths_of(explained, num_fields)
        if strengths is None:
            return None
        edges = strengths[:, first, second].astype(np.float64)
        rows += len(edges)
        totals += edges.sum(axis=0)
        squares += (edges**2).sum(axis=0)
        if top:
            least = np.partition(edges, -top, axis=1)[:, [-top]]
            tops += ((edges >= least) & (edges > 0)).sum(axis=0)
    if not rows:
        raise ValueError("The data has no rows to explain.")
    mean = totals / rows
    deviation = np.sqrt(np.maximum(squares / rows - mean**2, 0))
    matrices = np.zeros((3, num_fields, num_fields))
    matrices[:, first, second] = matrices[:, second, first] = mean, deviation, tops / rows
    return EdgeStatistics(matrices[0], matrices[1], matrices[2], top)


def _explained_batches(model, features, batch_size):
    explainer = model.explainer()
    for start in range(0, len(features["ids"]), batch_size):
        batch = {name: array[start : start + batch_size] for name, array in features.items()}
        with for_this_process():
            outputs: Any = explainer.predict_on_batch(batch)
        outputs = {name: np.asarray(output, np.float32) for name, output in outputs.items()}
        yield {
            name: output if name in model.explanation_names else output[:, 0]  # probability and logit are numbers
            for name, output in outputs.items()
        }
