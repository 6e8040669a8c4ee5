"""The hidden folder of a preparation: its lock, and files that are complete or not there."""

import os
import subprocess
import sys
import textwrap

import pytest

from ctrzoo.data_pipelines.preparation import state


def test_the_files_of_a_folder_are_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(state, "synchronize", lambda path: steps.append(path.name))
    with state.replaced_folder(tmp_path / "fields" / "0000") as folder:
        (folder / "ids.bin").write_bytes(b"1")
        monkeypatch.setattr(state.os, "replace", lambda *_: steps.append("replaced"))
    assert steps == ["ids.bin", ".0000", "replaced", "fields"]


def test_a_folder_takes_its_place_without_waiting_for_the_disk_if_told(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "synchronize", lambda path: pytest.fail("waited"))
    with state.replaced_folder(tmp_path / "0000", wait_for_disk=False) as folder:
        (folder / "ids.bin").write_bytes(b"1")
    assert (tmp_path / "0000" / "ids.bin").read_bytes() == b"1" and not folder.exists()


def test_two_processes_that_want_a_data_set_make_it_once(tmp_path):
    (tmp_path / "clicks.csv").write_text("click,site\n" + "0,a\n1,b\n" * 2000)
    script = """
        import pathlib, sys
        from ctrzoo.data_pipelines.preparation import state
        from ctrzoo.data_pipelines.preparation.table import prepare_own_table
        folder = pathlib.Path(sys.argv[1]) / "clicks"
        try:
            prepare_own_table(folder, "clicks", sys.argv[1] + "/clicks.csv", {"label": "click", "fields": ["site"]})
            print("made")
        except FileExistsError:
            print("found", folder.is_dir())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), tmp_path]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    assert sorted(process.communicate(timeout=120)[0].strip() for process in processes) == ["found True", "made"]


def test_the_state_of_the_same_description_is_kept_and_of_another_deleted(tmp_path):
    folder = tmp_path / "clicks"
    for description, kept in (({"seed": 1}, False), ({"seed": 1}, True), ({"seed": 2}, False)):
        with pytest.raises(KeyboardInterrupt), state.kept_state(folder, description) as hidden:
            assert hidden == tmp_path / ".clicks.preparing"
            assert (hidden / "chunks" / "done").is_file() == kept
            (hidden / "chunks").mkdir(exist_ok=True)
            (hidden / "chunks" / "done").touch()
            raise KeyboardInterrupt
    with state.kept_state(folder, {"seed": 2}):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_not_made_and_its_state_is_deleted(tmp_path):
    (tmp_path / "clicks").mkdir()
    (tmp_path / ".clicks.preparing").mkdir()
    with pytest.raises(FileExistsError, match="clicks exists. To replace it, pass --overwrite"):
        with state.kept_state(tmp_path / "clicks", {}):
            pass
    assert list(tmp_path.iterdir()) == [tmp_path / "clicks"]


def test_half_written_files_of_a_killed_process_are_deleted(tmp_path):
    for path in ("rows/0.rows", "rows/.1.rows", "fields/.0001/ids.bin", "fields/0000/ids.bin"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    state.remove_temporary(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"rows/0.rows", "fields/0000/ids.bin"}


def test_a_failure_puts_no_folder_in_place(tmp_path):
    with pytest.raises(RuntimeError, match="power cut"), state.replaced_folder(tmp_path / "0000") as temporary:
        (temporary / "half").touch()
        raise RuntimeError("power cut")
    assert not (tmp_path / "0000").exists()
    with state.replaced_folder(tmp_path / "0000") as temporary:
        assert list(temporary.iterdir()) == []  # what the failure left is gone
    assert list(tmp_path.iterdir()) == [tmp_path / "0000"]
