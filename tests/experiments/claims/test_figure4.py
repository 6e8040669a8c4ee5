"""Figure 4's claims on small models, against loops over rows, and on planted edges."""

import itertools
import json

import keras
import numpy as np
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.experiments.claims import figure4
from ctrzoo.experiments.claims.figure4 import main, measure, verdicts
from ctrzoo.models import GraphFM, build
from ctrzoo.schema import Field, Schema
from tests.models.reference import random_weights

SCHEMA = Schema([Field(f"field_{number}", vocabulary_size=6) for number in range(4)])


def random_rows(count, seed=0):
    random = np.random.default_rng(seed)
    ids = 1 + 6 * np.arange(4) + random.integers(6, size=(count, 4))
    features = {"ids": ids.astype("int32"), "values": np.ones((count, 4), "float32")}
    return features, random.integers(2, size=count).astype("float32")


def random_model(**options):
    keras.utils.set_random_seed(0)
    model = GraphFM(SCHEMA, embedding_dim=4, units=(4, 4, 4), **{"num_neighbors": (4, 2, 1), **options})
    random_weights(model, scale=0.8)
    return model


def test_numbers_are_those_of_loops_over_rows():
    model, (features, labels) = random_model(), random_rows(40)
    found = {name: np.asarray(array, "float64") for name, array in model.explainer()(features).items()}
    deviations, ranks, smallest, gaps = {1: [], 2: [], 3: []}, [], [], []
    overlaps = {(label, right): [] for label in (0, 1) for right in (True, False)}
    for row, label in enumerate(labels):
        chosen = {}
        for layer in (1, 2, 3):
            edges = found[f"edges_{layer}"][row]
            chosen[layer] = {pair for pair in itertools.product(range(4), repeat=2) if edges[pair] > 0}
            deviations[layer].append(np.std([edges[pair] for pair in chosen[layer]]))
        for i, weights in enumerate(found["edges_1"][row]):
            others = [weight for j, weight in enumerate(weights) if j != i]
            ranks.append(1 + sum(weight < weights[i] for weight in others))
            smallest.append(weights[i] < min(others))
            gaps.append(np.mean(others) - weights[i])
        right = (found["probability"].ravel()[row] > 0.5) == (label > 0.5)
        overlaps[int(label), bool(right)].append(len(chosen[2] & chosen[3]) / min(len(chosen[2]), len(chosen[3])))
    measured = measure(model, features, labels)  # in other batches, so that single edges round differently
    assert measured["rows"] == 40
    for layer, values in deviations.items():
        assert measured["spread"][str(layer)]["deviation"]["mean"] == pytest.approx(np.mean(values), rel=1e-5)
        assert measured["spread"][str(layer)]["highest"] == pytest.approx(found[f"edges_{layer}"].max(), rel=1e-5)
    lowest = found["edges_2"][found["edges_2"] > 0].min()
    assert measured["spread"]["2"]["lowest"] == pytest.approx(lowest, rel=1e-5)
    more = np.mean(deviations[3]) - np.mean(deviations[1])
    assert measured["spread"]["3"]["more than layer 1"]["mean"] == pytest.approx(more, rel=1e-4)
    diagonal = measured["diagonal"]
    assert diagonal["rank"]["mean"] == pytest.approx(np.mean(ranks)) and diagonal["rank by chance"] == 2.5
    assert diagonal["smallest"]["mean"] == pytest.approx(np.mean(smallest)) and diagonal["smallest by chance"] == 0.25
    assert diagonal["smaller by"]["mean"] == pytest.approx(np.mean(gaps), rel=1e-4)
    of_labels = {"all": (0, 1), "clicked": (1,), "not clicked": (0,)}
    for name, kept in of_labels.items():
        right, wrong = ([x for label in kept for x in overlaps[label, is_right]] for is_right in (True, False))
        own = measured["overlap"][name]
        assert own["rows"] == [len(right), len(wrong)]
        assert own["right"]["mean"] == pytest.approx(np.mean(right))
        assert own["difference"]["mean"] == pytest.approx(np.mean(right) - np.mean(wrong))


