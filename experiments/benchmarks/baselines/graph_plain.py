"""GraphFM as its equations suggest: all products of all fields in one tensor `(batch, fields, fields, dim)`."""

# Keras has no type hints for its operations or a layer's weights.
# pyright: reportOptionalSubscript=false, reportOptionalOperand=false

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras import ops

from ctrzoo.layers import ReferenceGraphInteraction
from ctrzoo.model import CTRModel
from ctrzoo.schema import Schema
from ctrzoo.types import Tensor

from .... import models
from ..keras_calls import calls_of, limit_threads
from ..zoo import make_optimizer
from .replaced_layers import replaced_layers

if TYPE_CHECKING:
    from ..work import Work


class PlainGraphInteraction(ReferenceGraphInteraction):
    """The weights and the function of `ReferenceGraphInteraction`, written directly from the equations."""

    def call(self, inputs: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor, Tensor]:
        products = ops.expand_dims(inputs, 2) * ops.expand_dims(inputs, 1)  # (b, i, j, d)
        scores = ops.relu(ops.einsum("bijd,dh->bijh", products, self.attention_kernel) + self.attention_bias)
        hidden = ops.relu(ops.einsum("bijd,dk->bijk", products, self.hidden_kernel) + self.hidden_bias)
        edges = ops.sigmoid(ops.einsum("bijk,ko->bijo", hidden, self.score_kernel) + self.score_bias)[..., 0]
        weakest = ops.top_k(edges, self.num_neighbors or self.num_fields)[0][..., -1:]
        edges = ops.where(edges >= weakest, edges, 0.0)
        attention = ops.softmax(ops.expand_dims(edges, -1) * scores, axis=2)
        attention = self.drop_attention(attention, training=training)
        shape = (-1, self.num_fields, self.num_fields, self.num_heads, self.units // self.num_heads)
        messages = ops.reshape(ops.einsum("bijd,idu->biju", products, self.kernel), shape)
        outputs = ops.einsum("bijh,bijhu->bihu", attention, messages)
        outputs = ops.reshape(outputs, (-1, self.num_fields, self.units))
        residual = ops.einsum("bid,idu->biu", inputs, self.residual_kernel) + self.residual_bias[:, 0]
        outputs = ops.relu(outputs + ops.relu(residual))
        mean, variance = ops.moments(outputs, axes=-1, keepdims=True)  # pyright: ignore
        outputs = (outputs - mean) * ops.rsqrt(variance + 1e-8) * self.scale[:, 0] + self.shift[:, 0]
        return outputs, ops.transpose(attention, (0, 3, 1, 2)), edges


def build(name: str, schema: Schema, **hyperparameters: Any) -> CTRModel:
    """Build GraphFM on `PlainGraphInteraction`."""
    with replaced_layers(ReferenceGraphInteraction=PlainGraphInteraction):
        return models.build(name, schema, **hyperparameters)


def prepare(work: Work) -> Callable[[int], object]:
    """Return the function to time; see `keras_calls.calls_of`."""
    limit_threads(work)
    return calls_of(build(work.model, work.make_schema(), **work.hyperparameters), make_optimizer(), work)
