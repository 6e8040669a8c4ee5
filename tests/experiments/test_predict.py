"""`ctrzoo-predict` from end to end: predictions are those of the prepared rows, and failures are one line."""

import csv
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ctrzoo.experiments.scoring import rows as scored_rows
from ctrzoo.explanation.explainer import explain_rows
from tests.experiments.planted_tables import LABELS, planted_frame
from tests.experiments.scored_table import FIRST_TEST_ROW, SCHEMA, cells_of, clicks_frame, prepared_run, score
from tests.programs import run_program

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
# CTRZOO_KILLS=12 pytest tests/experiments/test_predict.py -k killed
KILLS = int(os.environ.get("CTRZOO_KILLS", "2"))


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """A run, its table, the rows to score (without labels), and what the model predicts for the prepared ones."""
    folder = tmp_path_factory.mktemp("clicks")
    frame = clicks_frame()
    frame.to_csv(folder / "rows.csv", index=False)
    run, expected, model, features = prepared_run(folder, folder / "rows.csv", SCHEMA)
    new = frame[FIRST_TEST_ROW:].drop(columns=["click", "day"]).reset_index(drop=True)
    return run, new, expected, model, features


def check(rows, new, expected):
    """Compare rows of an output, as texts, with the keys of the table and the predictions of the prepared rows."""
    assert [row["key"] for row in rows] == new["key"].to_list()
    found = np.array([row["probability"] for row in rows], np.float32)
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    assert found.std() > 0.05


def written(new, kind, folder):
    """Write the rows to score in some way; return what to pass as --table."""
    parts = [new[:200], new[200:201], new[201:]]
    if kind in ("csv", "tsv", "txt"):
        new.to_csv(folder / f"new.{kind}", sep="," if kind == "csv" else "\t", index=False)
    if kind == "csv.gz":
        (folder / "new.csv.gz").write_bytes(gzip.compress(new.to_csv(index=False).encode()))
    if kind == "parquet":
        new.replace("NULL", None).assign(key=new["key"]).to_parquet(folder / "new.parquet", row_group_size=70)
    if kind in ("folder", "pattern"):
        (folder / "parts").mkdir()
        for number, part in enumerate(parts):
            part.to_csv(folder / "parts" / f"part-{number}.csv", index=False)
        (folder / "parts" / "_SUCCESS").touch()
        (folder / "parts" / ".part-0.csv.crc").touch()
        return folder / "parts" / ("*.csv" if kind == "pattern" else "")
    return folder / f"new.{kind}"


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "parquet", "folder", "pattern"])
def test_predictions_are_those_of_the_prepared_rows(kind, clicks, tmp_path, monkeypatch):
    run, new, expected, *_ = clicks
    monkeypatch.setattr(scored_rows, "CHUNK_ROWS", 101)
    table = written(new, kind, tmp_path)
    _, messages = score(f"--workdir={run}", f"--table={table}", f"--output={tmp_path / 'out.csv'}")
    check(cells_of(tmp_path / "out.csv"), new, expected)
    assert list(cells_of(tmp_path / "out.csv")[0]) == ["key", "probability"]
    assert "600 rows scored." in messages and "The predictions are in" in messages
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["csv", "parquet", "csv.gz"])
def test_standard_input_and_output(kind, clicks, tmp_path):
    run, new, expected, *_ = clicks
    content = written(new, kind, tmp_path).read_bytes()
    output, messages = score(f"--workdir={run}", "--table=-", "--output=-", stdin=content)
    check(list(csv.DictReader(io.StringIO(output))), new, expected)
    assert "600 rows scored." in messages


def test_a_saved_model_parquet_output_and_order_over_many_chunks(clicks, tmp_path, monkeypatch):
    run, new, expected, *_ = clicks
    copies = 20
    many = pd.concat([new] * copies, ignore_index=True).assign(key=[f"k{row}" for row in range(copies * len(new))])
    monkeypatch.setattr(scored_rows, "CHUNK_BYTES", 1 << 16)
    many.to_csv(tmp_path / "many.csv", index=False)
    assert (tmp_path / "many.csv").stat().st_size > 8 * (1 << 16)
    options = (f"--model={run / 'model.keras'}", "--batch_size=64")
    score(*options, f"--table={tmp_path / 'many.csv'}", f"--output={tmp_path / 'out.parquet'}")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["key"].to_list() == many["key"].to_list()
    assert found["probability"].dtype == np.float32
    np.testing.assert_allclose(found["probability"], np.tile(expected, copies), rtol=2e-6)


