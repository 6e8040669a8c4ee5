"""Loss and gradients on the JAX backend: those of tables cover only the rows that a batch reads.

In JAX, the gradient of reading some rows of a table is as large as the table. It is not computed here. While the model
is traced, each lookup of a table adds zeros to the rows that it read, and the gradient by these zeros is the gradient
of the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import jax
import keras
from jax import numpy as jnp

from ctrzoo.divided_rows import division_of, look_up_divided
from ctrzoo.lookup import observed
from ctrzoo.model import CTRModel
from ctrzoo.optimizers import CompositeOptimizer
from ctrzoo.optimizers.row_gradient import RowGradient
from ctrzoo.types import Tensor

Batch = tuple[Any, ...]
Values = Sequence[Tensor]


class Gradients:
    """The loss of a compiled model, with the gradients of its trainable variables; to be traced by `jax.jit`.

    The gradient of a table is a `RowGradient` if only lookups read it and its optimizer updates single rows. Otherwise
    it is dense, as on TensorFlow: for example, a penalty on a table reads all rows.

    Args:
        model: A compiled `CTRModel` whose optimizer is built.
        trainable: The values of its trainable variables.
        others: The values of its other variables.
        batch: `(features, labels)` or `(features, labels, weights)`.
    """

    def __init__(self, model: CTRModel, trainable: Values, others: Values, batch: Batch) -> None:
        self._model = model
        wanted = {id(each) for each in model.trainable_variables if _updates_rows(model.optimizer, each)}
        found = {id(table) for table, *_ in self._lookups(wanted, trainable, others, batch)}
        self.tables = found - self._read_otherwise(found, trainable, others, batch)

    def __call__(self, trainable: Values, others: Values, batch: Batch) -> tuple[Tensor, Values, list[Any]]:
        """Return the loss, the new values of the other variables, and a gradient for each trainable variable."""
        variables, optimizer = self._model.trainable_variables, self._model.optimizer
        sites = self._lookups(self.tables, trainable, others, batch)
        zeros = [jnp.zeros(shape, dtype) for _, shape, dtype in sites]
        is_table = [id(variable) in self.tables for variable in variables]
        weights = [None if table else value for table, value in zip(is_table, trainable, strict=True)]

        def scaled_loss(weights, zeros):
            chosen = zip(is_table, trainable, weights, strict=True)
            filled = [value if table else weight for table, value, weight in chosen]
            loss, now, lookups = self._loss(self.tables, filled, others, batch, zeros)
            return optimizer.scale_loss(loss), (loss, now, [ids for _, ids, _ in lookups])

        differentiate = jax.value_and_grad(scaled_loss, argnums=(0, 1), has_aux=True)
        (_, (loss, others, ids)), (dense, of_rows) = differentiate(weights, zeros)
        gradients: list[Any] = list(dense)
        for index, variable in enumerate(variables):
            places = [place for place, (table, *_) in enumerate(sites) if table is variable]
            if places:
                values = [of_rows[place].reshape(-1, *variable.shape[1:]) for place in places]
                indices = jnp.concatenate([ids[place].ravel() for place in places])
                gradient = RowGradient(jnp.concatenate(values), indices, variable.shape)
                gradients[index] = _on_every_device(gradient, division_of(variable))
        return loss, others, gradients

    def _loss(self, tables: Collection[int], trainable, others, batch, zeros=None):
        """Return the loss, the new values of the other variables, and the lookups of these tables, in order."""
        model, lookups = self._model, []
        features, labels, *weights = batch
        variables = [*model.trainable_variables, *model.non_trainable_variables]

        def take(table, ids):
            if id(table) not in tables:
                return rows_of(table, table.value, ids)
            rows = rows_of(table, jax.lax.stop_gradient(table.value), ids)
            rows = rows if zeros is None else rows + zeros[len(lookups)]
            lookups.append((table, ids, rows))
            return rows

        mapping = list(zip(variables, [*trainable, *others], strict=True))
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope, observed(take):
            predictions = model(features, training=True)
            loss = model.compute_loss(features, labels, predictions, *weights, training=True)
            now = [scope.get_current_value(variable) for variable in model.non_trainable_variables]
        return loss, now, lookups

    def _lookups(self, tables, trainable, others, batch):
        """Return the table, the shape and the type of the rows of each lookup, in order."""
        found = []

        def record(*values):
            found[:] = [(table, rows.shape, rows.dtype) for table, _, rows in self._loss(tables, *values)[2]]

        jax.eval_shape(record, trainable, others, batch)
        return found

    def _read_otherwise(self, tables, trainable, others, batch):
        """Return which tables something else than a lookup reads: their gradient is not zero without the lookups."""
        read = set()

        def loss(trainable, others, batch):
            pairs = zip(self._model.trainable_variables, trainable, strict=True)
            watched = [_watched(value, id(table), read) if id(table) in tables else value for table, value in pairs]
            return self._loss(tables, watched, others, batch)[0]

        jax.eval_shape(jax.grad(loss), list(trainable), others, batch)
        return read


def rows_of(table: keras.Variable, values: Tensor, ids: Tensor) -> Tensor:
    """Return rows by id of the values of a table, which may be divided over devices."""
    division = division_of(table)
    return jnp.take(values, ids, axis=0) if division is None else look_up_divided(values, ids, division)


def _on_every_device(gradient, division):
    """Give every device the rows of the whole batch: it updates those of its part of the table."""
    if division is None:
        return gradient
    everywhere = jax.sharding.NamedSharding(division.mesh, jax.sharding.PartitionSpec())
    values, indices = jax.lax.with_sharding_constraint((gradient.values, gradient.indices), everywhere)
    return RowGradient(values, indices, gradient.dense_shape)


def _watched(value, name, read):
    """Return a value that adds its name to a set when its gradient is computed, which JAX skips if it is zero."""

    @jax.custom_vjp
    def same(value):
        return value

    def backward(_, gradient):
        read.add(name)
        return (gradient,)

    same.defvjp(lambda value: (value, None), backward)
    return same(value)


def _updates_rows(optimizer, variable):
    if isinstance(optimizer, CompositeOptimizer):
        is_special = optimizer.is_special[optimizer._get_variable_index(variable)]
        return _updates_rows(optimizer.special if is_special else optimizer.default, variable)
    return getattr(optimizer, "lazy", False)
