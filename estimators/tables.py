"""Tables as estimators take them: pandas and polars frames and arrays become pandas frames with named columns."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, column_or_1d, validate_data


def frame_of(estimator: BaseEstimator, table: Any, fitting: bool) -> pd.DataFrame:
    """Return a table as a pandas frame whose columns have texts as names and rows are numbered.

    Columns without such names are called x0, x1 and so on, or as the columns that the estimator was fitted to.

    Args:
        estimator: The estimator. Fitting sets its `n_features_in_` and, if columns are named, `feature_names_in_`.
        table: A pandas or polars frame, or an array `(rows, columns)`.
        fitting: Whether the estimator is being fitted; otherwise the columns must be those that it was fitted to.

    Raises:
        TypeError: If the table is sparse, or only some of the names are texts.
        ValueError: If it has no rows or columns, or other columns than the fitted ones.
    """
    if isinstance(table, pl.DataFrame):
        table = pd.DataFrame({column.name: _of_polars(column) for column in table})
    is_frame = isinstance(table, pd.DataFrame)
    if not is_frame:
        table = check_array(table, dtype=cast(Any, None), ensure_all_finite=False, estimator=estimator, input_name="X")
    elif 0 in table.shape:
        rows, columns = table.shape
        what = "sample(s)" if not rows else "feature(s)"
        raise ValueError(f"Found 0 {what} (shape=({rows}, {columns})) while a minimum of 1 is required.")
    validate_data(estimator, cast(Any, table), reset=fitting, skip_check_array=True)
    names = getattr(estimator, "feature_names_in_", None)
    frame = table.reset_index(drop=True) if is_frame else pd.DataFrame(table).infer_objects()
    names = [f"x{index}" for index in range(frame.shape[1])] if names is None else names.tolist()
    return frame.set_axis(names, axis=1)


def _of_polars(column):
    """Return a polars column for pandas; whole numbers with gaps stay whole."""
    if column.dtype.is_integer() and column.null_count():
        kind = f"{'U' if column.dtype.is_unsigned_integer() else ''}Int64"
        return pd.array(column.to_list(), dtype=kind)  # pyright: ignore[reportArgumentType]
    return column.to_pandas()


def targets_of(estimator: BaseEstimator, y: Any, rows: int) -> np.ndarray:
    """Return targets `(rows,)`.

    Raises:
        ValueError: If there are none, some are missing, they have several columns, or they are not as many as the
            rows.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None. Pass a value per row."
        )
    if hasattr(y, "to_numpy"):
        y = y.to_numpy()
    y = column_or_1d(y, warn=True)
    if len(y) != rows:
        raise ValueError(f"`y` must have one value for each of the {rows:,} rows. Received: {len(y):,}.")
    missing = int(pd.isna(y).sum())
    if missing:
        raise ValueError(f"`y` must have no missing values, but {missing:,} are missing. Leave their rows out.")
    return y


def weights_of(sample_weight: Any, rows: int) -> np.ndarray | None:
    """Return the weights of rows, float32 `(rows,)`; None if all rows count alike.

    Raises:
        ValueError: If they are not one finite number of at least 0 for each row, or all of them are 0.
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (rows,):
        raise ValueError(f"`sample_weight` must have the shape ({rows},), one for each row. Received: {weights.shape}.")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("`sample_weight` must be finite numbers of at least 0. Correct the others, or leave rows out.")
    if not weights.any():
        raise ValueError("Every weight of `sample_weight` is zero, so nothing can be learned. Pass some above 0.")
    return weights.astype(np.float32)
