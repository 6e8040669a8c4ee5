"""What a pair of fields costs: FM's algebra in linear time, and the parameters of Poly2, FM and FFM.

The double sum over pairs of embeddings equals half of the squared sum less the sum of squares,
`sum over i < j of <e_i, e_j> = (||sum of e_i||^2 - sum of ||e_i||^2) / 2`, which takes one pass over the fields.
FFM gives each value one vector for every other field, so its table has `n f k` numbers for n values, f fields and
vectors of size k, where FM's has `n k` and Poly2 has one weight for each pair of values of different fields.

    python -m ctrzoo.experiments.lessons --folder=lessons

prints both and writes `pairs.csv` and `pairs.png`.
Sources: Rendle, ICDM 2010, lemma 3.1, https://doi.org/10.1109/ICDM.2010.127; Juan et al., RecSys 2016, section 3,
https://doi.org/10.1145/2959100.2959134.
"""

from __future__ import annotations

import itertools
import pathlib
import time

import numpy as np
from matplotlib.figure import Figure

from ctrzoo.files import replaced, write_csv
from ctrzoo.types import Config, Path

ROWS, DIM = 2000, 16


def double_sum(embedded: np.ndarray) -> np.ndarray:
    """Return the sum of the inner products of all pairs of fields, `(rows,)`, pair by pair.

    Args:
        embedded: Embeddings, `(rows, fields, dim)`.

    >>> double_sum(np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])).tolist()
    [67.0]
    """
    pairs = itertools.combinations(range(embedded.shape[1]), 2)
    return sum(((embedded[:, i] * embedded[:, j]).sum(axis=-1) for i, j in pairs), np.zeros(len(embedded)))


def linear_sum(embedded: np.ndarray) -> np.ndarray:
    """Return the same sum by the algebra of FM, in one pass over the fields.

    >>> linear_sum(np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])).tolist()
    [67.0]
    """
    return (np.square(embedded.sum(axis=1)).sum(axis=-1) - np.square(embedded).sum(axis=(1, 2))) / 2


def table_sizes(vocabulary_sizes: list[int], dim: int) -> dict[str, int]:
    """Return the numbers of pair parameters of Poly2, FM and FFM.

    Args:
        vocabulary_sizes: The number of values of each field.
        dim: Size of an embedding vector.

    >>> table_sizes([2, 3, 4], dim=5)
    {'Poly2': 26, 'FM': 45, 'FFM': 135}
    """
    values = sum(vocabulary_sizes)
    pairs = sum(first * second for first, second in itertools.combinations(vocabulary_sizes, 2))
    return {"Poly2": pairs, "FM": values * dim, "FFM": values * len(vocabulary_sizes) * dim}


def compare(numbers_of_fields: tuple[int, ...] = (5, 10, 20, 40, 80), seed: int = 0) -> list[Config]:
    """Return a row for each number of fields: both sums' seconds per 1,000 rows and their largest difference."""
    generator, rows = np.random.default_rng(seed), []
    for fields in numbers_of_fields:
        embedded = generator.normal(size=(ROWS, fields, DIM))
        (slow, by_pairs), (fast, at_once) = (_timed(function, embedded) for function in (double_sum, linear_sum))
        difference = float(np.abs(by_pairs - at_once).max() / np.abs(by_pairs).max())
        rows.append(
            {
                "fields": fields,
                "double_sum_seconds": slow,
                "linear_seconds": fast,
                "largest_relative_difference": difference,
                **table_sizes([1000] * fields, DIM),
            }
        )
    return rows


def _timed(function, embedded):
    result, seconds = function(embedded), []
    for _ in range(5):
        start = time.perf_counter()
        function(embedded)
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1000 / len(embedded), result


def write_lesson(folder: Path) -> list[Config]:
    """Write `pairs.csv` and `pairs.png`, and return the rows of the table."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = compare()
    write_csv(folder / "pairs.csv", rows)
    figure = Figure(figsize=(8.5, 3.2), layout="constrained")
    times, sizes = figure.subplots(1, 2)
    fields = [row["fields"] for row in rows]
    for axes, keys in ((times, ("double_sum_seconds", "linear_seconds")), (sizes, ("Poly2", "FM", "FFM"))):
        for key in keys:
            label = key.replace("_", " ").removesuffix(" seconds")
            axes.plot(fields, [row[key] for row in rows], "o-", label=label, markersize=4)
        axes.set(xscale="log", yscale="log", xlabel="fields")
        axes.set_xticks(fields, [str(number) for number in fields])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
    times.set_title("seconds per 1,000 rows", fontsize=10)
    sizes.set_title("parameters of pairs, 1,000 values per field", fontsize=10)
    with replaced(folder / "pairs.png") as temporary:
        figure.savefig(temporary, dpi=120)
    return rows


def print_lesson(folder: Path) -> None:
    """Print the table, and write it and its picture into a folder."""
    print(f"{'fields':>6} {'double sum':>12} {'linear':>12} {'difference':>11} {'Poly2':>14} {'FM':>12} {'FFM':>14}")
    for row in write_lesson(folder):
        print(
            f"{row['fields']:6} {row['double_sum_seconds']:10.4f} s {row['linear_seconds']:10.4f} s "
            f"{row['largest_relative_difference']:11.1e} {row['Poly2']:14,} {row['FM']:12,} {row['FFM']:14,}"
        )
    print(f"Written: {folder}/pairs.csv, {folder}/pairs.png")
