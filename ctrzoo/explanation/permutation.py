"""What a model's fields and pairs of fields are worth, measured by shuffling them."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Sequence

import numpy as np

from ctrzoo.explanation.scorer import Scorer
from ctrzoo.model import CTRModel
from ctrzoo.types import Features


class PermutationImportance(typing.NamedTuple):
    """What shuffling costs; each row is one repetition.

    What is lost is how much worse the metric becomes: how much lower the AUC, how much higher an error.

    Args:
        value: The metric of the rows as they are.
        fields: What is lost when a field is shuffled over rows, `(repeats, fields)`.
        pairs: The pairs of fields that were shuffled, indices `(i, j)`.
        together: What is lost when both fields of a pair are shuffled, by the same permutation, `(repeats, pairs)`.
        interaction: What is lost by shuffling each one, added, minus what is lost by shuffling both,
            `(repeats, pairs)`. What two interacting fields say together is lost with either one, so it counts twice.
            For fields that add up it is near zero. It is not exactly zero for metrics such as the AUC, which is not
            linear in the logit, and for fields that are correlated.
        logit_interaction: Root mean square over rows of `f - f_i - f_j + f_ij`, for the logit f of the row as it is
            and with one or both fields shuffled, `(repeats, pairs)`. Exactly zero if the model adds up the two
            fields; it knows no labels.
        metric: The name of the metric.
    """

    value: float
    fields: np.ndarray
    pairs: list[tuple[int, int]]
    together: np.ndarray
    interaction: np.ndarray
    logit_interaction: np.ndarray
    metric: str = "auc"


def permutation_importance(
    model: CTRModel,
    features: Features,
    labels: np.ndarray,
    pairs: Sequence[tuple[int, int]] | None = None,
    repeats: int = 3,
    seed: int = 0,
    batch_size: int = 4096,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    metric: str | None = None,
) -> PermutationImportance:
    """Measure what fields and pairs of fields are worth to a model, whatever it says of itself.

    Importance by permutation: Breiman, 2001, section 10, https://doi.org/10.1023/A:1010933404324. The mixed
    difference of the logit is the interaction of Friedman and Popescu, 2008, section 8, taken at random points,
    https://arxiv.org/abs/0811.1679. Cost: `repeats * (fields + pairs)` predictions of all rows.

    Args:
        model: A `CTRModel`.
        features: `{"ids": (rows, slots), "values": (rows, slots)}`.
        labels: The label of each row; for classification 0 or 1, of both kinds.
        pairs: Indices `(i, j)` of the fields to shuffle together; by default all pairs.
        repeats: How many permutations to try.
        seed: Seed of the permutations.
        batch_size: Rows computed at once.
        weights: The weight of each row; they count in the metric and in the mean over rows.
        groups: The group of each row, for metrics of the order within groups. Shuffling does not keep to groups.
        metric: Name of the metric by which the loss is measured; None for AUC of classification, mean squared error
            of regression and NDCG@10 of ranking.

    Returns:
        The `PermutationImportance`.

    Raises:
        ValueError: If `repeats` is less than 1, the metric has no better direction, needs groups or is not defined on
            these rows, or if the labels of classification are all equal or not 0 or 1.
    """
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1. Received: {repeats}.")
    scorer = Scorer(model, features, labels, batch_size, weights, groups, metric)
    schema, random = model.schema, np.random.default_rng(seed)
    chosen = list(itertools.combinations(range(schema.num_fields), 2)) if pairs is None else [(i, j) for i, j in pairs]

    def logits(order, fields):
        slots = np.isin(schema.slot_fields, fields)
        return scorer.logits({name: np.where(slots, array[order], array) for name, array in features.items()})

    losses, together = np.zeros((repeats, schema.num_fields)), np.zeros((repeats, len(chosen)))
    interaction, logit_interaction = np.zeros_like(together), np.zeros_like(together)
    for repeat in range(repeats):
        order = random.permutation(len(scorer.base))
        alone = [logits(order, (field,)) for field in range(schema.num_fields)]
        losses[repeat] = [scorer.lost(scores) for scores in alone]
        for index, (i, j) in enumerate(chosen):
            both = logits(order, (i, j))
            together[repeat, index] = scorer.lost(both)
            interaction[repeat, index] = losses[repeat, i] + losses[repeat, j] - together[repeat, index]
            logit_interaction[repeat, index] = np.sqrt(
                np.average((scorer.base - alone[i] - alone[j] + both) ** 2, weights=scorer.weights)
            )
    return PermutationImportance(scorer.value, losses, chosen, together, interaction, logit_interaction, scorer.metric)
