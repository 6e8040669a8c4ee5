"""Scores of a sweep next to their costs, with the Pareto front: `python -m ctrzoo.experiments.leaderboard`.

Example: `python -m ctrzoo.experiments.leaderboard --folder=experiments/results/table2`. It reads the finished runs and
writes `leaderboard.md`, `leaderboard.csv` and `leaderboard.png` into the folder. Costs are the wall time of an epoch
(the median of a run, then the median over runs), that of a whole run, and the number of weights. `--note` says how the
times were measured. `--score=mean_rank` reads the ranks of a next-movie sweep.
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
)
from .sweeps.leaders import score_title as title_of
from .sweeps.leaders_plot import plot_leaders

SPACE = "\N{NO-BREAK SPACE}"  # keeps a number and its spread on one line
NOTE = "Times are wall times on the machine of the runs, which may have done other work."


def markdown(leaders: Sequence[Leader], score: str = "test_auc", note: str = NOTE) -> str:
    """Return the leaderboard as Markdown.

    Args:
        leaders: The groups of runs, see `sweeps.leaders.read_leaders`.
        score: The score that they were read with.
        note: How the times were measured.
    """
    higher, title = higher_is_better(score), title_of(score)
    fronts = {cost: front(leaders, cost, higher) for cost in COSTS}
    unfinished = sum(each.unfinished for each in leaders)
    lines = [
        f"# Leaderboard: {', '.join(dict.fromkeys(each.dataset for each in leaders))}",
        "",
        f"{title[0].upper()}{title[1:]} ({'higher' if higher else 'lower'} is better), mean ± standard deviation "
        "over seeds, next to costs. A model is on the front of a cost, the Pareto front, if no other one costs no more "
        "and scores no worse. The front compares means, so models within a deviation may change places."
        + (f" {unfinished} unfinished runs are left out." if unfinished else ""),
        "",
        f"{note} `s per epoch` is the median over runs of a run's median epoch. Models need more or fewer epochs: "
        "`min per run` is the median time of a whole run."
        + (f" A star marks equal runs whose times differ by a factor of more than {NOISY}." if _noisy(leaders) else ""),
        "",
        "![Scores next to costs](leaderboard.png)",
        "",
        *table_lines([_row(each, leaders, fronts, score) for each in ordered(leaders, higher)]),
    ]
    return "\n".join(lines) + "\n"


def _row(each, leaders, fronts, score):
    spread = "" if each.deviation is None else f"{SPACE}±{SPACE}{score_text(each.deviation, score)}"
    row = {"data set": each.dataset} if len({other.dataset for other in leaders}) > 1 else {}
    row |= {"model": each.name, "seeds": each.seeds, title_of(score): score_text(each.score, score) + spread}
    row |= {"s per epoch": f"{each.seconds:.1f}{'*' if each.is_noisy else ''}"}
    row |= {"fastest to slowest run": f"{each.seconds_fastest:.1f}{SPACE}to{SPACE}{each.seconds_slowest:.1f}"}
    row |= {"min per run": f"{each.minutes:.1f}", "weights": f"{each.parameters:,}"}
    row |= {"device": each.device} if len({other.device for other in leaders}) > 1 else {}
    names = {"seconds": "epoch", "minutes": "run", "parameters": "weights"}
    return {**row, "on the front of": ", ".join(names[cost] for cost in COSTS if each in fronts[cost])}


def _noisy(leaders):
    return any(each.is_noisy for each in leaders)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the leaderboard of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="The folder of a sweep.")
    parser.add_argument(
        "--score", default="test_auc", help="A column of results.csv, or mean_rank for a next-movie sweep."
    )
    parser.add_argument("--note", default=NOTE, help="How the times were measured, for the table and the picture.")
    parser.add_argument(
        "--device", default="not recorded", help="The device of runs that did not record its kind, such as CPU."
    )
    parser.add_argument(
        "--costs", nargs="+", choices=COSTS, default=SHOWN, help="The costs in the picture; the tables have all costs."
    )
    options = parser.parse_args(arguments)
    with one_line_failures("leaderboard", "Interrupted."):
        higher = higher_is_better(options.score)
        leaders = read_leaders(options.folder, options.score, options.device)
        plot_leaders(leaders, options.folder / "leaderboard.png", options.score, options.note, options.costs)
        write_csv(options.folder / "leaderboard.csv", rows_of_leaders(leaders, higher))
        write_text(options.folder / "leaderboard.md", markdown(leaders, options.score, options.note))
        print(f"{len(leaders)} models: {options.folder / 'leaderboard.md'}")


if __name__ == "__main__":
    main()
