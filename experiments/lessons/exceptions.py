"""Exceptions to a rule: crosses memorize them with one weight each, an FM with one dimension each.

In a table of 8 users and 8 items, half of the users click often, half of the items are clicked often, and six pairs of
user and item are exceptions, whose click rate is the opposite of what both suggest. No two of them share a user or an
item. The logits of such a table have rank 8, of which linear weights can take up 2. So an FM needs six dimensions, one
for each exception; with fewer, it must miss some exceptions, or be wrong about other pairs of the same users and items.
LR with a cross for each exception needs fewer parameters and adds nothing to any other pair, while the product of two
embeddings is never exactly 0.

    python -m ctrzoo.experiments.lessons --folder=lessons

prints the errors and writes `exceptions.csv` and `exceptions.png`.
Source: Cheng et al., DLRS 2016, section 1, https://arxiv.org/abs/1606.07792, about both kinds of models.
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

SIZE, EXCEPTIONS, IMPRESSIONS = 8, 6, 1000
CROSSES = "LR and crosses"
DIMS = {f"FM, {dim} dim" + "s" * (dim > 1): dim for dim in (1, 2, 4, 6)}
MODELS = ("LR", CROSSES, *DIMS)


def true_logits() -> np.ndarray:
    """Return the logit of the click rate of each user and item, `(8, 8)`; the exceptions are on the diagonal."""
    effects = np.where(np.arange(SIZE) % 2, -1.0, 1.0)
    logits = effects[:, None] + effects
    diagonal = np.arange(EXCEPTIONS)
    logits[diagonal, diagonal] *= -1
    return logits


def learn(label: str, seed: int = 0, steps: int = 400) -> Config:
    """Train a model on the table.

    Args:
        label: One of `MODELS`.
        seed: Seed of the initial weights.
        steps: Number of steps of Adam.

    Returns:
        `rates` and `interactions` (what a pair adds to the logit), both `(8, 8)`, and the number of `parameters`,
        without those of absent values.
    """
    keras.utils.set_random_seed(seed)
    fields = [Field("user", vocabulary_size=SIZE), Field("item", vocabulary_size=SIZE)]
    if label == CROSSES:
        fields.append(Field("exception", vocabulary_size=EXCEPTIONS))
    schema = Schema(fields)
    if label in DIMS:
        model = models.build("fm", schema, embedding_dim=DIMS[label])
    else:
        model = models.build("lr", schema)
    users, items = (part.ravel() for part in np.indices((SIZE, SIZE)))
    columns = [1 + users, 1 + SIZE + items]
    if label == CROSSES:
        columns.append(np.where((users == items) & (users < EXCEPTIONS), 1 + 2 * SIZE + users, 0))
    ids = np.stack(columns, axis=1).astype("int32")
    features = {"ids": ids, "values": (ids > 0).astype("float32")}
    clicks = IMPRESSIONS / (1 + np.exp(-true_logits().ravel()))
    rates = train_on_table(model, features, clicks, IMPRESSIONS - clicks, steps)
    explained = {name: keras.ops.convert_to_numpy(found) for name, found in model.explainer()(features).items()}
    if label in DIMS:
        interactions = explained["pairs"][:, 0, 1]
    else:
        interactions = explained["fields"][:, 2] if label == CROSSES else np.zeros(len(users))
    values = schema.num_ids - 1
    return {
        "rates": rates.reshape(SIZE, SIZE),
        "interactions": interactions.reshape(SIZE, SIZE),
        "parameters": 1 + values * (1 + DIMS.get(label, 0)),
    }


def errors(found: Config) -> Config:
    """Return the largest errors of the click rate in exceptions and elsewhere, and interactions elsewhere.

    Args:
        found: What `learn` returned.

    Returns:
        `parameters`, `error_of_exceptions` and `error_elsewhere` (largest absolute errors of the click rate), and
        `share_of_zeros`, the share of the other pairs whose interaction is exactly 0.
    """
    wrong = np.abs(found["rates"] - 1 / (1 + np.exp(-true_logits())))
    diagonal = np.zeros((SIZE, SIZE), bool)
    diagonal[np.arange(EXCEPTIONS), np.arange(EXCEPTIONS)] = True
    return {
        "parameters": found["parameters"],
        "error_of_exceptions": float(wrong[diagonal].max()),
        "error_elsewhere": float(wrong[~diagonal].max()),
        "share_of_zeros": float((found["interactions"][~diagonal] == 0).mean()),
    }


def write_lesson(folder: Path) -> list[Config]:
    """Write `exceptions.csv` and `exceptions.png`, and return a row for each model: `model` and its `errors`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found = {label: learn(label) for label in MODELS}
    rows = [{"model": label, **errors(found[label])} for label in MODELS]
    write_csv(folder / "exceptions.csv", rows)
    tables = {"true": 1 / (1 + np.exp(-true_logits())), **{label: found[label]["rates"] for label in MODELS}}
    figure = Figure(figsize=(1.9 * len(tables) + 0.8, 2.5), layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True)
    for axes, (label, table) in zip(panels, tables.items(), strict=True):
        axes.imshow(table, vmin=0, vmax=1, cmap="viridis")
        axes.set(xticks=[], yticks=[], xlabel="item")
        axes.set_title(label, fontsize=9)
    panels[0].set_ylabel("user")
    figure.colorbar(panels[0].images[0], ax=panels, label="click rate", shrink=0.8)
    with replaced(folder / "exceptions.png") as temporary:
        figure.savefig(temporary, dpi=120)
    return rows


def print_lesson(folder: Path) -> None:
    """Print the table, and write it and its picture into a folder."""
    print(f"{'':16}{'parameters':>12}{'error of exceptions':>22}{'error elsewhere':>18}{'no interaction':>17}")
    for row in write_lesson(folder):
        print(
            f"{row['model']:16}{row['parameters']:12}{row['error_of_exceptions']:22.2f}{row['error_elsewhere']:18.2f}"
            f"{row['share_of_zeros']:17.0%}"
        )
    print(f"Written: {folder}/exceptions.csv, {folder}/exceptions.png")
