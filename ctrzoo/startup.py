"""Import Keras and its backend without their notes on the terminal.

TensorFlow prints a few lines while it is imported that no setting turns off. They are kept back for
the time of the import only; set TF_CPP_MIN_LOG_LEVEL=0 to see them. Errors still arrive: they are raised.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 nowhere while the context lasts."""
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


def keep_loops_rolled() -> None:
    """Ask XLA's compiler for CPUs to leave loops as they are, unless XLA_FLAGS has options for it already.

    It copies rows of tables number by number where it unrolls the loop over a row, and by vectors where it does not.
    To be called before XLA compiles anything in this process; afterwards nobody listens.
    """
    option, flags = "--xla_backend_extra_options", os.environ.get("XLA_FLAGS", "")
    if option not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {option}=xla_cpu_disable_loop_unrolling".strip()


with silent_stderr() if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3" else contextlib.nullcontext():
    import keras  # noqa: F401
