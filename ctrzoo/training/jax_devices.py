"""Where a model is trained on the JAX backend: on one device, or with its tables divided over several."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import keras

from ctrzoo.cluster import named_hosts
from ctrzoo.distribution import table_layout, table_mesh

# A host that stays silent for so long counts as lost. One whose connection breaks is noticed at once.
HEARTBEAT_SECONDS = 60


class OneDevice:
    """The first device, with the attributes of a `tf.distribute.Strategy` that training reads."""

    num_replicas_in_sync, cluster_resolver = 1, None

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which models are built."""
        return contextlib.nullcontext()


class ModelParallel(OneDevice):
    """Several devices, over which the rows of every table and the rows of every batch are divided.

    Args:
        devices: Their names, as `keras.distribution.list_devices` returns them.
    """

    def __init__(self, devices: list[str]) -> None:
        self.num_replicas_in_sync = len(devices)
        self.distribution = keras.distribution.ModelParallel(layout_map=table_layout(table_mesh(devices)))

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which models are built, so that their tables are divided."""
        return self.distribution.scope()


def make_jax_strategy(name: str = "auto", num_devices: int | None = None) -> OneDevice:
    """Return where to train on JAX.

    Args:
        name: `"one_device"`; `"model_parallel"`, tables divided over all devices; or `"auto"`: the latter if there are
            several GPUs, or `num_devices` asks for several devices.
        num_devices: Number of devices of `"model_parallel"`; None for all.

    Raises:
        ValueError: If the name is not one of JAX, or there are fewer devices.
    """
    if name not in ("auto", "one_device", "model_parallel"):
        raise ValueError(f"The strategy '{name}' needs TensorFlow. With JAX, choose model_parallel or one_device.")
    join_hosts()
    devices, num_hosts = keras.distribution.list_devices(), jax.process_count()
    if num_hosts > 1 and (name == "one_device" or num_devices is not None):
        raise ValueError(
            f"The {num_hosts} hosts train with all their devices and the strategy 'model_parallel'. Leave out "
            "`num_devices` and the strategy."
        )
    if name == "auto":
        several = num_hosts > 1 or num_devices is not None or (jax.default_backend() != "cpu" and len(devices) > 1)
        name = "model_parallel" if several else "one_device"
    if name == "one_device":
        if num_devices is not None:
            raise ValueError(f"`num_devices` is for the strategy 'model_parallel'. Received: {num_devices}.")
        return OneDevice()
    if num_devices is not None and num_devices > len(devices):
        raise ValueError(
            f"`num_devices` is {num_devices}, but JAX has {len(devices)} ({devices[0]} ...). To divide a CPU, set "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={num_devices} before JAX is imported."
        )
    return ModelParallel(devices[:num_devices])


def join_hosts() -> None:
    """Connect this process with the other hosts that `ctrzoo.cluster` names, if there are any.

    Raises:
        ConnectionError: If the first host does not answer.
    """
    named = named_hosts()
    if named is None or len(named[0]) < 2 or jax.distributed.is_initialized():
        return
    addresses, index = named
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM, after which training saves
    try:
        jax.distributed.initialize(
            addresses[0],
            len(addresses),
            index,
            cluster_detection_method="deactivate",
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except jax.errors.JaxRuntimeError as error:
        raise ConnectionError(
            f"The hosts {', '.join(addresses)} did not find each other: {error}. Start the command on all of them."
        ) from error


def is_first_process() -> bool:
    """Return whether this is the first process of `jax.distributed`, or the only one."""
    return jax.process_index() == 0


def jax_device_kind() -> str:
    """Return the name of the computing device as JAX reports it, or `"CPU"`."""
    return "CPU" if jax.default_backend() == "cpu" else jax.devices()[0].device_kind
