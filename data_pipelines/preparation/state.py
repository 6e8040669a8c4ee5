"""The hidden folder in which a preparation stores finished parts, so that an interrupted one can resume."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import typing
from collections.abc import Iterator

from ctrzoo.files import synchronize, write_json
from ctrzoo.stores import cache_folder, is_url

from ..progress import console
from ..storage.remote import is_complete

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path


@contextlib.contextmanager
def kept_state(folder: pathlib.Path, description: Config) -> Iterator[pathlib.Path]:
    """Yield the state folder of a folder being prepared, and hold its lock.

    Args:
        folder: The folder to create.
        description: Everything the result depends on, JSON-serializable. A state with another description is deleted.

    Raises:
        FileExistsError: If the folder already exists, or another process created it meanwhile.
    """
    state = _state_of(folder)
    if is_complete(folder):
        shutil.rmtree(state, ignore_errors=True)
        mend = "Choose" if is_url(folder) else "To replace it, pass --overwrite (`overwrite=True`), or choose"
        raise FileExistsError(f"{folder} exists. {mend} another name or folder.")
    state.mkdir(parents=True, exist_ok=True)
    with open(state / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print(f"Another process is preparing {folder}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete(folder):
            raise FileExistsError(f"Another process created {folder} in the meantime.")
        text = json.dumps(description, sort_keys=True)
        recorded = state / "description.json"
        if not recorded.is_file() or json.dumps(json.loads(recorded.read_text("utf-8")), sort_keys=True) != text:
            _clear(state)
            write_json(recorded, json.loads(text))
        remove_temporary(state)
        yield state
    shutil.rmtree(state, ignore_errors=True)


def _state_of(folder):
    """Return the state folder: next to the folder, or on the local disk for a folder in a store."""
    name = f".{folder.name}.preparing"
    if not is_url(folder):
        return folder.with_name(name)
    return cache_folder() / ".stores" / f"{name}.{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"


def _clear(state):
    for path in state.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def remove_temporary(state: pathlib.Path) -> None:
    """Delete the partial files of a killed process; their names begin with a dot."""
    for path in list(state.rglob(".*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(path: Path, wait_for_disk: bool = True) -> Iterator[pathlib.Path]:
    """Yield a temporary folder next to `path`; on success it replaces `path`.

    Args:
        path: The folder to write.
        wait_for_disk: Whether its files are on disk before it takes its place, which takes milliseconds per file.
            Without it, a power failure can leave damaged files, though a killed process cannot.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    if wait_for_disk:
        for written in (*temporary.iterdir(), temporary):
            synchronize(written)
    os.replace(temporary, path)
    if wait_for_disk:
        synchronize(path.parent)
