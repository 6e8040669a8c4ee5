"""What a program does before it uses Keras: hide startup messages and set XLA options.

None of this happens on import: importing ctrzoo changes nothing in the user's process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Within this context, discard everything that native code writes to file descriptor 2."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # the descriptor does not exist, as in some services: nothing to silence
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def load_keras_quietly() -> None:
    """Import Keras, its backend and TensorFlow without printing their startup messages.

    TensorFlow prints a few lines on import that no setting turns off. This function discards them, only during the
    import. Errors still appear, because they are raised. Set TF_CPP_MIN_LOG_LEVEL=0 to see the messages.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if level == "0" else silent_stderr():
        import keras  # noqa: F401

        with contextlib.suppress(ImportError):  # it reads the data on every backend
            import tensorflow  # noqa: F401


def choose_backend(backend: str | None, num_devices: int | None = None) -> None:
    """Set the backend that Keras will have when it is imported, and how many devices JAX makes of a CPU.

    Args:
        backend: `"tensorflow"` or `"jax"`; None leaves it to KERAS_BACKEND, and with it to Keras' configuration.
        num_devices: The number of devices. XLA_FLAGS takes precedence, and GPUs stay as they are.

    Raises:
        ValueError: If Keras has been imported with another backend.
    """
    keras = sys.modules.get("keras")
    if backend is not None:
        if keras is not None and keras.backend.backend() != backend:
            raise ValueError(
                f"Keras already uses the backend {keras.backend.backend()}, so it cannot change to {backend}. Set "
                f"KERAS_BACKEND={backend} before Keras is imported."
            )
        os.environ["KERAS_BACKEND"] = backend
    option, flags = "--xla_force_host_platform_device_count", os.environ.get("XLA_FLAGS", "")
    if num_devices is not None and os.environ.get("KERAS_BACKEND") == "jax" and option not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {option}={num_devices}".strip()


def keep_loops_rolled() -> None:
    """Tell XLA's CPU compiler not to unroll loops, unless XLA_FLAGS already sets extra backend options.

    If it unrolls the loop over a row, it copies table rows number by number; otherwise it copies them by vectors.
    Call it before XLA compiles anything in this process; later calls have no effect.
    """
    option, flags = "--xla_backend_extra_options", os.environ.get("XLA_FLAGS", "")
    if option not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {option}=xla_cpu_disable_loop_unrolling".strip()
