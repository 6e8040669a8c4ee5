"""Row-wise optimizers: a step updates only the embedding rows that its batch used.

Use Adam, Adagrad, FTRL and SGD as `compile(optimizer=...)` of any Keras model on the TensorFlow backend. On JAX, they
need the step of `ctrzoo.training`, because in Keras' `fit` all gradients are dense there. The gradient of a table that
is looked up by id covers only a few rows (`tf.IndexedSlices`; on JAX a `RowGradient`). Keras expands it to all rows and
updates the whole table, so the cost of a step grows with the vocabulary. Here it depends only on the batch. All other
weights, and their optimizer state, are updated exactly as in Keras.

| | rows of the batch | other rows of the table |
|---|---|---|
| repeated ids | gradients are summed first, as in a dense gradient | |
| weight decay | `w -= learning_rate * weight_decay * w`, before the step | keep their value |
| moments, momentum | decay and update | stay bit-identical, however long the row is absent |
| bias correction of Adam | uses the optimizer's step count, not the row's | |
| clipping | uses the norm of the summed gradient, which equals the norm of the dense one | |
| `use_ema` | averaged at each step | averaged at each step, as in Keras: this touches the whole table |

SGD without momentum and Adagrad therefore compute the same as Keras with a dense gradient. So does FTRL, with two
exceptions. A row keeps its initial value until its first batch, whereas Keras sets all rows at the first step to zero,
the solution without data. And `l2_shrinkage` acts only on the rows of the batch.

Adam and momentum differ from Keras, where an absent row keeps moving by its old momentum while both moments decay.
`lazy=False` gives Keras' dense optimizer on the gradient of all rows. (Given a sparse gradient, Keras 3.15 itself
squares the gradients of a repeated id one by one and adds the squares. Its second moments are then smaller than with
the dense gradient.)

A step is cheap only if rows are looked up directly from the table's variable, as `ctrzoo.lookup.look_up` and therefore
all ctrzoo layers do. `keras.layers.Embedding` copies its whole table at each lookup, so its step still grows with the
table, though a few times less than with Keras' optimizers. Four features are dense by nature and touch the whole
table: a penalty on it (`l2`), a constraint on it, averaging (`use_ema`) and float16 loss scaling. With a penalty, the
table's gradient is dense, and so is its update.

If XLA compiles a step on a CPU (`jit_compile=True`), the step finds repeated ids with one integer in memory for each
row of the largest table. Call `ctrzoo.startup.keep_loops_rolled()` first: copying rows then takes two thirds of the
time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from ctrzoo.lookup import is_for_xla_on_cpu
from ctrzoo.optimizers.owners import StoredByRows
from ctrzoo.optimizers.row_gradient import (
    RowGradient,
    dense,
    is_of_rows,
    merged,
    read_rows,
    values_of,
    with_values,
    write_rows,
)
from ctrzoo.types import Config, Tensor

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class _RowWise(StoredByRows):
    """Base of the row-wise optimizers; a subclass defines in `_update_rows` how rows are updated."""

    def __init__(self, *args: Any, lazy: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy
        self._last_places = None
        for name in ("gradient_accumulation_steps", "loss_scale_factor"):
            if lazy and getattr(self, name):
                raise ValueError(
                    f"A row-wise optimizer does not support `{name}`: Keras keeps or divides the gradients of all rows "
                    f"for it. Pass `lazy=False`, or leave it out. Received: {name}={getattr(self, name)}."
                )

    def _backend_apply_gradients(self, grads, trainable_variables):
        if self._is_clipped:
            grads = [self._sum_repeated(gradient) for gradient in grads]
        super()._backend_apply_gradients(grads, trainable_variables)

    @property
    def _is_clipped(self):
        return any((self.clipnorm, self.clipvalue, self.global_clipnorm))

    def _clip_gradients(self, grads):
        clipped = super()._clip_gradients([values_of(gradient) for gradient in grads])
        return [with_values(gradient, values) for gradient, values in zip(grads, clipped, strict=True)]

    def _apply_weight_decay(self, variables):
        if not self.lazy:
            super()._apply_weight_decay(variables)

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Update only the rows of a sparse gradient, or all rows of a dense gradient as Keras does."""
        if not self.lazy:
            super().update_step(dense(gradient), variable, learning_rate)
            return
        decays = self.weight_decay is not None and self._use_weight_decay(variable)
        rate = ops.cast(learning_rate, variable.dtype)
        if not is_of_rows(gradient):
            if decays:
                variable.assign_sub(self._decay(variable, rate))
            super().update_step(gradient, variable, learning_rate)
            return
        ids, sums = self._rows_and_sums(gradient)
        weights = read_rows(variable, ids)
        if decays:
            weights -= self._decay(weights, rate)
        self._update_rows(ops.cast(sums, variable.dtype), weights, _Rows(self, variable, ids), rate)

    def _rows_and_sums(self, gradient):
        """Return ids and summed gradients of a gradient's rows. XLA keeps repeated ids; otherwise each occurs once."""
        if isinstance(gradient, RowGradient):
            gradient = gradient if self._is_clipped else merged(gradient)
            return gradient.indices, gradient.values
        if _has_places():
            places = self._places_of(gradient.indices)
            sums = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(places))
            return gradient.indices, tf.gather(sums, places)
        if not self._is_clipped or tf.distribute.get_strategy().num_replicas_in_sync > 1:
            gradient = self._sum_repeated(gradient)  # otherwise summed before clipping
        return gradient.indices, gradient.values

    def _sum_repeated(self, gradient):
        """Return an equal gradient with the values of each repeated row summed in one place."""
        if not is_of_rows(gradient):
            return gradient
        if isinstance(gradient, RowGradient):
            return merged(gradient)
        if _has_places():
            ids, places = gradient.indices, self._places_of(gradient.indices)
        else:
            ids, places = tf.unique(gradient.indices)
        sums = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(ids))
        return tf.IndexedSlices(sums, ids, gradient.dense_shape)

    def _places_of(self, ids):
        if self._last_places is None:
            self._last_places = _LastPlaces(max(each.shape[0] for each in self._trainable_variables if each.shape))
        return self._last_places.of(ids)

    def _decay(self, weights, rate):
        return weights * ops.cast(self.weight_decay, weights.dtype) * rate

    def _update_rows(self, gradient, weights, rows, learning_rate):
        """Compute the new rows and write them with `rows.set`.

        Args:
            gradient: The summed gradient, `(rows, ...)`.
            weights: The rows of the variable after weight decay, `(rows, ...)`.
            rows: Reads and writes the same rows of the optimizer's state.
            learning_rate: A scalar.
        """
        raise NotImplementedError

    def get_config(self) -> Config:
        return {**super().get_config(), "lazy": self.lazy}


