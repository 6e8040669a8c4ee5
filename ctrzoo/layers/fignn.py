"""The graph network of Fi-GNN: fields send each other messages, a gated unit updates their states.

Letters: n = i = j fields, b batch, d state size. Inside the layer the fields axis comes first, so that a
per-field matrix is one batched product.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer
from ctrzoo.layers.numerics import lowest_score, sizes, softmax
from ctrzoo.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class FieldGraph(ExplainingLayer, BiasedLayer):
    """Message passing on the complete graph of fields, without self loops.

    A step computes the messages `a_i = I_i (sum over j != i of A_ji O_j x_j) + b` and the states
    `x_i = GRU(x_i, a_i) + x_i at the start`. Each field has its own sending matrix O and receiving matrix I. All fields
    and steps share the gated recurrent unit, which applies its reset gate before the product (Keras'
    `reset_after=False`).

    The defaults are the paper's: `A_ij = softmax over j != i of leaky_relu(w . [x_i, x_j])`, computed once
    from the states at the start (row i: the sender). The code that GraphCTR released has neither edge weights nor a
    bias, and each step has its own matrices: `use_attention=False, share_steps=False, use_bias=False`.
    Source: Li et al., 2019, https://arxiv.org/abs/1910.05552.

    Args:
        num_steps: Number of steps.
        use_attention: Whether edges have attention weights. Otherwise each has the weight 1.
        share_steps: Whether all steps share the matrices and the bias.
        use_bias: Whether messages have the bias `b`, shared by all fields.
        negative_slope: Slope of the leaky ReLU below zero, which the paper leaves open.
        message_units: Size of a message, or one size per step if the steps do not share matrices. `None` is the size
            of a state. Sizes other than that exist only in GraphCTR.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases of messages and candidates. The gates' bias starts at 1.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the edge weights too.

    Input shape: `(batch, fields, dim)`.
    Output shape: states `(batch, fields, dim)`. With `return_explanations` also the edge weights
    `(batch, fields, fields)`, rows the senders, zero on the diagonal.

    >>> FieldGraph(return_explanations=True)(np.ones((1, 3, 4)))[1].numpy()
    array([[[0. , 0.5, 0.5],
            [0.5, 0. , 0.5],
            [0.5, 0.5, 0. ]]], dtype=float32)
    """

    def __init__(
        self,
        num_steps: int = 2,
        use_attention: bool = True,
        share_steps: bool = True,
        use_bias: bool = True,
        negative_slope: float = 0.2,
        message_units: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_steps < 1:
            raise ValueError(f"`num_steps` must be at least 1. Received: {num_steps}.")
        self.num_steps, self.use_attention, self.share_steps = num_steps, use_attention, share_steps
        self.use_bias, self.negative_slope = use_bias, negative_slope
        self.message_units = sizes("message_units", message_units, num_steps) if message_units else None
        if share_steps and len(set(self.message_units or ())) > 1:
            raise ValueError(f"Steps that share matrices need one `message_units`. Received: {message_units}.")

    def build(self, input_shape: Shape) -> None:
        _, self.num_fields, dim = input_shape
        copies = 1 if self.share_steps else self.num_steps
        widths = self.message_units or (dim,)
        if len(set(widths)) == 1:
            self.sending_kernel = self.add_kernel("sending_kernel", (copies, self.num_fields, dim, widths[0]))
            self.receiving_kernel = self.add_kernel("receiving_kernel", (copies, self.num_fields, widths[0], dim))
        else:
            steps = list(enumerate(widths, start=1))
            self.sending_kernel = [
                self.add_kernel(f"sending_kernel_{step}", (self.num_fields, dim, width)) for step, width in steps
            ]
            self.receiving_kernel = [
                self.add_kernel(f"receiving_kernel_{step}", (self.num_fields, width, dim)) for step, width in steps
            ]
        if self.use_bias:
            self.message_bias = self.add_bias("message_bias", (copies, dim))
        if self.use_attention:
            self.edge_kernel = self.add_kernel("edge_kernel", (2 * dim, 1))
        # Rows: message, state. Columns of the gates: reset, update.
        self.gate_kernel = self.add_kernel("gate_kernel", (2 * dim, 2 * dim))
        self.gate_bias = self.add_weight(name="gate_bias", shape=(2 * dim,), initializer="ones")
        self.candidate_kernel = self.add_kernel("candidate_kernel", (2 * dim, dim))
        self.candidate_bias = self.add_bias("candidate_bias", (dim,))

    def call(self, inputs: Tensor) -> Tensor:
        start = states = ops.transpose(inputs, (1, 0, 2))
        edges = self._edges(inputs)
        for step in range(self.num_steps):
            copy = 0 if self.share_steps else step
            sent = ops.matmul(states, self.sending_kernel[copy])
            if self.use_attention:
                received = ops.einsum("bji,jbd->ibd", edges, sent)
            else:
                wide = ops.cast(sent, keras.backend.result_type(sent.dtype, "float32"))
                received = ops.cast(ops.sum(wide, axis=0, keepdims=True) - wide, sent.dtype)
            messages = ops.matmul(received, self.receiving_kernel[copy])
            if self.use_bias:
                messages = messages + self.message_bias[copy]
            states = start + self._update(states, messages)
        return self.chosen(ops.transpose(states, (1, 0, 2)), edges)

    def _edges(self, inputs):
        others = 1.0 - ops.eye(self.num_fields, dtype=self.compute_dtype)
        if not self.use_attention:
            return others * ops.ones_like(inputs[:, :1, :1])
        of_sender, of_receiver = ops.split(self.edge_kernel, 2, axis=0)
        # A transpose of the last term would do as well, but `tf2onnx` converts it to a wrong reshape.
        scores = ops.matmul(inputs, of_sender) + ops.squeeze(ops.matmul(inputs, of_receiver), axis=-1)[:, None]
        scores = ops.leaky_relu(scores, negative_slope=self.negative_slope)
        return softmax(ops.where(ops.cast(others, "bool"), scores, lowest_score(self.compute_dtype))) * others

    def _update(self, states, messages):
        gates = ops.matmul(ops.concatenate([messages, states], axis=-1), self.gate_kernel) + self.gate_bias
        reset, update = ops.split(ops.sigmoid(gates), 2, axis=-1)
        candidate = ops.matmul(ops.concatenate([messages, reset * states], axis=-1), self.candidate_kernel)
        return update * states + (1.0 - update) * ops.tanh(candidate + self.candidate_bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen(input_shape, (batch, fields, fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_steps": self.num_steps,
            "use_attention": self.use_attention,
            "share_steps": self.share_steps,
            "use_bias": self.use_bias,
            "negative_slope": self.negative_slope,
            "message_units": self.message_units,
        }
