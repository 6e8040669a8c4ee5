"""Where a model is trained on the JAX backend: on one device, or with its tables divided over several."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import keras

from ctrzoo.distribution import table_layout, table_mesh


class OneDevice:
    """The first device, with the attributes of a `tf.distribute.Strategy` that training reads."""

    num_replicas_in_sync, cluster_resolver, num_devices = 1, None, 1

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which models are built."""
        return contextlib.nullcontext()


class ModelParallel(OneDevice):
    """Several devices, over which the rows of every table are divided; each computes the whole batch.

    Args:
        devices: Their names, as `keras.distribution.list_devices` returns them.
    """

    def __init__(self, devices: list[str]) -> None:
        self.num_devices = len(devices)
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
    devices = keras.distribution.list_devices()
    if name == "auto":
        several = num_devices is not None or (jax.default_backend() != "cpu" and len(devices) > 1)
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


def jax_device_kind() -> str:
    """Return the name of the computing device as JAX reports it, or `"CPU"`."""
    return "CPU" if jax.default_backend() == "cpu" else jax.devices()[0].device_kind
