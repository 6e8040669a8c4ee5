"""The benchmark of JAX's step against the vocabulary ends with a row for each table."""

import os
import re
import subprocess
import sys

from tests.ctrzoo.on_jax import CHECKOUT, needs_jax


@needs_jax
def test_both_optimizers_are_timed_for_each_table():
    command = [sys.executable, "-W", "ignore", "-m", "ctrzoo.experiments.benchmarks.jax_vocabulary"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    ended = subprocess.run(
        [*command, "--vocabularies=40,2000", "--rounds=1"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == "| rows | row-wise Adam, ms | Adam on all rows, ms | ratio |"
    for line, rows in zip(lines[2:], ("40", "2,000"), strict=True):
        cells = re.fullmatch(rf"\| {rows} \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", line)
        assert cells, line
        own, other, ratio = map(float, cells.groups())
        assert abs(other / own - ratio) < 0.3 * ratio + 0.1  # of rounded numbers
