"""Which folder says how cells become ids, and how a table is written."""

import json

import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.raw.sources import ParquetSource
from ctrzoo.experiments.scoring.inputs import encoding_folder, known_encoding, run_path, source_of

ENCODING = TableEncoding([FieldEncoding("site", values=["a"])], table={"kind": "csv", "separator": ";"})


def test_the_encoding_is_the_given_one_or_that_of_the_run_or_of_its_data(tmp_path):
    for folder in ("data", "given", "run/encoding"):
        (tmp_path / folder).mkdir(parents=True)
        ENCODING.save(tmp_path / folder)
    run, old = tmp_path / "run", tmp_path / "old"
    (run / "model.keras").touch()
    old.mkdir()
    (old / "experiment.json").write_text(json.dumps({"data": {"folder": str(tmp_path / "data")}}))
    assert encoding_folder(run, str(tmp_path / "given")) == tmp_path / "given"
    assert encoding_folder(run, None) == encoding_folder(run / "model.keras", None) == run / "encoding"
    assert encoding_folder(old, None) == tmp_path / "data"
    with pytest.raises(FileNotFoundError, match="run/encoding.json not found. --encoding needs"):
        encoding_folder(run, str(run))
    (old / "experiment.json").write_text("{}")
    assert known_encoding(old, None) is None
    with pytest.raises(FileNotFoundError, match="old/encoding not found, which says how cells become ids"):
        encoding_folder(old, None)


def test_files_are_written_like_those_of_the_training_table_or_as_a_schema_says(tmp_path):
    paths = [tmp_path / "rows.txt"]
    assert source_of(paths, ENCODING, None, None).format.separator == ";"
    assert isinstance(source_of([tmp_path / "rows.parquet"], ENCODING, None, None), ParquetSource)
    assert isinstance(source_of(paths, ENCODING, None, "parquet"), ParquetSource)
    (tmp_path / "schema.json").write_text(json.dumps({"separator": "|", "label": "ignored"}))
    assert source_of(paths, ENCODING, str(tmp_path / "schema.json"), None).format.separator == "|"


def test_a_run_or_a_saved_model(tmp_path):
    (tmp_path / "model.keras").touch()
    assert run_path(str(tmp_path), None) == tmp_path
    assert run_path(None, str(tmp_path / "model.keras")) == tmp_path / "model.keras"
    for given in ((None, None), (str(tmp_path), "model.keras")):
        with pytest.raises(ValueError, match="Which model"):
            run_path(*given)
    with pytest.raises(FileNotFoundError, match="nothing/model.keras not found. --workdir needs"):
        run_path("nothing", None)
