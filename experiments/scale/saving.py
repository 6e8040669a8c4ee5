"""What a checkpoint costs per byte: `python -m ctrzoo.experiments.scale.saving --folder=...`.

Arrays of the size of a table and its moments are saved and restored as a run does it, on the disk of the folder.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
import time

import numpy as np
from absl import app, flags

from ctrzoo.files import write_json
from ctrzoo.training.checkpoints import Checkpoints
from ctrzoo.types import Path

from .measuring import RESULTS

FLAGS = flags.FLAGS


def measure(folder: Path, megabytes: int) -> dict[str, float]:
    """Return what it costs to save and restore three arrays.

    Args:
        folder: A folder on the disk to write to.
        megabytes: Their size together, in 10^6 bytes.

    Returns:
        `bytes` of the file, and the elapsed and processor seconds of saving and restoring.
    """
    random, found = np.random.default_rng(0), {}
    size = megabytes * 10**6 // 12
    arrays = {f"optimizer/{index}": random.random((size, 1), np.float32) for index in range(3)}
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        checkpoints = Checkpoints(inner)
        for name, call in (("save", lambda: checkpoints.save(1, {}, arrays)), ("restore", checkpoints.restore)):
            elapsed, processor = time.monotonic(), time.process_time()
            call()
            found[f"{name}_elapsed"] = time.monotonic() - elapsed
            found[f"{name}_processor"] = time.process_time() - processor
        return {"bytes": sum(path.stat().st_size for path in pathlib.Path(inner).iterdir()), **found}


def main(argv: list[str]) -> None:
    """Measure and write the file."""
    del argv
    found = [measure(FLAGS.folder, int(megabytes)) for megabytes in FLAGS.megabytes]
    print(json.dumps(found))
    write_json(FLAGS.path, found)


if __name__ == "__main__":
    flags.DEFINE_string("folder", None, "A folder on the disk to write to.", required=True)
    flags.DEFINE_list("megabytes", ["300", "1200"], "Sizes in 10^6 bytes, separated by commas.")
    flags.DEFINE_string("path", str(RESULTS / "saving.json"), "The file to write.")
    app.run(main)
