"""GraphFM as in its authors' code: each layer loops over fields and computes each field's products with all fields."""

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


class LoopedGraphInteraction(ReferenceGraphInteraction):
    """The weights and the function of `ReferenceGraphInteraction`, computed one field after the other."""

    def call(self, inputs: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor, Tensor]:
        outputs, attentions, edges = [], [], []
        for number in range(self.num_fields):
            products = inputs[:, number : number + 1] * inputs  # (b, j, d)
            scores = ops.relu(ops.matmul(products, self.attention_kernel) + self.attention_bias)
            hidden = ops.relu(ops.matmul(products, self.hidden_kernel) + self.hidden_bias)
            strength = ops.sigmoid(ops.matmul(hidden, self.score_kernel) + self.score_bias)[..., 0]
            weakest = ops.top_k(strength, self.num_neighbors or self.num_fields)[0][:, -1:]
            strength = ops.where(strength >= weakest, strength, 0.0)
            attention = ops.softmax(ops.expand_dims(strength, -1) * scores, axis=1)
            attention = self.drop_attention(attention, training=training)
            messages = ops.matmul(products, self.kernel[number])
            messages = ops.reshape(messages, (-1, self.num_fields, self.num_heads, self.units // self.num_heads))
            output = ops.reshape(ops.sum(ops.expand_dims(attention, -1) * messages, axis=1), (-1, self.units))
            residual = ops.matmul(inputs[:, number], self.residual_kernel[number]) + self.residual_bias[number]
            output = ops.relu(output + ops.relu(residual))
            mean, variance = ops.moments(output, axes=-1, keepdims=True)  # pyright: ignore
            normal = (output - mean) * ops.rsqrt(variance + 1e-8)
            outputs.append(normal * self.scale[number] + self.shift[number])
            attentions.append(ops.transpose(attention, (0, 2, 1)))
            edges.append(strength)
        return ops.stack(outputs, axis=1), ops.stack(attentions, axis=2), ops.stack(edges, axis=1)


def build(name: str, schema: Schema, **hyperparameters: Any) -> CTRModel:
    """Build GraphFM on `LoopedGraphInteraction`."""
    with replaced_layers(ReferenceGraphInteraction=LoopedGraphInteraction):
        return models.build(name, schema, **hyperparameters)


def prepare(work: Work) -> Callable[[int], object]:
    """Return the function to time; see `keras_calls.calls_of`."""
    limit_threads(work)
    return calls_of(build(work.model, work.make_schema(), **work.hyperparameters), make_optimizer(), work)
