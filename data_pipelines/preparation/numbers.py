"""What the report says of columns of numbers: their range, quantiles and histogram, before any transform.

The range is exact. Quantiles and histogram come from a random sample of the rows of each chunk, so that counting costs
little however long the table is. A table of one chunk with few rows is its own sample.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

import numpy as np

from ..storage.writing import SPLITS

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

    from ..encoding.fields import TableEncoding

# The first chunk draws so many numbers over all fields and splits, the second half of it, the third a third: so the
# sample of a long table is about twice as precise as that of its first chunk, and never large.
SAMPLED, MOST_SAMPLED = 2**17, 4096
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BARS = 24
# The bars reach from one of these quantiles to the other, so that a few extreme numbers do not hide the rest.
ENDS = (0.01, 0.99)


def numbers_of_chunk(
    arrays: Mapping[str, np.ndarray], chunk: int, encoding: TableEncoding, splits: np.ndarray
) -> dict[str, list[Config]]:
    """Return facts of a chunk's numbers that `summary_of` adds up, by field.

    Args:
        arrays: The arrays of the compact chunk.
        chunk: The number of the chunk.
        encoding: The `TableEncoding`.
        splits: The index in `SPLITS` of each row.

    Returns:
        For each field that reads numbers, a dictionary per split: its lowest and highest number, None if there is
        none, a sample of its numbers, and how many rows each number of the sample stands for.
    """
    indices = [index for index, field in enumerate(encoding.fields) if _is_counted(field)]
    rows_of = [np.flatnonzero(splits == split) for split in range(len(SPLITS))]
    size = max(min(MOST_SAMPLED, SAMPLED // (len(SPLITS) * max(len(indices), 1))) // (1 + chunk), 1)
    random = np.random.default_rng(chunk)
    drawn = [rows if len(rows) <= size else random.choice(rows, size) for rows in rows_of]
    found = {}
    for index in indices:
        numbers, facts = arrays[f"numbers_{index}"], []
        for rows, sampled in zip(rows_of, drawn, strict=True):
            some = numbers.take(rows)
            low, high = (np.fmin.reduce(some), np.fmax.reduce(some)) if len(some) else (np.nan, np.nan)
            sample = numbers.take(sampled).astype(np.float64)
            facts.append(
                {
                    "lowest": None if np.isnan(low) else float(low),
                    "highest": None if np.isnan(high) else float(high),
                    "sample": sample[~np.isnan(sample)].tolist(),
                    "weight": len(rows) / max(len(sampled), 1),
                }
            )
        found[encoding.fields[index].name] = facts
    return found


def _is_counted(field):
    return field.kind == "numerical" or (field.kind == "categorical" and field.transformer.makes_ids)


def summary_of(facts: Sequence[Sequence[Config]]) -> Config:
    """Return what the report says of a field: `splits`, with range and quantiles of each, and a histogram.

    The histogram is that of the training rows. Its first and last bar also hold what lies beyond them.

    Args:
        facts: What `numbers_of_chunk` returned of the field, for each chunk.

    >>> facts = [{"lowest": 1.0, "highest": 3.0, "sample": [1.0, 2.0, 3.0], "weight": 1.0}]
    >>> summary_of([facts])["splits"]["train"]["quantiles"]["0.5"]
    2.0
    """
    of_splits, histogram = {}, None
    for name, parts in zip(SPLITS, zip(*facts, strict=True), strict=False):
        present = [part for part in parts if part["lowest"] is not None]
        if not present:
            continue
        sample = np.concatenate([np.array(part["sample"], np.float64) for part in parts])
        weights = np.repeat([part["weight"] for part in parts], [len(part["sample"]) for part in parts])
        of_splits[name] = {key: choose(part[key] for part in present) for key, choose in _RANGE.items()}
        if len(sample):  # all numbers of a nearly empty column may be outside of the sample
            found = np.quantile(sample, QUANTILES, weights=weights, method="inverted_cdf")
            of_splits[name]["quantiles"] = dict(zip(map(str, QUANTILES), found.tolist(), strict=True))
            if name == "train":
                histogram = _histogram(sample, weights)
    return {"splits": of_splits, **({"histogram": histogram} if histogram else {})}


_RANGE: Mapping[str, typing.Any] = {"lowest": min, "highest": max}


def _histogram(sample, weights):
    """Return the values or edges of bars, and the share of the numbers in each."""
    values, places = np.unique(sample, return_inverse=True)
    shares = np.bincount(places, weights) / weights.sum()
    if len(values) <= BARS:
        return {"values": values.tolist(), "shares": shares.tolist()}
    low, high = np.quantile(sample, ENDS, weights=weights, method="inverted_cdf")
    if low == high:
        low, high = values[0], values[-1]
    edges = np.linspace(low, high, BARS + 1)
    counts, _ = np.histogram(np.clip(sample, low, high), edges, weights=weights)
    return {"edges": edges.tolist(), "shares": (counts / weights.sum()).tolist()}
