"""`ctrzoo-prepare` from end to end on few rows, and its failures in one line."""

import errno
import json
import os
import pathlib
import shutil
import tarfile

import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.experiments import prepare
from tests.programs import run_program

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def run(module, *arguments, folder):
    return run_program(f"ctrzoo.experiments.{module}", f"--data_dir={folder / 'data'}", *arguments, folder=folder)


@pytest.fixture
def clicks(tmp_path):
    lines = [f"{row % 2},{'ab'[row % 2]}{row % 3},{row * 1.5}\n" for row in range(600)]
    (tmp_path / "clicks.csv").write_text("click,site,price\n" + "".join(lines))
    return tmp_path


def test_a_table_is_drafted_prepared_reported_and_trained_on(clicks):
    drafted = run("prepare", "--table=clicks.csv", "--schema=schema.yaml", "--infer_schema", folder=clicks)
    assert drafted.returncode == 0, drafted.stderr
    assert "label 'click', 2 fields" in drafted.stdout
    prepared = run("prepare", "--table=clicks.csv", "--schema=schema.yaml", folder=clicks)
    assert prepared.returncode == 0, prepared.stderr
    folder = clicks / "data" / "clicks"
    for word in ("600 rows", "train 480 (240 positive)", "rows/s", "peak memory", "site", "categorical"):
        assert word in prepared.stdout
    report = json.loads((folder / "report.json").read_text())
    assert report["rows"] == 600 and report["fields"][0]["vocabulary_size"] == 7  # 6 sites and the rare id
    assert (folder / "fields.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "report.html").read_bytes()
    assert f"The report to read is {folder / 'report.html'}" in prepared.stdout
    (folder / "report.html").write_text("edited")
    again = run("prepare", "--report=clicks", folder=clicks)
    assert again.stdout.endswith(f"Open {folder / 'report.html'}\n") and (folder / "report.html").read_bytes() == page
    again = run("prepare", "--table=clicks.csv", "--schema=schema.yaml", folder=clicks)
    assert again.returncode == 1 and "To replace it, pass --overwrite" in again.stderr
    options = ("--model=lr", "--epochs=1", "--config=none", "--workdir=work")
    trained = run("train", f"--dataset={folder}", *options, folder=clicks)
    assert trained.returncode == 0, trained.stderr
    assert json.loads((clicks / "work" / "metrics.json").read_text())["dataset"] == "clicks"
    encoding = TableEncoding.load(clicks / "work" / "encoding")  # for new rows, should the data be deleted
    assert encoding.to_dict() == load(folder).encoding.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Pass either --dataset for a benchmark or --table"),
        (["--dataset=criteo", "--table=clicks.csv"], "Pass either --dataset"),
        (["--dataset=criteo", "--most_skipped=0.2"], "--most_skipped cannot be used with --dataset"),
        (["--dataset=kriteo"], "Unknown data set 'kriteo'. Did you mean 'criteo'?"),
        (["--dataset=criteo"], "Pass train.txt of the Criteo display advertising challenge as `raw` (--raw)"),
        (["--dataset=criteo", "--raw=clicks.csv"], "clicks.csv, row 1: 1 columns, expected 40."),
        (["--dataset=criteo", "--raw=absent.txt"], "absent.txt does not exist"),
        (["--dataset=criteo", "--set", "splitseed=3"], "Unknown option 'splitseed'. Did you mean 'split_seed'?"),
        (["--table=clicks.csv"], "A table needs --schema"),
        (["--table=clicks.csv", "--schema=absent.yaml"], "The schema absent.yaml does not exist"),
        (["--table=click.csv", "--schema=schema.json"], "click.csv does not exist"),
        (["--table=clicks.csv", "--protocol=clean", "--set=a=1"], "--protocol and --set cannot be used with --table"),
        (
            ["--table=clicks.csv", "--schema=schema.json", "--label=x"],
            "--label cannot be used with a schema that exists",
        ),
        (["--table=clicks.csv", "--schema=a.json", "--infer_schema", "--label=x"], "Unknown label column 'x'"),
        (["--dataset=criteo", "--seed=3"], "--seed cannot be used with --dataset"),
        (["--table=clicks.csv", "--extend=absent"], "There is no folder"),
        (["--table=clicks.csv", "--schema=schema.json", "--expire=3"], "`expire` drops values of the folder to"),
        (["--dataset=criteo", "--extend=x"], "--extend cannot be used with --dataset"),
        (["--table=clicks.csv", "--schema=a.json", "--infer_schema", "--keep_counts"], "--keep_counts cannot be used"),
        (["--report=absent"], "There is no folder"),
        (["--report=.", "--seed=3"], "--seed cannot be used with --report, which prepares nothing"),
        (["--tabel=clicks.csv"], "Unknown flag --tabel. Did you mean --table=clicks.csv?"),
        (["clicks.csv"], "Unknown argument 'clicks.csv'"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(clicks, arguments, message, monkeypatch, capsys):
    (clicks / "schema.json").write_text('{"label": "click", "fields": ["site"]}')
    monkeypatch.chdir(clicks)
    monkeypatch.setattr("sys.argv", ["ctrzoo-prepare", "--data_dir=data", *arguments])
    for flag in prepare.FLAGS:
        prepare.FLAGS[flag].unparse()  # what an earlier test set
    with pytest.raises(SystemExit) as stopped:
        prepare.run()
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ctrzoo-prepare: ") and message in line
    assert not (clicks / "data" / "criteo").exists() and not (clicks / "data" / "clicks").exists()


def refuse(folder):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_the_next_command_trains_on_what_was_prepared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--dataset=synthetic", "--set=num_rows=600", "--set", "data_seed=5", "--data_dir=my data"]
    monkeypatch.setattr("sys.argv", ["ctrzoo-prepare", *arguments])
    for flag in prepare.FLAGS:
        prepare.FLAGS[flag].unparse()
    prepare.run()
    page, last = capsys.readouterr().out.splitlines()[-2:]
    assert last.endswith(": ctrzoo-train --dataset=synthetic '--data_dir=my data' --set=num_rows=600 --set=data_seed=5")
    assert pathlib.Path(page.removeprefix("The report to read is ")).is_file()
    monkeypatch.setattr(prepare, "write_page", refuse)  # as on a disk that cannot be written to
    pathlib.Path(page.removeprefix("The report to read is ")).unlink()
    prepare.run()
    page, again = capsys.readouterr().out.splitlines()[-2:]
    assert again == last and page.endswith("report.html could not be written: Read-only file system")


def test_names_and_paths_with_square_brackets_are_shown(clicks):
    (clicks / "a [b].csv").write_text((clicks / "clicks.csv").read_text().replace("price", "price [/kg]"))
    table = ("--table=a [b].csv", "--schema=schema [c].yaml")
    drafted = run("prepare", *table, "--infer_schema", folder=clicks)
    assert drafted.returncode == 0 and "schema [c].yaml: label 'click', 2 fields" in drafted.stdout, drafted.stderr
    prepared = run("prepare", *table, f"--data_dir={clicks / 'data [d]'}", "--name=clicks", folder=clicks)
    assert prepared.returncode == 0, prepared.stderr
    assert "price [/kg]" in prepared.stdout and "data [d]/clicks" in prepared.stdout


def test_the_download_of_criteo_is_to_be_unpacked(tmp_path):
    with tarfile.open(tmp_path / "dac.tar.gz", "w:gz") as archive:
        for name in ("readme.txt", "train.txt", "test.txt"):
            archive.addfile(tarfile.TarInfo(name))
    refused = run("prepare", "--dataset=criteo", "--raw=dac.tar.gz", folder=tmp_path)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert "dac.tar.gz holds several files, such as readme.txt and train.txt; expected one table" in refused.stderr


def test_a_draft_says_why_and_takes_the_separator_from_the_user(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("bought^click^key\n" + "".join(f"1^{row % 2}^k{row}\n" for row in range(99)))
    arguments = ["--table=t.csv", "--schema=s.json", "--infer_schema", "--separator=^", "--label=click"]
    monkeypatch.setattr("sys.argv", ["ctrzoo-prepare", *arguments])
    for flag in prepare.FLAGS:
        prepare.FLAGS[flag].unparse()
    prepare.run()
    out = capsys.readouterr().out
    assert "key: left out: another value in each row" in out and "bought: 1 different whole numbers" in out
    assert "s.json: label 'click', 1 fields. Edit it before use." in out
    assert json.loads((tmp_path / "s.json").read_text())["separator"] == "^"


def test_a_draft_for_separate_files_has_no_split(clicks, monkeypatch):
    monkeypatch.chdir(clicks)
    arguments = ["--table=clicks.csv", "--valid_table=clicks.csv", "--schema=s.json", "--infer_schema"]
    monkeypatch.setattr("sys.argv", ["ctrzoo-prepare", *arguments])
    for flag in prepare.FLAGS:
        prepare.FLAGS[flag].unparse()
    prepare.run()
    assert "split" not in json.loads((clicks / "s.json").read_text())


def test_a_folder_is_extended_by_its_name_or_path(clicks, monkeypatch, capsys):
    monkeypatch.chdir(clicks)
    (clicks / "schema.json").write_text('{"label": "click", "fields": ["site"]}')
    first = (clicks / "clicks.csv").read_text()
    (clicks / "later.csv").write_text(first.replace(",a", ",new"))

    def prepared(*arguments):
        monkeypatch.setattr("sys.argv", ["ctrzoo-prepare", "--data_dir=data", *arguments])
        for flag in prepare.FLAGS:
            prepare.FLAGS[flag].unparse()
        prepare.run()
        return " ".join(capsys.readouterr().out.split())

    assert "counts" in prepared("--table=clicks.csv", "--schema=schema.json", "--keep_counts")
    for earlier, name in (("clicks", "one"), ("data/clicks", "two")):
        said = prepared("--table=later.csv", f"--extend={earlier}", f"--name={name}", "--expire=1")
        assert "extension 1" in said and "site: " in said and " dropped" in said
        assert f"ctrzoo-train --dataset={name} --data_dir=data" in said
    one, two = ((clicks / "data" / name / "vocabulary.parquet").read_bytes() for name in ("one", "two"))
    assert one == two


SPARK = ("--engine=spark", "--master=local-cluster[1,1,1024]", "--table=clicks.csv", "--schema=schema.yaml")


def test_a_table_is_prepared_on_spark(clicks):
    pytest.importorskip("pyspark", reason="needs pyspark: pip install 'pyspark>=4.0'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("needs Java 17: install it, or set JAVA_HOME")
    schema = "label: click\nfields: [site, {name: price, kind: numerical}]\n"
    (clicks / "schema.yaml").write_text(schema)
    wrong = run("prepare", *SPARK, "--spark=ui", folder=clicks)
    assert wrong.returncode == 1 and "A setting of Spark is written name=value" in wrong.stderr
    prepared = run("prepare", *SPARK, "--spark=spark.ui.enabled=false", folder=clicks)
    assert prepared.returncode == 0, prepared.stderr
    assert "600 rows" in prepared.stdout and "ctrzoo-train --dataset=clicks" in prepared.stdout
    assert sum(load(clicks / "data" / "clicks").num_rows.values()) == 600
    bad = (clicks / "clicks.csv").read_text() + "1,a0,dear\n"
    (clicks / "clicks.csv").write_text(bad)
    failed = run("prepare", *SPARK, "--spark=spark.ui.enabled=false", "--overwrite", folder=clicks)
    assert failed.returncode == 1
    lines = [line for line in failed.stderr.splitlines() if line.startswith("ctrzoo-prepare: ")]
    assert len(lines) == 1 and "clicks.csv, row 602: column 'price' must hold finite numbers, not 'dear'" in lines[0]
    assert load(clicks / "data" / "clicks").num_rows  # the old folder stays


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine=spark", "--keep_counts"), "--keep_counts cannot be used with --engine=spark"),
        (("--master=local[1]",), "--master cannot be used with --engine=local"),
        (("--engine=spark", "--expire=2"), "--expire cannot be used with --engine=spark"),
    ],
)
def test_flags_that_spark_does_not_take_are_refused(clicks, arguments, message):
    (clicks / "schema.yaml").write_text("label: click\nfields: [site]\n")
    failed = run("prepare", "--table=clicks.csv", "--schema=schema.yaml", *arguments, folder=clicks)
    assert failed.returncode == 1 and message in failed.stderr


def test_a_data_set_without_a_table_is_refused_before_spark_starts(tmp_path):
    failed = run("prepare", "--dataset=synthetic", "--engine=spark", folder=tmp_path)
    assert failed.returncode == 1 and "'synthetic' is not made from a table" in failed.stderr
