"""Pages of the documentation that are written from the code and from pages elsewhere in the repository.

`conf.py` calls `write_pages` before each build. What it writes is in folders called `generated`, which git ignores.
"""

import dataclasses
import importlib
import inspect
import os
import pathlib
import pkgutil
import re
from collections.abc import Iterable, Sequence

from absl import flags

from ctrzoo.data_pipelines import DATASETS, options_of
from ctrzoo.data_pipelines.encoding.specification import FieldSpecification
from ctrzoo.experiments import catalog
from ctrzoo.experiments.settings import NESTED, Settings

DOCUMENTATION = pathlib.Path(__file__).resolve().parent
REPOSITORY = DOCUMENTATION.parent
PROGRAMS = {
    name: f"ctrzoo.experiments.{name}"
    for name in ("train", "prepare", "predict", "evaluate", "export", "explain", "sweep", "search")
} | {"bench": "ctrzoo.experiments.benchmarks.bench"}
# Pages elsewhere in the repository that are part of the documentation too, by their folder here.
ADOPTED = {
    "understand": {
        "results": "experiments/results/README.md",
        "leaderboard": "experiments/results/modern/leaderboard.md",
        "leaderboard_next_movie": "experiments/results/next_movie/leaderboard.md",
        "claims": "experiments/results/claims.md",
        "benchmarks": "experiments/benchmarks/README.md",
        "workspace": "WORKSPACE.md",
    },
    "use": {"serving": "serving/README.md"},
    "look_up": {"models": "models/README.md", "changes": "CHANGELOG.md"},
}
# The public modules by chapter of the API. A package stands for its `__all__`, or else for all its modules.
API = {
    "Models": ("ctrzoo.models", "ctrzoo.model", "ctrzoo.schema"),
    "Layers": ("ctrzoo.layers", "ctrzoo.lookup"),
    "Data": (
        "ctrzoo.data_pipelines",
        "ctrzoo.data_pipelines.storage.reading",
        "ctrzoo.data_pipelines.preparation.table",
        "ctrzoo.data_pipelines.encoding.frame",
        "ctrzoo.data_pipelines.encoding.fields",
        "ctrzoo.data_pipelines.encoding.serving",
        "ctrzoo.pretrained",
    ),
    "Training": ("ctrzoo.training", "ctrzoo.optimizers", "ctrzoo.warm_start", "ctrzoo.tasks", "ctrzoo.losses"),
    "Metrics and ranking": ("ctrzoo.metrics", "ctrzoo.ranking"),
    "Explanations": ("ctrzoo.explanation",),
    "Estimators": ("ctrzoo.estimators",),
}


def write_pages(folder: pathlib.Path) -> None:
    """Write all generated pages.

    Args:
        folder: The folder of the documentation.
    """
    look_up = folder / "look_up" / "generated"
    pages = {
        look_up / "programs.md": programs_page(),
        look_up / "settings.md": settings_page(),
        look_up / "field_keys.md": field_keys_page(),
    }
    for chapter, modules in API.items():
        pages[look_up / f"api_{chapter.lower().replace(' ', '_')}.md"] = api_page(chapter, modules)
    for chapter, adopted in ADOPTED.items():
        for name, source in adopted.items():
            target = folder / chapter / "generated" / f"{name}.md"
            pages[target] = adopted_page(REPOSITORY / source, target.parent)
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # Sphinx builds changed pages again
            path.write_text(text, encoding="utf-8")


def programs_page() -> str:
    """Return the flags of all programs."""
    lines = ["# Programs", "", "Each program prints this with `--help`.", ""]
    for name, module_name in PROGRAMS.items():
        module = importlib.import_module(module_name)
        first, _, rest = (module.__doc__ or "").partition("\n")
        lines += [f"## ctrzoo-{name}", "", first, "", rest.strip(), ""]
        groups = module.FLAGS.flags_by_module_dict().items()
        own = [flag for key, group in groups if "absl" not in key for flag in group]
        lines += _table(("flag", "default", "meaning"), sorted(map(_flag_row, own)))
    return "\n".join(lines)


def _flag_row(flag: flags.Flag) -> tuple[str, str, str]:
    values = getattr(flag.parser, "enum_values", None)
    shown = f"--{flag.name}={'|'.join(values)}" if values else f"--{flag.name}"
    return f"`{shown}`", _default(flag.default), " ".join(str(flag.help).split())


