"""Start the process of a run."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING

import ctrzoo

from . import outcome

if TYPE_CHECKING:
    from .plan import Run


# How a training ends that was asked to: by SIGINT or SIGTERM, after it has saved a checkpoint.
INTERRUPTED = (130, 143)
TRAIN = (sys.executable, "-m", "ctrzoo.experiments.train")


def was_killed(code: int) -> bool:
    """Return whether the exit code of a training says that a signal ended it; it can then be resumed."""
    return code < 0 or code in INTERRUPTED


def start_training(
    run: Run, lock: IO[str], train: Sequence[str] = TRAIN, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a run in its own process, which inherits the lock of its folder.

    Args:
        run: The `Run`.
        lock: What `outcome.take` returned.
        train: The training command; the run's arguments are appended.
        environment: Environment variables to change.

    Returns:
        The `subprocess.Popen`; its output goes to the run's log.
    """
    path = [str(pathlib.Path(ctrzoo.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    with open(run.folder / outcome.LOG, "ab") as log:
        return subprocess.Popen(
            (*train, *run.arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), **(environment or {})},
            pass_fds=(lock.fileno(),),
            start_new_session=True,  # so that Ctrl-C reaches only the caller, which then stops its runs
        )
