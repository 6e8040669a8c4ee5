"""Folders that get their names only when all of them are complete."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator, Sequence

from ctrzoo.files import synchronize
from ctrzoo.unfinished import abandoned, remove, unfinished

# The name of the hidden folder in which exports are written, and the ending of those that it replaces.
STAGE, ASIDE = "exports", ".replaced"


def check_folders(output: pathlib.Path, names: Sequence[str], overwrite: bool) -> None:
    """Refuse folders that exist, before any work is done.

    Args:
        output: The folder to write into.
        names: The names of the folders in it.
        overwrite: Whether existing ones may be replaced.

    Raises:
        FileExistsError: If a folder exists and must not be replaced, or the output is a file.
    """
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"{output} is a file. Pass the name of a folder as --output.")
    for name in names:
        if (output / name).exists() and not overwrite:
            raise FileExistsError(
                f"{output / name} exists. Pass --overwrite to replace it, or choose another --output."
            )


@contextlib.contextmanager
def staged_folders(output: pathlib.Path, names: Sequence[str]) -> Iterator[dict[str, pathlib.Path]]:
    """Yield an empty temporary folder for each name; on success, all of them are moved into the output.

    After a failure, the output is as it was: a new one does not exist.

    Args:
        output: The folder to write into; it and the folders above it are made.
        names: The names of the folders in it. Existing ones are replaced.

    >>> with staged_folders(pathlib.Path("/tmp/example_export"), ["onnx"]) as folders:
    ...     _ = (folders["onnx"] / "README.md").write_text("whole")
    """
    made = _missing(output)
    output.mkdir(parents=True, exist_ok=True)
    recover(output)
    try:
        with unfinished(output / STAGE, is_folder=True) as work:
            folders = {name: work / name for name in names}
            for folder in folders.values():
                folder.mkdir()
            yield folders
            for path in sorted(work.rglob("*")):
                synchronize(path)
            for name, folder in folders.items():
                _move(folder, output / name, work / f"{name}{ASIDE}")
            synchronize(output)
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):  # others may have written into it
                folder.rmdir()
        raise


def recover(output: pathlib.Path) -> None:
    """Delete what killed processes left in an output; a folder that one of them had just moved aside comes back.

    Args:
        output: The folder; it need not exist.
    """
    for leftover in abandoned(output / STAGE):
        for aside in leftover.glob(f"*{ASIDE}"):
            if not (output / aside.stem).exists():
                os.replace(aside, output / aside.stem)
        remove(leftover)


def _move(folder, target, aside):
    """Move a folder to a target; an existing target is moved aside, and back if this fails."""
    replaces = target.exists()
    if replaces:
        os.replace(target, aside)
    try:
        os.replace(folder, target)
    except BaseException:
        if replaces:
            os.replace(aside, target)
        raise


def _missing(folder):
    """Return the folder and those above it that do not exist, the lowest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]
