"""The rows of a split that an explanation is about: a sample of them, and some to show one by one."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from ctrzoo.explanation.explainer import explain_rows
from ctrzoo.explanation.rows import choose_numbers, choose_ranked, choose_rows, ranked_groups
from ctrzoo.metrics import Scored, metric_of
from ctrzoo.model import CTRModel, output_name

from .. import data_pipelines

BATCH = 4096


class Rows(typing.NamedTuple):
    """Rows of a split.

    Args:
        numbers: Their numbers in stored order.
        features: Their features.
        labels: Their labels, `(rows,)`.
        weights: Their weights, or None.
        groups: Their groups, or None.
    """

    numbers: np.ndarray
    features: dict[str, np.ndarray]
    labels: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None


def read_rows(data: data_pipelines.PreparedData, split: str, numbers: ArrayLike) -> Rows:
    """Read rows of a split, by their numbers in stored order, with their weights and groups if there are any."""
    numbers = np.asarray(numbers)
    weights, groups = (
        data.column(split, name)[numbers] if name in data.columns else None for name in ("weight", "group")
    )
    return Rows(numbers, *rows_of(data, split, numbers), weights, groups)


def sample_rows(
    data: data_pipelines.PreparedData, split: str, num_rows: int, seed: int, whole_groups: bool = False
) -> Rows:
    """Read some rows of a split, in stored order.

    Args:
        data: The prepared data.
        split: `"train"`, `"valid"` or `"test"`.
        num_rows: How many rows, chosen at random, or the whole split if it has fewer.
        seed: Seed of the choice.
        whole_groups: Whether whole groups are chosen, in which the order can be measured. The last one that is chosen
            may exceed the number of rows.
    """
    total, random = data.num_rows[split], np.random.default_rng(seed)
    if not whole_groups:
        return read_rows(data, split, np.sort(random.choice(total, min(num_rows, total), replace=False)))
    _, group, sizes = np.unique(data.column(split, "group"), return_inverse=True, return_counts=True)
    order = random.permutation(len(sizes))
    chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), num_rows)) + 1]
    return read_rows(data, split, np.flatnonzero(np.isin(group, chosen)))


def worth_a_look(model: CTRModel, rows: Rows, count: int, metric: str) -> list[int]:
    """Return the indices of some rows: those that the model predicts best and worst, see `ctrzoo.explanation.rows`.

    Args:
        model: The model.
        rows: The rows.
        count: How many.
        metric: The metric of groups by which rankings are good or bad.
    """
    if not count:
        return []
    predictions = explain_rows(model, rows.features)[output_name(model.task)]
    if model.task == "ranking":
        return choose_ranked(Scored(rows.labels, predictions, rows.weights, rows.groups), metric, count)
    choose = choose_rows if model.task == "classification" else choose_numbers
    return choose(rows.labels, predictions, count)


def places_in_words(
    model: CTRModel, data: data_pipelines.PreparedData, split: str, numbers: np.ndarray, metric: str
) -> list[str]:
    """Return the place of rows within their groups, and a metric of each group, in words.

    Args:
        model: The model.
        data: The prepared data, whose rows have groups.
        split: The split.
        numbers: The numbers of the rows.
        metric: A metric of the order within groups.
    """
    if not len(numbers):
        return []
    groups = data.column(split, "group")
    rows = read_rows(data, split, np.flatnonzero(np.isin(groups, groups[numbers])))
    scored = Scored(rows.labels, explain_rows(model, rows.features)["prediction"], rows.weights, rows.groups)
    words = {}
    for group in ranked_groups(scored, metric):
        value = "" if np.isnan(group.value) else f", {metric_of(metric).title} {group.value:.3f}"
        for row, place in zip(group.rows, group.places, strict=True):
            words[int(rows.numbers[row])] = f"place {place:g} of {len(group.rows)} in its group{value}"
    return [words[int(number)] for number in numbers]


def rows_of(
    data: data_pipelines.PreparedData, split: str, numbers: ArrayLike
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return features and labels of rows of a split, by their numbers in stored order, however large it is."""
    numbers, start, found = np.asarray(numbers), 0, []
    for features, labels, *_ in data.dataset(split, BATCH, shuffle=False).as_numpy_iterator():
        asked = np.flatnonzero((numbers >= start) & (numbers < start + len(labels)))
        in_batch = numbers[asked] - start
        found.append((asked, {name: array[in_batch] for name, array in features.items()}, labels[in_batch, 0]))
        start += len(labels)
    order = np.argsort(np.concatenate([asked for asked, _, _ in found]))
    features = {name: np.concatenate([part[name] for _, part, _ in found])[order] for name in ("ids", "values")}
    return features, np.concatenate([labels for _, _, labels in found])[order]
