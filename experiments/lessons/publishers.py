"""Memorization and generalization on a toy table of publishers and advertisers.

LR adds an effect of the publisher and one of the advertiser, so it cannot say that Gucci does well on Vogue only. Poly2
and the crosses of a wide part memorize each pair, but know nothing of a pair without rows. FM, FFM and AFM learn that
NBC's readers resemble ESPN's, so they expect few clicks for Gucci on NBC, which has no rows. They do so only with
penalties: free linear weights explain the rows as well and make FM expect clicks there ("FM, free").
With two fields, FFM is FM with other names, and the attention of AFM has nothing to choose from.

    python -m ctrzoo.experiments.lessons --folder=lessons

prints the click rates and writes `publishers.csv` and `publishers.png`.
Source: the numbers are those of Table 1 of Juan et al., RecSys 2016, https://doi.org/10.1145/2959100.2959134.
"""

from __future__ import annotations

import pathlib

import keras
import numpy as np
from matplotlib.figure import Figure

from ctrzoo.files import replaced, write_csv
from ctrzoo.schema import Field, Schema
from ctrzoo.types import Config, Path

from ... import models
from .table import train_on_table

PUBLISHERS, ADVERTISERS = ("ESPN", "Vogue", "NBC"), ("Nike", "Gucci", "Adidas")
# (clicks, rows without a click) of each publisher and advertiser, in the orders above.
CLICKS = np.array([[80, 10, 0], [15, 90, 10], [85, 0, 90]])
NO_CLICKS = np.array([[20, 90, 1], [85, 10, 90], [15, 0, 10]])
UNSEEN = ("NBC", "Gucci")
SCHEMA = Schema([Field("publisher", vocabulary_size=3), Field("advertiser", vocabulary_size=3)])
LINEAR = {"linear_l2": 1e-2}
EMBEDDED = {"embedding_dim": 4, "embedding_l2": 1e-3, **LINEAR}
MODELS: dict[str, tuple[str, Config]] = {
    "LR": ("lr", LINEAR),
    "Poly2": ("poly2", LINEAR),
    "crosses": ("wide_deep", {"crosses": (("publisher", "advertiser"),), "deep_units": ()}),
    "FM, free": ("fm", {"embedding_dim": 4}),
    "FM": ("fm", EMBEDDED),
    "FFM": ("ffm", EMBEDDED),
    "AFM": ("afm", EMBEDDED),
}


def observed_rates() -> np.ndarray:
    """Return the click rate of each publisher (rows) and advertiser (columns); NaN without rows."""
    shown = CLICKS + NO_CLICKS
    return np.where(shown > 0, CLICKS / np.maximum(shown, 1), np.nan)


def learned_rates(label: str, seed: int = 0, steps: int = 500) -> np.ndarray:
    """Train a model on the table and return its click rates, `(publishers, advertisers)`.

    Args:
        label: A key of `MODELS`.
        seed: Seed of the initial weights.
        steps: Number of steps of Adam.

    >>> bool(abs(learned_rates("Poly2")[1, 1] - 0.9) < 0.02)
    True
    """
    name, hyperparameters = MODELS[label]
    keras.utils.set_random_seed(seed)
    model = models.build(name, SCHEMA, **hyperparameters)
    ids = np.stack(np.meshgrid(range(1, 4), range(4, 7), indexing="ij"), axis=-1).reshape(-1, 2).astype("int32")
    features = {"ids": ids, "values": np.ones((9, 2), "float32")}
    return train_on_table(model, features, CLICKS.ravel(), NO_CLICKS.ravel(), steps).reshape(3, 3)


def write_lesson(folder: Path) -> list[Config]:
    """Write `publishers.csv` and `publishers.png`, and return the rows of the table.

    Args:
        folder: Where to write; it is made if it does not exist.

    Returns:
        `{"publisher", "advertiser", "observed", <model>: <click rate>}` of each pair.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rates = {"observed": observed_rates(), **{label: learned_rates(label) for label in MODELS}}
    rows = [
        {"publisher": publisher, "advertiser": advertiser}
        | {label: round(float(table[place, column]), 4) for label, table in rates.items()}
        for place, publisher in enumerate(PUBLISHERS)
        for column, advertiser in enumerate(ADVERTISERS)
    ]
    write_csv(folder / "publishers.csv", rows)
    _draw(rates, folder / "publishers.png")
    return rows


def _draw(rates, path):
    figure = Figure(figsize=(2.2 * len(rates) + 0.8, 2.8), layout="constrained")
    panels = figure.subplots(1, len(rates), sharey=True)
    for axes, (label, table) in zip(panels, rates.items(), strict=True):
        axes.imshow(table, vmin=0, vmax=1, cmap="viridis")
        axes.set(title=label, xticks=range(3), yticks=range(3))
        axes.set_xticklabels(ADVERTISERS, fontsize=8)
        axes.set_yticklabels(PUBLISHERS)
        axes.title.set_fontsize(9)
        for (row, column), rate in np.ndenumerate(table):
            text = "no rows" if np.isnan(rate) else f"{rate:.2f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if rate < 0.6 else "black")
    figure.colorbar(panels[0].images[0], ax=panels, label="click rate", shrink=0.8)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)


def print_lesson(folder: Path) -> None:
    """Print the table, and write it and its picture into a folder."""
    rows = write_lesson(folder)
    labels = ("observed", *MODELS)
    print(f"{'':16}" + "".join(f"{label:>{max(8, len(label) + 2)}}" for label in labels))
    for row in rows:
        cells = ("no rows" if np.isnan(row[label]) else f"{row[label]:.2f}" for label in labels)
        cells = "".join(f"{cell:>{max(8, len(label) + 2)}}" for cell, label in zip(cells, labels, strict=True))
        print(f"{row['publisher']:>6} × {row['advertiser']:7}{cells}")
    print(f"Written: {folder}/publishers.csv, {folder}/publishers.png")