def _default(value: object) -> str:
    return "" if value in (None, False, "", [], ()) else f"`{value}`"


def settings_page() -> str:
    """Return what `--set` takes: settings of a run, hyperparameters of the models, options of the data sets."""
    lines = ["# Settings", "", "Pass each as `--set=name=value`, or write it into a configuration file.", ""]
    lines += ["## Of a run", ""]
    rows = [
        (f"`{field.name}`", _default(field.default), field.metadata.get("help", "More models to train."))
        for field in dataclasses.fields(Settings)
        if field.name not in NESTED
    ]
    lines += _table(("setting", "default", "meaning"), rows)
    lines += ["## Of a data set", ""]
    for name in DATASETS:
        options = [f"`{key}` ({_default(value) or 'none'})" for key, value in options_of(name).items()]
        lines += [f"`{name}`: {', '.join(options) or 'none'}.", ""]
    lines += ["## Of a model", ""]
    for name in catalog.model_names():
        hyperparameters = catalog.hyperparameters_of(name)
        rows = [(f"`{key}`", f"`{value.default}`", value.meaning) for key, value in hyperparameters.items()]
        lines += [f"### {name}", "", catalog.summary_of(name), ""]
        lines += _table(("hyperparameter", "default", "meaning"), rows)
    return "\n".join(lines)


def field_keys_page() -> str:
    """Return the keys of a field in a schema file, from the docstring that defines them."""
    documented = dict(catalog.arguments_of(inspect.cleandoc(FieldSpecification.__doc__ or "")))
    rows = [
        (f"`{field.name}`", "" if field.name == "name" else _default(field.default), documented[field.name])
        for field in dataclasses.fields(FieldSpecification)
        if field.name in documented
    ]
    return "\n".join([*_table(("key", "default", "meaning"), rows)])


def api_page(chapter: str, modules: Sequence[str]) -> str:
    """Return a page that shows the public names of modules."""
    lines = [f"# {chapter}", ""]
    for name in (inner for module in modules for inner in _modules(module)):
        lines += [f"## {name}", "", "```{eval-rst}", f".. automodule:: {name}", "   :members:", "```", ""]
    return "\n".join(lines)


def _modules(name: str) -> list[str]:
    """Return a module; of a package that does not list its public names, also the modules in it."""
    module = importlib.import_module(name)
    lists = hasattr(module, "__all__") or not hasattr(module, "__path__")
    inner = () if lists else (found.name for found in pkgutil.iter_modules(module.__path__))
    return [name, *(f"{name}.{part}" for part in inner if part != "cards")]  # the cards are a page of their own


def adopted_page(source: pathlib.Path, folder: pathlib.Path) -> str:
    """Return a page of the repository as a page of the documentation.

    Args:
        source: The page.
        folder: The folder that the new page will be in.
    """
    return relinked(source.read_text(encoding="utf-8"), source.parent, folder)


def relinked(text: str, source: pathlib.Path, folder: pathlib.Path) -> str:
    """Return a page whose links work on the site.

    Pictures are taken from where they are. A link to a file that is no page of the site becomes its path.

    Args:
        text: The page.
        source: The folder that its links start from.
        folder: The folder, in that of the documentation, that they are to start from.
    """
    pages = {
        REPOSITORY / path: DOCUMENTATION / chapter / "generated" / f"{name}.md" for chapter, name, path in _adopted()
    }

    def relink(match: re.Match) -> str:
        picture, shown, target = match.groups()
        path = (source / target.partition("#")[0]).resolve()
        if re.match(r"[a-z]+:|#", target):
            return match.group()
        if picture or path in pages or DOCUMENTATION in path.parents:
            return f"{picture}[{shown}]({os.path.relpath(pages.get(path, path), folder)})"
        return f"{shown} (`{path.relative_to(REPOSITORY)}`)"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", relink, text)


def _adopted() -> Iterable[tuple[str, str, str]]:
    return ((chapter, name, path) for chapter, pages in ADOPTED.items() for name, path in pages.items())


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table and an empty line."""
    lines = [names, ["---"] * len(names), *rows]
    return [*(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines), ""]
