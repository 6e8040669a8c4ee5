"""Field-aware factorization: each feature has a vector for every other field."""

import keras
from keras import ops

from ctrzoo.layers.base import ExplainingLayer
from ctrzoo.types import Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class FieldAwareInteraction(ExplainingLayer):
    """The pair term of a field-aware FM, `sum over i < j of <v_{i, j}, v_{j, i}>`.

    `v_{i, j}` is the vector that the feature of field i keeps for field j. The embedding of a field is the
    concatenation of its vectors for fields 1, 2, ..., so one gather fetches them all. The tensor
    `(batch, fields, fields, dim)` is the embedding itself. The vector of a field for itself is never used.
    Sums are in float32 under mixed precision too.
    Source: Juan et al., RecSys 2016, section 3, https://doi.org/10.1145/2959100.2959134.

    Args:
        return_explanations: Whether to return the contribution of each pair too.

    Input shape: `(batch, fields, fields * dim)`.
    Output shape: the pair term `(batch, 1)`. With `return_explanations` also the contribution of each pair,
    `(batch, fields, fields)`, symmetric with a zero diagonal.

    Raises:
        ValueError: If the last dimension is not a multiple of the number of fields.

    >>> towards = np.array([[[0.0, 1.0, 2.0], [3.0, 0.0, -1.0], [0.5, 4.0, 0.0]]])
    >>> FieldAwareInteraction()(towards).numpy()
    array([[0.]], dtype=float32)
    """

    def build(self, input_shape: Shape) -> None:
        _, self.num_fields, width = input_shape
        if width % self.num_fields:
            raise ValueError(
                f"The last dimension must be a multiple of the {self.num_fields} fields. Received: {width}."
            )

    def call(self, embedded: Tensor) -> Tensor:
        towards = ops.cast(embedded, keras.backend.result_type(embedded.dtype, "float32"))
        dim = embedded.shape[-1] // self.num_fields
        towards = ops.reshape(towards, (-1, self.num_fields, self.num_fields, dim))
        apart = 1.0 - ops.eye(self.num_fields, dtype=towards.dtype)
        # Only explanations need single pairs; training leaves this line out.
        pairs = ops.sum(towards * ops.transpose(towards, (0, 2, 1, 3)), axis=-1) * apart
        logit = _sum_of_pairs(towards, ops.expand_dims(apart, axis=-1))
        return self.chosen(ops.cast(logit, self.compute_dtype), ops.cast(pairs, self.compute_dtype))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen((batch, 1), (batch, fields, fields))


def _sum_of_pairs(towards, apart):
    """Sum `<v_ij, v_ji>` over unordered pairs, `(b, n, n, d)` -> `(b, 1)`; the gradient by `v_ij` is `v_ji`."""

    @ops.custom_gradient
    def forward(towards):
        partners = ops.transpose(towards, (0, 2, 1, 3)) * apart
        twice = ops.sum(towards * partners, axis=(1, 2, 3))

        def gradient(upstream):
            return ops.reshape(upstream, (-1, 1, 1, 1)) * partners

        return 0.5 * ops.reshape(twice, (-1, 1)), gradient

    return forward(towards)
