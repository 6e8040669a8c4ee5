"""A regressor with scikit-learn's interface."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from .base import CTREstimator
from .tables import frame_of, targets_of, weights_of


class CTRRegressor(RegressorMixin, CTREstimator):
    """A model of the zoo as a scikit-learn regressor, such as of ratings or times spent.

    Targets are not scaled: wrap the regressor in `sklearn.compose.TransformedTargetRegressor` if they are far from 0.

    Args:
        model: As all arguments, see `CTRClassifier`; `monitor` is by default the RMSE.

    Attributes:
        model_: As all attributes, see `CTRClassifier`; there is no `classes_`.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"site": list("ab") * 50})
    >>> CTRRegressor("lr", categorical=["site"], epochs=2).fit(frame, [1.5, 2.5] * 50).predict(frame[:3]).shape
    (3,)
    """

    task, label_kind = "regression", "real"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> CTRRegressor:
        """Fit the encoding and the model to rows; return the regressor.

        Args:
            X: A pandas or polars frame, or an array `(rows, columns)`.
            y: The number of each row, `(rows,)`.
            sample_weight: The weight of each row, `(rows,)`; a row of weight 2 counts as two rows in the loss.

        Raises:
            ValueError: If an argument, a column, a number or a weight is invalid.
        """
        frame = frame_of(self, X, fitting=True)
        y = targets_of(self, y, len(frame))
        try:
            with np.errstate(over="ignore"):  # it becomes infinite, which is refused below
                numbers = y.astype(np.float32)
        except (TypeError, ValueError, OverflowError):
            raise ValueError("`y` must be numbers. Convert it to a numeric type.") from None
        if not np.isfinite(numbers).all():
            raise ValueError("`y` must be finite numbers. Received: NaN, inf or a number too large for float32.")
        return self._fit(frame, numbers, weights_of(sample_weight, len(frame)))

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted number of each row, float32 `(rows,)`."""
        return self._outputs(X)
