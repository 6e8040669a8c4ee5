"""What embeddings add to memorized pairs of movies: ranks of pairs without training rows, and varied lists.

Command: `python -m ctrzoo.experiments.claims.generalization --workdir RUN RUN --folder=experiments/results/claims`.
The runs are those of a sweep `next_movie`. The Markov chain memorizes: it counts which movie followed which. Models of
embeddings also score movies that never followed the last one. Both are measured on the queries that the report of the
sweep ranks, without the movies that the user has rated before.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from ctrzoo.files import write_csv, write_text
from ctrzoo.ranking import joined, places_of, score_candidates
from ctrzoo.types import Config

from ...data_pipelines import load
from ..cli import one_line_failures
from ..explained_run import load_model
from ..next_movie.baselines import baselines, positions
from ..next_movie.data import CANDIDATE_FIELDS, RankingData, read_ranking_data
from ..next_movie.evaluation import BASELINE_QUERIES
from ..next_movie.report import QUERIES, SEED
from .markdown import table_lines

TOP = 10
COLUMNS = ("known", "new", "movies", "effective_movies")


def has_rows(data: RankingData) -> np.ndarray:
    """Return whether some query that is not for test has the same last movie and target, for each chosen query."""
    last, targets = (positions(data.movies, found) for found in (data.queries.last, data.queries.targets))
    pairs = last * len(data.movies) + targets
    return np.isin(pairs[data.chosen], pairs[data.splits < 2])


def measure(blocks: Iterable[np.ndarray], data: RankingData, top: int = TOP) -> Config:
    """Return ranks of targets, and how varied the lists of best movies are.

    Args:
        blocks: The scores of all movies for consecutive chosen queries, `(some queries, movies)`. Movies of equal
            scores join a list in the order of their numbers.
        data: The `RankingData`.
        top: Length of a list.

    Returns:
        `known` and `new` (mean ranks of the targets that followed the last movie in some query that is not for test,
        and of all others; NaN if there are none), `movies` (different movies in all lists) and `effective_movies`,
        the exponential of the entropy of the movies in them: n if n movies are in the same number of lists.
    """
    targets, seen, start = data.targets(), data.seen(), 0
    places, shown = [], np.zeros(len(data.movies), np.int64)
    for scores in blocks:
        part = slice(start, start + len(scores))
        excluded = np.zeros(scores.shape, bool)
        for row, movies in enumerate(seen[part]):
            excluded[row, movies] = True
        places.append(places_of(scores, targets[part], excluded))
        lists = np.argsort(np.where(excluded, np.inf, -np.asarray(scores, float)), axis=1, kind="stable")[:, :top]
        shown += np.bincount(lists.ravel(), minlength=len(shown))
        start = part.stop
    ranks, known = joined(places).mean, has_rows(data)
    shares = shown[shown > 0] / shown.sum()
    return {
        "known": float(ranks[known].mean()) if known.any() else math.nan,
        "new": float(ranks[~known].mean()) if not known.all() else math.nan,
        "movies": len(shares),
        "effective_movies": float(np.exp(-(shares * np.log(shares)).sum())),
    }


def measure_baselines(data: RankingData) -> dict[str, Config]:
    """Return what `measure` returns for each baseline, fitted to all queries that are not for test."""
    starts = range(0, len(data.chosen), BASELINE_QUERIES)
    return {
        name: measure((np.asarray(scorer(data.chosen[start : start + BASELINE_QUERIES])) for start in starts), data)
        for name, scorer in baselines(data.queries, data.movies, data.splits < 2).items()
    }


def markdown(rows: Sequence[Config], data: RankingData) -> str:
    """Return the measurements as Markdown."""
    known = int(has_rows(data).sum())
    shown = [
        {
            "scores": row["model"],
            "seeds": row["runs"] or "",
            "mean rank, pairs with training rows": f"{row['known']:.1f}",
            "mean rank, pairs without": f"{row['new']:.1f}",
            f"movies in lists of {TOP}": f"{row['movies']:,.0f}",
            "share of all movies": f"{row['movies'] / len(data.movies):.0%}",
            "effective number of movies": f"{row['effective_movies']:.0f}",
        }
        for row in rows
    ]
    lines = [
        "# Memorized and new pairs of movies",
        "",
        f"{len(data.chosen):,} test queries of MovieLens-100K. In {known:,} of them, the target followed the last "
        "movie in some query that is not for test: the pair has training rows. Movies that the user has rated before "
        "are left out. The effective number of movies is the exponential of the entropy of the movies in all lists. "
        "Means over seeds.",
        "",
    ]
    return "\n".join([*lines, *table_lines(shown)]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the models of runs and the baselines, print the table, and write it on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=pathlib.Path, nargs="+", required=True, help="Folders of `ctrzoo-train`.")
    parser.add_argument("--folder", type=pathlib.Path, help="Where to write generalization.md and generalization.csv.")
    options = parser.parse_args(arguments)
    with one_line_failures("generalization", "Interrupted."):
        settings = [json.loads((path / "experiment.json").read_text(encoding="utf-8")) for path in options.workdir]
        folders = {each["data"]["folder"] for each in settings}
        if len(folders) > 1:
            raise ValueError(f"All runs must be of the same data. Received runs of: {', '.join(sorted(folders))}.")
        prepared = load(folders.pop())
        data = read_ranking_data(prepared, most=QUERIES, seed=SEED)
        found: dict[str, list[Config]] = {}
        for workdir, each in zip(options.workdir, settings, strict=True):
            model = load_model(workdir, prepared.schema)
            blocks = score_candidates(model, data.features, data.candidates, CANDIDATE_FIELDS)
            found.setdefault(each["settings"]["model"], []).append(measure(blocks, data))
        rows = [
            {"model": label, "runs": len(runs), **{key: statistics.fmean(run[key] for run in runs) for key in COLUMNS}}
            for label, runs in found.items()
        ]
        rows += [{"model": f"*{name}*", "runs": 0, **numbers} for name, numbers in measure_baselines(data).items()]
        text = markdown(rows, data)
        print(text, end="")
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            write_csv(options.folder / "generalization.csv", rows)
            write_text(options.folder / "generalization.md", text)


if __name__ == "__main__":
    main()
