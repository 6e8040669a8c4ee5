"""Mutated `--config` files are refused in one line, or give the settings that Python reads in them."""

import pytest

from ctrzoo.experiments.settings import resolve
from ctrzoo.experiments.sweeps.plan import plan, read_sweep
from tests.fuzz.mutations import judged, mutated, seeds

CONFIG = '''
"""Settings of a run."""


def get_config():
    """Return the settings."""
    return {
        "dataset": "synthetic",
        "model": "deepfm",
        "epochs": 3,
        "learning_rate": 0.01,
        "optimizer": "adam",
        "embedding_dim": 8,
        "deep_units": [16, 8],
        "jit_compile": False,
        "num_rows": 1000,
    }
'''
SWEEP = """
def get_sweep():
    common = {"dataset": "synthetic", "num_rows": 1000, "epochs": 2}
    return [{"model": model, "seed": seed, **common} for model in ("lr", "fm") for seed in (1, 2)]
"""


def python_reads(content, function):
    """Return the result of a function of a Python file."""
    names = {}
    exec(compile(content, "config", "exec"), names)  # what the test wrote itself
    return names[function]()


def flat(settings):
    """Return settings, hyperparameters and data set options in one dictionary, tuples as lists."""
    values = settings.to_dict()
    return {**values, **values.pop("hyperparameters"), **values.pop("dataset_options")}


def same(value, other):
    return value == (list(other) if isinstance(other, tuple) else other)


def test_configurations_of_runs(tmp_path):
    accepted_inputs = number = 0
    for number, source in enumerate(seeds("config")):
        content = mutated(CONFIG.encode(), source)
        path = tmp_path / f"config{number}.py"
        path.write_bytes(content)
        what = f"config {number}: {content[:3000]!r}"
        with judged(what, collapsed=True) as accepted:
            settings, _ = resolve({}, [], str(path), tmp_path)
        if accepted:
            accepted_inputs += 1
            found = flat(settings)
            for key, value in python_reads(content, "get_config").items():
                assert same(found[key], value), f"{what}: {key} is {found[key]!r}, not {value!r}"
    assert number < 200 or accepted_inputs > number / 20


def test_configurations_of_sweeps(tmp_path):
    accepted_inputs = number = 0
    for number, source in enumerate(seeds("sweep")):
        content = mutated(SWEEP.encode(), source)
        path = tmp_path / f"sweep{number}.py"
        path.write_bytes(content)
        what = f"sweep {number}: {content[:3000]!r}"
        with judged(what, collapsed=True) as accepted:
            choices, _ = read_sweep(path)
            runs = plan(choices, tmp_path / "runs", tmp_path / "data")
        if accepted:
            accepted_inputs += 1
            expected = python_reads(content, "get_sweep")
            assert choices == expected, what
            assert {run.folder for run in runs} and len(runs) <= len(expected), what
            for run in runs:
                assert any(all(same(flat(run.settings)[key], choice[key]) for key in choice) for choice in expected)
    # Few are accepted, and a slow machine tries few; so the sweep itself is read each time.
    assert number < 3000 or accepted_inputs > number / 1000
    path = tmp_path / "sweep.py"
    path.write_bytes(SWEEP.encode())
    assert read_sweep(path)[0] == python_reads(SWEEP.encode(), "get_sweep")


@pytest.mark.parametrize("content", [b"\xff", b"", b"get_config = 1", b"import sys; sys.exit()"])
def test_files_without_settings(tmp_path, content):
    path = tmp_path / "config.py"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="The configuration file .*config.py failed"):
        resolve({}, [], str(path), tmp_path)
