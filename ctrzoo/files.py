"""Write files atomically: write to a temporary name, then rename."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ctrzoo.types import Path


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[pathlib.Path]:
    """Yield a temporary path next to `path`, with the same suffix; on success the file there replaces `path`.

    The new content is flushed to disk before the rename, so a power failure leaves either the old file or the new one.

    >>> with replaced("/tmp/example.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.unfinished{path.suffix}")
    try:
        yield temporary
        synchronize(temporary)
        os.replace(temporary, path)
        synchronize(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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
    write_text(path, json.dumps(_without_nan(content), indent=2) + "\n")


def synchronize(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_nan(content):
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and content != content else content
