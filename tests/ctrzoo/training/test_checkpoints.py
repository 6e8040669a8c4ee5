"""Checkpoints are whole or not there, and damage is told."""

import errno
import json
import resource
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from ctrzoo.training.checkpoints import Checkpoints, read_checkpoint


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def test_what_is_saved_comes_back(checkpoints):
    arrays = {"a/0": np.arange(6, dtype="float32").reshape(2, 3), "b": np.array(7, "uint32")}
    state = {"loss": 0.1 + 0.2, "history": [{"auc": float("nan")}]}
    checkpoints.save(3, state, {"a/0": lambda: arrays["a/0"], "b": arrays["b"]})
    restored, found = checkpoints.restore()
    assert restored["loss"] == state["loss"] and np.isnan(restored["history"][0]["auc"])
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_bfloat16_comes_back_as_the_same_numbers(checkpoints):
    array = keras.ops.cast([1.0, -3.140625, 1e30], "bfloat16")
    checkpoints.save(1, {}, {"a": lambda: keras.ops.convert_to_numpy(array)})
    np.testing.assert_array_equal(checkpoints.restore()[1]["a"], keras.ops.cast(array, "float32"))


def test_the_last_ones_are_kept(checkpoints):
    for step in (9, 10, 200):
        checkpoints.save(step, {"step": step}, {})
    assert [int(path.stem) for path in checkpoints.paths()] == [10, 200]
    assert checkpoints.restore()[0] == {"step": 200}


def test_at_least_one_is_kept(tmp_path):
    with pytest.raises(ValueError, match="At least 1 checkpoint must be kept. Received: 0"):
        Checkpoints(tmp_path, keep=0)


def test_no_checkpoint_is_none(checkpoints):
    assert checkpoints.restore() is None


def test_a_full_disk_leaves_the_old_checkpoint_and_says_so(checkpoints):
    checkpoints.save(1, {"step": 1}, {"a": np.ones(10)})

    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        OSError, match=r"0002.zip could not be written: No space left on device\. The previous one, 0+1"
    ):
        checkpoints.save(2, {"step": 2}, {"a": np.ones(10), "b": full})
    assert checkpoints.restore()[0] == {"step": 1}
    assert len(list(checkpoints.folder.iterdir())) == 1


def test_a_file_that_the_system_cuts_off_leaves_the_old_checkpoint(tmp_path):
    """The limit is of a process, so another one meets it."""
    code = f"""
import resource, numpy as np
from ctrzoo.training.checkpoints import Checkpoints
checkpoints = Checkpoints({str(tmp_path)!r})
checkpoints.save(1, {{"step": 1}}, {{"a": np.ones(10)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    checkpoints.save(2, {{"step": 2}}, {{"a": np.ones(100_000)}})
except OSError as error:
    print(error)
"""
    assert resource.RLIMIT_FSIZE
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "could not be written: File too large. The previous one, 000000000001.zip, is intact" in run.stdout
    assert Checkpoints(tmp_path).restore()[0] == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["000000000001.zip"]


def test_leftovers_of_killed_processes_are_removed(checkpoints):
    checkpoints.folder.mkdir()
    (checkpoints.folder / ".000000000007.0123456789abcdef.unfinished.zip").write_bytes(b"half")
    checkpoints.save(8, {}, {})
    assert [path.name for path in checkpoints.folder.iterdir()] == ["000000000008.zip"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damage_is_refused(checkpoints, damage):
    checkpoints.save(1, {}, {"a": np.zeros(1000)})
    path = checkpoints.paths()[0]
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-30]
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged .*Delete it"):
        checkpoints.restore()


@pytest.mark.parametrize("sealed", [True, False], ids=["today", "version 0.1"])
def test_each_flipped_bit_is_refused_or_changes_nothing(checkpoints, sealed):
    random = np.random.default_rng(0)
    arrays = {f"model/{index}": random.normal(size=(7, 4)).astype("float32") for index in range(4)}
    checkpoints.save(5, {"epoch": 1, "history": [{"auc": 0.5}]}, arrays)
    (path,) = checkpoints.paths()
    whole = path.read_bytes()
    if not sealed:
        whole = whole[:-80] + bytes(2)  # without the comment and its length
        path.write_bytes(whole)
    expected = content_of(path)
    outcomes = []
    for position in random.choice(8 * len(whole), 800, replace=False).tolist():
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            outcomes.append("same" if content_of(path) == expected else "other")
        except ValueError as error:
            assert "0005.zip is damaged (" in str(error) and "Delete it to start the run again" in str(error)
            outcomes.append("refused")
    assert outcomes.count("refused") > 500
    if sealed:
        assert outcomes.count("other") == 0


def content_of(path):
    state, arrays = read_checkpoint(path)
    return state, {name: (array.dtype, array.tolist()) for name, array in arrays.items()}


def test_the_error_names_the_previous_checkpoint(checkpoints):
    for step in (1, 2):
        checkpoints.save(step, {}, {"a": np.zeros(10)})
    checkpoints.paths()[-1].write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"Delete it to resume from the previous one, 000000000001\.zip\."):
        checkpoints.restore()


def test_another_format_version_is_refused(tmp_path):
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", json.dumps({"format_version": 0}))
    with pytest.raises(ValueError, match="format version 0, this ctrzoo reads version 1"):
        read_checkpoint(path)


def test_nothing_is_pickled_or_unpickled(checkpoints, tmp_path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        checkpoints.save(1, {}, {"a": np.array([object()])})
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", json.dumps({"format_version": 1}))
        with archive.open("a.npy", "w") as file:
            np.lib.format.write_array(file, np.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        read_checkpoint(path)


@pytest.mark.parametrize("version", ["0.2.0", "0.1.0"])
def test_only_files_of_version_0_1_may_lack_the_checksum(checkpoints, version):
    """Without it, members that were exchanged would not be told."""
    checkpoints.save(1, {"ctrzoo_version": version}, {"a": np.ones(2)})
    with zipfile.ZipFile(checkpoints.paths()[0], "a") as archive:
        archive.comment = b""
    if version == "0.1.0":
        assert checkpoints.restore()[1]["a"].tolist() == [1, 1]
    else:
        with pytest.raises(ValueError, match="is damaged .its checksum is missing"):
            checkpoints.restore()
