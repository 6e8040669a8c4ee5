"""Outputs: refused before work, written part by part, complete or not there."""

import io

import polars as pl
import pyarrow as pa
import pytest

from ctrzoo.experiments.scoring.output import check_output, written_table

PARTS = [
    pa.table({"id": ["007", None], "p": pa.array([0.1, 1e-7], pa.float32())}),
    pa.table({"id": ['x,"y'], "p": [0.5]}),
]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_file_appears_when_it_is_complete(name, tmp_path):
    path = str(tmp_path / name)
    with pytest.raises(KeyError), written_table(path, io.BytesIO()) as write:
        write(PARTS[0])
        raise KeyError
    assert not list(tmp_path.iterdir())
    with written_table(path, io.BytesIO()) as write:
        for part in PARTS:
            write(part)
            assert not (tmp_path / name).exists()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    read = pl.read_csv(path, schema={"id": pl.String, "p": pl.Float32}) if name == "out.csv" else pl.read_parquet(path)
    assert read["id"].to_list() == ["007", None, 'x,"y']
    assert read["p"].dtype == pl.Float32
    assert read["p"].to_list() == pa.array([0.1, 1e-7, 0.5], pa.float32()).to_pylist()


def test_the_standard_output_is_csv_with_one_header():
    stdout = io.BytesIO()
    with written_table("-", stdout) as write:
        for part in PARTS:
            write(part)
    assert stdout.getvalue().decode().splitlines() == ["id,p", "007,0.1", ",1e-7", '"x,""y",0.5']


def test_lists_do_not_fit_into_csv(tmp_path):
    with (
        pytest.raises(ValueError, match="cannot be written as CSV .* Write to a .parquet file"),
        written_table(str(tmp_path / "out.csv"), io.BytesIO()) as write,
    ):
        write(pa.table({"id": [[1, 2]]}))
    assert not list(tmp_path.iterdir())


def test_outputs_are_refused(tmp_path):
    table, old = tmp_path / "table.csv", tmp_path / "old.csv"
    table.touch()
    old.touch()
    (tmp_path / "link.csv").symlink_to(table)
    (tmp_path / "folder.csv").mkdir()
    check_output("-", [table], overwrite=False)
    check_output(str(tmp_path / "new.csv"), [table], overwrite=False)
    check_output(str(old), [table], overwrite=True)
    for name, overwrite, message in (
        ("old.csv", False, "exists. Pass --overwrite"),
        ("table.csv", True, "is the table itself"),
        ("link.csv", True, "is the table itself"),
        ("folder.csv", True, "is a folder"),
        ("out.tsv", False, "must end in .csv or .parquet"),
    ):
        with pytest.raises((ValueError, FileExistsError), match=message):
            check_output(str(tmp_path / name), [table], overwrite)
