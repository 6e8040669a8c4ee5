"""The processes that train together, one per host: their number, and numbers that they exchange.

All processes must call each function at the same point of the run, as it waits for the others.
"""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# How errors of JAX's runtime begin if an exchange fails. Gloo's come as ValueError.
STATUSES = "(UNKNOWN|UNAVAILABLE|INTERNAL|ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION): "


class Hosts:
    """A process that trains without others.

    Attributes:
        index: The number of this process, from 0; the first one writes the files of the run.
        number: How many processes train together.
    """

    index, number = 0, 1

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Return the arrays of all processes, `(number, *shape)`.

        Args:
            array: int32, of the same shape on all processes.
        """
        return array[np.newaxis]

    def highest(self, number: float) -> float:
        """Return the highest of the numbers that the processes pass."""
        found = self.gather(np.array([number], np.float64).view(np.int32))
        return float(np.ascontiguousarray(found).view(np.float64).max())

    def all_have(self, number: float) -> bool:
        """Return whether all processes pass the same number."""
        return self.highest(number) == -self.highest(-number)


class TensorFlowHosts(Hosts):
    """The workers of a `tf.distribute.MultiWorkerMirroredStrategy`."""

    def __init__(self, strategy: Any) -> None:
        resolver = strategy.cluster_resolver
        jobs = resolver.cluster_spec().as_dict()
        self.number = sum(len(jobs.get(name, ())) for name in ("chief", "worker"))
        self.index = resolver.task_id + (resolver.task_type == "worker" and len(jobs.get("chief", ())))
        replicas = strategy.num_replicas_in_sync // self.number

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
        def gather(pieces):
            def own():
                context = tf.distribute.get_replica_context()
                replica = context.replica_id_in_sync_group
                with tf.device("CPU:0"):
                    piece = pieces[replica % replicas]
                return context.all_gather(piece, axis=0)

            return strategy.experimental_local_results(strategy.run(own))[0]

        self._gather, self._replicas = gather, replicas

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Return the arrays of all processes; each replica sends an equal piece."""
        padding = -array.size % self._replicas
        pieces = np.pad(array.ravel(), (0, padding)).reshape(self._replicas, -1)
        found = self._gather(pieces).numpy().reshape(self.number, -1)
        return found[:, : array.size].reshape(self.number, *array.shape)


class JaxHosts(Hosts):
    """The processes of `jax.distributed`."""

    def __init__(self) -> None:
        import jax

        self.index, self.number = jax.process_index(), jax.process_count()

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Return the arrays of all processes."""
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(array[np.newaxis], tiled=True))


def host_is_lost(error: Exception, hosts: Hosts) -> bool:
    """Return whether an error is that of an exchange with other processes, of which one has ended.

    Args:
        error: What a step or an exchange raised.
        hosts: The processes.
    """
    if hosts.number == 1:
        return False
    if keras.backend.backend() != "jax":
        return isinstance(error, tf.errors.OpError)
    import jax

    of_runtime = isinstance(error, (jax.errors.JaxRuntimeError, ValueError))
    return of_runtime and re.match(STATUSES, str(error)) is not None


def hosts_of(strategy: Any) -> Hosts:
    """Return the processes that share a strategy of `ctrzoo.training.strategy`; on JAX, those of `jax.distributed`."""
    if keras.backend.backend() == "jax":
        import jax

        return JaxHosts() if jax.process_count() > 1 else Hosts()
    resolver = strategy.cluster_resolver
    several = resolver is not None and resolver.task_type
    return TensorFlowHosts(strategy) if several else Hosts()
