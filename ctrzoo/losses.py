"""The losses of each task by name, and those that Keras does not have: of the order of rows within groups.

A row of weight 2 counts as two rows in all of them.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from ctrzoo.types import Config, Tensor

# Divides by the sum of the weights, not by the number of rows.
REDUCTION = "mean_with_sample_weight"


def loss_of(name: str) -> keras.losses.Loss:
    """Return a loss by name.

    Args:
        name: One of the `losses` of `TASKS`.

    Raises:
        KeyError: If it is unknown.

    >>> loss_of("log_loss").name
    'binary_crossentropy'
    """
    return _LOSSES[name]()


def with_groups(labels: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Return labels with their groups, as the losses of groups take them, float32 `(rows, 2)`.

    Args:
        labels: The label of each row.
        groups: The group of each row: numbers or texts.

    >>> with_groups([1, 0, 0], ["ann", "bob", "ann"]).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    numbers = np.unique(np.ravel(np.asarray(groups)), return_inverse=True)[1]
    return np.stack([np.ravel(np.asarray(labels, np.float32)), numbers.astype(np.float32)], axis=1)


class GroupLoss(keras.losses.Loss):
    """The base of losses that compare the rows of a group.

    `y_true` is `(batch, 1)`, labels of one group, or `(batch, 2)`, labels and numbers of groups. Only the rows of a
    batch are compared, so the rows of a group should be in one batch. Tables of pairs need memory proportional to the
    square of the batch size. A batch without a pair has loss 0.

    A subclass defines `compare`.

    Args:
        name: Name of the loss.
        reduction: Reduction over rows, that of Keras; by default the sum is divided by the sum of the weights.
        dtype: Data type of the computation.
    """

    def __init__(self, name: str, reduction: str = REDUCTION, dtype: Any | None = None) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        # Keras weights each row's loss; `compare` also needs the weights of the rows that it is compared with.
        labels = ops.cast(ops.convert_to_tensor(y_true), self.dtype)
        labels = ops.reshape(labels, (-1, 1)) if len(labels.shape) < 2 else labels
        if labels.shape[1] == 1:
            labels = ops.concatenate([labels, ops.zeros_like(labels)], axis=1)
        weights = ops.ones_like(labels[:, :1]) if sample_weight is None else sample_weight
        weights = ops.cast(ops.reshape(weights, (-1, 1)), self.dtype)
        return super().__call__(ops.concatenate([labels, weights], axis=1), y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        labels, groups, weights = y_true[:, 0], y_true[:, 1], y_true[:, 2]
        same = ops.equal(ops.expand_dims(groups, 1), ops.expand_dims(groups, 0))
        losses, number = self.compare(labels, ops.reshape(y_pred, (-1,)), weights, same)
        # Keras divides by the sum of the weights, so that this is the mean over what is compared.
        return losses * _ratio(ops.sum(weights), number)

    def compare(self, labels: Tensor, scores: Tensor, weights: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each row, `(rows,)`, and the weight of all that is compared, whose mean is the loss.

        Args:
            labels: `(rows,)`; higher labels are to have higher scores.
            scores: `(rows,)`.
            weights: `(rows,)`; the loss of a row is weighted afterwards.
            same: Whether two rows are of one group, `(rows, rows)`.
        """
        raise NotImplementedError

    def get_config(self) -> Config:
        return {"name": self.name, "reduction": self.reduction, "dtype": self.dtype}


