"""Gated recurrent units over the events of a history, with and without attention, and the auxiliary loss of DIEN.

Letters: b batch, l slots, e size of an event and of a state.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.dense import MLP
from ctrzoo.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class EventGRU(BiasedLayer):
    """A GRU whose steps are scaled: `h' = (1 - a u) h + a u n`, with `h = 0` before the oldest event.

    u is the update gate, the weight of the new value n. The scale a of a step comes with the events:

    - 1 for an event and 0 for an absent slot make it an ordinary GRU, which stands still at absent slots;
    - attention weights make it the AUGRU of DIEN, without the update gate (`h' = (1 - a) h + a n`) the AGRU.

    The reset gate acts after the product, as in cuDNN: `n = tanh(W x + b + r * (U h + c))`. The steps are written out
    in the graph, which runs and exports everywhere; a graph of long histories takes longer to build.
    Source: Zhou et al., AAAI 2019, equations 2 to 5 and section 4.3, https://arxiv.org/abs/1809.03672.

    Args:
        use_update_gate: Whether the cell has the gate u.
        return_states: Whether to return all states, not only the last one.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on both kernels.
        kernel_initializer: Initial values of the kernels; `None` draws them from U(-1/sqrt(e), 1/sqrt(e)), as PyTorch's
            GRU does.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: the events `(batch, slots, size)` and the scales `(batch, slots)`.
    Output shape: the last state `(batch, size)`, or all states `(batch, slots, size)`.

    >>> EventGRU(return_states=True)(np.ones((2, 3, 4), "float32"), np.ones((2, 3), "float32")).shape
    TensorShape([2, 3, 4])
    """

    def __init__(self, use_update_gate: bool = True, return_states: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_update_gate, self.return_states = use_update_gate, return_states

    def build(self, events_shape: Shape, scales_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        size = events_shape[-1]
        width = (3 if self.use_update_gate else 2) * size
        limit = size**-0.5
        for name in ("kernel", "recurrent_kernel"):
            kernel = self.add_kernel(name, (size, width), keras.initializers.RandomUniform(-limit, limit))
            setattr(self, name, kernel)
        self.bias, self.recurrent_bias = self.add_bias("bias", (width,)), self.add_bias("recurrent_bias", (width,))

    def call(self, events: Tensor, scales: Tensor) -> Tensor:
        slots, size = events.shape[1:]
        num_gates = 3 if self.use_update_gate else 2  # r, n, u
        # Cut into slots by operations whose gradients join the pieces. Those of slices fill tensors of all slots.
        by_slot = ops.reshape(ops.transpose(events, (1, 0, 2)), (-1, size))
        gates = ops.split(ops.matmul(by_slot, self.kernel) + self.bias, num_gates, axis=-1)
        given = [ops.unstack(ops.reshape(gate, (slots, -1, size)), slots, axis=0) for gate in gates]
        state, states = ops.zeros_like(events[:, 0]), []
        for slot, step in enumerate(ops.split(scales, slots, axis=1)):
            kept = ops.matmul(state, self.recurrent_kernel) + self.recurrent_bias
            kept = ops.split(kept, num_gates, axis=-1)
            reset = ops.sigmoid(given[0][slot] + kept[0])
            new = ops.tanh(given[1][slot] + reset * kept[1])
            if self.use_update_gate:
                step = step * ops.sigmoid(given[2][slot] + kept[2])
            state = state + step * (new - state)
            states.append(state)
        return ops.stack(states, axis=1) if self.return_states else state

    def compute_output_shape(self, events_shape: Shape, scales_shape: Shape) -> Shape:
        batch, slots, size = events_shape
        return (batch, slots, size) if self.return_states else (batch, size)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "use_update_gate": self.use_update_gate,
            "return_states": self.return_states,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class NextEventLoss(BiasedLayer):
    """The auxiliary loss of DIEN: each state shall tell the event that came next from one that did not.

    A network p sees the state and an event, joined. A row with events 1 to n has the loss
    `-mean over l < n of (log p(I_l, k_(l+1)) + log(1 - p(I_l, k'_(l+1))))`. The event k' is that of the row before in
    the batch (of the last row, for the first one) at the same slot, counted anew from its first event if that row has
    fewer. The loss of the model grows by the mean over all rows of the batch; rows with a single event, or after a row
    without events, count as 0. It is added in training only, and sample weights do not count in it. With several
    devices, the row before is one of the same device.
    Source: Zhou et al., AAAI 2019, equation 6, https://arxiv.org/abs/1809.03672.

    Args:
        units: Widths of the hidden layers, with a sigmoid each.
        weight: What the loss is multiplied by.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on the kernels of hidden layers.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: the states and the events, each `(batch, slots, size)`, and which slots have one,
    `(batch, slots)` of booleans.
    Output shape: the states `(batch, slots, size)`, unchanged.

    >>> layer, states = NextEventLoss((8,)), np.ones((2, 3, 4), "float32")
    >>> states = layer(states, states, np.ones((2, 3), "bool"), training=True)
    >>> len(layer.losses)
    1
    """

    def __init__(self, units: Sequence[int] = (100, 50), weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.weight = tuple(units), weight
        self.network = MLP(
            self.units,
            1,
            activation="sigmoid",
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.penalty,
            name="network",
            dtype=self.dtype_policy,
        )

    def build(self, states_shape: Shape, events_shape: Shape, present_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.network.build((None, states_shape[-1] + events_shape[-1]))

    def call(self, states: Tensor, events: Tensor, present: Tensor, training: bool | None = None) -> Tensor:
        if training and states.shape[1] > 1:
            loss = self.weight * ops.mean(self.loss_of_rows(states, events, present))
            self.add_loss(ops.cast(loss, keras.config.floatx()))  # the type of Keras' losses, to which it is added
        return states

    def loss_of_rows(self, states: Tensor, events: Tensor, present: Tensor) -> Tensor:
        """Return the loss of each row, `(batch,)`, in float32 at least."""
        slots, size = events.shape[1:]
        before, length = ops.roll(events, 1, axis=0), ops.sum(ops.roll(ops.cast(present, "int32"), 1, axis=0), axis=1)
        slot = ops.arange(1, slots, dtype="int32")[None] % ops.maximum(length, 1)[:, None]
        others = ops.take_along_axis(before, ops.repeat(slot[:, :, None], size, axis=2), axis=1)
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        clicked, other = (ops.cast(self._logits(states[:, :-1], seen), wide) for seen in (events[:, 1:], others))
        pairs = ops.cast(present[:, 1:], wide) * ops.cast(length > 0, wide)[:, None]
        losses = (ops.softplus(-clicked) + ops.softplus(other)) * pairs
        return ops.sum(losses, axis=1) / ops.maximum(ops.sum(pairs, axis=1), 1)

    def _logits(self, states, events):
        slots, size = states.shape[1], states.shape[2] + events.shape[2]
        joined = ops.reshape(ops.concatenate([states, events], axis=-1), (-1, size))
        return ops.reshape(self.network(joined), (-1, slots))

    def compute_output_shape(self, states_shape: Shape, events_shape: Shape, present_shape: Shape) -> Shape:
        return states_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "weight": self.weight}
