"""A classifier of clicks with scikit-learn's interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from .base import CTREstimator
from .tables import frame_of, targets_of, weights_of

if TYPE_CHECKING:
    from sklearn.utils import Tags


class CTRClassifier(ClassifierMixin, CTREstimator):
    """A model of the zoo as a scikit-learn classifier of two classes, such as clicks.

    It takes pandas and polars frames and arrays, whose columns are called x0, x1 and so on. Cells may be missing.
    `predict` warns of values that are not known from `fit`, as `FrameEncoder` does. Two fits with the same
    `random_state` give the same model on one machine; the random states of the process stay as they are.

    If no columns are named, each becomes a field by the rules of `ctrzoo-prepare --infer_schema`, and a warning says
    which are left out. Ids and scalings are fitted to all rows but those held out for validation and those of weight 0;
    other weights do not matter to them.

    Args:
        model: Name of the model, a key of `ctrzoo.models.MODELS`.
        categorical: Names of columns with one value per cell. If any of the columns are named, all others are unused.
        numerical: Names of columns with numbers.
        multivalued: Names of columns whose cells are lists, or text with separators.
        sequence: Names of columns whose cells list events, the oldest first, such as the items that a user has seen,
            written as those of `multivalued`. Or `{column: the most events}`, of which the newest are kept.
        encoding: Other arguments of `FrameEncoder`, such as `{"min_count": 5, "crosses": {...}}`. Models that compare
            events with a candidate, such as DIN, need `{"share": {"seen": "item"}}`; `events` names the columns of one
            history.
        hyperparameters: Those of the model, such as `{"embedding_dim": 8}`.
        epochs: Maximum number of passes over the training rows.
        batch_size: Rows per step.
        learning_rate: Learning rate of the first epoch.
        learning_rate_schedule: `"constant"` or `"cosine"`, see `TrainingOptions`.
        optimizer: Name of the optimizer, see `ctrzoo.optimizers`.
        monitor: The metric by which the best epoch is chosen; by default the log loss.
        validation_fraction: The share of rows held out to choose the best epoch, at least one row of each class. With
            0, training rows choose it.
        patience: Epochs without an improvement before training stops.
        random_state: None, a whole number or a NumPy `RandomState`: seed of the weights, dropout, held-out rows and
            the order of rows.
        verbose: 0 shows nothing; 1 shows the progress of training.

    Attributes:
        classes_: The two labels, sorted; the second is the positive one.
        n_features_in_: Number of columns.
        feature_names_in_: Names of the columns, if they have any.
        model_: The trained `CTRModel`.
        encoder_: The fitted `FrameEncoder`.
        columns_: What the columns are: `arguments`, `missing`, `reasons` and `left_out`.
        history_: One row of metrics per epoch.
        best_epoch_: The epoch, from 1, whose weights were kept.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"site": list("ab") * 50, "price": [0.5, 1.5, 2.5, None] * 25})
    >>> model = CTRClassifier("fm", categorical=["site"], numerical=["price"], epochs=2, random_state=0)
    >>> model.fit(frame, ["yes", "no"] * 50).predict_proba(frame[:3]).shape
    (3, 2)
    """

    classes_: np.ndarray
    task, label_kind = "classification", "binary"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        assert tags.classifier_tags is not None  # a classifier has them
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> CTRClassifier:
        """Fit the encoding and the model to rows; return the classifier.

        Args:
            X: A pandas or polars frame, or an array `(rows, columns)`.
            y: The label of each row, `(rows,)`: two values of any type.
            sample_weight: The weight of each row, `(rows,)`; a row of weight 2 counts as two rows in the loss.

        Raises:
            ValueError: If an argument, a column, a label or a weight is invalid.
        """
        frame = frame_of(self, X, fitting=True)
        y = targets_of(self, y, len(frame))
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {type_of_target(y)}, with "
                f"{len(classes)} classes. Pass labels of two values."
            )
        weights = weights_of(sample_weight, len(frame))
        if weights is not None:
            classes = np.unique(y[weights > 0])
        if len(classes) < 2:
            raise ValueError(f"A classifier needs two classes of a weight above 0. Received 1 class: {classes[0]!r}.")
        self._fit(frame, labels.astype(np.float32), weights, classes=labels)
        self.classes_ = classes
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the two classes, float64 `(rows, 2)`, in the order of `classes_`."""
        positive = self._outputs(X).astype(np.float64)
        return np.stack([1 - positive, positive], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the more probable label of each row, `(rows,)`."""
        positive = self._outputs(X) > 0.5
        return self.classes_[positive.astype(int)]
