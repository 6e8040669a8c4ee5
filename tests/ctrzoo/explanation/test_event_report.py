"""Histories in the report: sentences, tables and pictures of a planted model."""

import csv
import re

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation.analysis import analyse
from ctrzoo.explanation.report import write_explanations
from tests.ctrzoo.explanation.planted_history import FIRST_ITEM, FIRST_KIND, SCHEMA, planted_history


def table_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows():
    """Rows of which the first has three events: kinds 1, 2 and 1, of which 1 is the candidate's, the newest last."""
    model, features, labels = planted_history()
    ids, values = features["ids"], features["values"]
    ids[:3, 3:], values[:3, 3:] = 0, 0
    ids[0, :3] = 1, FIRST_ITEM + 1, FIRST_KIND + 1
    ids[0, 3:6], ids[0, 7:10] = FIRST_ITEM + np.array([4, 2, 1]), FIRST_KIND + np.array([1, 2, 1])
    ids[2, 3], ids[2, 7], ids[2, 2] = FIRST_ITEM + 2, FIRST_KIND + 2, FIRST_KIND
    values[0, [3, 4, 5, 7, 8, 9]] = values[2, [3, 7]] = 1
    return model, features, labels, {name: array[:3] for name, array in features.items()}


TEXTS = {"seen": [["<b>d", None, "b"], [], ["c"]], "seen_kind": [["one", "two", "one"], [], ["two"]]}


def test_events_in_words_and_in_tables(rows, tmp_path):
    model, features, labels, shown = rows
    (tmp_path / "report.html").touch()
    (tmp_path / "events_2.csv").touch()  # of a report with two histories
    analysis = analyse(model, features, labels, repeats=1)
    path = write_explanations(tmp_path, model, analysis, shown, labels[:3], event_texts=TEXTS)
    text = " ".join(re.sub(r"base64,[^\"]*", "", path.read_text(encoding="utf-8")).split())
    words = "<p>Strongest of the 3 events of log: <b>1 event ago</b>, seen = b, seen_kind = one, with the candidate's "
    words += "seen and seen_kind (+3); <b>3 events ago</b>, seen = &lt;b&gt;d, seen_kind = one, with the candidate's "
    assert words + "seen_kind (+0.75).</p>" in text
    assert "<p>History log: no event.</p>" in text and "History log: none of its 1 events has a weight.</p>" in text
    assert "<h2>Events of the history log</h2>" in text and "order shuffled in rows" in text
    assert "rank correlation of the mean weight is 1.00 with the logit change" in text
    newest, oldest = table_of(tmp_path / "row_events.csv")
    assert newest["values"] == "seen = b, seen_kind = one" and newest["as_candidate"] == "seen seen_kind"
    assert (oldest["place"], oldest["weight"], oldest["row"]) == ("3", "0.75", "0")
    curve = table_of(tmp_path / "events_1.csv")
    assert [line["place"] for line in curve] == ["1", "2", "3", "4"]
    assert float(curve[0]["auc_lost"]) > float(curve[2]["auc_lost"])
    assert (tmp_path / "events_1.png").stat().st_size and (tmp_path / "events_1.svg").stat().st_size
    assert not (tmp_path / "events_2.csv").exists() and not (tmp_path / "row_terms.csv").exists()


def test_without_texts_only_places_are_said(rows, tmp_path):
    model, features, labels, shown = rows
    analysis = analyse(model, features, labels, repeats=1)
    text = write_explanations(tmp_path, model, analysis, shown, labels[:3]).read_text(encoding="utf-8")
    assert "<b>1 event ago</b>, with the candidate's seen and seen_kind (+3); " in text


def test_a_model_without_weights_has_the_test_alone(rows, tmp_path):
    _, features, labels, shown = rows
    model = models.build("pooled", SCHEMA, deep_units=(4,))
    analysis = analyse(model, features, labels, repeats=1, most_pairs=1)
    text = write_explanations(tmp_path, model, analysis, shown, labels[:3], event_texts=TEXTS).read_text("utf-8")
    assert "The model gives events no weights" in text and "Row by row" not in text
    assert list(table_of(tmp_path / "events_1.csv")[0]) == ["place", "rows", "logit_change", "auc_lost"]
