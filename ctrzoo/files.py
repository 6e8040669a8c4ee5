"""Write files atomically (to a temporary name, then renamed), and tell damaged ones by a checksum."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import pathlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ctrzoo.types import Path
from ctrzoo.unfinished import unfinished


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[pathlib.Path]:
    """Yield a temporary path next to `path`, with the same suffix; on success the file there replaces `path`.

    The new content is flushed to disk before the rename, so a power failure leaves either the old file or the new one.
    What killed processes left of the same file is deleted, see `ctrzoo.unfinished`.

    >>> with replaced("/tmp/example.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    """
    path = pathlib.Path(path)
    with unfinished(path) as temporary:
        try:
            yield temporary
            synchronize(temporary)
            os.replace(temporary, path)
            synchronize(path.parent)
        except OSError as error:
            if error.errno and not error.filename:  # such as on a full disk: name the file
                error.filename = str(path)
            raise


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files left by killed processes. Call it only if no other process writes to the folder."""
    for path in pathlib.Path(folder).glob(".*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{16}\.unfinished(\.\w+)?", path.name) and path.is_file():
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write at least one dictionary as a CSV file; all have the same keys, and None becomes an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file; NaN, which JSON does not support, becomes null."""
    write_text(path, json.dumps(without_nan(content), indent=2) + "\n")


# The comment of a sealed zip file: these bytes, then the SHA-256 of everything before the SHA-256, in hexadecimal.
_SEAL, _DIGITS = b"ctrzoo sha256 ", 64


def seal_zip(path: Path) -> None:
    """Add a checksum of the whole file to a zip file, as its comment, which other readers of zip files ignore.

    The checksums of zip cover the members only, not their names, sizes and places.
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = _SEAL + bytes(_DIGITS)
    with open(path, "r+b") as file:
        digest = _digest(file, os.path.getsize(path) - _DIGITS)
        file.seek(-_DIGITS, os.SEEK_END)
        file.write(digest)


def seal_is_intact(path: Path) -> bool | None:
    """Return whether a file still has the content that `seal_zip` sealed; None if it has no seal.

    >>> with zipfile.ZipFile("/tmp/example.zip", "w") as archive:
    ...     archive.writestr("member", "content")
    >>> seal_zip("/tmp/example.zip")
    >>> seal_is_intact("/tmp/example.zip")
    True
    """
    size = os.path.getsize(path) - _DIGITS
    with open(path, "rb") as file:
        file.seek(max(size - len(_SEAL), 0))
        end = file.read()
        if not end.startswith(_SEAL):
            return False if _SEAL in end else None  # False: the seal itself was cut off
        recorded = end.removeprefix(_SEAL)
        file.seek(0)
        return _digest(file, size) == recorded


def _digest(file, size):
    """Return the SHA-256 of the first bytes of an open file."""
    digest = hashlib.sha256()
    while size and (part := file.read(min(size, 2**20))):
        digest.update(part)
        size -= len(part)
    return digest.hexdigest().encode("ascii")


def synchronize(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_nan(content: Any) -> Any:
    """Return dictionaries and lists with None for NaN, which JSON does not support; tuples become lists.

    >>> without_nan({"auc": float("nan"), "rows": (1, 2)})
    {'auc': None, 'rows': [1, 2]}
    """
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and content != content else content
