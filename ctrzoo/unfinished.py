"""Hidden files and folders that are being written; what killed processes left of them is deleted by the next writer.

A writer holds a lock on what it writes, which the system releases when the process ends, even by SIGKILL. The name says
on which machine it runs, because a lock need not be seen by others that share a disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator

from ctrzoo.types import Path

MACHINE = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


@contextlib.contextmanager
def unfinished(path: Path, is_folder: bool = False) -> Iterator[pathlib.Path]:
    """Yield a new empty file next to `path`, with the same suffix, or a new folder; delete it at the end.

    Those that killed processes of this machine left for the same path are deleted first.

    Args:
        path: What it is to become.
        is_folder: Whether to make a folder, which only this user may read.

    >>> with unfinished("/tmp/example.txt") as temporary:
    ...     temporary.read_text()
    ''
    """
    for leftover in abandoned(path):
        remove(leftover)
    temporary, descriptor = _made(pathlib.Path(path), is_folder)
    try:
        yield temporary
    finally:
        remove(temporary)
        os.close(descriptor)


@contextlib.contextmanager
def temporary_folder(name: str) -> Iterator[pathlib.Path]:
    """Yield a new folder where temporary files belong, and delete it at the end; see `unfinished`.

    Args:
        name: What it is for, as part of its name.

    >>> with temporary_folder("example") as folder:
    ...     _ = (folder / "rows.csv").write_text("a,b")
    """
    with unfinished(pathlib.Path(tempfile.gettempdir()) / f"ctrzoo-{name}", is_folder=True) as folder:
        yield folder


def abandoned(path: Path) -> Iterator[pathlib.Path]:
    """Yield what killed processes of this machine left of `unfinished(path)`; each is held until the next one.

    >>> list(abandoned("/tmp/example.txt"))
    []
    """
    path = pathlib.Path(path)
    name = rf"\.{re.escape(path.stem)}\.{MACHINE}[0-9a-f]{{8}}\.unfinished{re.escape(path.suffix)}"
    try:
        with os.scandir(path.parent) as entries:
            found = [entry.name for entry in entries if re.fullmatch(name, entry.name)]
    except OSError:  # there is no such folder, or it cannot be read: nothing to delete
        return
    for leftover in map(path.with_name, found):
        with contextlib.suppress(OSError):  # held by a living process, gone by now, or of another user
            descriptor = _opened(leftover, leftover.is_dir())
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield leftover
            finally:
                os.close(descriptor)


def remove(path: pathlib.Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _made(path, is_folder):
    """Return a new file or folder and a descriptor that holds it."""
    while True:
        temporary = path.with_name(f".{path.stem}.{MACHINE}{secrets.token_hex(4)}.unfinished{path.suffix}")
        if is_folder:
            temporary.mkdir(mode=0o700)
        else:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        try:
            descriptor = _opened(temporary, is_folder)
        except FileNotFoundError:
            continue  # another writer took it for a leftover before it was held
        with contextlib.suppress(OSError):  # without locks, others do not delete it either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def _opened(path, is_folder):
    """Return a descriptor to lock; network folders lock files only for those who may write."""
    return os.open(path, os.O_NOFOLLOW | (os.O_RDONLY | os.O_DIRECTORY if is_folder else os.O_RDWR))
