"""The hidden folder in which a preparation keeps what it has finished, so that an interrupted one can be resumed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import typing
from collections.abc import Iterator

from ctrzoo.files import synchronize, write_json

from ..progress import console

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path


@contextlib.contextmanager
def kept_state(folder: pathlib.Path, description: Config) -> Iterator[pathlib.Path]:
    """Yield the state folder of a prepared folder that is being made, and hold its lock.

    Args:
        folder: The folder to make.
        description: What the result depends on, for JSON. A state of another description is deleted.

    Raises:
        FileExistsError: If the folder is there already, or another process has made it meanwhile.
    """
    state = folder.with_name(f".{folder.name}.preparing")
    if folder.exists():
        shutil.rmtree(state, ignore_errors=True)
        raise FileExistsError(f"{folder} exists. Delete it, or choose another folder.")
    state.mkdir(parents=True, exist_ok=True)
    with open(state / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print(f"{folder} is being made by another process; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            raise FileExistsError(f"{folder} was made by another process in the meantime.")
        text = json.dumps(description, sort_keys=True)
        recorded = state / "description.json"
        if not recorded.is_file() or json.dumps(json.loads(recorded.read_text("utf-8")), sort_keys=True) != text:
            _clear(state)
            write_json(recorded, json.loads(text))
        remove_temporary(state)
        yield state
    shutil.rmtree(state, ignore_errors=True)


def _clear(state):
    for path in state.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def remove_temporary(state: pathlib.Path) -> None:
    """Delete half-written files of a process that was killed; their names begin with a point."""
    for path in list(state.rglob(".*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[pathlib.Path]:
    """Yield a temporary folder next to `path` that takes its place on success, once its files are on the disk."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    for written in (*temporary.iterdir(), temporary):
        synchronize(written)
    os.replace(temporary, path)
    synchronize(path.parent)
