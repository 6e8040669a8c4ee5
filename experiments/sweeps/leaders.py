"""What a sweep's models reach, next to what they cost: one entry per group of runs, and who is on the Pareto front."""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from ctrzoo.metrics import metric_of
from ctrzoo.types import Config

from .results import name_of, title_of
from .significance import Sample

COSTS = {"seconds": "seconds per epoch", "minutes": "minutes per run", "parameters": "weights"}
TIMES = ("seconds", "minutes")
SHOWN = ("seconds", "parameters")
MEAN_RANK = "mean_rank"  # of a next-movie sweep, from the ranks of each run
# Times of equal runs that differ by more than this factor say more of other work on the machine than of the model.
NOISY = 1.5


@dataclasses.dataclass(frozen=True)
class Score:
    """The mean of a metric over seeds, None if a run lacks it, and its sample standard deviation."""

    name: str
    mean: float | None
    deviation: float | None


@dataclasses.dataclass(frozen=True)
class Leader:
    """A group of runs that differ only in the seed.

    Attributes:
        dataset: The data set.
        name: The name of the group in tables.
        seeds: Number of finished runs.
        unfinished: Number of other runs, which count in nothing else.
        score: Mean over the finished runs.
        deviation: Sample standard deviation of the score, None of a single run.
        seconds: Median over runs of a run's median wall time of an epoch.
        seconds_fastest: The lowest of these times.
        seconds_slowest: The highest of these times.
        minutes: Median wall time of a whole run.
        minutes_fastest: The lowest of these times.
        minutes_slowest: The highest of these times.
        epochs: Median number of epochs of a run.
        parameters: Number of weights.
        device: The kind of device; several kinds are joined by " and ".
        others: Further metrics of the same runs.
    """

    dataset: str
    name: str
    seeds: int
    unfinished: int
    score: float
    deviation: float | None
    seconds: float
    seconds_fastest: float
    seconds_slowest: float
    minutes: float
    minutes_fastest: float
    minutes_slowest: float
    epochs: float
    parameters: int
    device: str
    others: tuple[Score, ...] = ()

    @property
    def sample(self) -> Sample:
        """The score as a test between groups takes it."""
        return self.score, self.deviation, self.seeds

    @property
    def is_noisy(self) -> bool:
        """Whether the times of equal runs' epochs differ too much to compare them closely."""
        return self.seconds_slowest > NOISY * self.seconds_fastest


def read_leaders(
    folders: Sequence[pathlib.Path],
    score: str = "test_auc",
    device: str = "not recorded",
    also: Sequence[str] = (),
) -> list[Leader]:
    """Return the groups of finished runs of sweeps, in the order of their results.

    Args:
        folders: The folders of sweeps, each with `results.csv` and a folder for each run. A group that several of them
            have is read from the first.
        score: A column of `results.csv`, such as `"test_auc"`, or `"mean_rank"` of a next-movie sweep.
        device: What to call the device of runs that did not record its kind.
        also: Further columns of `results.csv` to read, such as `"test_log_loss"`.

    Raises:
        ValueError: If a folder has no results, no finished run, or no such score.
    """
    leaders: dict[tuple[str, str], Leader] = {}
    for folder in folders:
        for group, leader in _read_folder(folder, score, device, also):
            leaders.setdefault(group, leader)
    return list(leaders.values())


def with_times(leaders: Sequence[Leader], measured: Sequence[Leader]) -> list[Leader]:
    """Return leaders with the times of an epoch of other runs of the same models, such as short ones of one machine.

    The time of a whole run becomes the time of an epoch times the number of epochs.

    Args:
        leaders: The groups of runs, with their scores and numbers of epochs.
        measured: The groups of runs that have the times.

    Raises:
        ValueError: If a leader has no time.
    """
    found = {(each.dataset, each.name): each for each in measured}
    missing = [each.name for each in leaders if (each.dataset, each.name) not in found]
    if missing:
        raise ValueError(f"No time was measured for {', '.join(missing)}. Measure each model of the leaderboard.")
    return [_with_time(each, found[each.dataset, each.name]) for each in leaders]


def _with_time(leader, measured):
    names = [f"seconds{part}" for part in ("", "_fastest", "_slowest")]
    seconds = {name: getattr(measured, name) for name in names}
    minutes = {name.replace("seconds", "minutes"): value * leader.epochs / 60 for name, value in seconds.items()}
    return dataclasses.replace(leader, **seconds, **minutes, device=measured.device)


def _read_folder(folder, score, device, also):
    """Return each group of a sweep that has a finished run: its data set and folder, and its `Leader`."""
    table = folder / "results.csv"
    if not table.is_file():
        raise ValueError(
            f"{folder} has no results.csv. Pass the folder of a sweep, such as experiments/results/table2."
        )
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    known = [name for name in (rows[0] if rows else ()) if name.startswith("test_")]
    for name in (score, *also):
        if name not in known and (name, name) != (score, MEAN_RANK):
            raise ValueError(f"{table} has no score {name!r}. Its scores are {', '.join(known)}.")
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((row["dataset"], row["group"]), []).append(row)
    found = [(group, _leader(members, folder, score, device, also)) for group, members in groups.items()]
    leaders = [(group, leader) for group, leader in found if leader]
    if not leaders:
        raise ValueError(f"{folder} has no finished run with {score}. Finish the sweep by running its command again.")
    return leaders


