"""Grids of settings."""

from ctrzoo.experiments.sweeps.grid import grid


def test_every_combination_comes_once_the_last_varying_fastest():
    found = grid(model=["lr", "fm"], units=(8, 8), seed=[1, 2, 3])
    assert [(choice["model"], choice["seed"]) for choice in found] == [
        ("lr", 1), ("lr", 2), ("lr", 3), ("fm", 1), ("fm", 2), ("fm", 3),
    ]  # fmt: skip
    assert all(choice["units"] == (8, 8) and list(choice) == ["model", "units", "seed"] for choice in found)


def test_no_choice_is_one_run_and_an_empty_list_is_none():
    assert grid() == [{}]
    assert grid(model=["lr"], seed=[]) == []
    assert grid(units=[(8, 8), (4,)]) == [{"units": (8, 8)}, {"units": (4,)}]
