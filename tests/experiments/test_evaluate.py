"""`ctrzoo-evaluate` from end to end: metrics are the trainer's, a table is its split, and failures are one line."""

import html.parser
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctrzoo import data_pipelines
from ctrzoo.experiments.experiment import run_experiment
from ctrzoo.experiments.settings import Settings
from tests.experiments.evaluated_runs import evaluate, evaluated
from tests.experiments.planted_tables import planted_frame, prepared
from tests.experiments.scored_table import FIRST_TEST_ROW, SCHEMA, clicks_frame, prepared_run, run_of
from tests.programs import run_program

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def trained(folder, data, model="fm", **options):
    """Train a model for one epoch; return the folder of the run."""
    settings = Settings(dataset=str(data.folder), model=model, epochs=1, batch_size=256, **options)
    run_experiment(settings, folder, None, folder / model)
    return folder / model


@pytest.mark.parametrize(
    ("kind", "options", "roles"),
    [
        ("classification", {}, {"weight": "weight"}),
        ("classification", {"monitor": "grouped_auc"}, {}),
        ("regression", {"monitor": "mae"}, {"weight": "weight"}),
        ("ranking", {}, {}),
    ],
)
def test_metrics_of_a_split_are_exactly_those_of_training(kind, options, roles, tmp_path):
    data = prepared(tmp_path, kind, 3000, **roles)
    run = trained(tmp_path, data, task=kind, **options)
    written = json.loads((run / "metrics.json").read_text())
    for split, flag in (("test", []), ("valid", ["--split=validation"])):
        evaluate(f"--workdir={run}", *flag, "--bootstrap=100")
        content, _ = evaluated(run / f"evaluation_{split}")
        found = content["runs"][0]["metrics"]
        assert {name: estimate["value"] for name, estimate in found.items()} == written[split]
        error = found.pop("calibration_error", {"low": None})  # only of clicks
        assert error["low"] is None and all(estimate["low"] <= estimate["high"] for estimate in found.values())
        assert any(estimate["low"] < estimate["value"] < estimate["high"] for estimate in found.values())
        assert (content["rows"], content["groups"]) == (data.num_rows[split], data.num_rows[split] // 10)
        assert content["bootstrap"] == {"resamples": 100, "seed": 2018, "unit": "groups"}
        assert (content["weight"] is None) == (not roles)
        assert content["differences"] == []


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """Runs of two models with random weights, the table of their data, and its test rows with the predictions."""
    folder = tmp_path_factory.mktemp("clicks")
    frame = clicks_frame()
    frame.to_csv(folder / "rows.csv", index=False)
    run, predicted, *_ = prepared_run(folder, folder / "rows.csv", SCHEMA)
    data = data_pipelines.load(folder / "data")
    other = run_of(folder / "other", data, "lr")
    features, _ = data.arrays("test")
    rows = frame[FIRST_TEST_ROW:].reset_index(drop=True)
    rows["label"] = rows["click"].astype(int)
    return run, rows.assign(fm=predicted, lr=other.predict(features, verbose=0)[:, 0])


def with_labels(rows, path, **columns):
    rows.drop(columns=["label", "fm", "lr"]).assign(**columns).to_csv(path, index=False)
    return path


def test_a_table_is_its_split(clicks, tmp_path):
    run, rows = clicks
    table = with_labels(rows, tmp_path / "new.csv")
    options = (f"--workdir={run}", f"--compare={run.parent / 'other'}", "--bootstrap=100", "--by=site,price,site_hour")
    evaluate(*options, f"--data={run.parent / 'data'}", f"--output={tmp_path / 'split'}")
    _, messages = evaluate(*options, f"--table={table}", f"--output={tmp_path / 'table'}")
    (split, split_slices), (of_table, table_slices) = (evaluated(tmp_path / name) for name in ("split", "table"))
    assert of_table["table"] == str(table) and split["split"] == "test"
    assert any("Unknown values of 'site'" in note for note in of_table["notes"])
    note, *of_slices = (note for note in split["notes"] if not re.search("calibration.error", note))
    assert len(of_slices) == len(split["notes"]) - 2  # one says why the calibration error has no interval
    assert note.startswith("--by=price: the slice that holds ") and f"{run}: {note}" in of_table["notes"]
    assert all(re.match(r"In \d+ of \d+ slices by ", note) for note in of_slices) and of_slices[0] in of_table["notes"]
    for first, second in zip(split["runs"], of_table["runs"], strict=True):
        for name, estimate in first["metrics"].items():
            for key, value in estimate.items():
                other = second["metrics"][name][key]
                assert other == (value if value is None else pytest.approx(value, rel=1e-5)), (name, key)
    for first, second in zip(split["differences"], of_table["differences"], strict=True):
        assert {key: first[key] for key in ("metric", "test")} == {key: second[key] for key in ("metric", "test")}
        assert second["difference"] == pytest.approx(first["difference"], rel=1e-3, abs=1e-7)
    assert len(split_slices) > 2 * 2 * 10
    for first, second in zip(split_slices, table_slices, strict=True):
        for key, text in first.items():
            if key in ("by", "slice", "values", "rows", "groups", "run"):
                assert second[key] == text
            elif text:
                assert float(second[key]) == pytest.approx(float(text), rel=1e-5)
            else:
                assert second[key] == ""


def test_slices_are_those_of_pandas_with_metrics_of_sklearn(clicks, tmp_path):
    run, rows = clicks
    table = with_labels(rows, tmp_path / "new.csv", device=[f"d{row % 7 if row % 2 else 0}" for row in range(600)])
    rows = rows.assign(device=[f"d{row % 7 if row % 2 else 0}" for row in range(600)])
    options = ("--by=device,day", "--slices=4", "--bins=3", "--bootstrap=100")
    evaluate(f"--workdir={run}", f"--table={table}", *options, f"--output={tmp_path / 'out'}")
    _, slices = evaluated(tmp_path / "out")
    largest = rows["device"].value_counts(sort=False)
    kept = sorted(largest.index, key=lambda name: -largest[name])[:4]
    of_device = rows.groupby(rows["device"].where(rows["device"].isin(kept), f"({len(largest) - 4} others)"))
    of_day = rows.groupby(
        pd.cut(rows["day"].astype(int), [399, 599, 799, 999], labels=["400 to 599", "600 to 799", "800 to 999"]),
        observed=True,
    )
    for name, groups in (("device", of_device), ("day", of_day)):
        found = {row["slice"]: row for row in slices if row["by"] == name}
        assert set(found) == {str(text) for text, _ in groups}
        for text, part in groups:
            row = found[str(text)]
            assert int(row["rows"]) == len(part) and row["groups"] == ""
            assert int(row["values"]) == (len(largest) - 4 if "others" in str(text) else 1)
            assert float(row["base_rate"]) == pytest.approx(part["label"].mean())
            assert float(row["auc"]) == pytest.approx(roc_auc_score(part["label"], part["fm"]), rel=1e-6)
            assert float(row["log_loss"]) == pytest.approx(log_loss(part["label"], part["fm"].astype(float)), rel=1e-5)
            assert float(row["calibration"]) == pytest.approx(part["fm"].sum() / part["label"].sum(), rel=1e-5)
            assert float(row["auc_low"]) < float(row["auc"]) < float(row["auc_high"])


class Links(html.parser.HTMLParser):
    """Collects what a page refers to, and the tags that are open."""

    def __init__(self):
        super().__init__()
        self.links, self.open, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_needs_nothing_else(clicks, tmp_path):
    run, rows = clicks
    table = with_labels(rows, tmp_path / "new.csv", device=["<b>&", "plain"] * 300)
    options = (f"--compare={run.parent / 'other'}", "--by=device", "--bootstrap=100")
    output, _ = evaluate(f"--workdir={run}", f"--table={table}", *options)
    assert f"Open {run / 'evaluation_new' / 'report.html'}" in output
    text = (run / "evaluation_new" / "report.html").read_text(encoding="utf-8")
    page = Links()
    page.feed(text)
    page.close()
    words = re.sub(r"base64,[^\"]*", "", text)  # the letters of a picture can spell any short word
    assert page.open == [] and "http" not in words and "url(" not in words and "@import" not in words
    assert len(page.links) == 4  # two of calibration, one of curves, one of slices
    assert all(link.startswith("data:image/png;base64,iVBOR") for link in page.links)
    assert "<b>&" in page.texts and "By device" in page.texts and "paired bootstrap" in page.texts
    assert sorted(path.name for path in (run / "evaluation_new").iterdir()) == [
        "metrics.json",
        "report.html",
        "slices.csv",
    ]
    content, slices = evaluated(run / "evaluation_new")
    auc = content["runs"][0]["metrics"]["auc"]
    assert f"{auc['value']:.4f} [{auc['low']:.4f}, {auc['high']:.4f}]" in page.texts
    assert f"{auc['value']:.4f} [{auc['low']:.4f}, {auc['high']:.4f}]" in output
    assert f"{float(slices[0]['log_loss']):.4f}" in output


def test_labels_by_the_rule_of_the_schema_bad_rows_and_one_class(tmp_path):
    frame = clicks_frame()
    frame["click"] = np.where(frame["click"] == "1", "yes", "no")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    schema = SCHEMA | {"label": {"column": "click", "positive": "yes", "negative": "no"}}
    run, predicted, *_ = prepared_run(tmp_path, tmp_path / "rows.csv", schema)
    rows = frame[FIRST_TEST_ROW:].reset_index(drop=True)
    rows.loc[5, "click"], rows.loc[9, "price"] = "perhaps", "cheap"
    rows.to_csv(tmp_path / "new.csv", index=False)
    options = (f"--workdir={run}", f"--table={tmp_path / 'new.csv'}", "--bootstrap=100", f"--output={tmp_path / 'out'}")
    with pytest.raises(ValueError, match="new.csv, row 7: the label 'click' must be one of .*'perhaps'"):
        evaluate(*options)
    with pytest.raises(ValueError, match="2 of 600 rows cannot be used, but --bad_rows=skip leaves out at most 0.1%"):
        evaluate(*options, "--bad_rows=skip", "--most_skipped=0.001")
    assert not (tmp_path / "out").exists()
    output, _ = evaluate(*options, "--bad_rows=skip")
    assert "2 rows skipped, such as" in output and "row 7: the label" in output
    kept = [row for row in range(600) if row not in (5, 9)]
    content, _ = evaluated(tmp_path / "out")
    expected = roc_auc_score(rows["click"][kept] == "yes", predicted[kept])
    assert content["runs"][0]["metrics"]["auc"]["value"] == pytest.approx(expected, rel=1e-6)
    assert content["base_rate"] == (rows["click"][kept] == "yes").mean()

    rows[rows["click"] == "no"].drop(index=9, errors="ignore").to_csv(tmp_path / "new.csv", index=False)
    output, messages = evaluate(*options, "--overwrite")
    undefined = "AUC, calibration, normalized entropy, PR-AUC (all rows are negative)."
    assert f"Not defined: {undefined}" in " ".join(output.split()) and "Warning" not in messages
    assert "No cell of the label 'click' is 'yes'; values found: no." in output
    content, _ = evaluated(tmp_path / "out")
    metrics = content["runs"][0]["metrics"]
    assert metrics["auc"]["value"] is metrics["auc"]["low"] is None and metrics["log_loss"]["value"] > 0
    assert "not defined" in (tmp_path / "out" / "report.html").read_text()


def test_a_label_without_a_rule_that_holds_0_and_minus_1_is_refused(clicks, tmp_path):
    run, rows = clicks
    table = with_labels(rows, tmp_path / "new.csv", click=["0"] * 300 + ["-1"] * 300)
    with pytest.raises(ValueError, match="row 302: the label 'click' must be 0 or 1, not -1"):
        evaluate(f"--workdir={run}", f"--table={table}", f"--output={tmp_path / 'out'}")


def test_three_runs_are_compared_in_pairs(clicks, tmp_path):
    run, rows = clicks
    shutil.copytree(run, tmp_path / "copy")
    table = with_labels(rows, tmp_path / "new.csv")
    folders = (str(run), str(run.parent / "other"), str(tmp_path / "copy"))
    options = (f"--table={table}", "--bootstrap=200", f"--output={tmp_path / 'out'}", "--seed=7")
    output, _ = evaluate(f"--workdir={run}", f"--compare={folders[1]},{folders[2]}", *options)
    content, _ = evaluated(tmp_path / "out")
    found = {(each["metric"], each["run"], each["other"]): each for each in content["differences"]}
    assert len(found) == 3 * (len(content["runs"][0]["metrics"]) - 1)  # the calibration error is not compared
    for (metric, first, second), each in found.items():
        assert each["test"] == ("DeLong" if metric == "auc" else "paired bootstrap")
        values = [of_run["metrics"][metric]["value"] for of_run in content["runs"] if of_run["run"] in (first, second)]
        if (first, second) == (folders[0], folders[2]):
            assert each["difference"] == each["low"] == each["high"] == 0 and each["p"] == each["p_holm"] == 1
        else:
            sign = 1 if folders.index(first) < folders.index(second) else -1
            assert each["difference"] == pytest.approx(sign * (values[0] - values[1]), abs=1e-12)
            assert each["p"] <= each["p_holm"] <= 3 * each["p"]
    of_auc = [found["auc", first, second] for first, second in ((folders[0], folders[1]), (folders[1], folders[2]))]
    assert of_auc[0]["difference"] == -of_auc[1]["difference"] and of_auc[0]["p"] == pytest.approx(of_auc[1]["p"])
    assert of_auc[0]["p_holm"] == pytest.approx(min(1, 3 * of_auc[0]["p"]))
    assert "p, corrected" in output


def test_weights_make_the_bootstrap_compare_aucs(tmp_path):
    frame = planted_frame(900)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    schema = {"label": "click", "weight": "weight", "fields": ["site", "user", "ad"]}
    run, *_ = prepared_run(
        tmp_path, tmp_path / "rows.csv", schema | {"split": {"column": "list", "valid_from": 30, "test_from": 60}}
    )
    data = data_pipelines.load(tmp_path / "data")
    other = run_of(tmp_path / "other", data, "lr")
    options = (f"--compare={tmp_path / 'other'}", f"--table={tmp_path / 'rows.csv'}", "--bootstrap=100")
    evaluate(f"--workdir={run}", *options, f"--output={tmp_path / 'out'}")
    content, _ = evaluated(tmp_path / "out")
    assert {each["test"] for each in content["differences"]} == {"paired bootstrap"}
    assert content["weight"] == frame["weight"].sum()
    features = data.encoding.features(pl.from_pandas(frame.astype(str)))
    expected = roc_auc_score(frame["click"], other.predict(features, verbose=0)[:, 0], sample_weight=frame["weight"])
    assert content["runs"][1]["metrics"]["auc"]["value"] == pytest.approx(expected, rel=1e-6)
    assert f"Rows have weights, {frame['weight'].sum():,} in all" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("kind", ["regression", "ranking"])
def test_tables_of_other_tasks_are_their_splits(kind, tmp_path):
    data = prepared(tmp_path, kind, 1200, weight="weight")
    run = run_of(tmp_path / "run", data, task=kind)
    planted_frame(1200)[1000:].to_csv(tmp_path / "new.csv", index=False)
    options = (f"--workdir={tmp_path / 'run'}", "--bootstrap=100", "--by=site")
    evaluate(*options, f"--data={data.folder}")
    output, _ = evaluate(*options, f"--table={tmp_path / 'new.csv'}")
    split, of_table = (evaluated(tmp_path / "run" / f"evaluation_{name}") for name in ("test", "new"))
    mean = {"regression": "mean label", "ranking": "mean grade"}[kind]
    assert f"200 rows in 20 groups of {tmp_path / 'new.csv'}, {mean}" in output and run.task == kind
    for name, estimate in split[0]["runs"][0]["metrics"].items():
        for key, value in estimate.items():
            assert of_table[0]["runs"][0]["metrics"][name][key] == pytest.approx(value, rel=1e-5), (name, key)
    assert len(split[1]) == 6 and [row["rows"] for row in split[1]] == [row["rows"] for row in of_table[1]]
    measured = ("rmse", "mae") if kind == "regression" else ("ndcg@10", "mrr", "grouped_auc")
    assert list(of_table[1][0])[10::4] == list(measured)


def test_the_command_of_its_page(clicks, tmp_path, monkeypatch):
    run, rows = clicks
    page = (CHECKOUT / "docs" / "use" / "evaluate.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"```bash\nctrzoo-evaluate (.*)\n```", page)
    monkeypatch.chdir(tmp_path)
    pathlib.Path("runs").mkdir()
    pathlib.Path("runs/mine").symlink_to(run)
    pathlib.Path("runs/other").symlink_to(run.parent / "other")
    with_labels(rows, "labelled.csv", device=["phone", "tablet"] * 300)
    output, _ = evaluate(*shlex.split(command))
    assert "phone" in output and "DeLong" in output
    _, slices = evaluated(pathlib.Path("runs/mine/evaluation_labelled"))
    assert {row["by"] for row in slices} == {"device", "price"}


def test_negative_training_rows_stand_for_those_that_were_left_out(tmp_path):
    planted_frame(3000).to_csv(tmp_path / "rows.csv", index=False)
    schema = {"label": "click", "fields": ["site", "user", "ad"], "negatives": 0.25}
    split = {"column": "list", "valid_from": 200, "test_from": 250}
    run, *_ = prepared_run(tmp_path, tmp_path / "rows.csv", schema | {"split": split}, negative_rate=0.25)
    data = data_pipelines.load(tmp_path / "data")
    evaluate(
        f"--workdir={run}", f"--data={data.folder}", "--split=train", "--bootstrap=100", f"--output={tmp_path / 'out'}"
    )
    content, _ = evaluated(tmp_path / "out")
    _, labels = data.arrays("train")
    clicks = planted_frame(3000)["click"][:2000]
    assert content["rows"] == len(labels) < 1500 and labels.sum() == clicks.sum()
    assert content["weight"] == clicks.sum() + 4 * (len(labels) - clicks.sum())
    assert content["base_rate"] == pytest.approx(clicks.mean(), abs=0.03) and labels.mean() > 1.5 * clicks.mean()
    assert any("kept 0.25 of the negative training rows, so each weighs 4 times" in note for note in content["notes"])


def test_a_table_of_the_standard_input_and_other_files(clicks, tmp_path):
    run, rows = clicks
    table = with_labels(rows, tmp_path / "new.csv")
    other = f"--compare={run.parent / 'other'}"
    evaluate(f"--workdir={run}", other, "--table=-", "--bootstrap=100", "--overwrite", stdin=table.read_bytes())
    content, _ = evaluated(run / "evaluation_standard_input")
    assert content["rows"] == 600 and content["table"] == "-"
    assert content["runs"][0]["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(rows["label"], rows["fm"]))
    pd.read_csv(table, dtype=str, keep_default_na=False).to_csv(tmp_path / "new.txt", sep=";", index=False)
    (tmp_path / "layout.json").write_text(json.dumps({"separator": ";", "missing": ["NULL"]}))
    options = (f"--schema={tmp_path / 'layout.json'}", "--bootstrap=100", f"--output={tmp_path / 'out'}")
    evaluate(f"--workdir={run}", f"--table={tmp_path / 'new.txt'}", *options)
    again, _ = evaluated(tmp_path / "out")
    assert again["runs"][0]["metrics"] == content["runs"][0]["metrics"]


STOPPED = """
import os, sys
from ctrzoo.experiments import evaluate
from ctrzoo.experiments.evaluation import {module}
def stop(*arguments, **options):
    os.kill(os.getpid(), {signal})
    raise AssertionError
{module}.{function} = stop
evaluate.run()
"""
MOMENTS = [
    ("scored", "StepProgress.advance"),
    ("evaluate_runs", "measure"),
    ("evaluate_runs", "page"),
    ("output", "synchronize"),
    ("output", "os.rename"),
]


@pytest.mark.parametrize(("module", "function"), MOMENTS)
@pytest.mark.parametrize("before", [False, True])
def test_a_killed_evaluation_leaves_no_half_folder(module, function, before, clicks, tmp_path):
    run, rows = clicks
    with_labels(rows, tmp_path / "new.csv")
    output = tmp_path / "out"
    options = [f"--workdir={run}", "--table=new.csv", "--bootstrap=100", "--output=out", "--overwrite", "--by=site"]
    if before:
        output.mkdir()
        (output / "metrics.json").write_text("an earlier one")
    code = STOPPED.format(module=module, function=function, signal=int(signal.SIGKILL))
    stopped = run_program(code, *options, folder=tmp_path)
    assert stopped.returncode == -9, stopped.stderr
    assert output.exists() == before
    assert not before or [path.read_text() for path in output.iterdir()] == ["an earlier one"]
    evaluate(*[option.replace("=out", f"={output}").replace("=new", f"={tmp_path}/new") for option in options])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "out"]
    assert len(list(output.iterdir())) == 3


def test_an_interrupted_evaluation_leaves_nothing(clicks, tmp_path):
    run, rows = clicks
    with_labels(rows, tmp_path / "new.csv")
    code = STOPPED.format(module="output", function="synchronize", signal=int(signal.SIGTERM))
    options = (f"--workdir={run}", "--table=new.csv", "--bootstrap=100", "--output=out")
    stopped = run_program(code, *options, folder=tmp_path)
    assert stopped.returncode == 143
    assert stopped.stderr.splitlines()[-1].startswith("ctrzoo-evaluate: interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table=new.csv"], "Which run? Give its folder as --workdir"),
        (["--workdir=nothing"], "Train a run first: nothing/model.keras not found"),
        (["--workdir=run", "--compare=nothing"], "Train a run first: nothing/model.keras not found"),
        (["--workdir=run", "--compare=run"], "--workdir and --compare: 'run' is given twice"),
        (["--workdir=run", "--compare=old/../run/"], "--workdir and --compare: 'old/../run/' is given twice"),
        (["--workdir=run", "--table=new.csv", "--by=site,site"], "--by: 'site' is given twice"),
        (["--workdir=run", "--table=new.csv", "--split=test"], "--table has rows of its own, and --split is for"),
        (["--workdir=run", "--table=new.csv", "--data=data"], "--table has rows of its own, and --data is for"),
        (["--workdir=run", "--bad_rows=skip"], "--bad_rows is for --table"),
        (["--workdir=run", "--format=csv"], "--format is for --table"),
        (["--workdir=run", "--table=new.csv", "--slices=3"], "--slices is for the slices of --by"),
        (["--workdir=run", "--table=new.csv", "--most_skipped=0.5"], "is for --bad_rows=skip"),
        (["--workdir=run"], "run/experiment.json not found, which names the prepared folder"),
        (["--workdir=run", "--data=data", "--by=sight"], "--by: Unknown field 'sight'. Did you mean 'site'"),
        (["--workdir=run", "--data=data", "--by=tags"], "--by=tags: a row of a multivalued field holds several"),
        (["--workdir=run", "--table=new.csv", "--by=sight"], "Unknown column 'sight'. Did you mean 'site'"),
        (["--workdir=run", "--table=nwe.csv"], "nwe.csv does not exist"),
        (["--workdir=alone", "--table=new.csv"], "how cells become ids. Evaluate the run on a --split of its data"),
        (["--workdir=run", "--table=unlabelled.csv"], "Unknown column 'click'"),
        (["--workdir=run", "--table=header.csv"], "The table has no rows to score"),
        (["--workdir=run", "--table=new.csv", "--output=no/out"], "The folder no does not exist"),
        (["--workdir=run", "--table=new.csv", "--output=old"], "old exists. Pass --overwrite to replace it"),
        (["--workdir=run", "--table=new.csv", "--output=.", "--overwrite"], "holds what no evaluation wrote, such as"),
        (["--workdir=run", "--table=new.csv", "--compare=numbers"], "Runs of one task can be compared"),
    ],
)
def test_failures(arguments, message, clicks, tmp_path, monkeypatch):
    run, rows = clicks
    monkeypatch.chdir(tmp_path)
    with_labels(rows, "new.csv")
    with_labels(rows[:0], "header.csv")
    rows[["key", "site", "user", "price", "age", "at", "tags", "x", "y"]].to_csv("unlabelled.csv", index=False)
    pathlib.Path("old").mkdir()
    pathlib.Path("old/metrics.json").write_text("old")
    for name in ("run", "data"):
        pathlib.Path(name).symlink_to(run.parent / name)
    pathlib.Path("alone").mkdir()
    shutil.copy(run / "model.keras", "alone")
    if "--compare=numbers" in arguments:
        run_of(pathlib.Path("numbers"), data_pipelines.load("data"), task="regression")
    with pytest.raises((ValueError, OSError)) as failed:
        evaluate("--bootstrap=100", "--output=out", *arguments)
    assert message in str(failed.value) and len(str(failed.value).splitlines()) == 1
    assert not pathlib.Path("out").exists() and pathlib.Path("old/metrics.json").read_text() == "old"


