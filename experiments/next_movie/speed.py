"""Candidates scored per second on one core, next to `predict` on a row for each pair.

Command: `python -m ctrzoo.experiments.next_movie.speed --data=FOLDER --models=fm,deepfm --queries=20`. The folder is
what `ctrzoo-prepare --dataset=movielens_100k --protocol=next_movie` wrote; weights are random. Both ways score the same
pairs in turns, and the fastest of several turns counts, in processor time. `predict` gets rows that are already there.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import numpy as np

from ctrzoo.model import CTRModel
from ctrzoo.ranking.rank import candidate_mask
from ctrzoo.ranking.scoring import scorer_of

from ...data_pipelines import load
from ...models import build
from .data import CANDIDATE_FIELDS, RankingData, read_ranking_data

TURNS = 3


def speeds(model: CTRModel, data: RankingData, turns: int = TURNS, jit_compile: bool = False) -> dict[str, Any]:
    """Return pairs per second of processor time, without the time to build and compile.

    Args:
        model: A model of the data's schema.
        data: The `RankingData`, whose queries are scored against all its movies.
        turns: How often each way is timed; the fastest turn counts.
        jit_compile: Whether XLA compiles what ranks; `predict` is never compiled by it.

    Returns:
        `ranking` and `predict` (pairs per second), their ratio `times_predict`, and the largest difference of scores,
        in shares of the largest score, and the `method` of scoring.
    """
    slots = np.isin(np.array(model.schema.names)[list(model.schema.slot_fields)], CANDIDATE_FIELDS)
    queries, movies = len(data.chosen), len(data.movies)
    rows = {
        name: np.where(slots, data.candidates[name][None], data.features[name][:, None]).reshape(-1, len(slots))
        for name in ("ids", "values")
    }
    explainer = model.explainer()
    sample = {name: array[:movies] for name, array in rows.items()}
    expected = np.ravel(explainer.predict_on_batch(sample)["logit"])
    times: dict[str, list[float]] = {"ranking": [], "predict": []}
    first = np.zeros(0)
    scorer = scorer_of(model, data.candidates, candidate_mask(model.schema, CANDIDATE_FIELDS), jit_compile=jit_compile)
    for _ in range(turns + 1):  # the first turn compiles
        start = time.process_time()
        parts = list(scorer.scores(data.features))
        times["ranking"].append(time.process_time() - start)
        first = parts[0][0]
        start = time.process_time()
        model.predict(rows, verbose=0)
        times["predict"].append(time.process_time() - start)
    found: dict[str, Any] = {name: queries * movies / min(seconds[1:]) for name, seconds in times.items()}
    error = float(np.abs(first - expected).max() / np.abs(expected).max())
    ratio = found["ranking"] / found["predict"]
    return {**found, "times_predict": ratio, "error": error, "method": scorer.method}


def main() -> None:
    """Print a table of all models that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--models", default="lr,fm,ffm,hofm,afm,nfm,deepfm,wide_deep,dlrm,dcn_v2,autoint,graphfm")
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--jit_compile", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    prepared = load(arguments.data)
    data = read_ranking_data(prepared, most=arguments.queries)
    print("| model | scored | ranking, pairs/s | predict, rows/s | ratio |\n|---|---|---|---|---|")
    for name in arguments.models.split(","):
        found = speeds(build(name, prepared.schema), data, jit_compile=arguments.jit_compile)
        cells = [
            name,
            found["method"],
            f"{found['ranking']:,.0f}",
            f"{found['predict']:,.0f}",
            f"{found['times_predict']:.1f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
