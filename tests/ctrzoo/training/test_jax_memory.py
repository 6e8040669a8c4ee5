"""A table that, with its moments, does not fit into the memory that a process may use trains divided over two."""

import json
import subprocess
import sys

import pytest

from tests.ctrzoo.on_jax import CHECKOUT, needs_jax, on_jax
from tests.ctrzoo.training.test_hosts import free_port

NUM_ROWS, WIDTH = 8_000_000, 16
TABLE = NUM_ROWS * WIDTH * 4
# The memory that a process may use in addition to that of a run with a small table, in tables. Two processes need 3.3
# each: half of the table and of Adam's two moments, a copy of the best weights, and half a table to restore them. One
# process needs 4.7: the three, a copy, and a table to restore it.
TABLES = 4.2
NO_MEMORY = ("Out of memory allocating", "bad_alloc", "MemoryError")
TRAIN = r"""
import pathlib, re, resource, sys
num_rows, limit = map(int, sys.argv[1:])
if limit:
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
from rich.console import Console
from ctrzoo import models
from ctrzoo.schema import Field, Schema
from ctrzoo.training import TrainingOptions, set_seed, train
from ctrzoo.training.strategy import make_strategy
from tests.small_data import SmallData

schema = Schema([Field("a", vocabulary_size=num_rows), Field("b", vocabulary_size=50)])
set_seed(1)
with make_strategy("model_parallel").scope():
    model = models.build("dnn", schema, embedding_dim=16, deep_units=(8,))
options = TrainingOptions(epochs=2, batch_size=256)
losses = [row["loss"] for row in train(model, SmallData(schema, 4096), options, console=Console(quiet=True))["history"]]
data = int(re.search(r"VmData:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024
print(*losses, data)
"""


def run_on(num_hosts, num_rows, limit=0):
    """Return the outputs, the messages and the exit codes of processes that train together."""
    hosts = [f"127.0.0.1:{free_port()}" for _ in range(num_hosts)]
    processes = []
    for index in range(num_hosts):
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        environment = on_jax() | ({"TF_CONFIG": json.dumps(task)} if num_hosts > 1 else {})
        command = [sys.executable, "-c", TRAIN, str(num_rows), str(limit)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, env=environment, cwd=CHECKOUT, **pipes))
    found = [(*process.communicate(timeout=900), process.returncode) for process in processes]
    return zip(*found, strict=True)


@pytest.mark.nightly
@needs_jax
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not limit the memory of a process")
def test_two_processes_train_what_one_cannot():
    outputs, messages, codes = run_on(2, 1000)
    assert codes == (0, 0), messages
    limit = max(int(output.split()[-1]) for output in outputs) + int(TABLES * TABLE)
    _, (message,), (code,) = run_on(1, NUM_ROWS, limit)
    assert code and any(error in message for error in NO_MEMORY), (code, message)
    outputs, messages, codes = run_on(2, NUM_ROWS, limit)
    assert codes == (0, 0), messages
    losses = [list(map(float, output.splitlines()[-1].split()[:-1])) for output in outputs]  # Gloo writes lines too
    assert losses[0] == losses[1] and losses[0][1] < losses[0][0]
