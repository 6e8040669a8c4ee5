"""The compressed interaction network (CIN) of xDeepFM."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import KernelLayer
from ctrzoo.types import Activation, Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class CompressedInteraction(KernelLayer):
    """Interactions of growing degree. Each layer compresses its own to feature maps and sums them over the dim.

    Layer k = 1, 2, ... computes `X^k_h = sum over i, j of W^{k,h}_ij (X^{k-1}_i * X^0_j)` (equation 6) and returns
    `p^k_h = sum over the dim of X^k_h` (equation 7). It multiplies a `(batch dim, maps fields)` matrix by a
    `(maps fields, units)` kernel. A tensor `(batch, dim, maps, fields)` per layer cannot be avoided: each map weighs
    every product differently, and contracting the kernel first would leave the larger `(batch, dim, maps, units)`.
    Source: Lian et al., 2018, equations 6 and 7, https://arxiv.org/abs/1803.05170.

    Args:
        units: Number of feature maps of each layer.
        split_half: Whether each layer but the last feeds the first half of its maps to the next layer and returns
            the second half, as in the authors' code. `False` uses all maps for both, as in their equations.
        activation: Activation of the maps. The paper finds that the linear one is best.
        l2: Strength of the penalty `l2 / 2 * ||W||^2`.
        kernel_initializer: Initial values of each layer's `W`; `None` draws them from a normal distribution with
            standard deviation 0.1, truncated at two standard deviations.
        kernel_regularizer: Another regularizer of each layer's `W`, in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, output_dim)`.

    Raises:
        ValueError: If `units` is empty, or a layer has no map, or an odd number of maps that are to be halved.

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
        """Number of maps that the layer returns."""
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
