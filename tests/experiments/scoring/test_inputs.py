"""Which folder says how cells become ids, and how a table is written."""

import json

import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.raw.sources import ParquetSource
from ctrzoo.experiments.scoring.inputs import encoding_folder, ending_of_text, source_of

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
    assert encoding_folder(run) == encoding_folder(run / "model.keras") == run / "encoding"
    assert encoding_folder(old) == tmp_path / "data"
    with pytest.raises(FileNotFoundError, match="run/encoding.json not found. --encoding needs"):
        encoding_folder(run, str(run))
    (old / "experiment.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="old/encoding not found, which says how cells become ids"):
        encoding_folder(old)


def test_files_are_written_like_those_of_the_training_table_or_as_a_schema_says(tmp_path):
    paths = [tmp_path / "rows.txt"]
    assert source_of(paths, ENCODING).format.separator == ";"
    assert isinstance(source_of([tmp_path / "rows.parquet"], ENCODING), ParquetSource)
    assert isinstance(source_of(paths, ENCODING, kind="parquet"), ParquetSource)
    (tmp_path / "schema.json").write_text(json.dumps({"separator": "|", "label": "ignored"}))
    assert source_of(paths, ENCODING, str(tmp_path / "schema.json")).format.separator == "|"


def test_what_text_on_the_standard_input_is_called():
    assert ending_of_text(ENCODING, None) == "" and ending_of_text(ENCODING, "schema.json") == ".csv"
    of_parquet = TableEncoding([FieldEncoding("site", values=["a"])], table={"kind": "parquet"})
    assert ending_of_text(of_parquet, "schema.json") == ".csv"
