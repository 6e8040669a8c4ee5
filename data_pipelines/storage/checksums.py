"""Checksums of the small files of a prepared folder, which reveal each flipped bit.

The shards are not among them: each of their records has its own checksum, see `tfrecord`.
"""

from __future__ import annotations

import json
import pathlib
import re
import typing

import google_crc32c

if typing.TYPE_CHECKING:
    from ctrzoo.types import Path

CHECKSUM_FILE = "checksums.json"
# A page for people, which can be written again at any time.
PAGE_FILE = "report.html"
# The files that a preparation writes, and what file managers leave.
WRITTEN = re.compile(
    r".+\.tfrecord-\d{5}-of-\d{5}|(preparation|schema|encoding|report|truth|growth|dataset_info|features|checksums)\.json"
    r"|(vocabulary|counts)\.parquet|fields\.png|report\.html|\.lock|\.DS_Store"
)


def write_checksums(folder: Path) -> None:
    r"""Write `checksums.json`: the CRC-32C of each file of a folder, except shards, `report.html` and hidden files.

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "schema.json").write_text("{}")
    >>> write_checksums(folder)
    >>> (folder / "checksums.json").read_text()
    '{\n  "schema.json": "297bd0aa"\n}'
    """
    folder = pathlib.Path(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    left_out = (CHECKSUM_FILE, PAGE_FILE)
    kept = [name for name in names if not (name.startswith(".") or ".tfrecord-" in name or name in left_out)]
    text = json.dumps({name: _checksum(folder / name) for name in kept}, indent=2)
    (folder / CHECKSUM_FILE).write_text(text, encoding="utf-8")


def check_checksums(folder: Path) -> None:
    """Compare the files of a folder with `checksums.json`; a folder of an earlier version has no such file.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file, or `checksums.json` itself, was damaged or edited.

    >>> import tempfile
    >>> check_checksums(tempfile.mkdtemp())
    """
    folder = pathlib.Path(folder)
    path = folder / CHECKSUM_FILE
    if not path.is_file():
        return
    try:
        checksums = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        checksums = None
    if not isinstance(checksums, dict):
        raise ValueError(f"{path} is damaged. Delete the folder and prepare it again.")
    for name, checksum in checksums.items():
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing. Delete the folder and prepare it again.")
        if _checksum(folder / name) != checksum:
            raise ValueError(
                f"{folder / name} was damaged or edited: {CHECKSUM_FILE} has another checksum of it. Restore the file, "
                "or delete the folder and prepare it again."
            )


def _checksum(path):
    checksum = 0
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            checksum = google_crc32c.extend(checksum, part)
    return f"{checksum:08x}"