class _Rows:
    """Some rows of a variable and of its optimizer state."""

    def __init__(self, optimizer: keras.optimizers.Optimizer, variable: keras.Variable, ids: Tensor) -> None:
        self.optimizer, self.variable, self.ids = optimizer, variable, ids
        self.index: int = optimizer._get_variable_index(variable)

    def of(self, states: Sequence[keras.Variable]) -> Tensor:
        """Return the rows of this variable's entry in a list of state variables."""
        return read_rows(states[self.index], self.ids)

    def set(self, states: Sequence[keras.Variable], rows: Tensor) -> None:
        """Write the rows of this variable's entry in a list of state variables."""
        write_rows(self.optimizer, states[self.index], rows, self.ids)

    def set_weights(self, rows: Tensor) -> None:
        """Write the rows of the variable itself."""
        write_rows(self.optimizer, self.variable, rows, self.ids)


class _LastPlaces:
    """A memory of each row's last position in a batch, which finds repeated ids without a search.

    XLA needs fixed shapes, so it would find distinct ids by sorting, which takes longer than the rest of a step. Here,
    each occurrence writes its position to its row's entry, then reads back which position was written last. Values
    left by earlier batches or other tables do not matter, so all tables share one memory, and it is not saved.
    """

    def __init__(self, num_rows: int) -> None:
        with tf.init_scope():
            self._memory = tf.Variable(tf.zeros(num_rows, "int32"), trainable=False)

    def of(self, ids: Tensor) -> Tensor:
        """Return, for each id, the position of its last occurrence."""
        self._memory.scatter_update(tf.IndexedSlices(tf.range(tf.size(ids)), ids))
        return tf.gather(self._memory, ids)


def _has_places():
    """Return whether `_LastPlaces` finds repeated ids: only under XLA on one CPU. A GPU sorts fast."""
    return is_for_xla_on_cpu() and tf.distribute.get_strategy().num_replicas_in_sync == 1


@keras.saving.register_keras_serializable("ctrzoo")
class SGD(_RowWise, keras.optimizers.SGD):
    """Gradient descent that updates only the rows of the batch; with momentum, only their momentum decays.

    Args:
        *args: Positional arguments of `keras.optimizers.SGD`.
        lazy: `False` updates all rows, exactly as Keras does.
        **kwargs: Arguments of `keras.optimizers.SGD` by name.

    Raises:
        ValueError: For `gradient_accumulation_steps` or `loss_scale_factor` together with `lazy`.

    >>> SGD(0.1, momentum=0.9).lazy
    True
    """

    def _update_rows(self, gradient, weights, rows, learning_rate):
        step = -learning_rate * gradient
        if self.momentum:
            momentum = self.momentum * rows.of(self.momentums) + step
            rows.set(self.momentums, momentum)
            step = self.momentum * momentum + step if self.nesterov else momentum
        rows.set_weights(weights + step)


