"""Benchmarks that run as separate programs: step time against vocabulary, latency, and reading.

Each runs in a process pinned to one core and returns rows of a table.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from ctrzoo.types import Config

from .race import import_path

# Arguments of the module's `measure`, for a quick run and for a full run.
ALONE = {
    "vocabulary": ({"vocabularies": [10_000, 1_000_000], "num_steps": 10}, {}),
    "latency": ({"calls": 300}, {}),
    "reading": ({"rows": 200_000, "repetitions": 1}, {}),
}
PROGRAM = """
import importlib, json, os, sys
core, name, arguments = json.loads(sys.argv[1])
if core is not None:
    os.sched_setaffinity(0, {core})
print(json.dumps(importlib.import_module("ctrzoo.experiments.benchmarks." + name).measure(**arguments)))
"""


def measure_alone(
    name: str, full: bool = False, models: Sequence[str] = (), peers_python: str | None = None
) -> list[Config]:
    """Return the rows of one benchmark in `ALONE`, as dictionaries.

    Args:
        name: A key of `ALONE`.
        full: Whether to use the module's own defaults, which take long.
        models: Names of the models of the latency; the other benchmarks have their own.
        peers_python: A Python that has DeepCTR, for the latency.

    Raises:
        RuntimeError: If the program fails; the message is its last line.
    """
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    of_latency = {"names": list(models), "peers_python": peers_python} if name == "latency" else {}
    arguments = {**ALONE[name][full], **of_latency}
    work = json.dumps([core, name, arguments])
    with import_path() as path:
        command = [sys.executable, "-c", PROGRAM, work]
        environment = {**os.environ, "PYTHONPATH": path, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        finished = subprocess.run(command, capture_output=True, text=True, env=environment)
    if finished.returncode:
        raise RuntimeError(f"The benchmark '{name}' failed: {(finished.stderr.splitlines() or ['no message'])[-1]}")
    return as_rows(json.loads(finished.stdout.splitlines()[-1]))


def as_rows(result: list[Config] | Config) -> list[Config]:
    """Turn nested dictionaries of numbers into rows; rows stay unchanged.

    >>> as_rows({"speed": {"blocks": 2.0}, "ratio": 3.0})
    [{'what': 'speed, blocks', 'value': 2.0}, {'what': 'ratio', 'value': 3.0}]
    """
    if isinstance(result, list):
        return result
    rows = []
    for key, value in result.items():
        inner = as_rows(value) if isinstance(value, dict) else [{"what": "", "value": value}]
        rows += [{"what": ", ".join(filter(None, (key, row["what"]))), "value": row["value"]} for row in inner]
    return rows