def test_ids_are_kept_as_written_and_rows_numbered_without_them(clicks, tmp_path):
    run, new, expected, *_ = clicks
    new.assign(site=new["site"].to_list(), key=["007", "NULL", "1e3", "x,y", ""] * 120).to_csv(
        tmp_path / "new.csv", index=False
    )
    options = (f"--workdir={run}", f"--table={tmp_path / 'new.csv'}")
    score(*options, f"--output={tmp_path / 'out.csv'}", "--id=key,price")
    rows = cells_of(tmp_path / "out.csv")
    assert [row["key"] for row in rows] == ["007", "NULL", "1e3", "x,y", ""] * 120
    assert [row["price"] for row in rows] == new["price"].to_list()
    new.drop(columns="key").to_csv(tmp_path / "new.csv", index=False)
    _, messages = score(*options, f"--output={tmp_path / 'out.csv'}", "--overwrite")
    assert "no column 'key', the id of the training rows. Its rows are numbered" in " ".join(messages.split())
    assert [row["row"] for row in cells_of(tmp_path / "out.csv")] == [str(row) for row in range(1, 601)]


def test_bad_rows_are_named_or_skipped_and_counted(clicks, tmp_path):
    run, new, expected, *_ = clicks
    lines = new.drop(columns="key").to_csv(index=False).splitlines()
    price = new.drop(columns="key").columns.get_loc("price")
    wrong = lines[8].split(",")
    wrong[price] = "cheap"
    lines[8], lines[300] = ",".join(wrong), lines[300] + ",one more"
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")
    options = (f"--workdir={run}", f"--table={tmp_path / 'new.csv'}", f"--output={tmp_path / 'out.csv'}")
    with pytest.raises(
        ValueError, match="new.csv, row 9: column 'price' must hold .* 'cheap'. Pass --bad_rows=skip to"
    ):
        score(*options)
    with pytest.raises(ValueError, match="2 of 600 rows cannot be used, but --bad_rows=skip leaves out at most 0.1%"):
        score(*options, "--bad_rows=skip", "--most_skipped=0.001")
    assert os.listdir(tmp_path) == ["new.csv"]
    _, messages = score(*options, "--bad_rows=skip")
    assert "598 rows scored." in messages and "2 rows skipped, such as" in messages and "row 9: column" in messages
    rows = cells_of(tmp_path / "out.csv")
    kept = [number for number in range(600) if number not in (7, 299)]
    assert [int(row["row"]) for row in rows] == [1 + number for number in kept]
    np.testing.assert_allclose([float(row["probability"]) for row in rows], expected[kept], rtol=2e-6)


def test_unknown_values_are_counted(clicks, tmp_path):
    run, new, *_ = clicks
    few = new[:8].assign(site=["s0", "s1", "new", "new", "newer", "NULL", "", "s2"], tags=["1|2"] * 7 + ["1|99|x"])
    few.to_csv(tmp_path / "few.csv", index=False)
    _, messages = score(f"--workdir={run}", f"--table={tmp_path / 'few.csv'}", f"--output={tmp_path / 'out.csv'}")
    told = " ".join(messages.split())
    assert "Unknown values of 'site': 50.0% (3 of 6), such as 'new'." in told
    assert "Unknown values of 'tags': 11.8% (2 of 17)" in told
    assert "Of the 17 values of 'tags', 1 are not of its type, 'integer'." in told
    assert "'user'" not in told and "'age'" not in told


def test_reasons_are_the_strongest_terms_of_the_logit(clicks, tmp_path):
    run, new, expected, model, features = clicks
    new.to_csv(tmp_path / "new.csv", index=False)
    options = (f"--workdir={run}", f"--table={tmp_path / 'new.csv'}", f"--output={tmp_path / 'out.csv'}")
    score(*options, "--explain=3")
    rows = cells_of(tmp_path / "out.csv")
    check(rows, new, expected)
    explained, names = explain_rows(model, features), model.schema.names
    for number, row in enumerate(rows):
        terms = dict(zip(names, explained["fields"][number].tolist(), strict=True))
        for i, name in enumerate(names):
            for j in range(i + 1, len(names)):
                terms[f"{name} × {names[j]}"] = float(explained["pairs"][number, i, j])
        strongest = sorted(terms, key=lambda name: -abs(terms[name]))[:3]
        assert [row[f"reason_{place}"] for place in (1, 2, 3)] == strongest
        found = [float(row[f"contribution_{place}"]) for place in (1, 2, 3)]
        np.testing.assert_allclose(found, [terms[name] for name in strongest], rtol=1e-5)


