"""The compressed interaction network (CIN) of xDeepFM."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import KernelLayer
from ctrzoo.types import Activation, Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class CompressedInteraction(KernelLayer):
    """Interactions of growing degree, each layer's compressed to a number of feature maps and summed over the dim.

    `X^k_h = sum over i, j of W^{k,h}_ij (X^{k-1}_i * X^0_j)` (equation 6), `p^k_h = sum over the dim of X^k_h`
    (equation 7), for layers k = 1, 2, ... A layer is one product of a `(batch dim, maps fields)` matrix with a
    `(maps fields, units)` kernel. The mathematics forces a tensor `(batch, dim, maps, fields)` a layer: each map
    weighs every product in its own way, and contracting the kernel first leaves the larger
    `(batch, dim, maps, units)`.
    Source: Lian et al., 2018, equations 6 and 7, https://arxiv.org/abs/1803.05170.

    Args:
        units: Number of feature maps of each layer.
        split_half: Of each layer but the last, feed the first half of the maps to the next layer and put out
            the second half, as the authors' code does; `False` does both with all maps, as their equations do.
        activation: Nonlinearity of the maps; the paper finds none to be best.
        l2: Strength of the penalty `l2 / 2 * ||W||^2`.
        kernel_initializer: Initial values of each layer's `W`; `None` draws them from a normal distribution that has a
            standard deviation of 0.1 and is cut off at two of them.
        kernel_regularizer: Another regularizer of each layer's `W`, in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, maps put out)`.

    Raises:
        ValueError: If there is no layer, or a layer has no map or one that cannot be halved.

    >>> CompressedInteraction((4, 4))(np.ones((2, 3, 5))).shape
    TensorShape([2, 6])
    """

    def __init__(
        self,
        units: Sequence[int] = (200, 200, 200),
        split_half: bool = True,
        activation: Activation = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.split_half = tuple(units), split_half
        self.activation = keras.activations.get(activation)
        if not self.units or min(self.units) < 1:
            raise ValueError(f"`units` must name at least one layer, each of at least 1 map. Received: {units}.")
        odd = [width for width in self.units[:-1] if width % 2]
        if split_half and odd:
            raise ValueError(
                f"With `split_half`, all layers but the last need an even number of maps. Received: {units}. "
                "Use even numbers, or split_half=False."
            )

    @property
    def output_dim(self) -> int:
        """Number of maps put out."""
        return sum(self.units[:-1]) // (2 if self.split_half else 1) + self.units[-1]

    def build(self, input_shape: Shape) -> None:
        num_fields = input_shape[1]
        self.kernels, maps = [], num_fields
        for number, width in enumerate(self.units, start=1):
            default = keras.initializers.TruncatedNormal(stddev=0.1)
            self.kernels.append(self.add_kernel(f"kernel_{number}", (maps * num_fields, width), default))
            maps = width // 2 if self.split_half else width

    def call(self, inputs: Tensor) -> Tensor:
        _, num_fields, dim = inputs.shape
        fields = ops.transpose(inputs, (0, 2, 1))
        maps, outputs = fields, []
        activation: Any = self.activation
        for number, (width, kernel) in enumerate(zip(self.units, self.kernels, strict=True), start=1):
            products = ops.expand_dims(maps, -1) * ops.expand_dims(fields, -2)
            flat = ops.reshape(products, (-1, maps.shape[-1] * num_fields))
            maps = activation(ops.reshape(ops.matmul(flat, kernel), (-1, dim, width)))
            put_out = maps
            if self.split_half and number < len(self.units):
                maps, put_out = maps[..., : width // 2], maps[..., width // 2 :]
            outputs.append(ops.sum(put_out, axis=1))
        return ops.concatenate(outputs, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.output_dim)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "split_half": self.split_half,
            "activation": keras.activations.serialize(self.activation),
        }
