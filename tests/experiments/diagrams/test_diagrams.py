"""The diagrams of the models: arrows as in the papers, boxes apart, files up to date."""

import itertools
import pathlib

import pytest

from ctrzoo.experiments.diagrams.__main__ import drawings, main
from ctrzoo.experiments.diagrams.draw import diagram
from ctrzoo.experiments.diagrams.flow import parts_of
from ctrzoo.experiments.diagrams.layouts import LAYOUTS
from ctrzoo.experiments.diagrams.svg import WIDTH
from ctrzoo.models import build

COMMITTED = pathlib.Path(__file__).resolve().parents[3] / "docs" / "understand" / "diagrams"
# What each part receives, by the papers' figures.
RECEIVED = {
    "fm": {"pairwise": {"embedding"}, "Add 1": {"linear", "pairwise"}},
    "deepfm": {"deep": {"embedding"}, "Add 2": {"linear", "pairwise", "deep"}},
    "dcn_v2": {
        "cross_1": {"flat_embedding"},
        "cross_3": {"flat_embedding", "cross_2"},
        "states": {"cross_3", "deep"},
    },
    "autoint": {"attention_3": {"attention_2"}, "output": {"attention_3"}},
    "din": {"Matmul 1": {"attention_1", "embedding"}, "Concatenate 1": {"embedding", "Matmul 1"}},
    "graphfm": {"graph_2": {"graph_1"}, "Concatenate 1": {"graph_1", "graph_2", "graph_3"}},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_arrows_are_those_of_the_paper(name):
    layout = LAYOUTS[name]
    shown = [key for row in layout.rows for key in row]
    parts = parts_of(build(name, layout.schema), shown)
    for key, parents in RECEIVED[name].items():
        assert set(parts[key].parents) == parents, key
    assert set(layout.words) == set(shown)
    assert all((parent in parts[child].parents) for parent, child in layout.lanes), "a lane without an arrow"


@pytest.mark.parametrize("name", LAYOUTS)
def test_boxes_are_inside_and_apart(name):
    for row in LAYOUTS[name].rows:
        sides = sorted((middle - width / 2, middle + width / 2) for middle, width in row.values())
        assert sides[0][0] >= 6 and sides[-1][1] <= WIDTH - 6
        assert all(left[1] + 4 <= right[0] for left, right in itertools.pairwise(sides))


def test_the_numbers_of_fm_by_hand():
    ids = 1 + 1000 + 500 + 1 + 20  # absent, users, movies, age, genres
    svg = diagram("fm")
    assert f"4 × 16; {ids * 16:,} weights" in svg and f"1; {ids + 1:,} weights" in svg and "6 slots" in svg


@pytest.fixture(scope="module")
def drawn():
    return drawings()


def test_committed_diagrams_are_up_to_date(drawn):
    found = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.glob("*.svg")}
    assert found == drawn, "Run: python -m ctrzoo.experiments.diagrams --folder=docs/understand/diagrams"


def test_files_are_written(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr("ctrzoo.experiments.diagrams.__main__.drawings", lambda: drawn)
    main([f"--folder={tmp_path / 'new'}"])
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(drawn)
