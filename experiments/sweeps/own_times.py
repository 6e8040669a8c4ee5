"""Split the test AUC of models of histories by whether a row has its time for itself.

In the copy of MovieLens-1M that we used, three of four ratings of 1 to 3 stars have a copied time: that of another
rating of the same user. Such a rating stands among films that the user rated at another moment. A model that knows
which films are rated one after another therefore sees the label. A rating whose time is its own was not given a copied
one, so the rows with a time of their own show what a history is worth without this leak.
"""

from __future__ import annotations

import json
import pathlib
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ctrzoo.files import replaced, write_csv, write_json, write_text
from ctrzoo.metrics import auc
from ctrzoo.types import Config

from ... import data_pipelines
from ...data_pipelines import PreparedData
from ..evaluation.scored import Slices, score_split
from .results import spread
from .significance import p_value

KEPT = "own_times.json"
ORDER = "order of films, no labels"
PARTS = {"all": "all test rows", "own": "a time of their own", "shared": "a shared time"}
ROWS = 65_536


class Films(NamedTuple):
    """The films of rows in the order of their users.

    Args:
        films: The id of each row's film, `(rows,)`.
        before: The id of the newest film that the user liked before, 0 if there is none, `(rows,)`.
        labels: The labels, `(rows,)`.
        has_own_time: Whether no other rating of the user has the row's time, `(rows,)`.
    """

    films: np.ndarray
    before: np.ndarray
    labels: np.ndarray
    has_own_time: np.ndarray


def write_own_times(rows: Sequence[Config], folder: pathlib.Path, reference: str) -> None:
    """Write `own_times.md`, `own_times.csv` and `own_times.png`: the AUC of each model on the parts of the test rows.

    The AUCs of a run are kept in its folder, and those of the order of films in the sweep's. Where they are kept, no
    data are read.

    Args:
        rows: The rows of the sweep's results.
        folder: The folder of the sweep.
        reference: The label of the model with which the others are compared.
    """
    finished = [row for row in rows if row["state"] == "finished"]
    with_events = [row for row in finished if row["choices"].get("shown") != "nothing"]
    if not with_events:
        return
    order = _kept(folder, aucs_of_order, _run_of(with_events[0], folder))
    labels = dict.fromkeys(row["label"] for row in finished)
    groups = []
    for label in labels:
        runs = [_run_of(row, folder) for row in finished if row["label"] == label]
        groups.append(_summary(label, [_kept(run, aucs_of_run, run)["auc"] for run in runs]))
    groups.append(_summary(ORDER, [order["auc"]]))
    groups.sort(key=lambda group: -group["all"])
    write_csv(folder / "own_times.csv", groups)
    write_text(folder / "own_times.md", "\n".join(_lines(groups, order["rows"], reference)) + "\n")
    _plot(groups, folder / "own_times.png")


def _run_of(row, folder):
    return folder / row["group"] / f"seed_{row['seed']}"


def _kept(folder: pathlib.Path, measure: Callable[[pathlib.Path], Config], run: pathlib.Path) -> Config:
    """Return what a folder keeps. If it keeps nothing, measure and keep it."""
    path = folder / KEPT
    if not path.is_file():
        write_json(path, measure(run))
    return json.loads(path.read_text(encoding="utf-8"))


def aucs_of_run(run: pathlib.Path) -> Config:
    """Return the number of test rows in each part, and the AUC of a run there.

    Args:
        run: The folder of the run, with its weights.
    """
    data = _data_of(run)
    scored = score_split([run], data, "test", Slices()).runs[0].rows
    return aucs_of_parts(scored.labels, scored.scores, read_films(data, "test").has_own_time)


def aucs_of_order(run: pathlib.Path) -> Config:
    """Return the same of the order of films, a score without labels.

    Args:
        run: The folder of a run on data with histories.
    """
    data = _data_of(run)
    test = read_films(data, "test")
    return aucs_of_parts(test.labels, order_scores(read_films(data, "train"), test), test.has_own_time)


def _data_of(run):
    experiment = json.loads((run / "experiment.json").read_text(encoding="utf-8"))
    return data_pipelines.load(experiment["data"]["folder"])


