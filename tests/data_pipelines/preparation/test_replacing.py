"""A new preparation replaces an old one, and nothing else."""

import fcntl

import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.preparation import replacing as module
from ctrzoo.data_pipelines.preparation.replacing import replacing
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

SCHEMA = {"label": "click", "fields": ["site", "city"]}


@pytest.fixture
def table(tmp_path):
    lines = [f"{row % 2},s{row % 3},c{row % 5}\n" for row in range(200)]
    (tmp_path / "clicks.csv").write_text("click,site,city\n" + "".join(lines))
    prepare_own_table(tmp_path / "data" / "clicks", "clicks", tmp_path / "clicks.csv", SCHEMA)
    return tmp_path


def again(table, schema=SCHEMA, overwrite=True):
    folder = table / "data" / "clicks"
    return prepare_own_table(folder, "clicks", table / "clicks.csv", schema, overwrite=overwrite)


def names(table):
    return sorted(path.name for path in (table / "data").iterdir())


def test_another_schema_replaces_the_folder(table):
    with pytest.raises(FileExistsError, match=r"clicks exists\. To replace it, pass --overwrite"):
        again(table, overwrite=False)
    again(table, {**SCHEMA, "fields": ["site"]})
    assert load(table / "data" / "clicks").schema.names == ("site",)
    assert names(table) == ["clicks"]


def test_the_old_folder_stays_until_the_new_one_is_complete(table):
    with pytest.raises(ValueError, match="Unknown column 'town'"):
        again(table, {**SCHEMA, "fields": ["town"]})
    (table / "clicks.csv").write_text("click,site,city\n1,a,b\n2,a,b\n")
    with pytest.raises(ValueError, match="row 3: the label 'click' must be 0 or 1"):
        again(table)
    assert load(table / "data" / "clicks").num_rows["train"] == 160


def test_a_folder_with_other_content_is_never_replaced(table):
    folder = table / "data" / "clicks"
    (folder / "run").mkdir()
    with pytest.raises(FileExistsError, match="also holds run, which no preparation wrote"):
        again(table)
    (folder / "run").rmdir()
    (folder / "preparation.json").write_text('{"name": "mine"}')
    with pytest.raises(FileExistsError, match="is not a prepared folder of ctrzoo, so it is not overwritten"):
        again(table)
    assert (folder / "schema.json").is_file()
    plain = table / "plain.txt"
    plain.write_text("text")
    with pytest.raises(FileExistsError, match="plain.txt is not a prepared folder"), replacing(plain):
        raise AssertionError("a file is not replaced")


def test_a_process_killed_between_the_renames_leaves_the_old_folder_to_the_next(table, monkeypatch):
    folder = table / "data" / "clicks"
    folder.rename(table / "data" / ".clicks.old")
    (table / "data" / ".clicks.new").mkdir()
    again(table, {**SCHEMA, "fields": ["site"]})
    assert load(folder).schema.names == ("site",) and names(table) == ["clicks"]


def test_a_failed_rename_is_undone(table):
    with pytest.raises(FileNotFoundError), replacing(table / "data" / "clicks"):
        pass  # nothing was prepared
    assert load(table / "data" / "clicks").num_rows["train"] == 160


def test_a_link_stays(table):
    (table / "link").symlink_to(table / "data" / "clicks")
    prepare_own_table(table / "link", "clicks", table / "clicks.csv", {**SCHEMA, "fields": ["site"]}, overwrite=True)
    assert (table / "link").is_symlink() and load(table / "data" / "clicks").schema.names == ("site",)


def test_two_processes_do_not_replace_the_same_folder(table):
    with open(table / "data" / ".clicks.replacing", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="Another process is replacing"):
            again(table)


def test_a_benchmark_is_prepared_again(tmp_path):
    folder = prepare("synthetic", tmp_path, num_rows=300, overwrite=True)
    before = folder.stat().st_ino
    assert prepare("synthetic", tmp_path, num_rows=300) == folder and folder.stat().st_ino == before
    assert prepare("synthetic", tmp_path, num_rows=300, overwrite=True) == folder and folder.stat().st_ino != before
    (folder / "notes.txt").touch()
    with pytest.raises(FileExistsError, match="also holds notes.txt"):
        prepare("synthetic", tmp_path, num_rows=300, overwrite=True)


def test_all_that_a_preparation_writes_may_be_replaced(table):
    module.check_prepared(table / "data" / "clicks")
