"""Files are written whole or not at all."""

import errno
import json
import os
import zipfile

import pytest

from ctrzoo.files import remove_leftovers, replaced, seal_is_intact, seal_zip, write_json


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replaced(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left on device: '.*result.txt'"), replaced(tmp_path / "result.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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


def test_a_seal_shows_each_changed_byte_and_leaves_the_zip_file_readable(tmp_path):
    path = tmp_path / "file.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "first")
        archive.writestr("b", "second")
    assert seal_is_intact(path) is None
    seal_zip(path)
    assert seal_is_intact(path)
    with zipfile.ZipFile(path) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"first", b"second"]
    whole = path.read_bytes()
    mark = len(whole) - 64 - len(b"ctrzoo sha256 ")
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 16
        path.write_bytes(changed)
        # A damaged mark is no mark: the file counts as one without a seal, and the rest of it is intact.
        assert seal_is_intact(path) is (None if mark <= position < len(whole) - 64 else False)
    path.write_bytes(whole[:-7])
    assert seal_is_intact(path) is False
    path.write_bytes(b"")
    assert seal_is_intact(path) is None
