"""The final report of an experiment, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctrzoo.metrics import METRICS, shown_metrics

from .settings import Settings


def report(
    settings: Settings,
    data: Any,
    results: Mapping[str, Any],
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
    """Return the report of an experiment.

    Args:
        settings: The `Settings`.
        data: The prepared data.
        results: What `run_experiment` returns.
        histories: The history rows of each model.
    """
    chosen = [f"- {key}: `{value}`" for key, value in settings.to_dict().items() if value not in ([], {})]
    rows = ", ".join(f"{split} {count:,}" for split, count in data.num_rows.items())
    lines = [
        f"# {settings.model} on {results['dataset']}",
        "",
        f"{rows} rows, {data.schema.num_fields} fields, {data.schema.num_ids:,} ids. Metrics are of the whole test "
        "split, with the weights of the epoch of the lowest validation log loss.",
        "",
        f"| model | {' | '.join(metric.title for metric in METRICS.values())} | best epoch | epochs | s per epoch | "
        "rows/s | weights |",
        "|---" * (6 + len(METRICS)) + "|",
    ]
    for name, metrics in results["models"].items():
        scores = " | ".join(metric.text(metrics["test"][metric.name]) for metric in METRICS.values())
        lines.append(
            f"| {name} | {scores} | {metrics['best_epoch']} | {metrics['epochs']} | "
            f"{metrics['seconds_per_epoch']:.1f} | {metrics['rows_per_second']:,.0f} | {metrics['num_parameters']:,} |"
        )
    if results["bayes"]:
        bayes = results["bayes"]
        scores = " | ".join(metric.text(bayes[name]) if name in bayes else "" for name, metric in METRICS.items())
        lines.append(f"| true probabilities | {scores} | | | | | |")
    lines += ["", *results["notes"], "", "![Learning curves](learning_curves.png)", ""]
    # The log loss of training rows is left out: the loss is next to it.
    keys = [(split, metric) for split in ("train", "valid") for metric in shown_metrics()]
    keys = [(split, metric) for split, metric in keys if (split, metric.name) != ("train", "log_loss")]
    titles = " | ".join(f"{split} {metric.title}" for split, metric in keys)
    lines += [f"## Epochs of {settings.model}", "", f"| epoch | loss | {titles} |", "|---" * (2 + len(keys)) + "|"]
    for row in histories[settings.model]:
        numbers = [f"{row['loss']:.4f}", *(metric.text(row[f"{split}_{metric.name}"]) for split, metric in keys)]
        lines.append(f"| {row['epoch']} | {' | '.join(numbers)} |")
    return "\n".join([*lines, "", "## Settings", "", *chosen]) + "\n"
