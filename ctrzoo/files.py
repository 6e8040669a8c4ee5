"""Write files whole or not at all: to a temporary name first, then renamed."""

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
    """Yield a temporary path next to `path`, with the same suffix, that replaces it on success.

    The new content is on the disk before it takes the place, so that a power cut leaves one or the other.

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
    """Delete the temporary files that killed processes left in a folder to which nobody else writes."""
    for path in pathlib.Path(folder).glob(".*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{16}\.unfinished(\.\w+)?", path.name) and path.is_file():
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write dictionaries of the same keys, one at least, as a CSV file; None is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file; NaN, which JSON does not know, becomes null."""
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
