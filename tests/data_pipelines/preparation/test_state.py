"""The hidden folder of a preparation: its lock, and files that are complete or not there."""

import os
import subprocess
import sys
import textwrap

from ctrzoo.data_pipelines.preparation import state


def test_the_files_of_a_folder_are_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(state, "synchronize", lambda path: steps.append(path.name))
    with state.replaced_folder(tmp_path / "fields" / "0000") as folder:
        (folder / "ids.bin").write_bytes(b"1")
        monkeypatch.setattr(state.os, "replace", lambda *_: steps.append("replaced"))
    assert steps == ["ids.bin", ".0000", "replaced", "fields"]


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
