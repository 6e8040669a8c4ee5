"""The results of a sweep: one row per run as CSV; mean and spread over seeds as Markdown and in the live table."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from ctrzoo.files import write_csv, write_text
from ctrzoo.metrics import main_metrics, metric_of
from ctrzoo.tasks import TASKS
from ctrzoo.types import Config

from . import outcome

if TYPE_CHECKING:
    from .plan import Run

SPLITS = ("test", "valid")
COSTS = ("best_epoch", "epochs", "num_parameters", "seconds_per_epoch", "seconds")


def metrics_of(runs: Sequence[Run]) -> list[str]:
    """Return the names of the metrics that tables show: those of the finished runs, of clicks before the first."""
    found = [name for run in runs for name in outcome.metrics_of(run).get("test", {})]
    return list(main_metrics(dict.fromkeys(found or TASKS["classification"].metrics)))


def scores(rows: Sequence[Config]) -> list[str]:
    """Return the columns of rows that hold scores, those of the test split first."""
    names = [name for name in rows[0] if name.partition("_")[0] in SPLITS] if rows else []
    return sorted(names, key=lambda name: SPLITS.index(name.partition("_")[0]))


def title_of(score: str) -> str:
    """Return the title of a column of scores.

    >>> title_of("test_log_loss")
    'test log loss'
    """
    split, _, name = score.partition("_")
    return f"{split} {metric_of(name).title}"


def rows_of(runs: Sequence[Run]) -> list[Config]:
    """Return a dictionary for each run: its choices, metrics (None until it is finished), time and command."""
    varied, names = _varied(runs), metrics_of(runs)
    return [_row(run, varied, names) for run in runs]


def _row(run, varied, names):
    metrics = outcome.metrics_of(run)
    found = {f"{split}_{name}": metrics.get(split, {}).get(name) for split in SPLITS for name in names}
    reason = outcome.reason_of(run)
    return {
        "dataset": run.settings.dataset,
        "label": run.label,
        "seed": run.settings.seed,
        "state": "finished" if metrics else "failed" if reason else "open",
        "variant": ", ".join(f"{key}={run.choices[key]}" for key in varied if key in run.choices),
        "choices": dict(run.choices),
        **found,
        **{key: metrics.get(key) for key in COSTS[:-1]},
        "seconds": outcome.seconds_of(run),
        "reason": reason,
        "group": run.folder.parent.name,
        "command": run.command,
    }


def _varied(runs):
    """Describe the choices in which runs of one data set and label differ, except the seed."""
    values = {}
    for run in runs:
        for key in set(run.choices) - {"dataset", "seed"}:
            values.setdefault((run.settings.dataset, run.label, key), set()).add(repr(run.choices[key]))
    varied = {key for (_, _, key), found in values.items() if len(found) > 1}
    return [key for key in dict.fromkeys(key for run in runs for key in run.choices) if key in varied]


def summary_of(rows: Sequence[Config]) -> list[Config]:
    """Return a dictionary for each group of runs that differ only in the seed: means, deviations, counts.

    Standard deviations are sample deviations (divided by n - 1), or None with fewer than two finished runs.
    """
    groups = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    return [_summary(members) for members in groups.values()]


def _summary(members):
    finished = [row for row in members if row["state"] == "finished"]
    summary = {key: members[0][key] for key in ("dataset", "label", "variant", "choices", "group")}
    summary |= {"runs": len(members), "finished": len(finished)}
    summary["failed"] = sum(row["state"] == "failed" for row in members)
    for key in (*scores(members), *COSTS):
        values = [row[key] for row in finished if row[key] is not None]
        summary[key] = statistics.fmean(values) if values else None
        summary[f"{key}_deviation"] = statistics.stdev(values) if len(values) > 1 else None
    return summary


def write_results(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `results.csv` (one row per run) and `results.md` (means over seeds, and the command of each run)."""
    write_csv(folder / "results.csv", [{key: row[key] for key in row if key != "choices"} for row in rows])
    write_text(folder / "results.md", markdown(rows))


def markdown(rows: Sequence[Config]) -> str:
    """Return the results as Markdown."""
    test = {name: title_of(name) for name in scores(rows) if name.startswith("test_")}
    valid = next((name for name in scores(rows) if name.startswith("valid_")), None)
    shown = {**test, **({valid: title_of(valid)} if valid else {})}
    done = sum(row["state"] == "finished" for row in rows)
    hours = sum(row["seconds"] for row in rows) / 3600
    lines = [
        "# Results",
        "",
        f"{done} of {len(rows)} runs are finished, {hours:.2f} hours of wall time in total. Test metrics cover the "
        "whole split and use the weights of the best epoch by the monitored validation metric. Mean ± sample standard "
        "deviation over seeds.",
        "",
        f"| data set | label | variant | seeds | {' | '.join(shown.values())} | best epoch | min per run |",
        "|---" * (len(shown) + 6) + "|",
    ]
    for group in summary_of(rows):
        cells = [
            group["dataset"],
            group["label"],
            group["variant"],
            f"{group['finished']}/{group['runs']}",
            *(spread(group, key) for key in shown),
            _number(group["best_epoch"], "{:.1f}"),
            _number(group["seconds"] and group["seconds"] / 60, "{:.1f}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    failed = [row for row in rows if row["state"] == "failed"]
    if failed:
        lines += ["", "## Failed", ""]
        lines += [f"- {row['group']}, seed {row['seed']}: {row['reason']}" for row in failed]
    lines += [
        "",
        "## Runs",
        "",
        f"| data set | label | variant | seed | state | {' | '.join(test.values())} | s | command |",
        "|---" * (len(test) + 7) + "|",
    ]
    for row in rows:
        found = [_number(row[key]) for key in test]
        cells = [row["dataset"], row["label"], row["variant"], str(row["seed"]), row["state"], *found]
        lines.append(f"| {' | '.join(cells)} | {row['seconds']:.0f} | `{row['command']}` |")
    return "\n".join(lines) + "\n"


def table_of(rows: Sequence[Config], at_work: Sequence[Run]) -> Table:
    """Return the live table.

    Args:
        rows: What `rows_of` returns.
        at_work: The runs that this process is executing.
    """
    states = [row["state"] for row in rows]
    title = f"{states.count('finished')} of {len(rows)} runs finished, {states.count('failed')} failed"
    working = [f"{run.name}, epoch {len(outcome.history_of(run)) + 1}" for run in at_work]
    table = Table(title=title, caption="running: " + "; ".join(working) if working else None)
    test = [name for name in scores(rows) if name.startswith("test_")]
    for column in ("data set", "runs", "seeds", *map(title_of, test), "min per run"):
        left = column in ("data set", "runs")
        table.add_column(column, justify="left" if left else "right", no_wrap=column != "runs")
    for group in summary_of(rows):
        table.add_row(
            group["dataset"],
            f"{group['label']} {group['variant']}",
            f"{group['finished']}/{group['runs']}" + (f", {group['failed']} failed" if group["failed"] else ""),
            *(spread(group, name) for name in test),
            _number(group["seconds"] and group["seconds"] / 60, "{:.1f}"),
        )
    return table


def name_of(group: Config) -> str:
    """Return the name of a group of runs in tables: its label, and what varies within the label."""
    return f"{group['label']} {group['variant']}".strip()


def spread(group: Config, key: str) -> str:
    """Return mean ± standard deviation of a group of runs as text."""
    deviation = group[f"{key}_deviation"]
    return _number(group[key]) + (f" ± {deviation:.4f}" if deviation is not None else "")


def _number(value, form="{:.4f}"):
    return "" if value is None else form.format(value)
