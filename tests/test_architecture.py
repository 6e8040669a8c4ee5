"""Imports point one way, all code lives in one namespace, and importing it is quiet."""

import ast
import pathlib
import subprocess
import sys

import pytest

import ctrzoo

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("ctrzoo", "models", "data_pipelines", "experiments")
# What a folder may import of the project; no entry means everything.
ALLOWED = {
    "ctrzoo": ("ctrzoo",),
    "models": ("ctrzoo", "models"),
    "data_pipelines": ("ctrzoo.files", "ctrzoo.labels", "ctrzoo.schema", "ctrzoo.suggest", "data_pipelines"),
}
# Only these modules of the library may use TensorFlow itself; the rest runs on every Keras backend.
TENSORFLOW = {"training.py", "explain.py", "optimizers.py", "strategy.py", "records.py", "lookup.py"}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place_of(name):
    """The folder an imported name of the project lies in, or its dotted name within the library."""
    parts = name.split(".")
    if parts[0] != "ctrzoo":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else name


def sources():
    return [path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py")]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_imports_point_one_way(path):
    folder = path.relative_to(CHECKOUT).parts[0]
    for name in imports_of(path):
        assert name.split(".")[0] not in FOLDERS[1:], f"import {name} by its full name, ctrzoo.{name}"
        place = place_of(name)
        allowed = ALLOWED.get(folder)
        if place and allowed:
            inside = place in allowed or any(place.startswith(f"{entry}.") for entry in allowed)
            assert inside and not (folder == "ctrzoo" and place in FOLDERS[1:]), f"{folder} must not import {name}"
        if folder == "ctrzoo" and path.name not in TENSORFLOW:
            assert name.split(".")[0] != "tensorflow", f"{path.name} must not import TensorFlow"


# Functions that run once, when a layer is made, not at every step; and one that only sorts slices into sums.
SET_UP_OR_SORT = ("__init__", "build", "_slot_pairs", "unordered_pairs", "_pairs_by_distance", "_add_up_by_field")


def test_no_layer_loops_over_fields_or_pairs_where_it_computes():
    words = ("num_fields", "fields", "pairs", "first_ids", "slot_fields")
    for path in (CHECKOUT / "ctrzoo" / "layers").glob("*.py"):
        functions = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            loops = [node.iter for node in ast.walk(function) if isinstance(node, (ast.For, ast.comprehension))]
            looped = [] if function.name in SET_UP_OR_SORT else [ast.unparse(loop) for loop in loops]
            for text in looped:
                assert not any(word in text for word in words), f"{path.name}, {function.name} loops over {text}"


def test_import_loads_nothing_heavy():
    code = "import sys, ctrzoo, ctrzoo.schema; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert run_python(code).stdout.strip() == "[]"


def test_start_up_prints_nothing():
    finished = run_python("import ctrzoo.models, keras; keras.ops.ones(3)")
    assert (finished.stdout, finished.stderr) == ("", "")


def test_version():
    assert ctrzoo.__version__.count(".") == 2


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=120
    )
