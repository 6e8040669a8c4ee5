"""A training that ends at once, where only the order of things matters."""

import pathlib
import sys

from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.sweeps.plan import Run
from ctrzoo.experiments.sweeps.workers import Workers

# Stands for ctrzoo-train: writes what it writes at once; seed 3 fails, seed 4 takes long, seed 5 is told to end. Each
# start leaves a line.
FAKE = """
import json, pathlib, sys, time
flags = dict(text[2:].split("=", 1) for text in sys.argv[1:] if not text.startswith("--set"))
seed = int(next(text for text in sys.argv if text.startswith("--set=seed=")).split("=")[2])
folder = pathlib.Path(flags["workdir"])
with open("starts", "a") as file:
    file.write(f"{seed}\\n")
if seed == 3:
    sys.exit("ctrzoo-train: the third seed does not fit")
if seed == 5 and not pathlib.Path("quick").exists():
    sys.exit(143)
time.sleep(60 if seed == 4 and not pathlib.Path("quick").exists() else 0.3)
settings = json.loads(pathlib.Path("settings.json").read_text())[str(seed)]
(folder / "experiment.json").write_text(json.dumps({"settings": settings}))
scores = {"auc": 0.7 + seed / 100, "log_loss": 0.5}
(folder / "metrics.json").write_text(json.dumps({"test": scores, "valid": scores, "best_epoch": 2}))
"""
# A sweep process of its own over the seeds that are its arguments.
SWEEP = """
import sys
from tests.experiments.sweeps.fake_training import fake_workers
fake_workers([int(seed) for seed in sys.argv[1:]]).work()
"""


def fake_runs(seeds):
    """What `plan` makes, without loading Keras."""
    for seed in seeds:
        folder = pathlib.Path("sweep") / "synthetic_lr" / f"seed_{seed}"
        settings, arguments = Settings(model="lr", seed=seed), (f"--set=seed={seed}", f"--workdir={folder}")
        yield Run("lr", {"dataset": "synthetic", "model": "lr", "seed": seed}, settings, folder, arguments)


def fake_workers(seeds, number=1):
    runs = list(fake_runs(seeds))
    return Workers(runs, number, train=(sys.executable, "fake.py"))
