"""What a program does before it uses Keras: hide start-up notes, and set options of XLA.

Nothing here happens by itself: importing ctrzoo changes nothing in the user's process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard what native code writes to file descriptor 2 while the context lasts."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no such descriptor, as in some services: nothing to silence
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
    """Import Keras and its backend without their notes on the terminal.

    TensorFlow prints a few lines while it is imported that no setting turns off. They are discarded during the import
    only; set TF_CPP_MIN_LOG_LEVEL=0 to see them. Errors still arrive, because they are raised.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if level == "0" else silent_stderr():
        import keras  # noqa: F401


def keep_loops_rolled() -> None:
    """Ask XLA's compiler for CPUs to leave loops as they are, unless XLA_FLAGS has options for it already.

    It copies rows of tables number by number where it unrolls the loop over a row, and by vectors where it does not.
    Call it before XLA compiles anything in this process; later calls have no effect.
    """
    option, flags = "--xla_backend_extra_options", os.environ.get("XLA_FLAGS", "")
    if option not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {option}=xla_cpu_disable_loop_unrolling".strip()
