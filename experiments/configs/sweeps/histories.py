"""Models on synthetic clicks with a planted history: without events, without their order, with it; three seeds.

Command: `ctrzoo-sweep --config=histories --folder=experiments/results/histories`

The data are 200,000 training rows of `synthetic` with `histories=true`. All models have the same fields and MLP. The
first sees no event and the last sees the true feature instead of the events, so they bound the others from both sides.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.grid import grid
from ...sweeps.planted_histories import write_histories

WITHOUT, BLIND, PRODUCT = "no history", "mean of events", "mean of events and product"
DIN, PLACES, TRUE = "DIN", "DIN with places", "true feature"


def get_sweep() -> list[Config]:
    """Return the settings of each run: all of one seed before the next."""
    penalties = {"embedding_l2": 1e-4, "linear_l2": 1e-4}
    common = {"dataset": "synthetic", "histories": True, "num_rows": 250_000, "deep_units": (64, 32), **penalties}
    common |= {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 1024, "epochs": 20, "patience": 2}
    events = {"use_fm": True, "learning_rate": 2e-3, "plateau_factor": 0.3, "embedding_l2": 2e-4}
    # With one layer of 32 in the unit, places bring 0.823 only: it cannot tell the newest match.
    din = {"model": "din", **events, "attention_units": (64, 32), "attention_activation": "relu"}
    variants = [
        {"label": WITHOUT, "model": "deepfm", "shown": "nothing"},
        {"label": BLIND, "model": "pooled", **events, "candidate_product": False},
        {"label": PRODUCT, "model": "pooled", **events},
        {"label": DIN, **din},
        {"label": PLACES, **din, "position_dim": 16},
        {"label": TRUE, "model": "deepfm", "shown": "place"},
    ]
    return [
        run
        for seed in (2018, 2019, 2020)
        for variant in variants
        for run in grid(**{**common, **variant, "seed": seed})
    ]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Compare the models with what can be known without events, without their order, and with all."""
    write_histories(rows, folder)