def ffm_lines(random, num_rows):
    """Return lines of libffm text with three fields, some absent, and a weight of the third."""
    lines = []
    for row in range(num_rows):
        tokens = [f"0:{random.integers(0, 8)}:1", f"1:{random.integers(0, 5)}:1", f"2:7:{random.normal():.3f}"]
        lines.append(" ".join([str(row % 2), *(tokens[:1] + tokens[2:] if row % 7 == 0 else tokens)]))
    return lines


FFM_FIELDS = ["field0", "field1", {"name": "value2", "kind": "numerical"}]


@pytest.mark.parametrize("kind", ["libffm", "libsvm"])
def test_sparse_text(kind, tmp_path):
    lines, schema = ffm_lines(np.random.default_rng(0), 600), {"label": "label", "fields": FFM_FIELDS}
    if kind == "libsvm":
        lines = [" ".join(token.split(":", 1)[-1] for token in line.split()) for line in lines if line.count(":") == 6]
        schema["format"] = {"kind": "libsvm", "positions": 3}
    raw = {split: tmp_path / f"{split}.txt" for split in ("train", "valid", "test")}
    for split, part in zip(raw, (lines[:300], lines[300:400], lines[400:]), strict=True):
        raw[split].write_text("\n".join(part) + "\n")
    schema["format"] = schema.get("format", "libffm")
    run, expected, *_ = prepared_run(tmp_path, raw, schema)
    output, _ = score(f"--workdir={run}", f"--table={raw['test']}", "--output=-")
    found = list(csv.DictReader(io.StringIO(output)))
    assert [row["row"] for row in found] == [str(number + 1) for number in range(len(expected))]
    np.testing.assert_allclose([float(row["probability"]) for row in found], expected, rtol=2e-6)
    output, _ = score(f"--workdir={run}", "--table=-", "--output=-", stdin=raw["test"].read_bytes())
    assert [row["probability"] for row in csv.DictReader(io.StringIO(output))] == [row["probability"] for row in found]
    unlabelled = "\n".join(line.split(" ", 1)[1] for line in lines[400:])
    with pytest.raises(ValueError, match="standard input, row 1: .*the line has no label|features, expected 3"):
        score(f"--workdir={run}", "--table=-", "--output=-", stdin=unlabelled.encode())


def test_text_without_a_header_with_or_without_the_label(tmp_path):
    frame = clicks_frame()
    schema = SCHEMA | {"separator": ";", "columns": list(frame.columns)}
    frame.to_csv(tmp_path / "rows.txt", sep=";", index=False, header=False)
    run, expected, *_ = prepared_run(tmp_path, tmp_path / "rows.txt", schema)
    new = frame[FIRST_TEST_ROW:]
    for columns, header in (
        (list(new.columns), False),
        ([name for name in new.columns if name != "click"], False),
        ([name for name in reversed(new.columns) if name != "click"], True),
    ):
        content = new[columns].to_csv(sep=";", index=False, header=header).encode()
        output, _ = score(f"--workdir={run}", "--table=-", "--output=-", stdin=content)
        check(list(csv.DictReader(io.StringIO(output))), new, expected)


def test_a_schema_says_how_another_table_is_written(clicks, tmp_path):
    run, new, expected, *_ = clicks
    content = new.replace("NULL", "?").assign(key=new["key"]).to_csv(sep=";", index=False, header=False)
    schema = {"separator": ";", "columns": list(new.columns), "missing": ["?"]}
    (tmp_path / "written.json").write_text(json.dumps(schema))
    option = f"--schema={tmp_path / 'written.json'}"
    with pytest.raises(ValueError, match="standard input: Unknown column 'site'.* pass --schema"):
        score(f"--workdir={run}", "--table=-", "--output=-", stdin=content.encode())
    output, _ = score(f"--workdir={run}", "--table=-", "--output=-", option, stdin=content.encode())
    check(list(csv.DictReader(io.StringIO(output))), new, expected)


