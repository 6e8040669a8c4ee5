"""Two hosts, each with only its own files, train to what one process does, also after one of them was lost."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from ctrzoo.training.hosts import Hosts
from tests.ctrzoo.on_jax import needs_jax
from tests.data_pipelines.small_table import write_small_files

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
FLAGS = ["--dataset=data", "--model=deepfm", "--config=none", "--epochs=2", "--batch_size=24", "--learning_rate=0.01"]
FLAGS += ["--set=embedding_dim=4", "--set=deep_units=(8,)", "--checkpoint_steps=5"]
# The seconds within which a host ends after another one was killed or fell silent.
MOST_SECONDS = 120


def test_one_process_agrees_with_itself():
    assert Hosts().highest(-2.5) == -2.5
    assert Hosts().all_have(7)
    np.testing.assert_array_equal(Hosts().gather(np.array([3, 4], np.int32)), [[3, 4]])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders with a folder `data` each: whole, and with only the files of the first or the second host."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "whole").mkdir()
    write_small_files(folder / "whole" / "data", train=1100, valid=440, test=100)
    for host in range(2):
        shutil.copytree(folder / "whole", folder / str(host))
        # Files of 112 rows, the last of a split of fewer, are dealt out in turn. The test split has only one file.
        for split, number in (("train", 10), ("valid", 4)):
            files = sorted((folder / str(host) / "data").glob(f"*-{split}.tfrecord-*"))
            assert len(files) == number
            for path in files[1 - host :: 2]:
                path.write_bytes(bytes(path.stat().st_size))  # of the same size, but no rows
    return folder


def train(folder, workdir, backend, *flags):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "ignore", "-m", "ctrzoo.experiments.train", *FLAGS, f"--backend={backend}"]
    command += [f"--workdir={workdir}", *flags]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def train_on_hosts(folders, workdir, backend):
    hosts = ",".join(f"127.0.0.1:{free_port()}" for _ in range(2))
    return [train(folders / str(k), workdir, backend, f"--hosts={hosts}", f"--host_index={k}") for k in range(2)]


def wait_for_a_checkpoint(workdir, hosts):
    while not list((workdir / "checkpoints").glob("[0-9]*.zip")):
        ended = [host for host in hosts if host.poll() is not None]
        assert not ended, ended[0].communicate()[1]
        time.sleep(0.05)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module", params=["tensorflow", pytest.param("jax", marks=needs_jax)])
def backend(request):
    return request.param


@pytest.fixture(scope="module")
def one_process(folders, backend, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("one") / "run"
    devices = ["--strategy=model_parallel", "--num_devices=2"] if backend == "jax" else ["--strategy=one_device"]
    process = train(folders / "whole", workdir, backend, "--set=data_parts=2", *devices)
    _, message = process.communicate(timeout=600)
    assert process.returncode == 0, message
    return outcome(workdir)


def outcome(workdir):
    """Return the metrics, the history and the best weights of a run."""
    metrics = json.loads((workdir / "metrics.json").read_text())
    rows = np.genfromtxt(workdir / "history.csv", delimiter=",", names=True)
    columns = [name for name in rows.dtype.names or () if name not in ("seconds", "rows_per_second")]
    (checkpoint,) = (workdir / "checkpoints").glob("[0-9]*.zip")
    with zipfile.ZipFile(checkpoint) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("best/"))
        weights = {name: np.load(archive.open(name)) for name in names}
    return {"valid": metrics["valid"], "test": metrics["test"]}, {name: rows[name] for name in columns}, weights


def test_two_hosts_give_what_one_process_gives_also_after_one_was_killed(folders, backend, one_process, tmp_path):
    workdir = tmp_path / "run"
    hosts = train_on_hosts(folders, workdir, backend)
    wait_for_a_checkpoint(workdir, hosts)
    hosts[1].kill()
    _, message = hosts[0].communicate(timeout=MOST_SECONDS)
    assert hosts[0].returncode == 1, message
    assert "Another host was lost" in message and "Run the same command on all hosts to resume" in message
    hosts = train_on_hosts(folders, workdir, backend)
    messages = [host.communicate(timeout=600)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], messages
    assert "resuming at step" in messages[0]
    assert "The test split has too few files for 2 equal parts" in messages[0]
    for found, expected in zip(outcome(workdir), one_process, strict=True):
        assert list(found) == list(expected)
        for name, value in expected.items():
            if not isinstance(value, dict):
                np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
                continue
            for key, number in value.items():
                np.testing.assert_allclose(found[name][key], number, rtol=1e-4, err_msg=f"{name} {key}")


@pytest.mark.nightly
@pytest.mark.parametrize("silent", [0, 1])
def test_a_silent_host_ends_the_run_on_all_hosts(folders, backend, tmp_path, silent):
    hosts = train_on_hosts(folders, tmp_path / "run", backend)
    wait_for_a_checkpoint(tmp_path / "run", hosts)
    hosts[silent].send_signal(signal.SIGSTOP)  # its connections stay open
    try:
        _, message = hosts[1 - silent].communicate(timeout=MOST_SECONDS)
        hosts[silent].send_signal(signal.SIGCONT)
        _, of_silent = hosts[silent].communicate(timeout=MOST_SECONDS)
    finally:
        for host in hosts:
            host.kill()
    if backend == "tensorflow":
        assert hosts[1 - silent].returncode == 1 and "Another host was lost" in message, message
    else:  # JAX ends the process itself
        assert hosts[1 - silent].returncode in (1, -signal.SIGABRT), message
        assert "Terminating process because the JAX distributed service detected fatal errors" in message
    assert hosts[silent].returncode, of_silent  # it does not go on by itself
