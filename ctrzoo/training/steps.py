"""The training step of the backend in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from ctrzoo.model import CTRModel
from ctrzoo.training.strategy import ReplicatedStep, strategy_of

if TYPE_CHECKING:
    from ctrzoo.training.jax_step import JaxStep

    Step = ReplicatedStep | JaxStep
else:
    Step = ReplicatedStep


def step_of(model: CTRModel, jit_compile: bool = False, cpu_replicas: int = 1, positive_weight: float = 1.0) -> Step:
    """Return the training step and prediction of a model: a `ReplicatedStep`, or on JAX a `JaxStep`.

    Args:
        model: A compiled `CTRModel`.
        jit_compile: Whether XLA compiles the training step of TensorFlow. JAX always compiles it.
        cpu_replicas: Number of parts of a batch that TensorFlow computes in parallel on one CPU.
        positive_weight: Multiplies the weight of rows with a label above 0 in training.

    Raises:
        ValueError: If the backend has no training step, or JAX would ignore an option.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return ReplicatedStep(model, jit_compile, cpu_replicas, positive_weight)
    if backend != "jax":
        raise ValueError(f"Training needs TensorFlow or JAX. Received the backend {backend}: set KERAS_BACKEND=jax.")
    if jit_compile:
        raise ValueError("JAX always compiles the training step, so `jit_compile` has no effect. Leave it out.")
    if cpu_replicas > 1:
        raise ValueError(f"JAX does not divide a step into CPU replicas. Received: {cpu_replicas}; set cpu_replicas=1.")
    from ctrzoo.training.jax_step import JaxStep

    return JaxStep(model, positive_weight)


def num_replicas_of(model: CTRModel) -> int:
    """Return the number of devices that divide the batches of a model among them.

    Args:
        model: A built `CTRModel`.
    """
    if keras.backend.backend() == "jax":
        return max((len(variable.value.sharding.device_set) for variable in model.variables), default=1)
    return strategy_of(model).num_replicas_in_sync
