"""The page: what it says of tests, and which pictures a task has. `test_evaluate.py` parses whole pages."""

import pathlib

import numpy as np

from ctrzoo.experiments.evaluation.page import page
from ctrzoo.experiments.evaluation.scored import ScoredRun
from ctrzoo.metrics import Scored

ESTIMATE = {"value": 0.5, "low": 0.4, "high": 0.6, "undefined": 0}
DIFFERENCE = {"metric": "mae", "run": "a", "other": "b", "difference": 0.1, "low": 0.0, "high": 0.2, "p": 0.05}
DIFFERENCE |= {"p_holm": 0.1, "test": "paired bootstrap"}


def page_of(labels, task="classification", differences=(), num_runs=1):
    runs = [
        ScoredRun(pathlib.Path(name), "fm", task, Scored(np.array(labels), np.linspace(0, 1, len(labels))))
        for name in "abc"[:num_runs]
    ]
    content = {
        "notes": ["a <note>"],
        "task": task,
        "differences": list(differences),
        "bootstrap": {"resamples": 399, "unit": "groups"},
        "runs": [{"run": str(run.folder), "metrics": {"mae": ESTIMATE}} for run in runs],
    }
    return page("A & B", ["about"], runs, content, [])


def test_pictures_of_clicks_and_of_one_class_and_of_numbers():
    assert page_of([0, 1, 0, 1]).count("<img") == 2
    assert page_of([0, 0]).count("<img") == page_of([1, 1]).count("<img") == 1  # no curves
    assert page_of([0.5, 2], "regression").count("<img") == 0


def test_what_is_said_of_the_tests():
    text = page_of([0, 1], "regression", [DIFFERENCE], 2)
    assert "on the same 399 resamples of groups; its smallest possible p-value is 0.005" in text
    assert "DeLong" not in text and "Holm" not in text
    text = page_of([0, 1], "classification", [DIFFERENCE], 2)
    assert "Rows have groups or weights, which DeLong&#x27;s test does not know" in text
    text = page_of([0, 1], "classification", [DIFFERENCE | {"test": "DeLong"}], 3)
    assert "DeLong&#x27;s test compares AUCs" in text and "Holm" in text and "paired bootstrap" not in text
    assert "<h1>A &amp; B</h1>" in text and "a &lt;note&gt;" in text
    assert "<h2>Differences" not in page_of([0, 1], "regression")
