"""Importing ctrzoo changes nothing in the user's process; programs hide the notes of TensorFlow by themselves."""

import json
import subprocess
import sys

from tests.architecture import CHECKOUT, FOLDERS, sources

# Modules that are programs, or that need libraries which ctrzoo does not install.
LEFT_OUT = ("ctrzoo.experiments.benchmarks", "ctrzoo.experiments.configs", "ctrzoo.experiments.sweeps.search")
SNAPSHOT = """
import importlib, json, locale, logging, os, signal, sys, warnings

# The libraries themselves, of which polars sets an environment variable.
import keras, matplotlib, numpy, pandas, polars, pyarrow, rich, scipy, tensorflow

def snapshot():
    descriptors = [os.fstat(number) for number in (0, 1, 2)]
    return {
        "matplotlib": {key: repr(value) for key, value in matplotlib.rcParams.items()},
        "environment": dict(os.environ),
        "descriptors": [(entry.st_dev, entry.st_ino) for entry in descriptors],
        "main": sys.modules["__main__"].__doc__,
        "warnings": repr(warnings.filters),
        "precision": [keras.config.dtype_policy().name, keras.config.floatx(), keras.config.epsilon()],
        "backend": [keras.config.backend(), keras.config.image_data_format()],
        "numpy": numpy.geterr(),
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": [repr(logging.root.handlers), logging.root.level],
        "signals": {name.name: repr(signal.getsignal(name)) for name in signal.Signals if name.name != "SIGKILL"},
        "path": list(sys.path),
        "hooks": [repr(sys.excepthook), repr(sys.displayhook), len(sys.meta_path), len(sys.path_hooks)],
    }

before = snapshot()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
after = snapshot()
print(json.dumps({key: [before[key], after[key]] for key in before if before[key] != after[key]}))
"""


def modules():
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in sources()]
    names = [name if name.split(".")[0] == FOLDERS[0] else f"ctrzoo.{name}" for name in names]
    return [name for name in names if not name.startswith(LEFT_OUT)]


def test_an_import_changes_nothing_in_the_process():
    assert len(modules()) > 100
    command = [sys.executable, "-c", SNAPSHOT, json.dumps(modules())]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=300)
    assert json.loads(finished.stdout.splitlines()[-1]) == {}


def test_a_program_hides_the_notes_of_tensorflow(tmp_path):
    command = [sys.executable, "-m", "ctrzoo.experiments.train", "--model=fm", "--set=num_hands=2"]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, timeout=300)
    assert finished.stderr.startswith("ctrzoo-train: Unknown setting 'num_hands'.")
    assert len(finished.stderr.splitlines()) == 1 and finished.stdout == ""


def test_nothing_is_loaded_in_unsafe_ways():
    # This program measures what Spark pickles, and loads only what it wrote.
    measures = CHECKOUT / "experiments" / "scale" / "vocabularies.py"
    for folder in ("ctrzoo", "models", "data_pipelines", "estimators", "experiments"):
        for path in {*(CHECKOUT / folder).rglob("*.py")} - {measures}:
            text = path.read_text("utf-8")
            for word in ("import pickle", "allow_pickle=True", "safe_mode=False", "enable_unsafe_deserialization"):
                assert word not in text, f"{path}: {word}"
