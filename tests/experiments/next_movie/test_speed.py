"""The benchmark scores the pairs that it says it does."""

import pytest

from ctrzoo.experiments.next_movie.data import read_ranking_data
from ctrzoo.experiments.next_movie.speed import speeds
from ctrzoo.models import build
from tests.experiments.next_movie.log import prepared
from tests.models.cases import randomize


def test_both_ways_score_the_same_pairs(tmp_path):
    data, _ = prepared(tmp_path)
    model = build("nfm", data.schema)
    randomize(model)
    found = speeds(model, read_ranking_data(data, most=5), turns=1)
    assert found["error"] < 1e-4 and found["ranking"] > 0
    assert found["times_predict"] == pytest.approx(found["ranking"] / found["predict"])
