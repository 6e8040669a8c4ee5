"""Start a run where an earlier one ended: `--warm_start` of `ctrzoo-train`."""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import TYPE_CHECKING, Any

from ctrzoo.training import Start
from ctrzoo.training.checkpoints import Checkpoints
from ctrzoo.training.run_state import FOLDER, random_states
from ctrzoo.warm_start import warm_start

from ..data_pipelines.encoding.fields import TableEncoding
from .explained_run import load_model

if TYPE_CHECKING:
    from rich.console import Console

    from ctrzoo.model import CTRModel

MODEL_FILE, ENCODING = "model.keras", "encoding"


def start_from(run: pathlib.Path, name: str, data: Any, console: Console) -> Start:
    """Return the start of a model that goes on where it ended in an earlier run.

    Args:
        run: The folder of the earlier run, with its `encoding`.
        name: The model, the run's own or one of its baselines.
        data: The `PreparedData` of the new run.
        console: Where to report how many rows are kept.

    Raises:
        FileNotFoundError: If the run is missing or unfinished.
        ValueError: If one of the two has no encoding.
    """
    own = _model_of(run)
    folder = run if own in (name, None) else run / "baselines" / name
    for path in (folder / MODEL_FILE, folder / "metrics.json"):
        if not path.is_file():
            finished = own not in (name, None)
            what_to_do = f"Its own model is '{own}': --model={own}." if finished else "Finish that run first."
            raise FileNotFoundError(
                f"--warm_start needs the folder of a finished run of '{name}': {path} not found. {what_to_do}"
            )
    encoding = getattr(data, "encoding", None)
    if encoding is None or not (run / ENCODING).is_dir():
        where = data.folder if encoding is None else run
        raise ValueError(
            f"{where} does not say which value each id stands for, so rows cannot be found again. --warm_start needs "
            "data of a table."
        )

    def apply(model: CTRModel) -> None:
        earlier_encoding = TableEncoding.load(run / ENCODING)
        earlier = load_model(folder, earlier_encoding.schema)
        done = warm_start(model, earlier, encoding, earlier_encoding)
        _go_on_with_random_numbers(model, folder)
        console.print(
            f"{name}: goes on after {done.steps:,} steps of {folder}: the rows of {done.kept:,} ids are kept, "
            f"{done.new:,} are new, {done.dropped:,} are left behind"
        )

    return Start(hashlib.sha256((folder / MODEL_FILE).read_bytes()).hexdigest()[:16], apply)


def _model_of(run):
    """Return the name of a finished run's own model; None if it is not finished."""
    path = run / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")).get("model") if path.is_file() else None


def _go_on_with_random_numbers(model, folder):
    """Continue dropout where the best epoch ended; the checkpoint of the run says where, if it is still there."""
    restored = Checkpoints(folder / FOLDER).restore()
    states = restored[0].get("state", {}).get("random", []) if restored else []
    variables = random_states(model)
    if len(states) == len(variables):
        for variable, state in zip(variables, states, strict=True):
            variable.assign(state)
