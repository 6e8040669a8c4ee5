"""What the classifier and the regressor share: their settings, one fit, and the outputs of the model."""

from __future__ import annotations

import inspect
import math
import typing
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from ctrzoo.suggest import unknown
from ctrzoo.training import TrainingOptions, train

from .. import models
from ..data_pipelines.encoding.frame import FrameEncoder
from .columns import Columns, columns_of, without_markers
from .randomness import seed_of, seeded
from .rows import Rows, RowsInMemory
from .tables import frame_of

if typing.TYPE_CHECKING:
    from sklearn.utils import Tags

KINDS = ("categorical", "numerical", "multivalued", "sequence")
# What these arguments of FrameEncoder say is said by `fit(X, y, sample_weight)`.
ROLES = ("label", "positive", "negative", "label_kind", "weight", "group", "time", "id")
ENCODING = tuple(name for name in inspect.signature(FrameEncoder).parameters if name not in (*KINDS, *ROLES))
# What an estimator knows by itself.
FIXED = ("task", "negative_rate")
# Arguments of FrameEncoder that name fields, so that nothing is inferred.
FIELDS = ("vector", "time_parts")


class CTREstimator(BaseEstimator):
    """The base of `CTRClassifier` and `CTRRegressor`, which say what the arguments mean."""

    task: typing.ClassVar[str]
    label_kind: typing.ClassVar[str]

    def __init__(
        self,
        model: str = "deepfm",
        *,
        categorical: Sequence[str] | None = None,
        numerical: Sequence[str] | None = None,
        multivalued: Sequence[str] | None = None,
        sequence: Sequence[str] | Mapping[str, int] | None = None,
        encoding: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        epochs: int = 50,
        batch_size: int = 1024,
        learning_rate: float = 1e-3,
        learning_rate_schedule: str = "constant",
        optimizer: str = TrainingOptions.optimizer,
        monitor: str | None = None,
        validation_fraction: float = 0.1,
        patience: int = 3,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.categorical = categorical
        self.numerical = numerical
        self.multivalued = multivalued
        self.sequence = sequence
        self.encoding = encoding
        self.hyperparameters = hyperparameters
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.optimizer = optimizer
        self.monitor = monitor
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def _fit(self, frame, labels, weights, classes=None):
        """Fit to a frame, float32 labels and weights `(rows,)`; rows held out have the same shares of `classes`."""
        if weights is not None and not weights.all():
            kept = np.flatnonzero(weights)
            frame, labels, weights = frame.iloc[kept].reset_index(drop=True), labels[kept], weights[kept]
            classes = None if classes is None else classes[kept]
        seed = seed_of(self.random_state)
        options = TrainingOptions(
            **{name: self._plain(name) for name in ("epochs", "batch_size", "learning_rate", "patience")},
            learning_rate_schedule=self.learning_rate_schedule,
            optimizer=self.optimizer,
            monitor=self.monitor,
            seed=seed,
        )
        hyperparameters = dict(self.hyperparameters or {})
        for name in FIXED:
            if name in hyperparameters:
                raise ValueError(f"`hyperparameters` cannot set '{name}': {type(self).__name__} does. Remove it.")
        columns = self._columns(frame)
        train_rows, valid_rows = self._split(len(frame), classes, seed)
        encoder = FrameEncoder(_unused("label", frame.columns), **columns.arguments)
        frame = without_markers(frame, columns.missing)
        encoder.fit(frame.iloc[train_rows])

        def encoded(rows):
            return Rows(encoder.features(frame.iloc[rows]), labels[rows], None if weights is None else weights[rows])

        rows = encoded(train_rows)
        data = RowsInMemory(
            encoder.schema, rows, rows if valid_rows is train_rows else encoded(valid_rows), self.label_kind
        )
        with seeded(seed):
            model = models.build(self.model, encoder.schema, task=self.task, **hyperparameters)
            result = train(model, data, options, console=None if self.verbose else Console(quiet=True))
            self.model_ = type(model).from_config(model.get_config())  # without the state of the optimizer
        self.model_.set_weights(model.get_weights())
        self.encoder_, self.columns_ = encoder, columns
        self.history_, self.best_epoch_ = result["history"], result["best_epoch"]
        return self

    def _plain(self, name):
        """Return an option as a Python number: grids of NumPy hold others."""
        value = getattr(self, name)
        return value.item() if isinstance(value, np.generic) else value

    def _columns(self, frame):
        encoding = dict(self.encoding or {})
        for option in encoding:
            if option in KINDS:
                raise ValueError(f"`encoding` names no columns. Pass `{option}` to {type(self).__name__} itself.")
            if option not in ENCODING:
                raise ValueError(unknown("key in `encoding`", option, ENCODING))
        given = {kind: getattr(self, kind) for kind in KINDS if getattr(self, kind) is not None}
        if given or any(encoding.get(option) for option in FIELDS):
            return Columns({**given, **encoding}, {}, {}, {})
        found = columns_of(frame)
        if found.left_out:
            reasons = "; ".join(f"'{name}' ({reason})" for name, reason in found.left_out.items())
            warnings.warn(
                f"{len(found.left_out)} of {frame.shape[1]} columns are no fields: {reasons}. To use them, name the "
                "columns of each kind, such as `categorical`.",
                stacklevel=4,
            )
        return found._replace(arguments={**found.arguments, **encoding})

    def _split(self, rows, classes, seed):
        """Return the indices of the rows for training and of those held out; without the latter, they are the same."""
        fraction, every = self.validation_fraction, np.arange(rows)
        if not 0 <= fraction < 1:
            raise ValueError(f"`validation_fraction` must be at least 0 and below 1. Received: {fraction!r}.")
        if not fraction:
            return every, every
        # Metrics of a classifier need both classes.
        size = max(math.ceil(fraction * rows), 1 if classes is None else len(np.unique(classes)))
        try:
            return train_test_split(every, test_size=size, random_state=seed, stratify=classes)
        except ValueError:
            raise ValueError(
                f"`validation_fraction={fraction}` needs rows for training and for validation, two of each class of a "
                f"classifier. Received: n_samples={rows}. Pass validation_fraction=0 to hold out none."
            ) from None

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the outputs of the model, float32 `(rows,)`."""
        check_is_fitted(self, "model_")
        frame = without_markers(frame_of(self, X, fitting=False), self.columns_.missing)
        return self.model_.predict(self.encoder_.features(frame), verbose=0)[:, 0]


def _unused(name: str, columns: pd.Index) -> str:
    while name in columns:
        name += "_"
    return name
