"""Checkpoints of a training run: one file each, written atomically; the last few are kept.

A file is a zip of `state.json` and NumPy arrays. It contains no code. A checksum of the whole file reveals damage; in
files of version 0.1, only the members have checksums. `run_state.py` defines what a run stores in a checkpoint.
"""

import json
import pathlib
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ctrzoo.files import remove_leftovers, replaced, seal_is_intact, seal_zip
from ctrzoo.types import Path

FORMAT_VERSION = 1
_STATE = "state.json"


class Checkpoints:
    """The checkpoints in a folder.

    Args:
        folder: The folder; it is created with the first checkpoint.
        keep: How many to keep. Older ones are deleted once a new one is on disk.

    Raises:
        ValueError: If `keep` is below 1.

    >>> import tempfile
    >>> checkpoints = Checkpoints(tempfile.mkdtemp())
    >>> checkpoints.save(20, {"epoch": 1}, {"weights/0": np.ones(2)})
    >>> state, arrays = checkpoints.restore()
    >>> state["epoch"], arrays["weights/0"]
    (1, array([1., 1.]))
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"At least 1 checkpoint must be kept. Received: {keep}.")
        self.folder, self.keep = pathlib.Path(folder), keep

    def paths(self) -> list[pathlib.Path]:
        """Return the checkpoint files, oldest first."""
        return sorted(self.folder.glob("[0-9]*.zip"))

    def save(
        self, step: int, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray | Callable[[], np.ndarray]]
    ) -> None:
        """Write a checkpoint, then delete the oldest ones beyond `keep`.

        Args:
            step: Steps since the run began; it names the file.
            state: JSON-serializable values.
            arrays: NumPy arrays by name, or functions that return them; these are called one after the other.

        Raises:
            OSError: If the file cannot be written, for example on a full disk. Earlier checkpoints stay.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        path = self.folder / f"{step:012}.zip"
        try:
            with replaced(path) as temporary:
                _write(temporary, state, arrays)
                seal_zip(temporary)
        except OSError as error:
            kept = self.paths()
            rest = f"The previous one, {kept[-1].name}, is intact. " if kept else "No earlier one exists. "
            raise OSError(
                f"The checkpoint {path} could not be written: {error.strerror or error}. {rest}"
                f"Free space and rerun the command to resume."
            ) from error
        for old in self.paths()[: -self.keep]:
            old.unlink()

    def restore(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return `(state, arrays)` of the newest checkpoint, or None without one.

        Raises:
            ValueError: If it is damaged or has a different format version.
        """
        paths = self.paths()
        return read_checkpoint(paths[-1]) if paths else None


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state and the arrays of a checkpoint file.

    Raises:
        ValueError: If it is damaged or has a different format version.
    """
    path = pathlib.Path(path)
    try:
        seal = seal_is_intact(path)
        if seal is False:
            raise ValueError("its checksum differs")
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read(_STATE))
            version = state.pop("format_version", None)
            if seal is None and not state.get("ctrzoo_version", "0.1.0").startswith("0.1."):
                raise ValueError("its checksum is missing")
            arrays = {} if version != FORMAT_VERSION else dict(_arrays(archive))
    except Exception as error:  # a damaged zip file of version 0.1 raises a dozen types
        raise damaged(path, str(error) or type(error).__name__) from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"The checkpoint {path} has format version {version}, this ctrzoo reads version {FORMAT_VERSION}. "
            f"Install ctrzoo {state.get('ctrzoo_version', '')}, which wrote it, or choose another folder."
        )
    return state, arrays


def damaged(path: pathlib.Path, reason: str) -> ValueError:
    """Return the error for a damaged checkpoint; it says from where a run resumes once the file is deleted."""
    earlier = [other for other in Checkpoints(path.parent).paths() if other.name < path.name]
    then = f"resume from the previous one, {earlier[-1].name}" if earlier else "start the run again from the beginning"
    return ValueError(f"The checkpoint {path} is damaged ({reason}). Delete it to {then}.")


def _write(path, state, arrays):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_STATE, json.dumps({"format_version": FORMAT_VERSION, **state}))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                array = np.asarray(array() if callable(array) else array)
                if array.dtype.kind == "V":  # bfloat16: NumPy's format lacks it, and float32 holds it exactly
                    array = array.astype(np.float32)
                np.lib.format.write_array(file, array, allow_pickle=False)


def _arrays(archive):
    for name in archive.namelist():
        if name != _STATE:
            with archive.open(name) as file:
                yield name.removesuffix(".npy"), np.lib.format.read_array(file, allow_pickle=False)
