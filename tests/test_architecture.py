"""The rooms of the house: imports point down, TensorFlow stays in its rooms, tests mirror them, importing is quiet."""

import ast
import pathlib
import subprocess
import sys

import pytest

from tests.architecture import CHECKOUT, FOLDERS, arrows, floors, imported_names, imports, room_of, sources
from tests.conftest import FOURTH, NIGHTLY

# What the rooms of a folder may import outside of it. Folders that are not listed may import everything.
ALLOWED = {
    "ctrzoo": (),
    "models": ("ctrzoo",),
    "data_pipelines": (
        "ctrzoo/__init__.py",
        "ctrzoo/files.py",
        "ctrzoo/memory.py",
        "ctrzoo/page.py",
        "ctrzoo/plot_text.py",
        "ctrzoo/schema.py",
        "ctrzoo/stores.py",
        "ctrzoo/suggest.py",
        "ctrzoo/types.py",
        "ctrzoo/unfinished.py",
    ),
    "estimators": ("ctrzoo", "models", "data_pipelines"),
}
# What a room may import of its own folder, bottom first. Each room may import those above its own line.
FLOORS = {
    "ctrzoo": (
        ("ctrzoo/types.py",),
        ("ctrzoo/unfinished.py",),
        ("ctrzoo/__init__.py", "ctrzoo/startup.py", "ctrzoo/suggest.py", "ctrzoo/files.py", "ctrzoo/cluster.py"),
        ("ctrzoo/memory.py", "ctrzoo/page.py", "ctrzoo/stores.py", "ctrzoo/divided_rows.py"),
        ("ctrzoo/plot_text.py", "ctrzoo/idle.py", "ctrzoo/metrics", "ctrzoo/schema.py", "ctrzoo/tasks.py"),
        ("ctrzoo/validation.py", "ctrzoo/lookup.py", "ctrzoo/distribution.py", "ctrzoo/losses.py", "ctrzoo/plots.py"),
        ("ctrzoo/layers", "ctrzoo/optimizers"),
        ("ctrzoo/model.py",),
        ("ctrzoo/pretrained.py", "ctrzoo/warm_start.py", "ctrzoo/ranking", "ctrzoo/histories.py"),
        ("ctrzoo/explanation",),
        ("ctrzoo/training",),
    ),
    "data_pipelines": (
        ("data_pipelines/errors.py", "data_pipelines/progress.py"),
        ("data_pipelines/raw", "data_pipelines/encoding"),
        ("data_pipelines/storage",),
        ("data_pipelines/preparation",),
        ("data_pipelines/spark",),
        ("data_pipelines/datasets",),
        ("data_pipelines/__init__.py",),
    ),
}
# The rooms of the library that may use TensorFlow itself. The others run on every Keras backend.
TENSORFLOW = ("ctrzoo/startup.py", "ctrzoo/training", "ctrzoo/explanation", "ctrzoo/optimizers", "ctrzoo/lookup.py")
# The folders of whose code files each has a test file of its own, at the same place within `tests/`. Folders within
# them have lines of their own.
MIRRORED = (
    "ctrzoo",
    "ctrzoo/explanation",
    "ctrzoo/layers",
    "ctrzoo/metrics",
    "ctrzoo/optimizers",
    "ctrzoo/ranking",
    "ctrzoo/training",
    "data_pipelines",
    "data_pipelines/datasets",
    "data_pipelines/encoding",
    "data_pipelines/preparation",
    "data_pipelines/raw",
    "data_pipelines/spark",
    "data_pipelines/storage",
    "estimators",
    "experiments",
    "experiments/claims",
    "experiments/daily",
    "experiments/evaluation",
    "experiments/exporting",
    "experiments/next_movie",
    "experiments/scale",
    "experiments/scoring",
    "experiments/sweeps",
    "experiments/tracking",
)
# Code files of these folders without one, and why.
WITHOUT_TESTS = {
    "ctrzoo/types.py": "names of types, which pyright checks",
    "experiments/explained_run.py": "`test_explain.py` tests it through `ctrzoo-explain`",
    "experiments/scale/__main__.py": "`test_page.py` runs it",
}


