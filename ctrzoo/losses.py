"""Losses that Keras does not have."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ctrzoo.types import Config, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class PairwiseLogisticLoss(keras.losses.Loss):
    """RankNet's loss, `ln(1 + exp(-(s_i - s_j)))`, averaged over all pairs of a positive i and a negative j in a batch.

    The loss depends only on whether positives score higher than negatives, not on the scores themselves. A row's loss
    is the sum over the pairs in which it is the positive, times `rows / pairs`, so that the mean over rows equals the
    mean over pairs. A batch with only one class has no pairs and loss 0. A pair's weight is the product of its rows'
    weights (and class weights). The table of pairs needs memory proportional to the square of the batch size.
    Source: Burges et al., ICML 2005, equation 3 for a pair whose order is known,
    https://doi.org/10.1145/1102351.1102363.

    Args:
        name: Name of the loss.
        reduction: Reduction over rows, that of Keras.
        dtype: Data type of the computation.

    >>> float(PairwiseLogisticLoss()(np.array([[1.0], [0.0]]), np.array([[0.5], [0.5]])))  # ln 2
    0.6931471824645996
    """

    def __init__(
        self, name: str = "pairwise_logistic", reduction: str = "sum_over_batch_size", dtype: Any | None = None
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        if sample_weight is not None:  # Keras weights each row's loss; `call` also needs the partners' weights
            columns = [ops.cast(ops.reshape(part, (-1, 1)), self.dtype) for part in (y_true, sample_weight)]
            y_true = ops.concatenate(columns, axis=1)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        has_weights = len(y_true.shape) == 2 and y_true.shape[1] == 2  # in a second column, see `__call__`
        labels = y_true[:, 0] if has_weights else ops.reshape(y_true, (-1,))
        positive = ops.cast(labels > 0.5, y_pred.dtype)
        scores = ops.reshape(y_pred, (-1,))
        pairs = ops.expand_dims(positive, 1) * ops.expand_dims(1 - positive, 0)
        losses = pairs * ops.softplus(ops.expand_dims(scores, 0) - ops.expand_dims(scores, 1))
        weighted = losses * ops.cast(y_true[:, 1], losses.dtype) if has_weights else losses
        rows = ops.cast(ops.shape(scores)[0], y_pred.dtype)
        return ops.sum(weighted, axis=1) * (rows / ops.maximum(ops.sum(pairs), 1))

    def get_config(self) -> Config:
        return {"name": self.name, "reduction": self.reduction, "dtype": self.dtype}
