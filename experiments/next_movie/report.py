"""The report of a next-movie sweep: mean ranks per model next to the baselines, and the order that was published."""

from __future__ import annotations

import functools
import json
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from ctrzoo.files import replaced, write_csv, write_json, write_text
from ctrzoo.types import Config

from ...data_pipelines import PreparedData, load
from ..sweeps.order import SIGNIFICANCE, orders
from .data import RankingData, read_ranking_data
from .evaluation import KEPT, kept_ranks, rank_baselines, rank_run

# The article's order, best first.
PRINTED = ("afm", "ffm", "deepfm", "dlrm (concat)", "wide_deep", "nfm", "fm")
COLUMNS = {
    "mean rank": ("all", "mean_rank", 1),
    "seen left out": ("unseen", "mean_rank", 1),
    "ties of time left out": ("all_untied", "mean_rank", 1),
    "MRR": ("unseen", "mrr", 4),
    "HR@10": ("unseen", "hit_rate", 4),
    "NDCG@10": ("unseen", "ndcg", 4),
}
QUERIES, SEED = 2000, 0
SPLITS_BY = {
    "random": "A random fifth of the queries",
    "time": "The last fifth of each user's queries",
    "user": "A fifth of the users",
}


def write_next_movie(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `next_movie.md`, `next_movie.csv` and a picture of each division for the finished runs of a sweep.

    All models rank the same 2,000 test queries of each division, drawn with seed 0. The metrics of a run are kept in
    its folder, and those of the baselines in `baselines_<division>.json`. Where they are kept, no data are read.

    Args:
        rows: The rows of the sweep's results.
        folder: The folder of the sweep.
    """
    lines, table = _introduction(rows), []
    finished = [row for row in rows if row["state"] == "finished"]
    for split_by, title in SPLITS_BY.items():
        chosen = [row for row in finished if row["choices"].get("split_by", "random") == split_by]
        if not chosen:
            continue
        groups = _ranked(chosen, folder)
        bars = _bars(chosen[0], folder, split_by)
        table += [{"split_by": split_by, **_flat(group)} for group in groups]
        table += [{"split_by": split_by, "model": name, **_numbers([bars[name]])} for name in bars]
        lines += [f"## {title}", "", *_table(groups, bars), "", f"![Mean ranks](next_movie_{split_by}.png)", ""]
        lines += _order(groups)
        _plot(groups, bars, title, folder / f"next_movie_{split_by}.png")
    if table:
        write_csv(folder / "next_movie.csv", table)
    write_text(folder / "next_movie.md", "\n".join(lines).rstrip() + "\n")


def _introduction(rows):
    done, hours = sum(row["state"] == "finished" for row in rows), sum(row["seconds"] for row in rows) / 3600
    return [
        "# The next movie",
        "",
        f"{done} of {len(rows)} runs are finished, {hours:.2f} hours of wall time. Each model scores all movies for "
        f"{QUERIES:,} test queries of MovieLens-100K, drawn with seed {SEED} and the same for all models. A query is a "
        "rating that is not a user's last, and its target the movie that the user rates next; equal times stay in the "
        "order of the file. Training rows are the target and four other movies of each query, drawn uniformly, with "
        "the log loss, unless the name says otherwise. Equal scores share the mean of the best and the worst place. "
        "Mean ± sample standard deviation over seeds of the weights of the epoch with the best validation metric.",
        "",
        "`mean rank` is among all movies. `seen left out` is among those that the user has not rated before, as are "
        "MRR, HR@10 and NDCG@10. `ties of time left out` is among all movies, for the queries whose target was rated "
        "later than the movie before it. Baselines are fitted to the training and validation queries.",
        "",
    ]


@functools.lru_cache(maxsize=2)
def _read(folder) -> tuple[PreparedData, RankingData]:
    data = load(folder)
    return data, read_ranking_data(data, most=QUERIES, seed=SEED)


def _ranked(rows, folder) -> list[dict[str, Any]]:
    """Return one dictionary per label: `label`, `ranks` of each run, and `seconds` of each run."""
    groups: dict[str, dict[str, Any]] = {}
    for row in rows:
        place = folder / row["group"] / f"seed_{row['seed']}"
        ranks = kept_ranks(place / KEPT, QUERIES)
        if not ranks:
            # The same movie has other ids in data with other negatives.
            data, ranking = _read(_data_of(row, folder))
            ranks = rank_run(place, ranking, data.schema)
        group = groups.setdefault(row["label"], {"label": row["label"], "ranks": [], "seconds": []})
        group["ranks"].append(ranks)
        group["seconds"].append(row["seconds"])
    return sorted(groups.values(), key=lambda group: _numbers(_metrics(group))["mean rank"])


def _bars(row, folder, split_by):
    """Return the metrics of the baselines on the data of a run, kept in the sweep's folder after the first time."""
    path = folder / f"baselines_{split_by}.json"
    found = kept_ranks(path, QUERIES)
    if not found:
        found = rank_baselines(_read(_data_of(row, folder))[1])
        write_json(path, found)
    return found["metrics"]


def _metrics(group):
    return [ranks["metrics"] for ranks in group["ranks"]]


def _numbers(metrics):
    """Return the means of columns, and their deviations if there are several runs."""
    numbers = {}
    for column, (part, name, _) in COLUMNS.items():
        values = [entry[part][name] for entry in metrics]
        numbers[column] = statistics.fmean(values)
        numbers[f"{column} deviation"] = statistics.stdev(values) if len(values) > 1 else None
    return numbers


def _flat(group):
    return {
        "model": group["label"],
        "seeds": len(group["ranks"]),
        **_numbers(_metrics(group)),
        "seconds": statistics.fmean(group["seconds"]),
        "scoring": group["ranks"][0]["method"],
        "pairs_per_second": statistics.fmean(ranks["pairs_per_second"] for ranks in group["ranks"]),
    }


def _table(groups, bars):
    names = ("model", "seeds", *COLUMNS, "min per run", "scored", "pairs/s")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for group in groups:
        row = _flat(group)
        cells = [row["model"], str(row["seeds"]), *_cells(row), f"{row['seconds'] / 60:.1f}", row["scoring"]]
        lines.append(f"| {' | '.join(cells)} | {row['pairs_per_second']:,.0f} |")
    lines += [f"| *{name}* | | {' | '.join(_cells(_numbers([bars[name]])))} | | | |" for name in bars]
    return lines


def _cells(numbers):
    cells = []
    for column, (_, _, digits) in COLUMNS.items():
        deviation = numbers[f"{column} deviation"]
        cells.append(f"{numbers[column]:.{digits}f}" + (f" ± {deviation:.{digits}f}" if deviation is not None else ""))
    return cells


def _order(groups):
    """Return lines that compare each pair of the published order with ours."""
    compared, known = [], {group["label"]: group for group in groups}
    for group in (known[label] for label in PRINTED if label in known):
        if len(group["ranks"]) > 1:
            numbers = _numbers(_metrics(group))
            compared.append(
                {
                    "dataset": "",
                    "source": "",
                    "variant": "",
                    "label": group["label"],
                    "seeds": len(group["ranks"]),
                    "published_auc": -PRINTED.index(group["label"]),
                    "auc": -numbers["mean rank"],  # higher is better
                    "auc_deviation": numbers["mean rank deviation"],
                }
            )
    pairs = orders(compared)
    if not pairs:
        return []
    verdicts = [pair["ours"] for pair in pairs]
    lines = [
        f"The article prints {' > '.join(PRINTED)}. Of its {len(pairs)} pairs, {verdicts.count('as printed')} are as "
        f"printed, {verdicts.count('within noise')} within noise and {verdicts.count('the other way')} the other way. "
        f"Differences beyond noise have p < {SIGNIFICANCE} in Welch's t-test over seeds, each pair tested by itself.",
        "",
        "| printed better | printed worse | our difference of mean ranks | p | ours |",
        "|---|---|---|---|---|",
    ]
    for pair in pairs:
        cells = [pair["higher"], pair["lower"], f"{-pair['auc_difference']:+.1f}", f"{pair['p']:.2g}", pair["ours"]]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _plot(groups, bars, title, path):
    """Draw the mean rank of each model, with its deviation, and of the baselines."""
    found = [(group["label"], _numbers(_metrics(group)), "o") for group in groups]
    found += [(name, _numbers([bars[name]]), "D") for name in bars]
    found.sort(key=lambda entry: -entry[1]["mean rank"])
    figure = Figure(figsize=(8, 1.5 + 0.28 * len(found)), layout="constrained")
    axes = figure.subplots()
    for part, color in (("mean rank", "tab:blue"), ("seen left out", "tab:orange")):
        for place, (_, numbers, marker) in enumerate(found):
            spread, face = numbers[f"{part} deviation"] or 0, color if marker == "o" else "white"
            label = part if place == len(found) - 1 else None
            axes.errorbar(numbers[part], place, xerr=spread, fmt=marker, color=color, mfc=face, capsize=3, label=label)
    axes.set_yticks(range(len(found)), [name for name, _, _ in found])
    axes.set(title=f"{title} for test; hollow: baselines", xlabel="mean rank of the next movie (lower is better)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _data_of(row, folder):
    path = folder / row["group"] / f"seed_{row['seed']}" / "experiment.json"
    return json.loads(path.read_text(encoding="utf-8"))["data"]["folder"]
