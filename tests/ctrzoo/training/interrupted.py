"""Run as a program: a training run that another process may kill.

`python -m tests.ctrzoo.training.interrupted <folder> <dropout> [<devices>]`

Under TF_CONFIG it is a worker of several. On JAX, tables are divided over the devices.
"""

import pathlib
import sys

from rich.console import Console

from ctrzoo import models
from ctrzoo.distribution import stored
from ctrzoo.files import write_json
from ctrzoo.training import TrainingOptions, set_seed, train
from ctrzoo.training.strategy import is_chief, make_strategy
from tests.ctrzoo.training.replicas import SCHEMA
from tests.small_data import SmallData


def run(folder, dropout=0.5, data=None, callbacks=(), console=None, devices=None, **settings):
    """Train a model; return all that must not depend on interruptions, and whether this is the chief."""
    strategy = make_strategy("model_parallel", devices) if devices else make_strategy()
    set_seed(1)
    with strategy.scope():
        model = models.build("deepfm", SCHEMA, embedding_dim=4, deep_units=(8,), deep_dropout=dropout)
    options = {
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 0.01,
        "learning_rate_schedule": "cosine",
        "plateau_factor": 0.5,
        "checkpoint_steps": 5,
        **settings,
    }
    data = data or SmallData(SCHEMA, num_rows=1500)
    others = {"folder": folder, "console": console or Console(quiet=True), "callbacks": callbacks}
    result = train(model, data, TrainingOptions(**options), **others)
    result = {key: result[key] for key in ("best_epoch", "valid", "test", "history")}
    for row in result["history"]:
        del row["seconds"], row["rows_per_second"]
    return {**result, "weights": [stored(weight).tolist() for weight in model.weights]}, is_chief(strategy)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    result, chief = run(folder, float(sys.argv[2]), devices=int(sys.argv[3]) if len(sys.argv) > 3 else None)
    if chief:
        write_json(folder / "result.json", result)