def read_films(data: PreparedData, split: str) -> Films:
    """Read the films of a split.

    Args:
        data: MovieLens-1M with the protocol `"history"`.
        split: `"train"`, `"valid"` or `"test"`.

    Raises:
        ValueError: If the rows have no ids, as in folders of earlier versions.
    """
    if "id" not in data.columns:
        raise ValueError(f"The rows in {data.folder} have no ids. Delete the folder and prepare it again.")
    owners = [data.schema.names[field] for field in data.schema.slot_fields]
    film = owners.index("movie")
    liked = [slot for slot, owner in enumerate(owners) if owner == "liked_movies"]
    parts = []
    for rows, labels, _, columns in data.dataset(split, ROWS, shuffle=False, columns=("id",)).as_numpy_iterator():
        ids = rows["ids"]
        events = ids[:, liked or [film]] * bool(liked)
        newest = (events > 0).cumsum(axis=1).argmax(axis=1)  # events are in order, and places without one have 0
        before = events[np.arange(len(ids)), newest]
        has_own_time = np.array([text.split()[2] == b"1" for text in columns["id"].tolist()])
        parts.append((ids[:, film], before, labels[:, 0], has_own_time))
    return Films(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def order_scores(train: Films, test: Films) -> np.ndarray:
    """Return how often the film of each test row followed the newest liked film, compared with chance, `(rows,)`.

    It is `log((n + 1) / (m + 1))`: n training rows of this film came after this liked film, and m would have done so if
    films and liked films were independent. A row without a liked film has 0. Labels play no part.

    Args:
        train: The training rows.
        test: The test rows.

    >>> rows = Films(np.array([1, 1, 2]), np.array([3, 3, 4]), np.zeros(3), np.zeros(3, bool))
    >>> order_scores(rows, rows).round(4).tolist()  # log(3 / (4/3 + 1)), and log(2 / (1/3 + 1))
    [0.2513, 0.2513, 0.4055]
    """
    size = 1 + max(int(each.max()) for each in (train.films, train.before, test.films, test.before))
    known = train.before > 0
    pairs, counts = np.unique(_pairs(train, size)[known], return_counts=True)
    wanted = _pairs(test, size)
    places = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    together = np.where(pairs[places] == wanted, counts[places], 0)
    films = np.bincount(train.films[known], minlength=size)
    before = np.bincount(train.before[known], minlength=size)
    chance = films[test.films] * before[test.before] / known.sum()
    return np.where(test.before > 0, np.log((together + 1) / (chance + 1)), 0.0)


def _pairs(films, size):
    return films.before.astype(np.int64) * size + films.films


def aucs_of_parts(labels: np.ndarray, scores: np.ndarray, has_own_time: np.ndarray) -> Config:
    """Return the numbers of rows and the AUCs of all rows, of those with a time of their own, and of the others.

    Args:
        labels: The labels, `(rows,)`.
        scores: The scores, `(rows,)`.
        has_own_time: Whether no other rating of the user has the row's time, `(rows,)`.

    >>> labels, has_own_time = np.array([1, 0, 1, 0]), np.array([True, True, False, False])
    >>> aucs_of_parts(labels, np.array([0.9, 0.1, 0.3, 0.5]), has_own_time)["auc"]
    {'all': 0.75, 'own': 1.0, 'shared': 0.0}
    """
    chosen = {"all": np.ones(len(labels), bool), "own": has_own_time, "shared": ~has_own_time}
    return {
        "rows": {part: int(rows.sum()) for part, rows in chosen.items()},
        "auc": {part: float(auc(labels[rows], scores[rows])) for part, rows in chosen.items()},
    }


def _summary(label, aucs):
    """Return means and sample standard deviations over seeds."""
    summary = {"model": label, "seeds": len(aucs)}
    for part in PARTS:
        values = [each[part] for each in aucs]
        summary[part] = statistics.fmean(values)
        summary[f"{part}_deviation"] = statistics.stdev(values) if len(values) > 1 else None
    return summary


def _lines(groups, rows, reference):
    base = next((group for group in groups if group["model"] == reference), None)
    compared = ("all", "own")
    columns = [f"{title} ({rows[part]:,})" for part, title in PARTS.items()]
    columns = ["model", "seeds", *columns, *(f"p, {PARTS[part]}" for part in compared)]
    table = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for group in groups:
        name = f"*{ORDER}*" if group["model"] == ORDER else group["model"]
        cells = [name, str(group["seeds"]), *(spread(group, part) for part in PARTS)]
        for part in compared:
            p = p_value(_sample(group, part), _sample(base, part)) if base and group is not base else None
            cells.append("" if p is None else f"{p:.2g}")
        table.append(f"| {' | '.join(cells)} |")
    return [
        "# Rows with a time of their own",
        "",
        "In the copy of MovieLens-1M that we used, three of four ratings of 1 to 3 stars have a copied time: that of "
        "another rating of the same user. Such a rating stands among films that the user rated at another moment. A "
        "model that knows which films are rated one after another therefore sees the label. A rating with a time of "
        "its own has no copied time, so there a history helps only as far as it tells what the user likes.",
        "",
        f"*{ORDER}* is a score that counts how often a film followed the newest liked film in training rows, compared "
        "with chance. Its AUC shows how much the copied times tell.",
        "",
        "Test AUC, mean ± sample standard deviation over seeds. Compare models within a column only: the parts have "
        f"different shares of likes. p is of Welch's test against *{reference}*.",
        "",
        *table,
        "",
        "![Test AUC on the parts of the test rows](own_times.png)",
    ]


def _sample(group, part):
    return group[part], group[f"{part}_deviation"], group["seeds"]


def _plot(groups, path):
    """Draw the models' AUCs on all rows and on those with a time of their own."""
    shown = [group for group in groups[::-1] if group["model"] != ORDER]
    figure = Figure(figsize=(9, 1.2 + 0.3 * len(shown)), layout="constrained")
    first, second = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, part in ((first, "all"), (second, "own")):
        axes.errorbar(
            [group[part] for group in shown],
            range(len(shown)),
            xerr=[group[f"{part}_deviation"] or 0 for group in shown],
            fmt="o",
            color="tab:blue",
            markersize=4,
            capsize=3,
        )
        axes.set(title=f"rows with {PARTS[part]}" if part == "own" else PARTS[part], xlabel="test AUC")
        axes.grid(alpha=0.3)
    first.set_yticks(range(len(shown)), [group["model"] for group in shown])
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)
