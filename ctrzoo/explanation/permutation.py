"""What a model's fields and pairs of fields are worth, measured by shuffling them."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from ctrzoo.metrics import auc
from ctrzoo.model import CTRModel, predict_slices
from ctrzoo.types import Features


class PermutationImportance(typing.NamedTuple):
    """What shuffling costs; each row is one repetition.

    Args:
        auc: AUC of the rows as they are.
        fields: AUC lost when a field is shuffled over rows, `(repeats, fields)`.
        pairs: The pairs of fields that were shuffled, indices `(i, j)`.
        together: AUC lost when both fields of a pair are shuffled, by the same permutation, `(repeats, pairs)`.
        interaction: AUC lost by shuffling each one, added, minus AUC lost by shuffling both, `(repeats, pairs)`. What
            two
            interacting fields say together is lost with either one, so it counts twice. For fields that
            add up it is near zero, but not exactly, because AUC is not linear in the logit.
        logit_interaction: Root mean square over rows of `f - f_i - f_j + f_ij`, for the logit f of the row as it is
            and with one or both fields shuffled, `(repeats, pairs)`. Exactly zero if the model adds up the two
            fields; it knows no labels.
    """

    auc: float
    fields: np.ndarray
    pairs: list[tuple[int, int]]
    together: np.ndarray
    interaction: np.ndarray
    logit_interaction: np.ndarray


def permutation_importance(
    model: CTRModel,
    features: Features,
    labels: np.ndarray,
    pairs: Sequence[tuple[int, int]] | None = None,
    repeats: int = 3,
    seed: int = 0,
    batch_size: int = 4096,
) -> PermutationImportance:
    """Measure what fields and pairs of fields are worth to a model, whatever it says of itself.

    Importance by permutation: Breiman, 2001, section 10, https://doi.org/10.1023/A:1010933404324. The mixed
    difference of the logit is the interaction of Friedman and Popescu, 2008, section 8, taken at random points,
    https://arxiv.org/abs/0811.1679. Cost: `repeats * (fields + pairs)` predictions of all rows.

    Args:
        model: A `CTRModel`.
        features: `{"ids": (rows, slots), "values": (rows, slots)}`.
        labels: 0 or 1 for each row, of both kinds.
        pairs: Indices `(i, j)` of the fields to shuffle together; by default all pairs.
        repeats: How many permutations to try.
        seed: Seed of the permutations.
        batch_size: Rows computed at once.

    Returns:
        The `PermutationImportance`.

    Raises:
        ValueError: If `repeats` is less than 1, all labels are equal, or a label is not 0 or 1.
    """
    labels = np.ravel(labels)
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1. Received: {repeats}.")
    other = labels[(labels != 0) & (labels != 1)]
    if len(other):
        raise ValueError(
            f"Shuffling is measured by AUC, which needs clicks, 0 or 1. Received: the label {other[0]:g}. Models of "
            "numbers and grades explain single rows by `model.explainer()`."
        )
    if len(np.unique(labels)) < 2:
        raise ValueError(f"AUC needs rows with and without a click. Received: {len(labels):,} rows of one kind.")
    schema, random = model.schema, np.random.default_rng(seed)
    chosen = list(itertools.combinations(range(schema.num_fields), 2)) if pairs is None else [(i, j) for i, j in pairs]
    outputs: Any = model.explainer().output
    scorer = keras.Model(model.input, outputs["logit"])

    def logits(order=None, fields=()):
        slots = np.isin(schema.slot_fields, fields)
        shuffled = {name: np.where(slots, array[order], array) if fields else array for name, array in features.items()}
        return predict_slices(scorer, shuffled, batch_size)[:, 0].astype(np.float64)

    base = logits()
    base_auc = auc(labels, base)
    losses, together = np.zeros((repeats, schema.num_fields)), np.zeros((repeats, len(chosen)))
    interaction, logit_interaction = np.zeros_like(together), np.zeros_like(together)
    for repeat in range(repeats):
        order = random.permutation(len(labels))
        alone = [logits(order, (field,)) for field in range(schema.num_fields)]
        losses[repeat] = [base_auc - auc(labels, scores) for scores in alone]
        for index, (i, j) in enumerate(chosen):
            both = logits(order, (i, j))
            together[repeat, index] = base_auc - auc(labels, both)
            interaction[repeat, index] = losses[repeat, i] + losses[repeat, j] - together[repeat, index]
            logit_interaction[repeat, index] = np.sqrt(np.mean((base - alone[i] - alone[j] + both) ** 2))
    return PermutationImportance(base_auc, losses, chosen, together, interaction, logit_interaction)
