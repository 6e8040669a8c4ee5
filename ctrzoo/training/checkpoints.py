"""Checkpoints of a training run: one file each, written atomically; the last few are kept.

A file is a zip of `state.json` and NumPy arrays. It contains no code, and its checksums reveal damage. `run_state.py`
defines what a run stores in it.
"""

import json
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ctrzoo.files import remove_leftovers, replaced
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
            with replaced(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
                archive.writestr(_STATE, json.dumps({"format_version": FORMAT_VERSION, **state}))
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        array = np.asarray(array() if callable(array) else array)
                        if array.dtype.kind == "V":  # bfloat16: NumPy's format lacks it, and float32 holds it exactly
                            array = array.astype(np.float32)
                        np.lib.format.write_array(file, array, allow_pickle=False)
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
    try:
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read(_STATE))
            version = state.pop("format_version", None)
            if version != FORMAT_VERSION:
                raise ValueError(
                    f"The checkpoint {path} has format version {version}, this ctrzoo reads version {FORMAT_VERSION}. "
                    f"Install ctrzoo {state.get('ctrzoo_version', '')}, which wrote it, or choose another folder."
                )
            arrays = {}
            for name in archive.namelist():
                if name != _STATE:
                    with archive.open(name) as file:
                        arrays[name.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, json.JSONDecodeError) as error:
        raise ValueError(
            f"The checkpoint {path} is damaged ({error}). Delete it to resume from the previous one, "
            "or to start over if it is the only one."
        ) from error
    return state, arrays
