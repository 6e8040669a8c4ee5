"""The ranks of a run's model, and those of the baselines."""

from __future__ import annotations

import json
import pathlib
import time
from typing import Any

import numpy as np

from ctrzoo.files import write_json
from ctrzoo.model import CTRModel
from ctrzoo.ranking import joined, places_of, rank_candidates

from ..explained_run import load_model
from .baselines import baselines
from .data import CANDIDATE_FIELDS, RankingData

KEPT = "ranks.json"
BASELINE_QUERIES = 1000


def rank_model(model: CTRModel, data: RankingData, **options: Any) -> dict[str, Any]:
    """Rank all movies for the chosen queries.

    Args:
        model: A model of the data's schema.
        data: The `RankingData`.
        **options: Options of `rank_candidates`.

    Returns:
        `metrics` (see `RankingData.summary`), `queries`, the `method` of scoring, `seconds` of processor time, and
        `pairs_per_second` of processor time.
    """
    start = time.process_time()
    ranking = rank_candidates(
        model, data.features, data.candidates, CANDIDATE_FIELDS, data.targets(), data.seen(), **options
    )
    seconds = time.process_time() - start
    assert ranking.unseen is not None
    pairs = len(data.chosen) * len(data.movies)
    return {
        "metrics": data.summary(ranking.all, ranking.unseen),
        "queries": len(data.chosen),
        "method": ranking.method,
        "seconds": round(seconds, 2),
        "pairs_per_second": round(pairs / seconds),
    }


def kept_ranks(path: pathlib.Path, queries: int) -> dict[str, Any] | None:
    """Return what a file keeps of the ranks of this many queries, or None.

    Args:
        path: A file that `rank_run` or `rank_baselines` wrote.
        queries: The number of queries.
    """
    if not path.is_file():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    return kept if kept["queries"] == queries else None


def rank_run(workdir: pathlib.Path, data: RankingData, schema: Any) -> dict[str, Any]:
    """Return what `rank_model` returns for the model of a run, kept in the run's folder after the first time.

    Args:
        workdir: Folder of the run.
        data: The `RankingData`.
        schema: The `Schema` of the data.
    """
    path = workdir / KEPT
    found = kept_ranks(path, len(data.chosen))
    if not found:
        found = rank_model(load_model(workdir, schema), data)
        write_json(path, found)
    return found


def rank_baselines(data: RankingData) -> dict[str, Any]:
    """Rank all movies by each baseline, fitted to all queries that are not for test.

    Args:
        data: The `RankingData`.

    Returns:
        `metrics` of each baseline by its name (see `RankingData.summary`), and `queries`.
    """
    targets, seen, found = data.targets(), data.seen(), {}
    for name, scorer in baselines(data.queries, data.movies, data.splits < 2).items():
        everything, unseen = [], []
        for start in range(0, len(targets), BASELINE_QUERIES):
            part = slice(start, start + BASELINE_QUERIES)
            scores = np.asarray(scorer(data.chosen[part]))
            excluded = np.zeros(scores.shape, bool)
            for row, movies in enumerate(seen[part]):
                excluded[row, movies] = True
            everything.append(places_of(scores, targets[part]))
            unseen.append(places_of(scores, targets[part], excluded))
        found[name] = data.summary(joined(everything), joined(unseen))
    return {"metrics": found, "queries": len(data.chosen)}
