"""Prepared folders in object stores: uploaded as a whole, and read through a local copy.

A store has neither renames nor locks. A folder there is complete when it holds `preparation.json`, which is uploaded
last, and it is never replaced. A reader copies the small files at once, and shards when they are first needed.
"""

from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import json
import pathlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ctrzoo.files import replaced
from ctrzoo.stores import cache_folder, check_writable, is_url, opened, reaching, sizes, stamp

from ..progress import console
from .checksums import WRITTEN

# The file that readers look for first.
MARKER = "preparation.json"
TRANSFERS = 8
# An object that is there while others are uploaded. It tells what a failed upload left from files of others.
UPLOADING = ".uploading"


def is_complete(folder: pathlib.Path) -> bool:
    """Return whether a folder exists; in a store, where others are not complete, whether it holds `preparation.json`.

    >>> is_complete(pathlib.Path("/no/such/folder"))
    False
    """
    with reaching(folder):
        return (folder / MARKER).exists() if is_url(folder) else folder.exists()


def upload(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Upload a complete prepared folder; until its last file is there, readers find no folder.

    Args:
        folder: The local folder.
        target: The folder in a store. What a failed upload left there is replaced.

    Raises:
        FileExistsError: If a prepared folder is there, or files that no preparation wrote.
        OSError: If the store cannot be reached, or another process writes to the same place.
    """
    with reaching(target):
        if is_complete(target):
            raise FileExistsError(f"Another process created {target} in the meantime.")
        found = _left_by_uploads(target)
        (target / UPLOADING).write_bytes(b"")
        for name in found:
            if name != UPLOADING:
                (target / name).unlink()
        names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        size = sum((folder / name).stat().st_size for name in names)
        console.print(f"Uploading {len(names)} files, {size:,} bytes, to {target}", soft_wrap=True)
        stamps = dict(_in_parallel(lambda name: _put(folder, target, name), [name for name in names if name != MARKER]))
        for name, now in _in_parallel(lambda name: (name, stamp(target / name)), list(stamps)):
            if now != stamps[name]:
                raise OSError(f"Another process writes to {target}. Wait for it, or choose another folder.")
        _put(folder, target, MARKER)
        (target / UPLOADING).unlink()


def check_target(target: pathlib.Path) -> None:
    """Check that a folder can be uploaded to a store, before it is made.

    Raises:
        FileExistsError: If files are there that no upload left.
        OSError: If the store cannot be reached, or refuses.
    """
    with reaching(target):
        if not is_complete(target):
            _left_by_uploads(target)
            check_writable(target)


def _left_by_uploads(target):
    found = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    if found and UPLOADING not in found:
        raise FileExistsError(f"{target} holds {', '.join(found[:3])}, which no upload left. Choose another folder.")
    return found


def _put(folder, target, name) -> tuple[str, list[Any]]:
    place: Any = target / name
    place.fs.put_file(str(folder / name), place.path)
    uploaded = stamp(place)
    if uploaded[1] != (folder / name).stat().st_size:
        raise OSError(f"{place} has {uploaded[1]:,} bytes after its upload. Rerun the command.")
    return name, uploaded


def _in_parallel(function: Callable[[str], Any], names: Sequence[str]) -> Iterable[Any]:
    """Return the results of calls, of which some run at a time; if one fails, the others are not started."""
    with concurrent.futures.ThreadPoolExecutor(TRANSFERS) as executor:
        calls = [executor.submit(function, name) for name in names]
        try:
            return [call.result() for call in calls]
        finally:
            executor.shutdown(cancel_futures=True)


class LocalCopy:
    """A local copy of a prepared folder in a store, in a folder of its own for each content.

    Args:
        source: The folder in the store.

    Attributes:
        folder: The local folder. It holds all files except shards, and the shards that were fetched.

    Raises:
        FileNotFoundError: If there is no prepared folder.
        OSError: If the store cannot be reached, or the disk lacks space.
    """

    def __init__(self, source: pathlib.Path):
        self.source = source
        with reaching(source):
            if not (source / MARKER).exists():
                raise FileNotFoundError(
                    f"{source} has no {MARKER}, so it is not a prepared data set, or its upload did not end. Correct "
                    "the path, or rerun `ctrzoo-prepare`."
                )
            self._version = self._versions()
            text = json.dumps([str(source), self._version])
            self.folder = cache_folder() / ".stores" / hashlib.sha256(text.encode()).hexdigest()[:16]
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sizes = sizes(source)
        self.fetch([name for name in self._sizes if WRITTEN.fullmatch(name) and ".tfrecord-" not in name])

    def _versions(self):
        """Return what tells this folder from a later one at the same place."""
        with opened(self.source / MARKER, ahead=False) as file:
            content = hashlib.sha256(file.read()).hexdigest()
        return [content, *stamp(self.source / MARKER)]

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None if the store has no such file."""
        return self._sizes.get(name)

    def fetch(self, names: Iterable[str]) -> None:
        """Copy files that were not copied yet.

        Raises:
            OSError: If the disk lacks space, the store cannot be reached, or the folder was replaced meanwhile.
        """
        missing = [name for name in names if not self._is_there(name)]
        if not missing:
            return
        size = sum(self._sizes[name] for name in missing)
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise OSError(
                errno.ENOSPC,
                f"{self.source}: {size:,} bytes are to be copied to {self.folder}, where {free:,} are free. Free "
                "space, or set XDG_CACHE_HOME to a folder on a larger disk",
            )
        what = f"{len(missing)} files, {size:,} bytes, from {self.source}"
        console.print(f"Copying {what} to {self.folder}", soft_wrap=True)
        with reaching(self.source):
            _in_parallel(self._get, missing)
            if self._versions() != self._version:
                raise OSError(f"{self.source} was replaced while it was copied. Rerun the command.")

    def _is_there(self, name):
        path = self.folder / name
        return path.is_file() and path.stat().st_size == self._sizes[name]

    def _get(self, name):
        place: Any = self.source / name
        with replaced(self.folder / name) as temporary:
            place.fs.get_file(place.path, str(temporary))
            found = temporary.stat().st_size
            if found != self._sizes[name]:
                raise OSError(f"{place} ended after {found:,} of {self._sizes[name]:,} bytes. Rerun the command.")
