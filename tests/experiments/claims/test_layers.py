"""What GraphFM's layers tell, on small models against loops, and correlations by hand."""

import json

import numpy as np
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.experiments.claims.layers import AUC, EFFECTS, LOGIT, SIZE, WEIGHTS, agreement, layers_of, main, markdown
from ctrzoo.explanation.permutation import PermutationImportance
from ctrzoo.models import GraphFM, build
from tests.experiments.claims.test_figure4 import SCHEMA, random_model, random_rows
from tests.models.reference import random_weights


def test_layers_are_averages_over_rows_and_directions(monkeypatch):
    monkeypatch.setattr("ctrzoo.experiments.claims.layers.ROWS_AT_ONCE", 16)
    model, (features, _) = random_model(), random_rows(40)
    found, explained = layers_of(model, features), model.explainer()(features)
    for layer in (1, 2, 3):
        edges, attention = (np.asarray(explained[f"{name}_{layer}"], "float64") for name in ("edges", "attention"))
        expected = np.zeros((4, 4))
        for row in range(40):
            for i in range(4):
                for j in range(4):
                    weight = edges[row, i, j] * sum(attention[row, head, i, j] for head in range(2)) / 2
                    expected[i, j] += weight / 80
                    expected[j, i] += weight / 80
        np.testing.assert_allclose(found["weights"][layer - 1], expected, rtol=1e-5)
        chosen = edges[edges > 0]
        assert found["lowest"][layer - 1] == pytest.approx(chosen.min(), rel=1e-5)
        assert found["highest"][layer - 1] == pytest.approx(chosen.max(), rel=1e-5)
    pairs = np.asarray(explained["pairs"], "float64").mean(axis=0)
    np.testing.assert_allclose(found["effects"].mean(axis=0), pairs, rtol=1e-5, atol=1e-7)


def test_agreement_by_hand():
    """Pairs (0, 1), (0, 2), (1, 2); the first explanation has their order, the second the opposite one."""
    weights, effects = np.zeros((2, 1, 3, 3))
    for (i, j), weight in {(0, 1): 1, (0, 2): 2, (1, 2): 3}.items():
        weights[0, i, j], effects[0, i, j] = weight, -weight
    interaction, logit = np.array([[-4.0, 1.0, 2.0]]), np.array([[1.0, 2.0, 6.0]])
    importance = PermutationImportance(
        0.7, np.zeros((1, 3)), [(0, 1), (0, 2), (1, 2)], np.zeros((1, 3)), interaction, logit
    )
    rows = agreement({"weights": weights, "effects": effects}, importance)
    assert [(row["explanation"], row["layer"]) for row in rows] == [
        (WEIGHTS, "all"), (WEIGHTS, 1), (EFFECTS, "all"), (EFFECTS, 1), (LOGIT, "all")
    ]  # fmt: skip
    # Deviations (-1, 0, 1) and (-11, 4, 7) / 3 have the correlation 18 / sqrt(2 * 186).
    assert rows[0][AUC] == pytest.approx([18 / 372**0.5, 1])
    # Absolute values (4, 1, 2): ranks 3, 1, 2 against 1, 2, 3; deviations (5, -4, -1) / 3.
    assert rows[0][SIZE] == pytest.approx([-6 / 84**0.5, -0.5])
    # Deviations (-2, -1, 3).
    assert rows[0][LOGIT] == pytest.approx([5 / 28**0.5, 1])
    assert rows[2][LOGIT] == pytest.approx([-5 / 28**0.5, -1])
    assert rows[1] == {**rows[0], "layer": 1} and rows[4][LOGIT] == pytest.approx([1, 1])


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="Only a GraphFM has such layers. Received: fm"):
        layers_of(build("fm", SCHEMA), random_rows(4)[0])


def test_runs_of_different_depth_are_refused():
    def run(layers):
        return {"title": f"{layers} layers", "rows": 1, "layers": [], "agreement": [{"explanation": WEIGHTS, "layer": k}
            for k in range(layers)]}  # fmt: skip

    with pytest.raises(ValueError, match="2 layers has not as many as 3 layers"):
        markdown([run(3), run(2)])


def test_the_program_measures_finished_runs(tmp_path, capsys):
    data = load(prepare("synthetic", tmp_path / "data", num_rows=600))
    runs = []
    for seed in (1, 2):
        model = GraphFM(data.schema, embedding_dim=4, units=(4, 4))
        random_weights(model, seed=seed)
        runs.append(tmp_path / f"run_{seed}")
        runs[-1].mkdir()
        model.save(runs[-1] / "model.keras")
        settings = {"model": "graphfm", "seed": seed, "epochs": 2}
        text = json.dumps({"settings": settings, "data": {"folder": str(data.folder)}})
        (runs[-1] / "experiment.json").write_text(text)
    arguments = ["--rows=50", "--repeats=1", f"--folder={tmp_path / 'claims'}"]
    main(["--workdir", *map(str, runs), *arguments])
    printed = capsys.readouterr().out
    assert (tmp_path / "claims" / "layers.md").read_text(encoding="utf-8") == printed
    assert printed.count("| graphfm, seed 1, 2 epochs |") == 2
    stored = json.loads((tmp_path / "claims" / "layers.json").read_text(encoding="utf-8"))["runs"]
    values = [run["agreement"][0][LOGIT][1] for run in stored]
    assert [run["rows"] for run in stored] == [50, 50] and len(set(values)) == 2
    assert f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" in printed
    with pytest.raises(SystemExit):
        main([f"--workdir={runs[0]}", "--split=tests"])
    assert "has no split 'tests', but: train, valid, test" in capsys.readouterr().err
