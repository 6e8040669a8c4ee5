"""Folders appear when all of them are complete, and after a failure everything is as it was."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from ctrzoo.experiments.exporting.staging import check_folders, recover, staged_folders

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


def write(folders, text):
    for folder in folders.values():
        (folder / "inside").mkdir()
        (folder / "inside" / "file").write_text(text)


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_folders_appear_together(tmp_path):
    output = tmp_path / "new" / "exports"
    with staged_folders(output, ["a", "b"]) as folders:
        write(folders, "whole")
        assert [name for name in os.listdir(output) if not name.startswith(".")] == []
    assert content(output) == {"a/inside/file": "whole", "b/inside/file": "whole"}
    with staged_folders(output, ["b"]) as folders:
        (folders["b"] / "other").write_text("newer")
    assert content(output) == {"a/inside/file": "whole", "b/other": "newer"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_a_failure_all_is_as_before(error, tmp_path):
    output = tmp_path / "new" / "exports"
    for names in (["a", "b"], ["a"]):
        with pytest.raises(error), staged_folders(output, names) as folders:
            write(folders, "half")
            raise error
        assert os.listdir(tmp_path) == []
    output.mkdir(parents=True)
    (output / "mine").write_text("kept")
    with pytest.raises(error), staged_folders(output, ["mine"]) as folders:
        raise error
    assert content(tmp_path) == {"new/exports/mine": "kept"}


def test_a_folder_that_cannot_be_replaced_is_kept(tmp_path, monkeypatch):
    with staged_folders(tmp_path, ["a"]) as folders:
        write(folders, "old")
    real = os.replace

    def replace(source, target):
        if target == tmp_path / "a" and source.name == "a":
            raise OSError("the disk is full")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="full"), staged_folders(tmp_path, ["a"]) as folders:
        write(folders, "new")
    assert content(tmp_path) == {"a/inside/file": "old"}


def test_existing_folders_are_refused(tmp_path):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "file").touch()
    check_folders(tmp_path, ["litert"], False)
    check_folders(tmp_path, ["onnx"], True)
    check_folders(tmp_path / "new", ["onnx"], False)
    with pytest.raises(FileExistsError, match=r"onnx exists. Pass --overwrite"):
        check_folders(tmp_path, ["litert", "onnx"], False)
    with pytest.raises(FileExistsError, match="file is a file"):
        check_folders(tmp_path / "file", ["onnx"], True)


# Killed while it writes (0), after a was moved aside (1), or after the new a is in its place (2).
KILLED = """
import os, pathlib, signal, sys
from ctrzoo.experiments.exporting import staging
real, renames = os.replace, 0
def replace(source, target):
    global renames
    real(source, target)
    renames += 1
    if renames == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
with staging.staged_folders(pathlib.Path(sys.argv[1]), ["a", "b"]) as folders:
    for folder in folders.values():
        (folder / "file").write_text("new")
    if sys.argv[2] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("renames", "left"), [(0, ("old", "old")), (1, ("old", "old")), (2, ("new", "old"))])
def test_after_a_kill_nothing_is_lost_and_nothing_is_left_behind(renames, left, tmp_path):
    with staged_folders(tmp_path, ["a", "b"]) as folders:
        for folder in folders.values():
            (folder / "file").write_text("old")
    command = [sys.executable, "-c", KILLED, tmp_path, str(renames)]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "a").exists() == (renames != 1)
    assert len(list(tmp_path.glob(".*"))) == 1
    recover(tmp_path)
    assert content(tmp_path) == {"a/file": left[0], "b/file": left[1]}
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_an_export_that_goes_on_is_left_alone(tmp_path):
    with staged_folders(tmp_path, ["a"]) as folders:
        (folders["a"] / "file").write_text("whole")
        recover(tmp_path)
        with staged_folders(tmp_path, ["b"]) as others:
            (others["b"] / "file").write_text("other")
    assert content(tmp_path) == {"a/file": "whole", "b/file": "other"}