def planted(monkeypatch, count, smallest, same):
    """Make the model's answers: `smallest` of the diagonals are the smallest edges, and layers agree by `same`.

    The first half of the rows is predicted rightly.
    """

    def answers(model, features):
        rows = len(features["ids"])
        random = np.random.default_rng(1)
        right = features["ids"][:, 0] == 1
        first = 0.4 + 0.001 * random.random((rows, 4, 4))
        is_small = random.random((rows, 4)) < smallest
        first[:, range(4), range(4)] = np.where(is_small, 0.3, 0.5)
        second, third = np.zeros((rows, 4, 4)), np.zeros((rows, 4, 4))
        second[:, 0, :2] = random.random((rows, 2))
        agree = random.random(rows) < np.where(right, *same)
        third[:, 0, 0], third[:, 1, 1] = agree * random.random(rows), ~agree * random.random(rows)
        return {
            "probability": np.where(right, 0.9, 0.1),
            **{"edges_1": first, "edges_2": second, "edges_3": third + 1e-9 * (third > 0)},
        }

    monkeypatch.setattr(figure4, "explain_rows", answers)
    features = {"ids": np.zeros((count, 4), int), "values": np.ones((count, 4))}
    features["ids"][: count // 2, 0] = 1
    return features, np.ones(count)


@pytest.mark.parametrize(
    ("smallest", "same", "diagonal", "overlap"),
    [
        (0.9, (0.2, 0.6), "holds", "holds"),
        (0.1, (0.6, 0.2), "does not hold", "does not hold"),
        (0.5, (0.4, 0.4), "within noise", "within noise"),
    ],
)
def test_planted_edges_are_found(monkeypatch, smallest, same, diagonal, overlap):
    features, labels = planted(monkeypatch, 2000, smallest, same)
    measured = measure(random_model(), features, labels)
    said = verdicts(measured)
    assert (said["diagonal"], said["overlap"]) == (diagonal, overlap)
    assert measured["rightly predicted"] == 0.5
    assert measured["overlap"]["all"]["difference"]["mean"] == pytest.approx(same[0] - same[1], abs=0.06)
    assert measured["overlap"]["not clicked"] is None  # all labels are 1


def test_an_interval_is_as_wide_as_the_standard_error_says(monkeypatch):
    features, labels = planted(monkeypatch, 2000, 0.5, (0.3, 0.3))
    difference = measure(random_model(), features, labels)["overlap"]["all"]["difference"]
    # Two means of 1,000 yes-or-no answers with probability 0.3.
    expected = 2 * 1.96 * (2 * 0.3 * 0.7 / 1000) ** 0.5
    assert difference["high"] - difference["low"] == pytest.approx(expected, rel=0.15)
    assert difference["low"] < difference["mean"] < difference["high"]


def test_the_spread_does_not_hold_if_the_first_layer_is_wider(monkeypatch):
    features, labels = planted(monkeypatch, 200, 0.5, (0.5, 0.5))
    answers = figure4.explain_rows

    def swapped(model, features):
        found = answers(model, features)
        return {**found, "edges_1": found["edges_1"] ** 40, "edges_2": 0.5 * (found["edges_2"] > 0)}

    monkeypatch.setattr(figure4, "explain_rows", swapped)
    assert verdicts(measure(random_model(), features, labels))["spread"] == "does not hold"


def test_a_first_layer_that_selects_says_nothing_of_the_smallest():
    measured = measure(random_model(num_neighbors=(2, 2, 1)), *random_rows(30))
    assert measured["diagonal"] is None and verdicts(measured)["diagonal"] == "not measured"


def test_rows_that_select_nothing_are_left_out():
    model = random_model(num_neighbors=None, selection="threshold", threshold=0.98)
    features, labels = random_rows(60)
    found = {name: np.asarray(array) for name, array in model.explainer()(features).items()}
    some = (found["edges_2"] > 0).any(axis=(1, 2)) & (found["edges_3"] > 0).any(axis=(1, 2))
    assert 0 < some.sum() < 60
    assert sum(measure(model, features, labels)["overlap"]["all"]["rows"]) == some.sum()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: build("fm", SCHEMA), "needs a GraphFM of at least three layers. Received: fm"),
        (lambda: GraphFM(SCHEMA, units=(4, 4)), "at least three layers"),
        (lambda: GraphFM(SCHEMA, use_selection=False), "use_selection=False"),
        (lambda: GraphFM(SCHEMA, task="regression"), "task='regression'"),
    ],
)
def test_models_without_such_edges_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        measure(model(), *random_rows(4))


def test_the_program_measures_a_finished_run(tmp_path, capsys):
    data = load(prepare("synthetic", tmp_path / "data", num_rows=400))
    model = GraphFM(data.schema, embedding_dim=4, units=(4, 4, 4), num_neighbors=(10, 5, 2))
    random_weights(model)
    run = tmp_path / "run"
    run.mkdir()
    model.save(run / "model.keras")
    settings = {"model": "graphfm", "seed": 1, "epochs": 2}
    (run / "experiment.json").write_text(json.dumps({"settings": settings, "data": {"folder": str(data.folder)}}))
    main([f"--workdir={run}", "--split=valid", f"--folder={tmp_path / 'claims'}"])
    printed = capsys.readouterr().out
    assert f"at most 2 epochs, synthetic/valid: {data.num_rows['valid']:,} rows" in printed
    assert (tmp_path / "claims" / "figure4.md").read_text(encoding="utf-8") == printed
    stored = json.loads((tmp_path / "claims" / "figure4.json").read_text(encoding="utf-8"))
    features, labels = data.arrays("valid")
    assert stored["overlap"] == json.loads(json.dumps(measure(model, features, labels[:, 0])["overlap"]))
    with pytest.raises(SystemExit):
        main([f"--workdir={run}", "--split=tests"])
    assert "has no split 'tests', but: train, valid, test" in capsys.readouterr().err