def test_no_circle_among_files_and_rooms():
    found = imports()
    assert len(found) > 300
    floors(arrows(found, place=str))
    floors(arrows(found))


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_it_may(folder):
    for each in imports():
        target = room_of(each.target)
        if each.source.startswith(f"{folder}/") and not target.startswith(folder):
            allowed = any(target == entry or target.startswith(f"{entry}/") for entry in ALLOWED[folder])
            assert allowed, f"{each.source}, line {each.line}: {folder} must not import {each.target}"


@pytest.mark.parametrize("folder", FLOORS)
def test_a_room_imports_only_the_rooms_below(folder):
    floor = {room: number for number, rooms in enumerate(FLOORS[folder]) for room in rooms}
    rooms = {room_of(path) for path in sources() if path.parts[0] == folder}
    assert rooms == set(floor), "list every room in FLOORS"
    for each in imports():
        source, target = room_of(each.source), room_of(each.target)
        if source in floor and target in floor and source != target:
            assert floor[target] < floor[source], f"{each.source}, line {each.line}: {target} is not below {source}"


@pytest.mark.parametrize("path", sources(), ids=str)
def test_imports_are_visible_to_static_tools(path):
    """Inside a folder imports are relative, and between folders too, so that they name paths that exist on disk."""
    for node in ast.walk(ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            parts = (node.module or "").split(".")
            assert parts[0] not in FOLDERS[1:], f"line {node.lineno}: import {node.module} relatively"
            if path.parts[0] != "ctrzoo" and parts[0] == "ctrzoo":
                names = {*parts[1:2], *([] if parts[1:] else [alias.name for alias in node.names])}
                assert not names & set(FOLDERS[1:]), f"line {node.lineno}: import {ast.unparse(node)} relatively"


@pytest.mark.parametrize("path", [path for path in sources() if path.parts[0] == "ctrzoo"], ids=str)
def test_tensorflow_stays_in_its_rooms(path):
    if room_of(path) not in TENSORFLOW:
        for name, line in imported_names(path):
            assert name.split(".")[0] != "tensorflow", f"line {line}: {path} must not import TensorFlow"


@pytest.mark.parametrize("folder", MIRRORED)
def test_each_code_file_has_its_test_file(folder):
    files = [path for path in (CHECKOUT / folder).glob("*.py") if path.name != "__init__.py"]
    assert files, f"{folder} has no code files: correct MIRRORED"
    for path in files:
        mirrored = f"tests/{folder}/test_{path.name}"
        expected = f"{folder}/{path.name}" not in WITHOUT_TESTS
        assert (CHECKOUT / mirrored).is_file() == expected, f"write {mirrored}, or correct WITHOUT_TESTS"


def test_files_without_tests_are_there():
    assert [path for path in WITHOUT_TESTS if not (CHECKOUT / path).is_file()] == []


def test_lines_of_nightly_name_tests():
    for line in NIGHTLY:
        path, _, name = line.removeprefix(FOURTH).partition("::")
        assert f"def {name.partition('[')[0].rstrip('*')}" in (CHECKOUT / path).read_text("utf-8"), line


def test_no_file_holds_marks_of_an_unfinished_merge():
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    texts = [path for ending in ("py", "md", "toml", "yaml") for path in CHECKOUT.rglob(f"*.{ending}")]
    own = [path for path in texts if not path.relative_to(CHECKOUT).parts[0].startswith((".", "venv"))]
    assert CHECKOUT / "WORKSPACE.md" in own
    assert [path for path in own if any(line.startswith(marks) for line in path.read_text("utf-8").splitlines())] == []


def test_import_loads_nothing_heavy():
    code = "import sys, ctrzoo, ctrzoo.schema; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert run_python(code).stdout.strip() == "[]"


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=120
    )


def test_the_drawing_is_checked_against_planted_faults():
    with pytest.raises(ValueError, match="in a circle: a -> b -> a"):
        floors({"a": {"b"}, "b": {"a"}})
    assert room_of(pathlib.PurePath("data_pipelines/raw/sources.py")) == "data_pipelines/raw"
