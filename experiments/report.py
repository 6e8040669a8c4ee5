"""The final report of an experiment, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ctrzoo.metrics import Metric, cell_of, main_metrics, metric_of, metrics_of_row

if TYPE_CHECKING:
    from ..data_pipelines import PreparedData
    from .settings import Settings


def report(
    settings: Settings,
    data: PreparedData,
    results: Mapping[str, Any],
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
    """Return the report of an experiment.

    Args:
        settings: The `Settings`.
        data: The prepared data.
        results: What `run_experiment` returns.
        histories: Each model's history rows.
    """
    metrics = {name: metric_of(name) for name in next(iter(results["models"].values()))["test"]}
    titles = " | ".join(metric.title for metric in metrics.values())
    chosen = [f"- {key}: `{value}`" for key, value in settings.to_dict().items() if value not in ([], {})]
    rows = ", ".join(f"{split} {count:,}" for split, count in data.num_rows.items())
    lines = [
        f"# {settings.model} on {results['dataset']}",
        "",
        f"{rows} rows, {data.schema.num_fields} fields, {data.schema.num_ids:,} ids. Metrics cover the whole test "
        f"split and use the weights of the epoch with the best validation {metric_of(results['monitor']).title}.",
        "",
        f"| model | {titles} | best epoch | epochs | s per epoch | rows/s | weights |",
        "|---" * (len(metrics) + 6) + "|",
    ]
    for name, found in results["models"].items():
        lines.append(
            f"| {name} | {_scores(metrics, found['test'])} | "
            f"{found['best_epoch']} | {found['epochs']} | {found['seconds_per_epoch']:.1f} | "
            f"{found['rows_per_second']:,.0f} | {found['num_parameters']:,} |"
        )
    if results["bayes"]:
        bayes = results["bayes"]
        scores = [
            cell_of(metric, bayes, name) if metric.is_main and name in bayes else "" for name, metric in metrics.items()
        ]
        lines.append(f"| true probabilities | {' | '.join(scores)} | | | | | |")
    pictures = ["![Learning curves](learning_curves.png)"]
    if results.get("task") == "classification":
        pictures.append("![Calibration on the test split](calibration.png)")
    if results.get("has_interactions"):
        pictures.insert(0, "![Mean strength of pairs of fields](interactions.png)")
    lines += ["", *(line for note in [*results["notes"], *pictures] for line in (note, ""))]
    main = main_metrics(metrics_of_row(histories[settings.model][0])).items()
    columns = [(f"{split}_{name}", f"{split} {metric.title}") for split in ("train", "valid") for name, metric in main]
    columns = [column for column in columns if column[0] != "train_log_loss"]  # the training loss has its own column
    lines += [f"## Epochs of {settings.model}", "", f"| epoch | loss | {' | '.join(title for _, title in columns)} |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for row in histories[settings.model]:
        numbers = " | ".join(f"{row[key]:.4f}" for key in ("loss", *(key for key, _ in columns)))
        lines.append(f"| {row['epoch']} | {numbers} |")
    return "\n".join([*lines, "", "## Settings", "", *chosen]) + "\n"


def _scores(metrics: Mapping[str, Metric], values: Mapping[str, Any]) -> str:
    return " | ".join(cell_of(metric, values, name) for name, metric in metrics.items())
