"""Ranks of models and baselines on a small log, and that nothing of the target leaks into the features."""

import json

import numpy as np
import pytest

from ctrzoo.experiments.next_movie.data import read_ranking_data
from ctrzoo.experiments.next_movie.evaluation import KEPT, rank_baselines, rank_model, rank_run
from ctrzoo.models import build
from tests.experiments.next_movie.log import prepared
from tests.models.cases import randomize


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("log"))[0]


def random_fm(data):
    model = build("fm", data.schema)
    randomize(model)
    return model


def test_ranks_of_a_model_equal_those_of_predictions(data):
    model, ranking = random_fm(data), read_ranking_data(data)
    found = rank_model(model, ranking)
    slots = np.isin(np.array(data.schema.names)[list(data.schema.slot_fields)], ("movie", "genres", "year"))
    explainer = model.explainer()
    everything, unseen, rows_of = [], [], ("ids", "values")
    for query, (target, seen) in enumerate(zip(ranking.targets(), ranking.seen(), strict=True)):
        rows = {name: np.where(slots, ranking.candidates[name], ranking.features[name][query]) for name in rows_of}
        scores = explainer.predict_on_batch(rows)["logit"][:, 0]
        higher = scores > scores[target]
        everything.append(1 + higher.sum())
        unseen.append(1 + np.delete(higher, seen).sum())
    assert found["metrics"]["all"]["mean_rank"] == pytest.approx(np.mean(everything))
    assert found["metrics"]["unseen"]["mean_rank"] == pytest.approx(np.mean(unseen))
    assert found["method"] == "factored" and found["queries"] == len(everything)


def test_the_ranks_of_a_run_are_kept(data, tmp_path):
    random_fm(data).save(tmp_path / "model.keras")
    ranking = read_ranking_data(data, most=20)
    first = rank_run(tmp_path, ranking, data.schema)
    assert json.loads((tmp_path / KEPT).read_text()) == first and first["queries"] == 20
    (tmp_path / "model.keras").unlink()
    assert rank_run(tmp_path, ranking, data.schema) == first
    with pytest.raises(ValueError, match="model.keras"):
        rank_run(tmp_path, read_ranking_data(data, most=10), data.schema)


def test_popularity_counts_training_and_validation_queries(data):
    ranking = read_ranking_data(data)
    counts = {movie: 0 for movie in ranking.movies.tolist()}
    for target, split in zip(ranking.queries.targets.tolist(), ranking.splits, strict=True):
        counts[target] += split < 2
    expected = []
    for target in ranking.queries.targets[ranking.chosen].tolist():
        higher = sum(count > counts[target] for count in counts.values())
        equal = sum(count == counts[target] for count in counts.values())
        expected.append(higher + (equal + 1) / 2)
    assert rank_baselines(ranking)["metrics"]["popularity"]["all"]["mean_rank"] == pytest.approx(np.mean(expected))
