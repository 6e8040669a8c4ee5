"""Files, folders, patterns and the standard input."""

import gzip
import io

import pytest

from ctrzoo.experiments.scoring.files import found_files, table_files


def test_folders_and_patterns_are_sorted_and_leave_out_what_is_no_part(tmp_path, monkeypatch):
    for name in ("b.csv", "a.csv.gz", "_SUCCESS", "_old.csv", ".a.csv", "notes.md"):
        (tmp_path / name).touch()
    (tmp_path / "inner.csv").mkdir()
    assert [path.name for path in found_files(str(tmp_path))] == ["a.csv.gz", "b.csv"]
    assert [path.name for path in found_files(str(tmp_path / "[ab].csv*"))] == ["a.csv.gz", "b.csv"]
    (tmp_path / "[1].csv").touch()
    assert [path.name for path in found_files(str(tmp_path / "[1].csv"))] == ["[1].csv"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found_files("~/b.csv") == [tmp_path / "b.csv"]


@pytest.mark.parametrize(
    ("content", "ending", "name"),
    [
        (b"a,b\n", "", "rows"),
        (b"", ".csv", "rows.csv"),
        (b"PAR1....", ".csv", "rows.parquet"),
        (gzip.compress(b"a,b\n", mtime=0), ".tsv", "rows.tsv.gz"),
        (gzip.compress(b"a,b\n", mtime=0), "", "rows.gz"),
    ],
)
def test_the_standard_input_is_copied_and_deleted(content, ending, name):
    with table_files("-", io.BytesIO(content), ending) as (path,):
        assert path.name == name and path.read_bytes() == content
    assert not path.exists() and not path.parent.exists()


def test_errors_name_the_standard_input():
    with (
        pytest.raises(ValueError, match=r"^standard input, row 3: wrong$"),
        table_files("-", io.BytesIO(b"a")) as (path,),
    ):
        raise ValueError(f"{path}, row 3: wrong")
    with pytest.raises(FileNotFoundError, match="other"), table_files("-", io.BytesIO(b"a")):
        raise FileNotFoundError("other")