@pytest.mark.parametrize(
    ("kind", "task", "column"),
    [
        ("regression", "regression", "prediction"),
        ("poisson", "regression", "prediction"),
        ("ranking", "ranking", "score"),
    ],
)
def test_other_tasks(kind, task, column, tmp_path):
    frame = planted_frame(600)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    split = {"column": "list", "valid_from": 20, "test_from": 40}
    schema = {"label": LABELS[kind], "group": "list", "fields": ["site", "user", "ad", "hour"], "split": split}
    loss = {"loss": "poisson"} if kind == "poisson" else {}
    run, expected, *_ = prepared_run(tmp_path, tmp_path / "rows.csv", schema, task=task, **loss)
    frame[400:].drop(columns=LABELS[kind]["column"]).to_csv(tmp_path / "new.csv", index=False)
    output, _ = score(f"--workdir={run}", f"--table={tmp_path / 'new.csv'}", "--output=-", "--id=list,site")
    found = list(csv.DictReader(io.StringIO(output)))
    assert [row["list"] for row in found] == frame["list"][400:].astype(str).to_list()
    np.testing.assert_allclose([float(row[column]) for row in found], expected, rtol=2e-6)


def test_the_correction_for_left_out_negatives_is_in_the_model(tmp_path):
    clicks_frame().to_csv(tmp_path / "rows.csv", index=False)
    run, expected, model, features = prepared_run(tmp_path, tmp_path / "rows.csv", SCHEMA, negative_rate=0.1)
    output, _ = score(f"--workdir={run}", f"--table={tmp_path / 'rows.csv'}", "--output=-")
    found = [float(row["probability"]) for row in csv.DictReader(io.StringIO(output))][FIRST_TEST_ROW:]
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    plain = type(model).from_config(model.get_config() | {"negative_rate": 1.0})
    plain.set_weights(model.get_weights())
    odds = plain.predict(features, verbose=0)[:, 0].astype(float)
    odds = 0.1 * odds / (1 - odds)  # a tenth of the negatives was kept, so there are ten times as many
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-4)


STOPPED = """
import os, sys
from ctrzoo.experiments import predict
from ctrzoo.experiments.scoring import score
score.StepProgress.advance = lambda *arguments: os.kill(os.getpid(), {signal})
predict.run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("before", [None, "an earlier table"])
def test_an_interrupted_run_leaves_no_half_file(number, code, before, clicks, tmp_path):
    run, new, *_ = clicks
    new.to_csv(tmp_path / "new.csv", index=False)
    if before:
        (tmp_path / "out.csv").write_text(before)
    options = (f"--workdir={run}", "--table=new.csv", "--output=out.csv", "--overwrite")
    stopped = run_program(STOPPED.format(signal=int(number)), *options, folder=tmp_path)
    assert stopped.returncode == code, stopped.stderr
    assert (tmp_path / "out.csv").exists() == bool(before)
    assert not before or (tmp_path / "out.csv").read_text() == before
    if number == signal.SIGTERM:
        assert stopped.stderr.splitlines()[-1].startswith("ctrzoo-predict: interrupted")
        assert not list(tmp_path.glob(".*"))
    score(f"--workdir={run}", f"--table={tmp_path / 'new.csv'}", f"--output={tmp_path / 'out.csv'}", "--overwrite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "out.csv"]


# Chunks of some rows each; killed at one of them.
KILLED = """
import itertools, os, sys
from ctrzoo.experiments import predict
from ctrzoo.experiments.scoring import rows, score
rows.CHUNK_ROWS = 20
real, calls, last = score.StepProgress.advance, itertools.count(), int(sys.argv.pop())
def advance(*arguments):
    if next(calls) == last:
        os.kill(os.getpid(), {signal})
    return real(*arguments)
score.StepProgress.advance = advance
try:
    predict.run()
finally:
    print(next(calls), file=sys.stderr)
