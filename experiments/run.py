"""One experiment, from settings to a folder of results."""

import json
import pathlib

from rich.console import Console

import ctrzoo
from ctrzoo import data_pipelines, models
from ctrzoo.explain import mean_explanations
from ctrzoo.files import write_json, write_text
from ctrzoo.plots import plot_interactions, plot_learning_curves
from ctrzoo.training import EVALUATION_BATCH, set_seed, train

BASELINES = "baselines"


def run_experiment(settings, data_dir, raw, workdir):
    """Prepare the data if need be, train the model and its baselines, write all results.

    Args:
        settings: The `Settings`.
        data_dir: Folder of prepared data sets.
        raw: Raw file or folder of the data set, or None.
        workdir: Folder of the results: the model's own files, and a folder for each baseline.

    Returns:
        `{"dataset", "models": {name: metrics}, "bayes": {...} or None, "notes": [...]}`.

    Raises:
        ValueError: If a setting does not fit, or the workdir holds another experiment.
        FileNotFoundError: If raw or prepared files are missing.
    """
    _check_workdir(workdir, settings)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    data = _load(settings, data_dir, raw)
    console.print(f"{data!r}")
    for name in (*settings.baselines, settings.model):
        _build(name, data.schema, settings)  # refuses wrong hyperparameters before anything is written
    workdir.mkdir(parents=True, exist_ok=True)
    write_json(workdir / "experiment.json", _description(settings, data))
    results, histories = {}, {}
    for name in (*settings.baselines, settings.model):
        folder = workdir if name == settings.model else workdir / BASELINES / name
        folder.mkdir(parents=True, exist_ok=True)
        set_seed(settings.seed)
        model = _build(name, data.schema, settings)
        result = train(
            model,
            data,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            optimizer=settings.optimizer,
            patience=settings.patience,
            seed=settings.seed,
            folder=folder,
            console=console,
        )
        histories[name] = result.pop("history")
        facts = {"model": name, "dataset": data.name, "seed": settings.seed, "num_parameters": model.count_params()}
        results[name] = {**facts, "epochs": len(histories[name]), **result}
        write_json(folder / "metrics.json", results[name])
    bayes = data.truth["bayes"] if data.truth else None
    notes = _explain(model, data, workdir)
    plot_learning_curves(histories, workdir / "learning_curves.png", bayes and bayes["valid"])
    return {"dataset": data.name, "models": results, "bayes": bayes and bayes["test"], "notes": notes}


def _check_workdir(workdir, settings):
    path = workdir / "experiment.json"
    if not path.is_file():
        return
    earlier = json.loads(path.read_text(encoding="utf-8"))["settings"]
    now = json.loads(json.dumps(settings.to_dict()))
    differences = [f"{key} was {earlier.get(key)!r}, is {now[key]!r}" for key in now if earlier.get(key) != now[key]]
    if differences:
        raise ValueError(
            f"{workdir} holds another experiment: {'; '.join(differences)}. Choose another --workdir, or delete it."
        )


def _load(settings, data_dir, raw):
    if settings.dataset in data_pipelines.DATASETS:
        return data_pipelines.load(
            data_pipelines.prepare(settings.dataset, data_dir, raw=raw, **settings.dataset_options)
        )
    return data_pipelines.load(pathlib.Path(settings.dataset))


def _build(name, schema, settings):
    known = models.hyperparameters_of(name)
    hyperparameters = {key: value for key, value in settings.hyperparameters.items() if key in known}
    try:
        return models.build(name, schema, **hyperparameters)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"Model '{name}' cannot be built with {hyperparameters}: {error}") from error


def _description(settings, data):
    import keras
    import tensorflow as tf

    return {
        "settings": settings.to_dict(),
        "data": {"folder": str(data.folder), "num_rows": data.num_rows, "options": data.options},
        "versions": {"ctrzoo": ctrzoo.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
    }


def _explain(model, data, workdir):
    """Write the interactions that the model found as a table and a picture; say how many planted ones it found."""
    if "pairs" not in model.explanation_names:
        return []
    strengths = mean_explanations(model, data.dataset("test", EVALUATION_BATCH, shuffle=False))["pairs"]
    names = data.schema.names
    pairs = [(strengths[i, j], names[j], names[i]) for i in range(len(names)) for j in range(i)]
    pairs.sort(reverse=True)
    planted = [frozenset(pair) for pair in data.truth["pairs"]] if data.truth else []
    lines = ["rank,field,other_field,strength" + (",planted" if planted else "")]
    for rank, (strength, *pair) in enumerate(pairs, start=1):
        is_planted = f",{int(frozenset(pair) in planted)}" if planted else ""
        lines.append(f"{rank},{','.join(pair)},{strength:.6g}{is_planted}")
    write_text(workdir / "interactions.csv", "\n".join(lines) + "\n")
    title = f"{model.name}: mean strength of pairs, test split"
    plot_interactions(strengths, names, workdir / "interactions.png", title, planted)
    found = sum(frozenset(pair) in planted for _, *pair in pairs[: len(planted)])
    note = f"{found} of the {len(planted)} planted pairs are among the {len(planted)} strongest of {model.name}."
    return [note] if planted else []
