"""Look up rows of a table by id: the most frequent operation of models and optimizers."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from ctrzoo.types import Tensor

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

_stays_here = contextvars.ContextVar("stays_here", default=False)
_observer: contextvars.ContextVar[Callable[[Any, Any], Any] | None] = contextvars.ContextVar("observer", default=None)


@contextlib.contextmanager
def for_this_process() -> Iterator[None]:
    """Say that graphs traced within are run by this process and not exported, so that they may be faster.

    A graph does not show whether it will be exported: Keras, `tf.lite.TFLiteConverter` and `tf.saved_model` all trace
    the call of a model as any `tf.function` does. So it is the steps of `predict`, `evaluate` and our trainer that say
    what they are.

    >>> table = keras.Variable([[0.0, 1.0], [2.0, 3.0]])
    >>> with for_this_process():
    ...     rows = tf.function(lambda ids: look_up(table, ids, exportable=True))(tf.constant([1]))
    >>> rows.numpy().tolist()
    [[2.0, 3.0]]
    """
    token = _stays_here.set(True)
    try:
        yield
    finally:
        _stays_here.reset(token)


@contextlib.contextmanager
def observed(take: Callable[[Any, Any], Any]) -> Iterator[None]:
    """Let a function look up the rows of Keras variables within, on other backends than TensorFlow.

    The training step on JAX thereby learns which rows a model reads, whose gradients it needs.

    Args:
        take: Returns the rows for a variable and ids.
    """
    token = _observer.set(take)
    try:
        yield
    finally:
        _observer.reset(token)


def look_up(table: Tensor, ids: Tensor, exportable: bool = False) -> Tensor:
    """Return rows of a table; the gradient covers only these rows.

    TensorFlow's `gather_nd` takes three quarters of the time of its `gather`, but XLA cannot compile it, and LiteRT
    does not have it. Given the same ids, XLA reads the rows once for both the model and its optimizer. Of a variable
    that has a copy on each of several devices, the copy of this device is read: `gather` would copy all its rows first.

    Args:
        table: A Keras or TensorFlow variable of shape `(rows, ...)`.
        ids: Tensor of integers from 0 to `rows - 1`, of any shape.
        exportable: Whether a graph that is being traced may be exported, unless it is traced `for_this_process`.

    Returns:
        A tensor with the shape of `ids` followed by the shape of a row.

    Raises:
        tensorflow.errors.InvalidArgumentError: On a CPU without XLA, if an id is outside the table. A GPU reads zeros.

    >>> look_up(keras.Variable([[0.0, 1.0], [2.0, 3.0]]), ops.convert_to_tensor([1, 0, 1])).numpy().tolist()
    [[2.0, 3.0], [0.0, 1.0], [2.0, 3.0]]
    """
    # Use the TensorFlow variable: only its rows are read, whereas a Keras variable would be copied whole.
    values = table.value if isinstance(table, keras.Variable) else table
    ids = ops.convert_to_tensor(ids)
    dtype = keras.backend.standardize_dtype(ids.dtype)
    if "int" in dtype and dtype not in ("int32", "int64"):  # TensorFlow gathers by these types only
        ids = ops.cast(ids, "int64")
    if keras.backend.backend() != "tensorflow":
        take = _observer.get()
        if take is not None and isinstance(table, keras.Variable):
            return take(table, ids)
        return ops.take(values, ids, axis=0)
    if isinstance(values, tf.distribute.DistributedValues):
        values = _of_this_device(values)
    exported = exportable and not tf.executing_eagerly() and not _stays_here.get()
    if not isinstance(values, tf.Variable) or exported or is_for_xla():
        return tf.gather(values, ids)
    rows = values.gather_nd(ops.reshape(ids, (-1, 1)))
    shape: Any = ops.shape(ids)
    return ops.reshape(rows, (*shape, *table.shape[1:]))


def _of_this_device(variable):
    """Return the copy of a variable on the device that computes, or outside a strategy's replicas the first one."""
    copies = variable.distribute_strategy.experimental_local_results(variable)
    try:
        handle = variable.handle
    except ValueError:  # no replica computes
        return copies[0]
    return next(copy for copy in copies if copy.handle is handle)


def is_for_xla() -> bool:
    """Return whether XLA will compile the function being traced, on the TensorFlow backend."""
    if keras.backend.backend() != "tensorflow":
        return False
    # No public TensorFlow API exposes this.
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def is_for_xla_on_cpu() -> bool:
    """Return whether XLA will compile the function being traced and CPUs are the only devices."""
    return is_for_xla() and all(device.device_type == "CPU" for device in tf.config.list_logical_devices())
