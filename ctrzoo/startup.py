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
    """Import Keras and its backend without printing their startup messages.

    TensorFlow prints a few lines on import that no setting turns off. This function discards them, only during the
    import. Errors still appear, because they are raised. Set TF_CPP_MIN_LOG_LEVEL=0 to see the messages.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if level == "0" else silent_stderr():
        import keras  # noqa: F401


def keep_loops_rolled() -> None:
    """Tell XLA's CPU compiler not to unroll loops, unless XLA_FLAGS already sets extra backend options.

    If it unrolls the loop over a row, it copies table rows number by number; otherwise it copies them by vectors.
    Call it before XLA compiles anything in this process; later calls have no effect.
    """
    option, flags = "--xla_backend_extra_options", os.environ.get("XLA_FLAGS", "")
    if option not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {option}=xla_cpu_disable_loop_unrolling".strip()
