"""A difference counts as rounding only if the model computes it with other last digits of its weights."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.exporting import rounding, write
from ctrzoo.experiments.exporting.rounding import compare
from ctrzoo.experiments.exporting.rows import CheckedRows
from ctrzoo.schema import Field, Schema
from tests.models.cases import randomize

ROW, ROWS, TOLERANCE = 7, 200, 1e-6


def predictions(model, features):
    return model.predict_on_batch(features)[:, 0]


@pytest.fixture(scope="module")
def tied():
    """A GraphFM, rows, its predictions, and what the other one of two edges that nearly tie makes of `ROW`.

    One embedding of the row is stretched until its prediction jumps, by bisection to the last digit.
    """
    schema = Schema([Field(f"f{number}", vocabulary_size=300) for number in range(6)])
    model = models.build("graphfm", schema, embedding_dim=4, units=(8,), num_neighbors=(2,), selector_units=4)
    randomize(model)
    random = np.random.default_rng(1)
    ids = (random.permuted(np.tile(np.arange(300), (6, 1)), axis=1)[:, :ROWS].T + schema.first_ids).astype(np.int32)
    features = {"ids": ids, "values": np.ones(ids.shape, np.float32)}
    row = {name: array[ROW : ROW + 1] for name, array in features.items()}
    table = next(weight for weight in model.weights if weight.shape == (schema.num_ids, 4))
    original = table.numpy()

    def stretched(factor):
        changed = original.copy()
        changed[ids[ROW, 2]] *= np.float32(factor)
        table.assign(changed)
        return predictions(model, row)[0]

    factors = np.linspace(0.5, 2, 400)
    steps = np.abs(np.diff([stretched(factor) for factor in factors]))
    place = int(steps.argmax())
    low, high = factors[place], factors[place + 1]
    first, second = stretched(low), stretched(high)
    while np.nextafter(np.float32(low), np.float32(3)) < np.float32(high):
        middle = (low + high) / 2
        between = stretched(middle)
        if abs(between - first) < abs(between - second):
            low, first = middle, between
        else:
            high, second = middle, between
    other = stretched(high)
    assert abs(stretched(low) - other) > 1e-4  # it jumps, however close both are
    return model, features, predictions(model, features), other


def test_a_near_tie_is_told_from_other_rows(tied):
    model, features, expected, other = tied
    before = [weight.copy() for weight in model.get_weights()]
    found = expected.copy()
    found[ROW] = other
    found[3] += 4e-7
    compared = compare(model, features, found, expected, TOLERANCE)
    assert (compared.rows, compared.rounded) == (ROWS, 1)
    assert compared.difference == pytest.approx(4e-7, abs=1e-7)
    assert compared.rounded_difference == pytest.approx(abs(other - expected[ROW]), rel=1e-6)
    (sentence,) = compared.sentences()
    assert sentence.startswith("1 of 200 rows is left out of this: rounding decides")
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("fault", [2e-6, 1e-4, -0.01, np.nan])
@pytest.mark.parametrize("row", [ROW, ROW + 1])
def test_a_real_fault_is_none_of_rounding(fault, row, tied):
    model, features, expected, other = tied
    found = expected.copy()
    found[ROW] = other
    found[row] += np.float32(fault)
    compared = compare(model, features, found, expected, TOLERANCE)
    assert not compared.rounded and not compared.difference <= TOLERANCE
    assert compared.sentences() == []


def test_many_rows_are_never_rounding(tied, monkeypatch):
    model, features, expected, other = tied
    rows = {name: np.repeat(array[ROW : ROW + 1], 300, axis=0) for name, array in features.items()}
    same, found = np.repeat(expected[ROW], 300), np.repeat(expected[ROW], 300)
    found[:3] = other
    assert compare(model, rows, found, same, TOLERANCE).rounded == 3
    found[3] = other
    compared = compare(model, rows, found, same, TOLERANCE)
    assert compared.rounded == 0 and compared.difference > 1e-4
    one = {name: array[:1] for name, array in rows.items()}
    assert compare(model, one, found[:1], same[:1], TOLERANCE).rounded == 1  # of few rows, one
    monkeypatch.setattr(rounding, "TRIES", 0)
    assert compare(model, one, found[:1], same[:1], TOLERANCE).rounded == 0


def test_weights_come_back_after_a_failure(tied, monkeypatch):
    model, features, expected, other = tied
    before, found = model.get_weights(), expected.copy()
    found[ROW] = other

    def fail(_):
        raise MemoryError

    monkeypatch.setattr(model, "predict_on_batch", fail)
    with pytest.raises(MemoryError):
        compare(model, features, found, expected, TOLERANCE)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_exports_tell_of_rows_that_rounding_decides(tied, tmp_path, monkeypatch):
    model, features, expected, other = tied
    found = expected.copy()
    found[ROW] = other
    monkeypatch.setattr(write.litert_file, "save_litert", lambda model, path: path.write_bytes(b"the file"))
    monkeypatch.setattr(write.litert_file, "run_litert", lambda path, features: found[: len(features["ids"])])
    rows = CheckedRows(features, None, "200 rows", [])
    first, second, _ = write.export(model, None, rows, ["litert"], tmp_path)
    assert first == "The LiteRT file differs from the model by at most 0.0e+00 on 200 rows."
    assert second.startswith(f"1 of {ROWS} rows is left out of this: rounding decides")
    page = (tmp_path / "litert" / "README.md").read_text()
    assert f"over 200 rows, is 0.0e+00. {second}" in page
    found[ROW + 1] += np.float32(1e-4)
    with pytest.raises(ValueError, match="The LiteRT file differs from the model by .* on 200 rows"):
        list(write.export(model, None, rows, ["litert"], tmp_path / "other"))
    assert not (tmp_path / "other").exists()
