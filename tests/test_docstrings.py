"""The examples in docstrings run and show what they say."""

import doctest
import importlib
import pathlib

import keras
import numpy as np
import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("ctrzoo", "models", "data_pipelines", "estimators", "experiments")
# Libraries that only benchmarks compare with.
PEERS = {"torch", "fuxictr", "deepctr"}


def modules():
    paths = [path.relative_to(CHECKOUT) for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py")]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return sorted(name if name.split(".")[0] == "ctrzoo" else f"ctrzoo.{name}" for name in names)


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in PEERS:
            raise
        pytest.skip(f"{error.name} is not installed")
    names = {"np": np, "keras": keras, **vars(module)}
    results = doctest.testmod(module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert results.failed == 0
