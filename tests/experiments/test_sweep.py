"""`ctrzoo-sweep` from end to end, and what it refuses."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import pytest

from ctrzoo.experiments.sweep import raw_of

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
TINY = """
def get_sweep():
    run = {"dataset": "synthetic", "model": "lr", "num_rows": 600, "epochs": 1, "batch_size": 256}
    return [run, {**run, "model": "graphfm", "num_neighbors": (99, 9)}]
"""


def test_a_real_run_and_one_that_fails(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    command = [sys.executable, "-m", "ctrzoo.experiments.sweep", "--config=tiny.py", "--data_dir=data"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    swept = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
    assert swept.returncode == 0, swept.stderr
    assert "1 of 2 runs finished, 1 failed" in swept.stdout
    with open(tmp_path / "runs" / "tiny" / "results.csv", newline="") as file:
        finished, failed = csv.DictReader(file)
    metrics = json.loads((tmp_path / "runs" / "tiny" / finished["group"] / "seed_2018" / "metrics.json").read_text())
    assert float(finished["test_auc"]) == metrics["test"]["auc"]
    assert (finished["state"], failed["state"]) == ("finished", "failed")
    assert "between 1 and the number of fields, 10" in failed["reason"]
    assert "--set=num_rows=600" in finished["command"] and float(finished["seconds"]) > 0


def test_a_misspelt_data_set_of_a_raw_file_is_refused():
    assert raw_of("movielens_1m=ml-1m.zip") == ("movielens_1m", "ml-1m.zip")
    with pytest.raises(ValueError, match="Unknown data set 'movielens1m'. Did you mean 'movielens_1m'"):
        raw_of("movielens1m=ml-1m.zip")
