"""The soak trains until its time is over and leaves its memory as numbers and as a picture."""

import functools
import signal
import subprocess
import sys

import pandas as pd


def test_it_ends_by_itself_and_writes_what_it_saw(tmp_path):
    folder = tmp_path / "soak"
    command = [sys.executable, "-m", "ctrzoo.experiments.benchmarks.soak", f"--workdir={folder}"]
    options = ["--model=lr", "--rows=20000", "--minutes=0.1"]
    as_in_background = functools.partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    done = subprocess.run(command + options, capture_output=True, text=True, timeout=300, preexec_fn=as_in_background)
    assert done.returncode == 0, done.stderr
    assert "minutes are up" in done.stdout
    memory = pd.read_csv(folder / "memory.csv")
    assert len(memory) >= 3 and (memory["megabytes"] > 100).all()
    assert (folder / "memory.png").stat().st_size > 1000
    assert not (folder / "data").exists()
