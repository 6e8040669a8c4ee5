"""Pictures: the points of curves, and that every kind is drawn."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from ctrzoo.experiments.evaluation import pictures
from ctrzoo.experiments.evaluation.pictures import calibration_picture, curves, curves_picture, slices_picture
from ctrzoo.experiments.evaluation.scored import ScoredRun
from ctrzoo.metrics import Scored


def rows_of(size=300, is_weighted=False, seed=0):
    random = np.random.default_rng(seed)
    labels = (random.random(size) < 0.4).astype(np.float32)
    scores = (random.random(size) * 0.7 + labels * 0.2).round(2)
    return Scored(labels, scores, random.integers(0, 4, size).astype(np.float32) if is_weighted else None)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_points_are_those_of_sklearn(is_weighted):
    rows = rows_of(is_weighted=is_weighted)
    false_rate, recall, precision = curves(rows)
    expected = roc_curve(rows.labels, rows.scores, sample_weight=rows.weights, drop_intermediate=False)
    found = set(zip(false_rate.round(9), recall.round(9), strict=True))
    assert set(zip(expected[0].round(9), expected[1].round(9), strict=True)) - {(0.0, 0.0)} <= found
    expected = precision_recall_curve(rows.labels, rows.scores, sample_weight=rows.weights)
    assert set(zip(recall.round(9), precision.round(9), strict=True)) <= set(
        zip(expected[1].round(9), expected[0].round(9), strict=True)
    )
    area = (np.diff(np.r_[0, recall]) * precision).sum()
    assert area == pytest.approx(average_precision_score(rows.labels, rows.scores, sample_weight=rows.weights))


def test_long_curves_have_fewer_points_and_keep_their_ends(monkeypatch):
    rows, monkeypatched = rows_of(), 20
    whole = curves(rows)
    monkeypatch.setattr(pictures, "POINTS", monkeypatched)
    for long, short in zip(whole, curves(rows), strict=True):
        assert len(short) == monkeypatched < len(long)
        assert (short[0], short[-1]) == (long[0], long[-1]) and np.isin(short, long).all()


def is_drawn(picture):
    image = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    assert image.shape[0] > 100 and image.shape[1] > 400
    return len(np.unique(image.reshape(-1, 3), axis=0)) > 20


def test_every_kind_is_drawn():
    runs = [ScoredRun(pathlib.Path(f"runs/$_{seed}"), "fm", "classification", rows_of(seed=seed)) for seed in (1, 2)]
    assert is_drawn(calibration_picture(runs[0])) and is_drawn(curves_picture(runs))
    numbers = {name + end: 0.5 for name in ("mean_label", "auc") for end in ("", "_low", "_high")}
    undefined = {f"auc{end}": None for end in ("", "_low", "_high")}
    table = [{"slice": text, "run": run} | numbers for text in ("a$", "b", "c") for run in ("r", "s")]
    table[0] |= undefined
    assert is_drawn(slices_picture(table, "classification"))
