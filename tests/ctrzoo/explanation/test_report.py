"""The folder of explanations: complete, readable by other programs, and without a request to the network."""

import csv
import html.parser
import re
import types

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation import report as report
from ctrzoo.explanation.analysis import analyse
from ctrzoo.explanation.explainer import explain_rows
from ctrzoo.explanation.report import strongest_pairs, write_explanations
from tests.small_data import random_rows

TEXTS = [["<b>anna", "31", "(rare)", "x, y"]]


class Page(html.parser.HTMLParser):
    """Collects tags that must be closed, addresses and headings."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.wrong = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.mark.parametrize("name", ["graphfm", "lr"])
def test_the_folder_is_complete_and_needs_no_network(name, mixed_schema, tmp_path):
    features, labels = random_rows(mixed_schema, 60, np.random.default_rng(0))
    model = models.build(name, mixed_schema, **({"units": (4,)} if name == "graphfm" else {}))
    analysis = analyse(model, features, labels, [("user", "item")], repeats=1)
    first = {key: array[:1] for key, array in features.items()}
    (tmp_path / "out").mkdir()
    for earlier in ("report.html", "row_7.png", "graph.svg", "rows.csv", "row_terms.csv", "comparison.csv"):
        (tmp_path / "out" / earlier).touch()  # of a model that says more
    path = write_explanations(tmp_path / "out", model, analysis, first, labels[:1], TEXTS, [5])
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open and not page.wrong
    assert page.addresses and all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not re.search(r"https?:|//|@import|url\(|<script|<link", re.sub(r"base64,[^\"]*", "", text))
    assert "&lt;b&gt;anna" in text and "<b>anna" not in text
    assert f"Row 5: label {labels[0, 0]:.0f}" in text
    files = {file.name for file in path.parent.iterdir()}
    expected = {"report.html", "edges.csv", "fields.csv", "fields.png", "fields.svg", "check.png", "check.svg"}
    if name == "graphfm":
        expected |= {"graph.png", "graph.svg", "matrices.png", "matrices.svg", "rows.csv"}
        expected |= {"row_5.png", "row_5.svg"}
        assert (path.parent / "graph.svg").stat().st_size
        with open(path.parent / "rows.csv", newline="", encoding="utf-8") as file:
            assert {row["value"] for row in csv.DictReader(file)} <= {cell for row in TEXTS for cell in row}
    if name == "lr":
        expected |= {"row_terms.csv"}
    assert files == expected
    with open(path.parent / "edges.csv", newline="", encoding="utf-8") as file:
        edges = list(csv.DictReader(file))
    assert len(edges) == 6 and sum(int(edge["planted"]) for edge in edges) == 1


def test_the_strongest_pairs_of_a_row_with_their_signs(mixed_schema):
    features, _ = random_rows(mixed_schema, 8, np.random.default_rng(0))
    model = models.build("fm", mixed_schema)
    explained = explain_rows(model, features)
    explained["pairs"][3] = [[0, -4, 1, 0], [-4, 0, 2, 0], [1, 2, 0, 1], [0, 0, 1, 0]]
    first, second = strongest_pairs(explained, 3, np.full((4, 4), 0.5), count=2)
    assert first == {"pair": (0, 1), "weight": -4, "share": 0.5, "mean": 0.5}
    assert (second["pair"], second["weight"], second["share"]) == ((1, 2), 2, 0.25)


def test_a_row_in_words_and_in_tables(mixed_schema, tmp_path):
    """An LR whose only weights are those of the row's user, 0.5, and of its item, -2."""
    features, labels = random_rows(mixed_schema, 60, np.random.default_rng(0))
    features["ids"][0, [0, 2]], features["values"][0, [0, 2]] = np.take(mixed_schema.first_ids, [0, 2]), 1
    first = {key: array[:1] for key, array in features.items()}
    model = models.build("lr", mixed_schema)
    table = next(weight for weight in model.trainable_weights if weight.shape[0] > 1)
    weights = np.zeros(table.shape)
    weights[np.take(mixed_schema.first_ids, [0, 2]), 0] = 0.5, -2
    table.assign(weights)
    analysis = analyse(model, features, labels, repeats=1)
    path = write_explanations(tmp_path, model, analysis, first, labels[:1], TEXTS, [5])
    words = "<p>Strongest fields: <b>item</b> = (rare) (-2), <b>user</b> = &lt;b&gt;anna (+0.5), "
    assert words in path.read_text(encoding="utf-8")
    with open(tmp_path / "row_terms.csv", newline="", encoding="utf-8") as file:
        strongest, second, *_ = csv.DictReader(file)
    expected = {"row": "5", "explanation": "fields", "rank": "1", "term": "item", "value": "(rare)", "weight": "-2.0"}
    assert expected.items() <= strongest.items()
    assert (second["term"], second["weight"]) == ("user", "0.5")


