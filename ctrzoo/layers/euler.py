"""The layers of EulerNet: fields as complex vectors, whose products of any order are sums of logarithms and phases.

Letters: b batch, n vectors, d their size, m vectors of the output.
"""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.numerics import fresh, layer_norm, linear_map
from ctrzoo.types import Config, Initializer, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class ComplexFields(keras.layers.Layer):
    """The real and imaginary parts of `mu_f exp(i e_f)`: entries of embeddings as phases, with a modulus per field.

    Source: Tian et al., SIGIR 2023, https://arxiv.org/abs/2304.10711.

    Args:
        modulus_initializer: Initial values of the moduli.

    Input shape: `(batch, fields, dim)`.
    Output shape: the real and the imaginary parts, `(batch, fields, dim)` each.

    >>> real, imaginary = ComplexFields()(np.zeros((1, 2, 1)))
    >>> real.numpy().ravel(), imaginary.numpy().ravel()
    (array([1., 1.], dtype=float32), array([0., 0.], dtype=float32))
    """

    def __init__(self, modulus_initializer: Initializer = "ones", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.modulus_initializer = keras.initializers.get(modulus_initializer)

    def build(self, input_shape: Shape) -> None:
        self.modulus = self.add_weight(
            name="modulus", shape=(input_shape[1], 1), initializer=fresh(self.modulus_initializer)
        )

    def call(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        return self.modulus * ops.cos(embedded), self.modulus * ops.sin(embedded)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape, input_shape

    def get_config(self) -> Config:
        initializer = keras.initializers.serialize(self.modulus_initializer)
        return {**super().get_config(), "modulus_initializer": initializer}


@keras.saving.register_keras_serializable("ctrzoo")
class EulerInteraction(BiasedLayer):
    """One layer of EulerNet: products of powers of complex vectors, plus a linear map with a ReLU.

    With logarithms `l_j = log |z_j|` and phases `t_j`, product k is `exp(sum_j a_jk l_j + b_k)` at the phase
    `sum_j a_jk t_j + c_k`, in each dimension alike. The trained powers `a` may be any number. A linear map with a
    ReLU, the same for the real and the imaginary parts, is added to each part; `layer_norm` then normalizes each
    vector of each part. Products are computed in float32 under mixed precision too. Where a vector lies on the
    negative real axis, its phase jumps by 2 pi.
    Source: Tian et al., SIGIR 2023, https://arxiv.org/abs/2304.10711.

    Args:
        units: Number m of vectors that the layer gives.
        layer_norm: Whether to normalize the vectors of each part.
        explicit_dropout: Share of logarithms and phases dropped in training.
        implicit_dropout: Share of inputs of the linear map dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on the powers and on the linear map.
        kernel_initializer: Initial values of the powers and of the linear map. `None` starts the powers as the
            identity if the numbers of vectors are equal, and otherwise with one power near 1 for each product and all
            others near 0; the linear map comes from Glorot's uniform distribution.
        bias_initializer: Initial values of all biases. `None` is N(0, 0.01^2) for those of the products, and zeros for
            that of the linear map.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: the real and the imaginary parts, `(batch, n, d)` each.
    Output shape: the same of the output, `(batch, m, d)` each.

    Raises:
        ValueError: If `units` is below 1.

    >>> real, imaginary = EulerInteraction(3)(np.ones((2, 4, 5)), np.ones((2, 4, 5)))
    >>> real.shape, imaginary.shape
    (TensorShape([2, 3, 5]), TensorShape([2, 3, 5]))
    """

    def __init__(
        self,
        units: int,
        layer_norm: bool = False,
        explicit_dropout: float = 0.0,
        implicit_dropout: float = 0.0,
        *,
        bias_initializer: Initializer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(bias_initializer=bias_initializer, **kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units, self.layer_norm = units, layer_norm
        self.explicit_dropout, self.implicit_dropout = explicit_dropout, implicit_dropout
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        self.drop_explicit = keras.layers.Dropout(explicit_dropout, dtype=wide, name="drop_explicit")
        self.drop_implicit = keras.layers.Dropout(implicit_dropout, dtype=self.dtype_policy)

    def build(self, real_shape: Shape, imaginary_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, number, dim = real_shape
        self.powers = self.add_kernel(
            "power_kernel", (number, self.units), keras.initializers.Identity() if number == self.units else _near_one
        )
        normal = keras.initializers.RandomNormal(stddev=0.01)
        self.modulus_bias = self._bias("modulus_bias", (dim, self.units), normal)
        self.phase_bias = self._bias("phase_bias", (dim, self.units), normal)
        self.kernel = self.add_kernel("kernel", (number * dim, self.units * dim))
        self.bias = self._bias("bias", (self.units * dim,), "zeros")
        if self.layer_norm:
            self.norms = [
                keras.layers.LayerNormalization(epsilon=1e-5, name=name, dtype=self.dtype_policy)
                for name in ("real_norm", "imaginary_norm")
            ]
            for norm in self.norms:
                norm.build((None, self.units, dim))

    def _bias(self, name, shape, default):
        return self.add_weight(name=name, shape=shape, initializer=fresh(self.bias_initializer or default))

    def call(self, real: Tensor, imaginary: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        outputs = []
        for part, product in zip((real, imaginary), self._products(real, imaginary, training), strict=True):
            flat = ops.reshape(self.drop_implicit(part, training=training), (-1, part.shape[1] * part.shape[2]))
            linear = ops.relu(ops.matmul(flat, self.kernel) + self.bias)
            outputs.append(ops.reshape(linear, (-1, self.units, part.shape[2])) + product)
        if self.layer_norm:
            outputs = [layer_norm(norm, output) for norm, output in zip(self.norms, outputs, strict=True)]
        return outputs[0], outputs[1]

    def _products(self, real, imaginary, training):
        """Return the real and the imaginary parts of the products, `(b, m, d)` each."""
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        real, imaginary, powers, modulus_bias, phase_bias = (
            ops.cast(each, wide) for each in (real, imaginary, self.powers, self.modulus_bias, self.phase_bias)
        )
        logarithms = 0.5 * ops.log(ops.square(real) + ops.square(imaginary) + 1e-8)
        phases = ops.arctan2(imaginary, real)
        # Sums over vectors are matrix products along the last axis: (b, d, n) times (n, m).
        logarithms, phases = (
            ops.transpose(self.drop_explicit(each, training=training), (0, 2, 1)) for each in (logarithms, phases)
        )
        modulus = ops.exp(linear_map(logarithms, powers) + modulus_bias)
        phase = linear_map(phases, powers) + phase_bias
        parts = (modulus * ops.cos(phase), modulus * ops.sin(phase))
        return [ops.cast(ops.transpose(part, (0, 2, 1)), self.compute_dtype) for part in parts]

    def compute_output_shape(self, real_shape: Shape, imaginary_shape: Shape) -> Shape:
        shape = (real_shape[0], self.units, real_shape[2])
        return shape, shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "layer_norm": self.layer_norm,
            "explicit_dropout": self.explicit_dropout,
            "implicit_dropout": self.implicit_dropout,
        }


def _near_one(shape, dtype=None):
    """Draw powers of which one of each column is near 1, mostly, and the others near 0."""
    scores = keras.initializers.RandomNormal(stddev=100.0)(shape, dtype)
    return ops.softmax(scores, axis=0) if shape[0] > 1 else ops.ones(shape, dtype)
