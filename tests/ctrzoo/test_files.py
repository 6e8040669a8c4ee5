"""Files are written whole or not at all."""

import json

import pytest

from ctrzoo.files import remove_leftovers, replaced, write_json


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replaced(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_are_deleted_and_nothing_else(tmp_path):
    others = {".env.2", ".gitignore.1", ".coverage.host.1234.567890", ".zcompdump-host-5.9", "model.keras"}
    for name in others:
        (tmp_path / name).touch()
    with pytest.raises(KeyboardInterrupt), replaced(tmp_path / "model.keras") as temporary:
        temporary.touch()
        (tmp_path / ".model.0123456789abcdef.unfinished.keras").touch()  # of a process that was killed
        raise KeyboardInterrupt
    assert len(list(tmp_path.iterdir())) == len(others) + 1
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == others


def test_nan_becomes_null(tmp_path):
    write_json(tmp_path / "a.json", {"auc": float("nan"), "rows": [1, float("nan")]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"auc": None, "rows": [1, None]}