@keras.saving.register_keras_serializable("ctrzoo")
class PairwiseLogisticLoss(GroupLoss):
    """RankNet's loss, `ln(1 + exp(-(s_i - s_j)))`, averaged over all pairs of a group whose label i is above label j.

    The loss depends only on the order that the labels give, not on the scores themselves. A pair's weight is the
    product of its rows' weights.
    Source: Burges et al., ICML 2005, equation 3 for a pair whose order is known,
    https://doi.org/10.1145/1102351.1102363.

    Args:
        name: Name of the loss.
        reduction: Reduction over rows, that of Keras.
        dtype: Data type of the computation.

    >>> float(PairwiseLogisticLoss()(np.array([[1.0], [0.0]]), np.array([[0.5], [0.5]])))  # ln 2
    0.6931471824645996
    """

    def __init__(self, name: str = "pairwise_logistic", reduction: str = REDUCTION, dtype: Any | None = None) -> None:
        super().__init__(name, reduction, dtype)

    def compare(self, labels: Tensor, scores: Tensor, weights: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        pairs = _pairs(labels, weights, same, scores.dtype)
        return ops.sum(pairs * _losses_of_pairs(scores), axis=1), ops.sum(weights * ops.sum(pairs, axis=1))


@keras.saving.register_keras_serializable("ctrzoo")
class BPRLoss(GroupLoss):
    """Bayesian personalized ranking: `ln(1 + exp(-(s_i - s_j)))`, where every row i counts alike.

    BPR draws a positive row i of a group, and a row j below it, at random. This is the expectation over j: the mean of
    the pairs of each row, then the mean over rows. `PairwiseLogisticLoss` averages over all pairs, of which large
    groups have most.
    Source: Rendle et al., UAI 2009, section 4.1 without the penalty, https://arxiv.org/abs/1205.2618.

    Args:
        name: Name of the loss.
        reduction: Reduction over rows, that of Keras.
        dtype: Data type of the computation.

    >>> round(float(BPRLoss()(np.array([[1.0], [0.0]]), np.array([[2.0], [1.0]]))), 4)  # ln(1 + 1/e)
    0.3133
    """

    def __init__(self, name: str = "bpr", reduction: str = REDUCTION, dtype: Any | None = None) -> None:
        super().__init__(name, reduction, dtype)

    def compare(self, labels: Tensor, scores: Tensor, weights: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        pairs = _pairs(labels, weights, same, scores.dtype)
        numbers = ops.sum(pairs, axis=1)
        has_pairs = ops.cast(numbers > 0, scores.dtype)
        return _ratio(ops.sum(pairs * _losses_of_pairs(scores), axis=1), numbers), ops.sum(weights * has_pairs)


@keras.saving.register_keras_serializable("ctrzoo")
class GroupSoftmaxLoss(GroupLoss):
    """ListNet's loss: the cross-entropy of each group between its labels, as shares, and the softmax of its scores.

    It is averaged over the groups with a label above 0, whatever their sizes. With one positive row per group it is
    the negative log-likelihood of choosing that row.
    Source: Cao et al., ICML 2007, equation 5 with the labels as shares, https://doi.org/10.1145/1273496.1273513.

    Args:
        name: Name of the loss.
        reduction: Reduction over rows, that of Keras.
        dtype: Data type of the computation.

    >>> round(float(GroupSoftmaxLoss()(np.array([[1.0], [0.0]]), np.array([[0.0], [np.log(3)]]))), 4)  # ln 4
    1.3863
    """

    def __init__(self, name: str = "softmax", reduction: str = REDUCTION, dtype: Any | None = None) -> None:
        super().__init__(name, reduction, dtype)

    def compare(self, labels: Tensor, scores: Tensor, weights: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        together = ops.cast(same, scores.dtype) * ops.expand_dims(weights, 0)
        # The largest score of a group is taken off before the exponential function.
        lowest = ops.full_like(together, -3e38 if scores.dtype != "float16" else -6e4)
        largest = ops.stop_gradient(ops.max(ops.where(together > 0, ops.expand_dims(scores, 0), lowest), axis=1))
        # Clipped where rows of weight 0 and of other groups have larger scores; they are multiplied by 0.
        shifted = ops.minimum(ops.expand_dims(scores, 0) - ops.expand_dims(largest, 1), 0)
        sums = ops.sum(together * ops.exp(shifted), axis=1)
        totals = ops.sum(together * ops.expand_dims(labels, 0), axis=1)
        counts = (totals > 0) & (labels > 0) & (weights > 0)
        log_shares = ops.where(counts, scores - largest - ops.log(ops.where(counts, sums, 1)), 0)
        shares = _ratio(labels, totals)
        return -shares * log_shares, ops.sum(ops.where(counts, shares * weights, 0))


@keras.saving.register_keras_serializable("ctrzoo")
class FusedLoss(keras.losses.Loss):
    """A loss of a prediction and of the networks that it is made of: the Tri-BCE loss of FCN.

    For the mean loss L of the prediction and those L_k of the networks, the loss is
    `L + sum over k of L_k * max(L_k - L, 0)`. Gradients flow through the differences too, as in the authors' code. All
    means are over the batch, in which a row of weight 2 counts as two rows.
    `y_pred` is `(batch, 1 + networks)`, the prediction first; without networks the loss is L.
    Source: Li et al., 2024, https://arxiv.org/abs/2407.13349.

    Args:
        base: The loss of one prediction; it compares no rows.
        name: Name of the loss; `None` takes that of `base`.
        reduction: Reduction over rows, that of Keras.
        dtype: Data type of the computation.

    >>> loss = FusedLoss(loss_of("mean_squared_error"))
    >>> float(loss(np.array([[0.0]]), np.array([[2.0, 3.0, 1.0]])))  # 4 + 9 * (9 - 4) + 1 * 0
    49.0
    """

    def __init__(
        self, base: keras.losses.Loss | Config, name: str | None = None, reduction: str = REDUCTION, dtype: Any = None
    ) -> None:
        self.base: Any = base if isinstance(base, keras.losses.Loss) else keras.losses.get(base)
        super().__init__(name=name or self.base.name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        # Keras weights each row's loss; `call` also needs the weights, for its means.
        labels = ops.reshape(ops.cast(ops.convert_to_tensor(y_true), self.dtype), (-1, 1))
        weights = ops.ones_like(labels) if sample_weight is None else sample_weight
        weights = ops.cast(ops.reshape(weights, (-1, 1)), self.dtype)
        return super().__call__(ops.concatenate([labels, weights], axis=1), y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        labels, weights = y_true[:, :1], y_true[:, 1]
        rows = [self.base.call(labels, y_pred[:, index : index + 1]) for index in range(y_pred.shape[1])]
        means = [_ratio(ops.sum(weights * losses), ops.sum(weights)) for losses in rows]
        total = rows[0]
        for losses, mean in zip(rows[1:], means[1:], strict=True):
            total = total + ops.maximum(mean - means[0], 0) * losses
        return total

    def get_config(self) -> Config:
        base = keras.losses.serialize(self.base)
        return {"base": base, "name": self.name, "reduction": self.reduction, "dtype": self.dtype}


def _pairs(labels, weights, same, dtype):
    """Return the weight of the other row of each pair in which row i is above row j, 0 for other pairs."""
    above = ops.expand_dims(labels, 1) > ops.expand_dims(labels, 0)
    return ops.cast(ops.logical_and(above, same), dtype) * ops.expand_dims(weights, 0)


def _losses_of_pairs(scores):
    return ops.softplus(ops.expand_dims(scores, 0) - ops.expand_dims(scores, 1))


def _ratio(total, number):
    """Return a quotient, 0 where the divisor is 0."""
    return ops.where(number > 0, total / ops.where(number > 0, number, 1), 0)


_LOSSES = {
    "log_loss": lambda: keras.losses.BinaryCrossentropy(reduction=REDUCTION),
    "mean_squared_error": lambda: keras.losses.MeanSquaredError(reduction=REDUCTION),
    "mean_absolute_error": lambda: keras.losses.MeanAbsoluteError(reduction=REDUCTION),
    "poisson": lambda: keras.losses.Poisson(reduction=REDUCTION),
    "pairwise_logistic": PairwiseLogisticLoss,
    "bpr": BPRLoss,
    "softmax": GroupSoftmaxLoss,
}
