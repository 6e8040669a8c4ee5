"""The training step and the prediction on the JAX backend, on one device or with tables divided over several.

A row-wise optimizer reads, changes and writes only the rows of the batch, in place, because a step gives the buffers of
its variables away. So a step costs the same however large the tables are, as on TensorFlow.

XLA's partitioner divides the computation, as it is written for one device, over the devices that the batch is divided
over. Losses, batch normalization and random numbers therefore are those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp

from ctrzoo.lookup import observed
from ctrzoo.model import CTRModel
from ctrzoo.training.jax_gradients import Gradients, rows_of
from ctrzoo.types import Features, Tensor


class JaxStep:
    """The training step and the prediction of a compiled model, with the interface of `ReplicatedStep`.

    After each step, the variables of the model and its optimizer hold its result. If a `keras.distribution` divides
    the tables, they stay divided, and each device computes an equal part of the batch. If the batch cannot be divided
    equally, every device computes all of it. Either way, the result is that of one device.

    Args:
        model: A compiled `CTRModel` whose optimizer is built.
        positive_weight: Multiplies the weight of rows with a label above 0 in training.

    Attributes:
        num_replicas: The number of devices.
    """

    def __init__(self, model: CTRModel, positive_weight: float = 1.0) -> None:
        self._model, self._positive_weight = model, float(positive_weight)
        shardings = [variable.value.sharding for variable in model.variables]
        meshes = [each.mesh for each in shardings if isinstance(each, jax.sharding.NamedSharding)]
        self._everywhere = jax.sharding.NamedSharding(meshes[0], jax.sharding.PartitionSpec()) if meshes else None
        self.num_replicas = meshes[0].size if meshes else 1
        self._step, self._forward = None, jax.jit(self._predict, out_shardings=self._everywhere)

    def train(self, batch: tuple[Any, ...]) -> Tensor:
        """Train on a batch of host tensors; return its loss, a number on the devices.

        Args:
            batch: `(features, labels)`, or `(features, labels, weights)`: a row of weight 2 counts as two rows.
        """
        step, state, batch = self._prepared(batch)
        loss, state = step(state, batch)
        for group, values in zip(self._variables(), state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable._value = value  # `assign` would check each one, which takes as long as a small step
        return loss

    def compiled(self, batch: tuple[Any, ...]) -> jax.stages.Compiled:
        """Return the step as compiled for batches of this shape: its `memory_analysis()` is that of one device.

        Args:
            batch: As in `train`.
        """
        step, state, batch = self._prepared(batch)
        return step.lower(state, batch).compile()

    def predict(self, features: Features) -> np.ndarray:
        """Return the probabilities `(rows, 1)` of a batch of host tensors."""
        trainable, others = ([variable.value for variable in group] for group in self._variables()[:2])
        (features,) = self._on_devices((features,))
        return np.asarray(self._forward(trainable, others, features))

    def _prepared(self, batch):
        """Return the step, the values of its variables, and a batch on the devices."""
        batch = self._on_devices(batch)
        state = [[variable.value for variable in group] for group in self._variables()]
        if self._step is None:
            self._gradients = Gradients(self._model, state[0], state[1], self._weighted(batch))
            self._step = jax.jit(self._train, donate_argnums=0, out_shardings=self._places(state))
        return self._step, state, batch

    def _variables(self) -> tuple[Sequence[keras.Variable], ...]:
        """Return the variables that a step reads and writes: trained ones, others, those of the optimizer."""
        model = self._model
        optimizer = getattr(model, "optimizer", None)
        return model.trainable_variables, model.non_trainable_variables, optimizer.variables if optimizer else []

    def _on_devices(self, batch):
        """Give each device an equal part of a batch, or all of it if it cannot be divided equally."""
        batch, places = jax.tree.map(np.asarray, batch), self._everywhere
        if places is not None and len(batch[0]["ids"]) % self.num_replicas == 0:
            places = jax.sharding.NamedSharding(places.mesh, jax.sharding.PartitionSpec(places.mesh.axis_names))
        if places is None or places.is_fully_addressable:
            return jax.device_put(batch, places)

        def copied(column):  # all processes have it, which `device_put` would compare
            return jax.make_array_from_callback(column.shape, places, lambda index: column[index])

        return jax.tree.map(copied, batch)

    def _places(self, state):
        """Return where the results of a step belong: where the variables are."""
        if self._everywhere is None:
            return None
        divided = jax.sharding.NamedSharding
        places = jax.tree.map(
            lambda value: value.sharding if isinstance(value.sharding, divided) else self._everywhere, state
        )
        return self._everywhere, places

    def _predict(self, trainable, others, features):
        with observed(lambda table, ids: rows_of(table, table.value, ids)):
            return self._model.stateless_call(trainable, others, features, training=False)[0]

    def _train(self, state, batch):
        trainable, others, of_optimizer = state
        loss, others, gradients = self._gradients(trainable, others, self._weighted(batch))
        trainable, of_optimizer = self._model.optimizer.stateless_apply(of_optimizer, gradients, trainable)
        return loss, [trainable, others, of_optimizer]

    def _weighted(self, batch):
        """Return a batch whose weights have the mean 1."""
        features, labels, *weights = batch
        if self._positive_weight != 1:
            own = jnp.where(labels[:, 0] > 0, self._positive_weight, 1.0)
            weights = [own * weights[0] if weights else own]
        means = [jnp.mean(part) for part in weights]
        shares = [jnp.where(mean == 0, 1.0, mean) for mean in means]
        return features, labels, *(part / share for part, share in zip(weights, shares, strict=True))
