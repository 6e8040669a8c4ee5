"""The models and their hyperparameters, read from their source files.

Importing the models loads TensorFlow, which takes seconds. Programs need only names to show help or to refuse a
misspelled setting.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence

MODELS = pathlib.Path(__file__).resolve().parents[1] / "models"


class Hyperparameter(typing.NamedTuple):
    """A hyperparameter: its default as Python code, and what the docstring says of it."""

    default: str
    meaning: str


@functools.cache
def _classes() -> dict[str, ast.ClassDef]:
    """Return the class of each model as a syntax tree, in the order of the registry."""
    tree = _parsed("__init__")
    files = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    }
    (registry,) = (node.value for node in tree.body if isinstance(node, ast.Assign) and _assigns(node, "MODELS"))
    assert isinstance(registry, ast.Dict)
    classes = {}
    for key, value in zip(registry.keys, registry.values, strict=True):
        assert isinstance(key, ast.Constant) and isinstance(value, ast.Name)
        classes[key.value] = _class_in(_parsed(files[value.id]), value.id)
    return classes


def _parsed(module):
    return ast.parse((MODELS / f"{module}.py").read_text(encoding="utf-8"))


def _assigns(node, name):
    return [target.id for target in node.targets if isinstance(target, ast.Name)] == [name]


def _class_in(tree, name):
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def _loaded() -> types.ModuleType | None:
    """Return the package of the models if it is already imported: it may hold models that a program registered."""
    return sys.modules.get(f"{__name__.split('.')[0]}.models")


# Arguments of models that are settings of their own.
SET_OTHERWISE = ("dtype", "task")


def model_names() -> tuple[str, ...]:
    """Return the names of all models, in the order of the registry.

    >>> model_names()[:3]
    ('lr', 'poly2', 'fm')
    """
    models = _loaded()
    return tuple(models.MODELS) if models else tuple(_classes())


def hyperparameter_names(name: str) -> Sequence[str]:
    """Return the names of the hyperparameters of a model.

    >>> hyperparameter_names("lr")
    ['linear_l2']
    """
    models = _loaded()
    names = models.hyperparameters_of(name) if models else hyperparameters_of(name)
    return [key for key in names if key not in SET_OTHERWISE]


def hyperparameters_of(name: str) -> Mapping[str, Hyperparameter]:
    """Return the hyperparameters of a model of the zoo, by name.

    >>> hyperparameters_of("deepfm")["deep_units"].default
    '(400, 400)'
    """
    model = _classes()[name]
    (init,) = (node for node in model.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    meanings = dict(arguments_of(ast.get_docstring(model) or ""))
    with_default = init.args.args[len(init.args.args) - len(init.args.defaults) :]
    return {
        argument.arg: Hyperparameter(ast.unparse(default), meanings.get(argument.arg, ""))
        for argument, default in zip(with_default, init.args.defaults, strict=True)
        if argument.arg not in SET_OTHERWISE
    }


def summary_of(name: str) -> str:
    """Return the first paragraph of a model's docstring."""
    return (ast.get_docstring(_classes()[name]) or "").split("\n\n")[0].replace("\n", " ")


def arguments_of(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield name and description of each argument in a docstring."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", docstring, re.MULTILINE)
    entries = re.findall(r"^    (\w+): ((?:.*\n?)(?:^      .*\n?)*)", section[1] if section else "", re.MULTILINE)
    for name, text in entries:
        yield name, " ".join(text.split())