def test_no_empty_headings(mixed_schema, tmp_path):
    """A cross network explains nothing of a row; an FM of zero vectors has no strongest pair."""
    features, labels = random_rows(mixed_schema, 60, np.random.default_rng(0))
    texts = {}
    for name in ("cross_net", "fm"):
        model = models.build(name, mixed_schema)
        for weight in model.trainable_weights:
            weight.assign(np.zeros(weight.shape))
        analysis = analyse(model, features, labels, repeats=1)
        first = {key: array[:1] for key, array in features.items()}
        path = write_explanations(tmp_path / name, model, analysis, first, labels[:1])
        texts[name] = re.sub(r"base64,[^\"]*", "", path.read_text(encoding="utf-8"))
    assert "Row" not in texts["cross_net"] and "What the model names: none.</p>" in texts["cross_net"]
    assert "Row by row" in texts["fm"] and "Strongest interactions" not in texts["fm"]
    for text in texts.values():
        assert not re.search(r"<ol></ol>|<p></p>|</h3>\s*<h|</h2>\s*(<h2|</body)", text)


@pytest.mark.parametrize(
    ("label", "predicted", "ending"),
    [
        (1, 0.2, "above the base rate of 0.109 (right)"),
        (0, 0.2, "above the base rate of 0.109 (wrong)"),
        (0, 0.1, "below the base rate of 0.109 (right)"),
        (1, 0.1, "below the base rate of 0.109 (wrong)"),
    ],
)
def test_a_probability_is_compared_with_the_base_rate(label, predicted, ending):
    model = types.SimpleNamespace(task="classification")
    start = f"Row 5: label {label}, predicted {predicted:.3f}"
    assert report._heading(model, 5, label, predicted, 0.109) == f"{start}, {ending}"
    assert report._heading(model, 5, label, predicted, None) == start


WORDS = {
    ("regression", None): (
        ("MSE of these rows: ", "(RMSE ", "Dots: rise in MSE without the field", "rise in MSE: together"),
        ("<b>MSE interaction</b> is the rise in MSE by shuffling", "near zero, but for chance, unless they are correl"),
        ("<b>Prediction difference</b>", "contribution to the prediction (its linear term)", "too "),
    ),
    ("regression", "poisson"): (
        ("MSE of these rows: ", "because MSE is not linear in the log prediction"),
        ("<b>Log prediction difference</b>", "contribution to the log prediction (its linear term)"),
    ),
    ("ranking", None): (
        ("NDCG@10 of these rows: ", "Dots: NDCG@10 lost without the field", "NDCG@10 lost: together"),
        ("<b>NDCG@10 interaction</b> is the NDCG@10 lost by shuffling", "NDCG@10 is not linear in the score"),
        ("<b>Score difference</b>", "all rows of a group alike counts in it, but not in NDCG@10", "to the score"),
    ),
    ("classification", None): (
        ("AUC of these rows: ", "Dots: AUC lost without the field", "AUC lost: together"),
        ("<b>AUC interaction</b> is the AUC lost by shuffling", "can be below zero, because AUC is not linear."),
        ("<b>Logit difference</b>", "contribution to the logit (its linear term)"),
    ),
}


@pytest.mark.parametrize(("task", "loss"), WORDS)
def test_the_words_and_columns_are_those_of_the_task(task, loss, mixed_schema, tmp_path):
    features, labels = random_rows(mixed_schema, 60, np.random.default_rng(0))
    groups = np.arange(60) // 6 if task == "ranking" else None
    model = models.build("fm", mixed_schema, task=task, loss=loss)
    analysis = analyse(model, features, labels, repeats=1, groups=groups)
    first = {key: array[:1] for key, array in features.items()}
    notes = ["place 2 of 6"] if task == "ranking" else None
    text = write_explanations(tmp_path, model, analysis, first, labels[:1], rows=[5], notes=notes).read_text("utf-8")
    text = " ".join(re.sub(r"base64,[^\"]*", "", text).split())
    for words in WORDS[task, loss]:
        for word in words:
            assert word in text
    output = "probability" if task == "classification" else "prediction"
    predicted, label = float(explain_rows(model, first)[output][0]), float(labels[0, 0])
    error = f"{abs(predicted - label):.3f} too {'high' if predicted > label else 'low'}"
    heading = {
        "classification": f"predicted {predicted:.3f}",
        "regression": f"predicted {predicted:.3f}, {error}",
        "ranking": f"score {predicted:.3f}, place 2 of 6",
    }[task]
    assert f"Row 5: label {label:.0f}, {heading}</h3>" in text
    if task != "classification":
        assert not re.search(r"AUC|[Ll]ogit|probabilit|click", text)
    with open(tmp_path / "rows.csv", newline="", encoding="utf-8") as file:
        assert float(next(csv.DictReader(file))[output]) == pytest.approx(predicted, rel=1e-6)
    lost = {"classification": "auc_lost", "regression": "mse_rise", "ranking": "ndcg@10_lost"}[task]
    with open(tmp_path / "fields.csv", newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == ["field", lost, "deviation"]
    with open(tmp_path / "edges.csv", newline="", encoding="utf-8") as file:
        assert {f"{lost}_field", f"{lost}_other_field", f"{lost}_together"} < set(next(csv.reader(file)))
