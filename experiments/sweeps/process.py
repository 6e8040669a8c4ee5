"""The process of a run."""

import os
import pathlib
import subprocess
import sys

import ctrzoo

from . import outcome

TRAIN = (sys.executable, "-m", "ctrzoo.experiments.train")


def start_training(run, lock, train=TRAIN, environment=None):
    """Start a run in a process of its own, which inherits the lock of its folder.

    Args:
        run: The `Run`.
        lock: What `outcome.take` returned.
        train: The command that trains, to which the run's arguments are added.
        environment: Environment variables to change.

    Returns:
        The `subprocess.Popen`; it prints into the log of the run.
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
            start_new_session=True,  # Ctrl-C reaches the caller alone, which then ends its runs
        )
