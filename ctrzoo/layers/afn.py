"""The logarithmic layer of AFN, whose neurons multiply powers of the fields' embeddings."""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import KernelLayer
from ctrzoo.types import Config, Shape, Tensor

SMALLEST = 1e-5


@keras.saving.register_keras_serializable("ctrzoo")
class LogarithmicNeurons(KernelLayer):
    """Products of fields with learned, real exponents: `exp(sum over i of w_ik ln |e_i|)` for neuron k.

    The logarithms and the products are batch-normalized, each field and each neuron over the rows of the batch and the
    dimensions of the embedding. The sign of an embedding's entry is lost. Entries below 1e-5 count as 1e-5 and have no
    gradient. Logarithms, sums and powers are in float32 under mixed precision too.
    Source: Cheng, Shen, Huang, AAAI 2020, logarithmic transformation layer, https://arxiv.org/abs/1909.03276.

    Args:
        num_neurons: Number of neurons.
        batch_norm_momentum: Momentum of the moving means and variances: the share that a step keeps.
        l2: Strength of the penalty `l2 / 2 * ||w||^2` on the exponents.
        kernel_initializer: Initial values of the exponents; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the exponents, in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, dim, neurons)`.

    Raises:
        ValueError: If `num_neurons` is less than 1.

    >>> LogarithmicNeurons(5)(np.ones((2, 3, 4))).shape
    TensorShape([2, 4, 5])
    """

    def __init__(self, num_neurons: int, batch_norm_momentum: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_neurons < 1:
            raise ValueError(f"`num_neurons` must be at least 1. Received: {num_neurons}.")
        self.num_neurons, self.batch_norm_momentum = num_neurons, batch_norm_momentum
        # Not cast to half precision before they are normalized: powers would overflow.
        options: dict[str, Any] = {"epsilon": 1e-5, "autocast": False, "dtype": self.dtype_policy}
        self.log_norm = keras.layers.BatchNormalization(momentum=batch_norm_momentum, name="log_norm", **options)
        self.exp_norm = keras.layers.BatchNormalization(momentum=batch_norm_momentum, name="exp_norm", **options)

    def build(self, input_shape: Shape) -> None:
        batch, num_fields, dim = input_shape
        self.kernel = self.add_kernel("kernel", (num_fields, self.num_neurons))
        self.log_norm.build((batch, dim, num_fields))
        self.exp_norm.build((batch, dim, self.num_neurons))

    def call(self, embedded: Tensor, training: bool | None = None) -> Tensor:
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        sizes = ops.abs(ops.cast(ops.transpose(embedded, (0, 2, 1)), wide))
        logs = self.log_norm(ops.log(ops.maximum(sizes, SMALLEST)), training=training)
        sums = ops.matmul(ops.cast(logs, wide), ops.cast(self.kernel, wide))
        return self.exp_norm(ops.exp(sums), training=training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, _, dim = input_shape
        return (batch, dim, self.num_neurons)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_neurons": self.num_neurons,
            "batch_norm_momentum": self.batch_norm_momentum,
        }