def test_runs_on_other_data_or_other_rows_are_refused(clicks, tmp_path):
    run, rows = clicks
    clicks_frame(700, seed=1).to_csv(tmp_path / "rows.csv", index=False)
    other, *_ = prepared_run(tmp_path, tmp_path / "rows.csv", SCHEMA)
    for folder, data in ((run, run.parent / "data"), (other, tmp_path / "data")):
        (folder / "experiment.json").write_text(json.dumps({"data": {"folder": str(data)}}))
    options = (f"--workdir={run}", f"--compare={other}", "--bootstrap=100", f"--output={tmp_path / 'out'}")
    try:
        with pytest.raises(ValueError, match="was trained on .*, whose splits may differ. Compare them on a --table"):
            evaluate(*options)
    finally:
        (run / "experiment.json").unlink()
    table = with_labels(rows, tmp_path / "new.csv")
    evaluate(*options, f"--table={table}")
    assert len(evaluated(tmp_path / "out")[0]["differences"]) == 5
    schema = {"label": {"column": "click", "positive": 0}, "fields": ["site"], "split": SCHEMA["split"]}
    (tmp_path / "turned").mkdir()
    turned, *_ = prepared_run(tmp_path / "turned", tmp_path / "rows.csv", schema)
    with pytest.raises(ValueError, match="were trained on other labels: the rows of the table differ in them"):
        evaluate(f"--workdir={run}", f"--compare={turned}", f"--table={table}", f"--output={tmp_path / 'x'}")
    rows = rows.assign(click=["", *rows["click"][1:]], price=["1"] * 400 + ["cheap"] + ["1"] * 199)
    table = tmp_path / "parts"
    table.mkdir()
    for part in range(3):  # each file is a chunk; no run can use the first row
        with_labels(rows[200 * part : 200 * (part + 1)], table / f"{part}.csv")
    with pytest.raises(ValueError, match="cannot use the same rows, such as row 401 of the table"):
        evaluate(
            f"--workdir={run}",
            f"--compare={turned}",
            f"--table={table}",
            "--bad_rows=skip",
            f"--output={tmp_path / 'x'}",
        )


def test_the_program_starts_and_fails_in_one_line(tmp_path):
    for arguments, message in (
        (["--tabel=new.csv"], "Unknown flag --tabel. Did you mean --table=new.csv?"),
        (["--out=folder"], "Unknown flag --out. Did you mean --output=folder?"),
        (["--bootstrap=10"], "flag --bootstrap=10"),
        ([], "Which run?"),
    ):
        command = [sys.executable, "-m", "ctrzoo.experiments.evaluate", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        failed = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
        assert failed.returncode == 1 and failed.stdout == ""
        assert failed.stderr.startswith(f"ctrzoo-evaluate: {message}") and len(failed.stderr.splitlines()) == 1