"""


def test_killed_anywhere_the_next_run_leaves_only_its_output(clicks, tmp_path):
    run, new, *_ = clicks
    table, folder = new.to_parquet(), tmp_path / "temporary"
    folder.mkdir()
    options = [f"--workdir={run}", "--table=-", f"--output={tmp_path / 'out.csv'}", "--overwrite", "--id=key"]
    streams = {"standard_input": table, "TMPDIR": str(folder)}
    whole, chance, moments, never = None, random.Random(3), 0, 10**6
    for number in range(KILLS + 2):
        moment = chance.randrange(moments) if 0 < number <= KILLS else never
        ended = run_program(KILLED.format(signal=int(signal.SIGKILL)), *options, moment, folder=tmp_path, **streams)
        assert ended.returncode == (0 if moment == never else -9), ended.stderr
        if whole is None:
            whole, moments = (tmp_path / "out.csv").read_bytes(), int(ended.stderr.split()[-1])
        assert (tmp_path / "out.csv").read_bytes() == whole
        # Each start deletes what the one before left: at most one file and one copy of the standard input.
        left = len(list(tmp_path.glob(".*"))) + len(list(folder.glob(".ctrzoo-*")))
        assert left == (0 if moment == never else 2)
    assert moments > 5 and whole.count(b"\n") == len(new) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table=new.csv", "--output=out.csv"], "Which model? Pass either --workdir"),
        (["--workdir=run", "--model=run/model.keras", "--table=new.csv", "--output=out.csv"], "Which model?"),
        (["--workdir=run", "--output=out.csv"], "Which rows? Pass --table"),
        (["--workdir=run", "--table=new.csv"], "Where to? Pass --output"),
        (["--workdir=runs", "--table=new.csv", "--output=out.csv"], "Train a run first: runs/model.keras not found"),
        (["--workdir=run", "--table=nwe.csv", "--output=out.csv"], "nwe.csv does not exist"),
        (["--workdir=run", "--table=*.tsv", "--output=out.csv"], "*.tsv matches no file"),
        (["--workdir=run", "--table=empty", "--output=out.csv"], "The folder empty has no file that ends like a table"),
        (["--workdir=run", "--table=new.csv", "--output=out.txt"], "must end in .csv or .parquet"),
        (["--workdir=run", "--table=new.csv", "--output=no/out.csv"], "The folder no of the output does not exist"),
        (["--workdir=run", "--table=new.csv", "--output=old.csv"], "old.csv exists. Pass --overwrite"),
        (["--workdir=run", "--table=new.csv", "--output=new.csv", "--overwrite"], "new.csv is the table itself"),
        (["--workdir=run", "--table=new.csv", "--output=out.csv", "--most_skipped=0.5"], "is for --bad_rows=skip"),
        (
            ["--workdir=run", "--table=new.csv", "--output=out.csv", "--id=kye"],
            "Unknown column 'kye'. Did you mean 'key'",
        ),
        (["--workdir=run", "--table=new.csv", "--output=out.csv", "--encoding=empty"], "empty/encoding.json not found"),
        (["--workdir=run", "--table=header.csv", "--output=out.csv"], "The table has no rows to score"),
        (["--workdir=run", "--table=short.csv", "--output=out.csv"], "Unknown column 'site'"),
        (["--model=alone/model.keras", "--table=new.csv", "--output=out.csv"], "alone/encoding not found"),
        (["--workdir=cin", "--table=new.csv", "--output=out.csv", "--explain=3"], "graphfm does not say"),
    ],
)
def test_failures(arguments, message, clicks, tmp_path, monkeypatch):
    run, new, *_ = clicks
    monkeypatch.chdir(tmp_path)
    new.to_csv("new.csv", index=False)
    new[:0].to_csv("header.csv", index=False)
    new[["key", "user"]].to_csv("short.csv", index=False)
    pathlib.Path("old.csv").write_text("old")
    for folder in ("empty", "alone"):
        pathlib.Path(folder).mkdir()
    pathlib.Path("run").symlink_to(run)
    shutil.copy(run / "model.keras", "alone")
    if "--workdir=cin" in arguments:
        from ctrzoo import models
        from ctrzoo.data_pipelines.encoding.fields import TableEncoding

        shutil.copytree(run / "encoding", "cin/encoding")
        models.build("graphfm", TableEncoding.load("cin/encoding").schema).save("cin/model.keras")
    with pytest.raises((ValueError, OSError)) as failed:
        score(*arguments)
    assert message in str(failed.value) and len(str(failed.value).splitlines()) == 1
    assert not pathlib.Path("out.csv").exists() and pathlib.Path("old.csv").read_text() == "old"


def test_the_program_starts_and_fails_in_one_line(tmp_path):
    for arguments, message in (
        (["--tabel=new.csv"], "Unknown flag --tabel. Did you mean --table=new.csv?"),
        (["--out=scores.csv"], "Unknown flag --out. Did you mean --output=scores.csv?"),
        (["--workdir=runs"], "Which rows?"),
    ):
        command = [sys.executable, "-m", "ctrzoo.experiments.predict", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        failed = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
        assert failed.returncode == 1 and failed.stdout == ""
        assert failed.stderr.startswith(f"ctrzoo-predict: {message}") and len(failed.stderr.splitlines()) == 1
