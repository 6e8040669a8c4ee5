"""The folder of an evaluation: refused before any work if it must not be written, and complete once it is there."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Mapping

from ctrzoo.files import synchronize

from ...data_pipelines.preparation.replacing import locked

# What an evaluation writes.
REPORT, METRICS, SLICES = "report.html", "metrics.json", "slices.csv"


def check_folder(folder: pathlib.Path, overwrite: bool) -> None:
    """Refuse a folder before any work is done.

    Args:
        folder: The folder to write.
        overwrite: Whether an earlier evaluation may be replaced.

    Raises:
        FileExistsError: If it exists and must not be replaced, or holds what no evaluation wrote.
        FileNotFoundError: If the folder that it is in does not exist.
    """
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"The folder {folder.parent} does not exist. Make it, or choose another --output.")
    if not (folder.exists() or folder.is_symlink()):
        return
    others = [folder.name] if not folder.is_dir() or folder.is_symlink() else _others(folder)
    if others:
        raise FileExistsError(f"{folder} holds what no evaluation wrote, such as {others[0]}. Choose another --output.")
    if not overwrite and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists. Pass --overwrite to replace it, or choose another --output.")


def _others(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in (REPORT, METRICS, SLICES))


def write_folder(folder: pathlib.Path, files: Mapping[str, str]) -> None:
    """Write files under a hidden name next to a folder, which then takes its place.

    Between two renames, which take microseconds, an earlier folder has a hidden name that ends in `.old`.

    Args:
        folder: The folder. An earlier evaluation there is replaced.
        files: The text of each file, by name.

    Raises:
        FileExistsError: If the folder holds what no evaluation wrote.
        BlockingIOError: If another process is writing it.
    """
    folder = folder.absolute()
    with locked(folder):
        _write(folder, files)


def _write(folder, files):
    new, old = (folder.with_name(f".{folder.name}.{what}") for what in ("unfinished", "old"))
    if old.exists() and not folder.exists():  # a process was killed between the renames
        os.rename(old, folder)
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir()
    try:
        for name, text in files.items():
            (new / name).write_text(text, encoding="utf-8")
            synchronize(new / name)
        synchronize(new)
        if folder.exists():
            check_folder(folder, overwrite=True)
            os.rename(folder, old)
        os.rename(new, folder)
        synchronize(folder.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(old, ignore_errors=True)
