"""What programs are given: a run or a model, its encoding, and how a table is written."""

import json

import pytest

from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.raw.sources import ParquetSource
from ctrzoo.experiments.scoring.inputs import encoding_folder, known_encoding, prepared_folder, run_path, source_of

ENCODING = TableEncoding([FieldEncoding("city", values=["Oslo"])])


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").touch()
    return tmp_path / "run"


def save(folder):
    folder.mkdir(parents=True)
    ENCODING.save(folder)
    return folder


def test_a_run_or_a_model_is_named(run):
    assert run_path(str(run), None) == run
    assert run_path(None, str(run / "model.keras")) == run / "model.keras"
    for both in ((None, None), (str(run), str(run / "model.keras"))):
        with pytest.raises(ValueError, match="Which model"):
            run_path(*both)
    with pytest.raises(FileNotFoundError, match="--workdir needs the folder of a finished run"):
        run_path(str(run.parent), None)
    with pytest.raises(FileNotFoundError, match="--model needs a .keras file"):
        run_path(None, str(run))


def test_the_encoding_is_the_one_given_then_the_copy_then_that_of_the_data(run, tmp_path):
    assert known_encoding(run, None) is None
    with pytest.raises(FileNotFoundError, match="encoding not found, which says how cells become ids"):
        encoding_folder(run, None)
    (run / "experiment.json").write_text(json.dumps({"data": {"folder": str(tmp_path / "data")}}))
    assert prepared_folder(run) == tmp_path / "data" and known_encoding(run, None) is None
    data = save(tmp_path / "data")
    assert encoding_folder(run, None) == data
    copy = save(run / "encoding")
    assert encoding_folder(run, None) == encoding_folder(run / "model.keras", None) == copy
    given = save(tmp_path / "given")
    assert encoding_folder(run, str(given)) == given
    with pytest.raises(FileNotFoundError, match="--encoding needs a folder with an encoding"):
        known_encoding(run, str(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", '{"data": null}', '{"data": {}}', "nothing"])
def test_a_run_that_does_not_say_its_data(content, run):
    (run / "experiment.json").write_text(content)
    assert prepared_folder(run) is None


def test_a_schema_says_how_the_table_is_written(tmp_path):
    (tmp_path / "rows.csv").write_text("city;price\nOslo;3\n")
    (tmp_path / "schema.yaml").write_text("label: click\nseparator: ';'\nfields: [city]\n")
    given = [tmp_path / "rows.csv"]
    assert source_of(given, ENCODING, str(tmp_path / "schema.yaml"), None).columns() == ["city", "price"]
    assert source_of(given, ENCODING, None, None).columns() == ["city;price"]


def test_files_are_written_like_those_of_the_training_table(tmp_path):
    encoding = TableEncoding([FieldEncoding("site", values=["a"])], table={"kind": "csv", "separator": ";"})
    paths = [tmp_path / "rows.txt"]
    assert source_of(paths, encoding, None, None).format.separator == ";"
    assert isinstance(source_of([tmp_path / "rows.parquet"], encoding, None, None), ParquetSource)
    assert isinstance(source_of(paths, encoding, None, "parquet"), ParquetSource)
