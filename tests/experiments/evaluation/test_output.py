"""The folder of an evaluation: what is refused, replaced and restored."""

import os

import pytest

from ctrzoo.data_pipelines.preparation.replacing import locked
from ctrzoo.experiments.evaluation import output
from ctrzoo.experiments.evaluation.output import check_folder, write_folder


def content_of(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_folder_is_written_and_replaced(tmp_path):
    folder = tmp_path / "out"
    check_folder(folder, overwrite=False)
    write_folder(folder, {"metrics.json": "1", "slices.csv": "é"})
    assert content_of(folder) == {"metrics.json": "1", "slices.csv": "é"}
    with pytest.raises(FileExistsError, match="out exists. Pass --overwrite"):
        check_folder(folder, overwrite=False)
    check_folder(folder, overwrite=True)
    write_folder(folder, {"metrics.json": "2"})
    assert content_of(folder) == {"metrics.json": "2"} and os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "out").mkdir()
    check_folder(tmp_path / "out", overwrite=False)
    write_folder(tmp_path / "out", {"metrics.json": "1"})
    assert content_of(tmp_path / "out") == {"metrics.json": "1"}


def test_what_no_evaluation_wrote_is_never_replaced(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("file", "mine", "link"):
        with pytest.raises(FileExistsError, match="holds what no evaluation wrote"):
            check_folder(tmp_path / name, overwrite=True)
    with pytest.raises(FileExistsError):
        write_folder(tmp_path / "mine", {"metrics.json": "1"})
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "mine"] and os.listdir(tmp_path / "mine") == ["thesis.tex"]
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        check_folder(tmp_path / "nowhere" / "out", overwrite=True)


def test_a_failure_leaves_the_earlier_folder(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    write_folder(folder, {"metrics.json": "1"})
    renamed = []

    def rename(source, target, rename=os.rename):
        renamed.append(source)
        if len(renamed) == 2:
            raise OSError("no more renames")
        rename(source, target)

    monkeypatch.setattr(output.os, "rename", rename)
    with pytest.raises(OSError, match="no more renames"):
        write_folder(folder, {"metrics.json": "2"})
    assert content_of(folder) == {"metrics.json": "1"} and os.listdir(tmp_path) == ["out"]


def test_a_process_killed_between_the_renames_loses_nothing(tmp_path):
    (tmp_path / ".out.old").mkdir()
    (tmp_path / ".out.old" / "metrics.json").write_text("earlier")
    (tmp_path / ".out.unfinished").mkdir()
    with pytest.raises(TypeError):
        write_folder(tmp_path / "out", {"metrics.json": None})
    assert content_of(tmp_path / "out") == {"metrics.json": "earlier"} and os.listdir(tmp_path) == ["out"]


def test_two_processes_do_not_write_one_folder(tmp_path):
    with locked(tmp_path / "out"), pytest.raises(BlockingIOError, match="Another process is replacing .*out"):
        write_folder(tmp_path / "out", {"metrics.json": "1"})
    write_folder(tmp_path / "out", {"metrics.json": "1"})
    assert os.listdir(tmp_path) == ["out"]
