"""Scores of a sweep next to their costs, with the Pareto front: `python -m ctrzoo.experiments.leaderboard`.

Example: `python -m ctrzoo.experiments.leaderboard --folder=experiments/results/table2`. It reads the finished runs and
writes `leaderboard.md`, `leaderboard.csv` and `leaderboard.png` into the folder. Costs are the wall time of an epoch
(the median of a run, then the median over runs), that of a whole run, and the number of weights. `--note` says how the
times were measured, and `--times_from` takes those of other runs of the same models. `--score=mean_rank` reads the
ranks of a next-movie sweep. `--more_folders` adds the runs of other sweeps, `--also` columns of other scores, and
`--references` compares each model with these, by Welch's t-test.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

from ctrzoo.files import write_csv, write_text

from .claims.markdown import table_lines
from .cli import one_line_failures
from .sweeps.leaders import (
    COSTS,
    NOISY,
    SHOWN,
    Leader,
    front,
    higher_is_better,
    ordered,
    read_leaders,
    rows_of_leaders,
    score_text,
    with_times,
)
from .sweeps.leaders import score_title as title_of
from .sweeps.leaders_plot import plot_leaders
from .sweeps.significance import SIGNIFICANCE, p_value

SPACE = "\N{NO-BREAK SPACE}"  # keeps a number and its spread on one line
NOTE = "Times are wall times on the machine of the runs, which may have done other work."


def markdown(
    leaders: Sequence[Leader],
    score: str = "test_auc",
    note: str = NOTE,
    references: Sequence[str] = (),
    is_timed_apart: bool = False,
) -> str:
    """Return the leaderboard as Markdown.

    Args:
        leaders: The groups of runs, see `sweeps.leaders.read_leaders`.
        score: The score that they were read with.
        note: How the times were measured.
        references: Names of leaders with which the others of their data set are compared.
        is_timed_apart: Whether the times are those of other runs, see `sweeps.leaders.with_times`.

    Raises:
        ValueError: If no leader has the name of a reference.
    """
    for name in references:
        if name not in (names := [each.name for each in leaders]):
            raise ValueError(
                f"No model is called {name!r}, so nothing can be compared with it. Choose {', '.join(names)}."
            )
    higher, title = higher_is_better(score), title_of(score)
    fronts = {cost: front(leaders, cost, higher) for cost in COSTS}
    unfinished = sum(each.unfinished for each in leaders)
    minutes = "this time times the median number of epochs" if is_timed_apart else "the median time of a whole run"
    lines = [
        f"# Leaderboard: {', '.join(dict.fromkeys(each.dataset for each in leaders))}",
        "",
        f"{title[0].upper()}{title[1:]} ({'higher' if higher else 'lower'} is better), mean ± standard deviation "
        "over seeds, next to costs. A model is on the front of a cost, the Pareto front, if no other one costs no more "
        "and scores no worse. The front compares means, so models within a deviation may change places."
        + (f" {unfinished} unfinished runs are left out." if unfinished else ""),
        "",
        f"{note} `s per epoch` is the median over runs of a run's median epoch. Models need more or fewer epochs: "
        f"`min per run` is {minutes}."
        + (f" A star marks equal runs whose times differ by a factor of more than {NOISY}." if _noisy(leaders) else ""),
        "",
        "![Scores next to costs](leaderboard.png)",
        "",
        *table_lines([_row(each, leaders, fronts, score, references) for each in ordered(leaders, higher)]),
        *(_compared_lines(leaders, references, higher) if references else ()),
    ]
    return "\n".join(lines) + "\n"


def _row(each, leaders, fronts, score, references):
    row = {"data set": each.dataset} if len({other.dataset for other in leaders}) > 1 else {}
    row |= {"model": each.name, "seeds": each.seeds, title_of(score): _spread(each.score, each.deviation, score)}
    row |= {title_of(other.name): _spread(other.mean, other.deviation, other.name) for other in each.others}
    row |= {"s per epoch": f"{each.seconds:.1f}{'*' if each.is_noisy else ''}"}
    if any(other.seconds_slowest > other.seconds_fastest for other in leaders):
        row |= {"fastest to slowest run": f"{each.seconds_fastest:.1f}{SPACE}to{SPACE}{each.seconds_slowest:.1f}"}
    row |= {"min per run": f"{each.minutes:.1f}", "weights": f"{each.parameters:,}"}
    row |= {"device": each.device} if len({other.device for other in leaders}) > 1 else {}
    names = {"seconds": "epoch", "minutes": "run", "parameters": "weights"}
    row |= {"on the front of": ", ".join(names[cost] for cost in COSTS if each in fronts[cost])}
    return row | {f"against {name}": _difference(each, _reference(each, leaders, name), score) for name in references}


def _spread(mean, deviation, score):
    if mean is None:
        return ""
    return score_text(mean, score) + ("" if deviation is None else f"{SPACE}±{SPACE}{score_text(deviation, score)}")


def _reference(each, leaders, name):
    """Return the leader of this name on the data set of another one; None if there is none, or it is the same."""
    found = [other for other in leaders if (other.dataset, other.name) == (each.dataset, name) and other is not each]
    return found[0] if found else None


def _difference(each, reference, score):
    """Return the difference from a reference and the p-value as text."""
    if reference is None:
        return ""
    difference, p = each.score - reference.score, p_value(each.sample, reference.sample)
    sign = "+" if difference >= 0 else "-"
    return f"{sign}{score_text(abs(difference), score)}" + ("" if p is None else f"{SPACE}(p{SPACE}={SPACE}{p:.2g})")


def _compared_lines(leaders, references, higher):
    """Return lines that name the models that are better than each reference beyond noise."""
    lines = [
        "",
        f"Differences beyond noise have p < {SIGNIFICANCE} in Welch's t-test over seeds, without a correction for the "
        "number of comparisons: of 20 models that equal a reference, one is expected to show a difference. Models with "
        "one seed are not tested.",
        "",
    ]
    for name in references:
        tested = [(each, other) for each in leaders if (other := _reference(each, leaders, name))]
        values = [(each, other, p) for each, other in tested if (p := p_value(each.sample, other.sample)) is not None]
        beyond = [(each, (each.score > other.score) == higher) for each, other, p in values if p < SIGNIFICANCE]
        better = [each.name for each, is_better in beyond if is_better]
        worse = len(beyond) - len(better)
        lines.append(
            f"- {name}: {', '.join(better) or 'none'} better beyond noise; {worse} of {len(values)} worse beyond noise."
        )
    return lines


def _noisy(leaders):
    return any(each.is_noisy for each in leaders)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the leaderboard of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="The folder of a sweep.")
    parser.add_argument(
        "--more_folders", type=pathlib.Path, nargs="+", default=(), help="Folders of sweeps whose runs are shown too."
    )
    parser.add_argument(
        "--score", default="test_auc", help="A column of results.csv, or mean_rank for a next-movie sweep."
    )
    parser.add_argument("--also", nargs="+", default=(), help="Further columns of results.csv for the tables.")
    parser.add_argument("--references", nargs="+", default=(), help="Models with which the others are compared.")
    parser.add_argument("--note", default=NOTE, help="How the times were measured, for the table and the picture.")
    parser.add_argument(
        "--times_from",
        type=pathlib.Path,
        help="The folder of a sweep of the same models, whose epochs were timed on one machine. A run's time becomes "
        "the time of an epoch times its epochs.",
    )
    parser.add_argument(
        "--device", default="not recorded", help="The device of runs that did not record its kind, such as CPU."
    )
    parser.add_argument(
        "--costs", nargs="+", choices=COSTS, default=SHOWN, help="The costs in the picture; the tables have all costs."
    )
    options = parser.parse_args(arguments)
    with one_line_failures("leaderboard", "Interrupted."):
        higher = higher_is_better(options.score)
        leaders = read_leaders([options.folder, *options.more_folders], options.score, options.device, options.also)
        if options.times_from:
            leaders = with_times(leaders, read_leaders([options.times_from], device=options.device))
        text = markdown(leaders, options.score, options.note, options.references, options.times_from is not None)
        plot_leaders(leaders, options.folder / "leaderboard.png", options.score, options.note, options.costs)
        write_csv(options.folder / "leaderboard.csv", rows_of_leaders(leaders, higher))
        write_text(options.folder / "leaderboard.md", text)
        print(f"{len(leaders)} models: {options.folder / 'leaderboard.md'}")


if __name__ == "__main__":
    main()
