"""What a field's encoding learns of its cells: vocabulary, scaling, boundaries of buckets.

Everything is learned from parts of the column, one after the other, so that a column need not fit into memory.
"""

import dataclasses

import numpy as np
import polars as pl

from .fields import codes_of, numbers_of, texts_of, tokens_of

# Counts of the parts are added up when so many rows wait, or twice as many as were counted so far.
PENDING_VALUES = 4_000_000
# Boundaries of quantile buckets come from at most so many rows, drawn by chance.
SAMPLE_ROWS = 262_144


def learn_field(field, cells):
    """Return a field's encoding with what it learns from a whole column.

    Args:
        field: The `FieldEncoding`.
        cells: The column, a polars series.

    >>> from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
    >>> learn_field(FieldEncoding("city"), pl.Series(["Rome", "Oslo", "Rome"])).values.to_list()
    ['Oslo', 'Rome']
    """
    if field.kind == "numerical" or field.transform == "quantile":
        numbers = numbers_of(cells)
        if field.kind == "numerical":
            field.scaled(numbers)  # refuses what cannot be stored
        return learn_numbers(field, [numbers])
    texts = texts_of(field, cells) if field.kind == "categorical" else None
    if field.kind == "multivalued":
        lengths, texts, _ = tokens_of(field, cells)
        field = dataclasses.replace(field, max_values=field.max_values or max(1, int(lengths.max(initial=0))))
    if not field.uses_vocabulary:
        return field
    codes, uniques = codes_of(texts)
    return learn_vocabulary(field, [(uniques, np.bincount(codes, minlength=len(uniques)))])


def learn_vocabulary(field, parts):
    """Return a field's encoding with its vocabulary.

    Args:
        field: The `FieldEncoding`.
        parts: Iterable of `(texts, counts)`, a series of strings and an array: values, and how often each occurs.
    """
    total = pl.DataFrame(schema={"text": pl.String, "count": pl.Int64})
    pending, waiting = [], 0
    for texts, counts in parts:
        if field.missing != "absent":
            texts = texts.fill_null("")
        part = pl.DataFrame({"text": texts, "count": pl.Series(counts, dtype=pl.Int64)})
        pending.append(part.drop_nulls("text").filter(pl.col("count") > 0))
        waiting += len(pending[-1])
        if waiting > max(PENDING_VALUES, 2 * len(total)):
            total, pending, waiting = _added_up([total, *pending]), [], 0
    total = _added_up([total, *pending]).filter(pl.col("count") >= field.min_count).sort("text")
    return dataclasses.replace(field, values=total["text"], counts=total["count"])


def _added_up(parts):
    return pl.concat(parts).group_by("text").agg(pl.col("count").sum())


def learn_numbers(field, parts, seed=0):
    """Return a field's encoding with offset and scale, or the boundaries of its buckets.

    Args:
        field: The `FieldEncoding`.
        parts: Iterable of float64 arrays; NaN is missing.
        seed: Seed of the sample that boundaries are taken from.
    """
    parts = (part[~np.isnan(part)] for part in parts)
    if field.transform == "quantile":
        sample = _sample(parts, np.random.default_rng(seed))
        levels = np.arange(1, field.num_buckets) / field.num_buckets
        boundaries = np.unique(np.quantile(sample, levels, method="higher")) if len(sample) else np.array([])
        # A boundary at the least number would leave the bucket below it empty.
        return dataclasses.replace(field, boundaries=tuple(boundaries[boundaries > sample.min(initial=np.inf)]))
    rows, mean, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    for part in parts:
        if len(part):
            # The moments of two parts together: Chan, Golub, LeVeque, 1979, equation 2.1.
            difference = part.mean() - mean
            squares += part.var() * len(part) + difference**2 * rows * len(part) / (rows + len(part))
            mean += difference * len(part) / (rows + len(part))
            rows, low, high = rows + len(part), min(low, part.min()), max(high, part.max())
    offset, scale = 0.0, 1.0
    if low == high and field.transform in ("standard", "min_max"):
        offset = low  # mean and deviation of equal numbers are rounded: a deviation of 1e-17 is none
    elif rows and field.transform == "standard":
        offset, scale = mean, np.sqrt(squares / rows)
    elif rows and field.transform == "min_max":
        offset, scale = low, high - low
    return dataclasses.replace(field, offset=float(offset), scale=float(scale) or 1.0)


def _sample(parts, random):
    """Return at most `SAMPLE_ROWS` numbers: those of the least random keys."""
    sample, keys = np.empty(0), np.empty(0)
    for part in parts:
        sample, keys = np.append(sample, part), np.append(keys, random.random(len(part)))
        if len(sample) > SAMPLE_ROWS:
            kept = np.argpartition(keys, SAMPLE_ROWS)[:SAMPLE_ROWS]
            sample, keys = sample[kept], keys[kept]
    return sample
