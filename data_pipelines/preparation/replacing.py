"""Replace a prepared folder by a new one: the old one stays until the new one is complete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import pathlib
import shutil
import typing
from collections.abc import Iterator

from ctrzoo.files import synchronize
from ctrzoo.stores import as_path, is_url

from ..storage.checksums import WRITTEN

if typing.TYPE_CHECKING:
    from ctrzoo.types import Path


@contextlib.contextmanager
def replacing(folder: Path, overwrite: bool = True) -> Iterator[pathlib.Path]:
    """Yield the path at which to prepare a folder. On success, the new folder replaces the one that exists.

    The new folder is prepared under a hidden name next to the old one. If the preparation fails or is interrupted, the
    old one stays, and the same preparation resumes at the same path.

    Args:
        folder: The folder to replace. If it does not exist, or `overwrite` is False, it is itself the path.
        overwrite: Whether to replace it.

    Raises:
        FileExistsError: If it is not a prepared folder, or holds files that no preparation wrote.
        ValueError: If it is in a store and to be overwritten.
        BlockingIOError: If another process is replacing it.
    """
    if is_url(folder):
        if overwrite:
            raise ValueError(
                f"{folder} is in a store, where no folder can take the place of another one at once. Choose another "
                "--name or folder, and delete the old one when nobody reads it."
            )
        yield as_path(folder)
        return
    folder = pathlib.Path(folder).absolute()
    if not overwrite:
        yield folder
        return
    folder = folder.resolve()  # a link stays, and the new folder is on the disk of the old one
    new, old = (folder.with_name(f".{folder.name}.{what}") for what in ("new", "old"))
    with locked(folder):
        if old.exists() and not folder.exists():  # a process was killed between the two renames below
            old.rename(folder)
        if not folder.exists():
            yield folder
            return
        check_prepared(folder)
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        yield new
        folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            old.rename(folder)
            raise
        synchronize(folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def check_prepared(folder: pathlib.Path) -> None:
    """Raise an error unless a preparation wrote the folder and everything in it.

    Raises:
        FileExistsError: If it is something else.
    """
    try:
        description = json.loads((folder / "preparation.json").read_text(encoding="utf-8"))
        is_prepared = isinstance(description, dict) and {"format_version", "splits"} <= set(description)
    except (OSError, ValueError):
        is_prepared = False
    if not is_prepared:
        raise FileExistsError(
            f"{folder} is not a prepared folder of ctrzoo, so it is not overwritten. Choose another name or folder."
        )
    others = sorted(path.name for path in folder.iterdir() if path.is_dir() or not WRITTEN.fullmatch(path.name))
    if others:
        raise FileExistsError(
            f"{folder} also holds {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}, which no preparation "
            "wrote, so it is not overwritten. Move these files elsewhere, or choose another name or folder."
        )


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Keep other processes from replacing a folder at the same time.

    Args:
        folder: The folder; the lock is a hidden file next to it.

    Raises:
        BlockingIOError: If another process is replacing it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f".{folder.name}.replacing")
    with open(path, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"Another process is replacing {folder}. Wait for it, or choose another name or folder."
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
