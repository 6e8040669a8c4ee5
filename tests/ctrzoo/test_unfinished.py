"""What a killed process left is deleted by the next writer, and what a living one writes is not."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from ctrzoo import unfinished as module
from ctrzoo.files import replaced
from ctrzoo.unfinished import abandoned, temporary_folder, unfinished

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
WRITER = """
import pathlib, sys
from ctrzoo.unfinished import unfinished
with unfinished(sys.argv[1], sys.argv[2] == "True") as temporary:
    (temporary / "part" if temporary.is_dir() else temporary).write_text("half")
    print(temporary, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    """Start a process that writes a file or folder until it is killed; return it and what it writes."""
    started = []

    def start(name, is_folder):
        command = [sys.executable, "-c", WRITER, tmp_path / name, str(is_folder)]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(command, env=environment, text=True, **pipes)
        started.append(process)
        return process, pathlib.Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("is_folder", [False, True])
def test_only_what_killed_processes_left_is_deleted(is_folder, writer, tmp_path):
    (first, killed), (other, of_other) = (writer(name, is_folder) for name in ("table.csv", "table.other.csv"))
    living = writer("table.csv", is_folder)[1]
    assert len({killed, of_other, living}) == 3
    for process in (first, other):
        process.send_signal(signal.SIGKILL)
        process.wait()
    with unfinished(tmp_path / "table.csv", is_folder) as mine:
        assert set(tmp_path.iterdir()) == {living, of_other, mine}
        assert list(abandoned(tmp_path / "table.csv")) == []
    assert set(tmp_path.iterdir()) == {living, of_other}
    assert (living / "part" if is_folder else living).read_text() == "half"


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_another_machine_writes_is_kept(is_folder, writer, tmp_path, monkeypatch):
    process, killed = writer("table.csv", is_folder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    monkeypatch.setattr(module, "MACHINE", "0" * 8)  # of all machines that could share the disk, this is another one
    with unfinished(tmp_path / "table.csv", is_folder):
        pass
    assert list(tmp_path.iterdir()) == [killed]


def test_names_that_only_look_alike_are_kept(tmp_path):
    mark = f"{module.MACHINE}01234567"
    kept = {f".table.{mark}.unfinished.csv2", f".table.{mark}.unfinished", f"table.{mark}.unfinished.csv"}
    kept |= {f".atable.{mark}.unfinished.csv", f".tab*e.{mark}.unfinished.csv", f".table.{mark}0.unfinished.csv"}
    (tmp_path / "target").write_text("mine")
    (tmp_path / f".table.{mark}.unfinished.csv").symlink_to(tmp_path / "target")
    for name in kept:
        (tmp_path / name).touch()
    with replaced(tmp_path / "table.csv") as temporary:
        temporary.write_text("whole")
    links = {f".table.{mark}.unfinished.csv", "target"}
    assert {path.name for path in tmp_path.iterdir()} == kept | links | {"table.csv"}
    assert (tmp_path / "target").read_text() == "mine"


def test_a_writer_whose_file_is_taken_for_a_leftover_begins_again(tmp_path, monkeypatch):
    real, taken = module._opened, []

    def opened(path, is_folder):
        if len(taken) < 2:
            taken.append(path)
            descriptor = real(path, is_folder) if len(taken) == 2 else None
            module.remove(path)
            return descriptor if descriptor is not None else real(path, is_folder)
        return real(path, is_folder)

    monkeypatch.setattr(module, "_opened", opened)
    with unfinished(tmp_path / "table.csv") as temporary:
        assert len(taken) == 2 and temporary not in taken
        assert list(tmp_path.iterdir()) == [temporary]


def test_without_locks_nothing_is_deleted(writer, tmp_path, monkeypatch):
    process, killed = writer("table.csv", False)
    process.send_signal(signal.SIGKILL)
    process.wait()

    def refuse(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(module.fcntl, "flock", refuse)
    with unfinished(tmp_path / "table.csv") as mine:
        assert set(tmp_path.iterdir()) == {killed, mine}


def test_files_have_the_usual_permissions_and_temporary_folders_are_private(tmp_path):
    (tmp_path / "usual").touch()
    with unfinished(tmp_path / "table.csv") as temporary:
        assert temporary.stat().st_mode == (tmp_path / "usual").stat().st_mode
    with temporary_folder("of-a-test") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