@keras.saving.register_keras_serializable("ctrzoo")
class Adagrad(_RowWise, keras.optimizers.Adagrad):
    """Adagrad that updates only the rows of the batch, with the same results as Keras' Adagrad.

    Args:
        *args: Positional arguments of `keras.optimizers.Adagrad`.
        lazy: `False` updates all rows, as Keras does.
        **kwargs: Arguments of `keras.optimizers.Adagrad` by name.

    Raises:
        ValueError: For `gradient_accumulation_steps` or `loss_scale_factor` together with `lazy`.

    >>> Adagrad(0.05).lazy
    True
    """

    def _update_rows(self, gradient, weights, rows, learning_rate):
        accumulator = rows.of(self._accumulators) + ops.square(gradient)
        rows.set(self._accumulators, accumulator)
        rows.set_weights(weights - learning_rate * gradient / ops.sqrt(accumulator + self.epsilon))


@keras.saving.register_keras_serializable("ctrzoo", name="Adam")  # its name in saved files since version 0.1
class LazyAdam(_RowWise, keras.optimizers.Adam):
    """Adam that updates only the rows of the batch; the moments of other rows do not decay.

    Args:
        *args: Positional arguments of `keras.optimizers.Adam`.
        lazy: `False` updates all rows, exactly as Keras does.
        **kwargs: Arguments of `keras.optimizers.Adam` by name.

    Raises:
        ValueError: For `gradient_accumulation_steps` or `loss_scale_factor` together with `lazy`.

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(100, 4), keras.layers.Flatten()])
    >>> model.compile(LazyAdam(0.001), "mse")
    """

    def _update_rows(self, gradient, weights, rows, learning_rate):
        iterations: Tensor = self.iterations
        step = ops.cast(iterations + 1, gradient.dtype)
        beta_1, beta_2 = (ops.cast(beta, gradient.dtype) for beta in (self.beta_1, self.beta_2))
        rate = learning_rate * ops.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        momentum = rows.of(self._momentums)
        momentum += (gradient - momentum) * (1 - self.beta_1)
        velocity = rows.of(self._velocities)
        velocity += (ops.square(gradient) - velocity) * (1 - self.beta_2)
        rows.set(self._momentums, momentum)
        rows.set(self._velocities, velocity)
        if self.amsgrad:
            velocity = ops.maximum(rows.of(self._velocity_hats), velocity)
            rows.set(self._velocity_hats, velocity)
        rows.set_weights(weights - rate * momentum / (ops.sqrt(velocity) + self.epsilon))


@keras.saving.register_keras_serializable("ctrzoo")
class Ftrl(_RowWise, keras.optimizers.Ftrl):
    """FTRL-proximal that updates only the rows of the batch.

    For tables that start at zero, without `l2_shrinkage`, it gives the same results as Keras' Ftrl. Other tables' rows
    keep their initial value until their first batch.
    Source: McMahan et al., 2013, algorithm 1, https://research.google/pubs/pub41159/.

    Args:
        *args: Positional arguments of `keras.optimizers.Ftrl`.
        lazy: `False` updates all rows, as Keras does.
        **kwargs: Arguments of `keras.optimizers.Ftrl` by name.

    Raises:
        ValueError: For `gradient_accumulation_steps` or `loss_scale_factor` together with `lazy`.

    >>> Ftrl(0.1, l1_regularization_strength=0.01).lazy
    True
    """

    def _update_rows(self, gradient, weights, rows, learning_rate):
        power, l1 = -self.learning_rate_power, self.l1_regularization_strength
        l2 = self.l2_regularization_strength + self.beta / (2 * learning_rate)
        accumulator = rows.of(self._accumulators)
        grown = accumulator + ops.square(gradient)
        shrunken = gradient + 2 * self.l2_shrinkage_regularization_strength * weights
        sigma = (grown**power - accumulator**power) / learning_rate
        linear = rows.of(self._linears) + shrunken - sigma * weights
        rows.set(self._accumulators, grown)
        rows.set(self._linears, linear)
        rows.set_weights((ops.clip(linear, -l1, l1) - linear) / (grown**power / learning_rate + 2 * l2))