def _leader(members, folder, score, device, also):
    scored = [
        (row, value)
        for row in members
        if row["state"] == "finished" and (value := _score(row, folder, score)) is not None
    ]
    if not scored:
        return None
    scores = [value for _, value in scored]
    times = {
        **_times("seconds", [float(row["seconds_per_epoch"]) for row, _ in scored]),
        **_times("minutes", [float(row["seconds"]) / 60 for row, _ in scored]),
    }
    first = scored[0][0]
    return Leader(
        dataset=first["dataset"],
        name=name_of(first),
        seeds=len(scored),
        unfinished=len(members) - len(scored),
        score=statistics.fmean(scores),
        deviation=_deviation(scores),
        **times,
        epochs=statistics.median(float(row["epochs"]) for row, _ in scored),
        parameters=int(float(first["num_parameters"])),
        device=" and ".join(sorted({_device(row, folder) or device for row, _ in scored})),
        others=tuple(_other(name, [row[name] for row, _ in scored]) for name in also),
    )


def _other(name, cells):
    values = [float(cell) for cell in cells if cell]
    if len(values) < len(cells):
        return Score(name, None, None)
    return Score(name, statistics.fmean(values), _deviation(values))


def _deviation(values):
    return statistics.stdev(values) if len(values) > 1 else None


def _times(name, values):
    return {name: statistics.median(values), f"{name}_fastest": min(values), f"{name}_slowest": max(values)}


def _score(row, folder, score):
    if score != MEAN_RANK:
        return float(row[score]) if row[score] else None
    ranks = _folder(row, folder) / "ranks.json"
    return _read(ranks)["metrics"]["all"]["mean_rank"] if ranks.is_file() else None


def _device(row, folder):
    path = _folder(row, folder) / "experiment.json"
    return _read(path).get("devices", {}).get("kind") if path.is_file() else None


def _folder(row, folder):
    return folder / row["group"] / f"seed_{row['seed']}"


def _read(path) -> Config:
    return json.loads(path.read_text(encoding="utf-8"))


def score_title(score: str) -> str:
    """Return the name of a score in tables and pictures.

    >>> score_title("test_auc"), score_title("mean_rank")
    ('test AUC', 'mean rank')
    """
    return "mean rank" if score == MEAN_RANK else title_of(score)


def cost_text(leader: Leader, cost: str) -> str:
    """Return a cost of a leader as text with its unit."""
    units = {"seconds": " s", "minutes": " min"}
    return f"{getattr(leader, cost):.1f}{units[cost]}" if cost in TIMES else f"{leader.parameters:,}"


def score_text(value: float, score: str) -> str:
    """Return a score, or its deviation, as text.

    >>> score_text(0.86124, "test_auc"), score_text(150.94, "mean_rank")
    ('0.8612', '150.9')
    """
    return f"{value:.{1 if score == MEAN_RANK else 4}f}"


def higher_is_better(score: str) -> bool:
    """Return whether a high score is a good one.

    Raises:
        ValueError: If the score has no better direction, such as calibration.

    >>> higher_is_better("test_auc"), higher_is_better("test_log_loss"), higher_is_better("mean_rank")
    (True, False, False)
    """
    better = False if score == MEAN_RANK else metric_of(score.partition("_")[2]).higher_is_better
    if better is None:
        raise ValueError(f"{score} is neither better high nor low, so nothing leads. Choose a score such as test_auc.")
    return better


def front(leaders: Sequence[Leader], cost: str, higher: bool = True) -> set[Leader]:
    """Return the leaders that no other one beats: none costs no more, scores no worse and is better in one of both.

    Leaders are compared within a data set, and times within a kind of device, since other devices have other times.
    Leaders whose runs had several kinds of device are left out of fronts by time.

    Args:
        leaders: The groups of runs.
        cost: One of `COSTS`.
        higher: Whether a high score is a good one.
    """

    def beats(first, second):
        sign = 1 if higher else -1
        score, price = sign * (first.score - second.score), getattr(second, cost) - getattr(first, cost)
        return score >= 0 and price >= 0 and (score > 0 or price > 0)

    def comparable(first, second):
        return first.dataset == second.dataset and (cost not in TIMES or first.device == second.device)

    timed = [each for each in leaders if cost not in TIMES or " and " not in each.device]
    return {each for each in timed if not any(comparable(each, other) and beats(other, each) for other in timed)}


def rows_of_leaders(leaders: Sequence[Leader], higher: bool = True) -> list[Mapping[str, object]]:
    """Return a dictionary per leader, the best score of each data set first, with `on_front_of_...` for each cost."""
    fronts = {cost: front(leaders, cost, higher) for cost in COSTS}
    return [
        {
            **{name: value for name, value in dataclasses.asdict(each).items() if name != "others"},
            **{f"{other.name}{part}": value for other in each.others for part, value in _parts(other)},
            **{f"on_front_of_{cost}": each in fronts[cost] for cost in COSTS},
        }
        for each in ordered(leaders, higher)
    ]


def _parts(score):
    return ("", score.mean), ("_deviation", score.deviation)


def ordered(leaders: Sequence[Leader], higher: bool = True) -> list[Leader]:
    """Return the leaders with the best score of each data set first; data sets keep their order."""
    places = {name: place for place, name in enumerate(dict.fromkeys(each.dataset for each in leaders))}
    return sorted(leaders, key=lambda each: (places[each.dataset], -each.score if higher else each.score))
