"""The final report of an experiment, as Markdown."""


def score(number):
    """Write a score; rows of one class have no AUC.

    >>> score(0.81236), score(None)
    ('0.8124', 'nan')
    """
    return "nan" if number is None else f"{number:.4f}"


def report(settings, data, results, histories):
    """Return the report of an experiment.

    Args:
        settings: The `Settings`.
        data: The prepared data.
        results: What `run_experiment` returns.
        histories: The rows of the history of each model.
    """
    chosen = [f"- {key}: `{value}`" for key, value in settings.to_dict().items() if value not in ([], {})]
    rows = ", ".join(f"{split} {count:,}" for split, count in data.num_rows.items())
    lines = [
        f"# {settings.model} on {results['dataset']}",
        "",
        f"{rows} rows, {data.schema.num_fields} fields, {data.schema.num_ids:,} ids. Metrics are of the whole test "
        "split, with the weights of the epoch of the lowest validation log loss.",
        "",
        "| model | AUC | log loss | calibration | best epoch | epochs | s an epoch | rows/s | weights |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, metrics in results["models"].items():
        test = metrics["test"]
        lines.append(
            f"| {name} | {test['auc']:.4f} | {test['log_loss']:.4f} | {test['calibration']:.3f} | "
            f"{metrics['best_epoch']} | {metrics['epochs']} | {metrics['seconds_per_epoch']:.1f} | "
            f"{metrics['rows_per_second']:,.0f} | {metrics['num_parameters']:,} |"
        )
    if results["bayes"]:
        bayes = results["bayes"]
        lines.append(f"| true probabilities | {score(bayes['auc'])} | {score(bayes['log_loss'])} | | | | | | |")
    lines += ["", *results["notes"], "", "![Learning curves](learning_curves.png)", ""]
    lines += [f"## Epochs of {settings.model}", "", "| epoch | loss | train AUC | valid AUC | valid log loss |"]
    lines.append("|---|---|---|---|---|")
    for row in histories[settings.model]:
        numbers = " | ".join(f"{row[key]:.4f}" for key in ("loss", "train_auc", "valid_auc", "valid_log_loss"))
        lines.append(f"| {row['epoch']} | {numbers} |")
    return "\n".join([*lines, "", "## Settings", "", *chosen]) + "\n"
