"""How large vectors FM and FFM need on MovieLens-1M: the AUC by the size of their vectors, three seeds each.

Command: `ctrzoo-sweep --config=vector_sizes --raw=movielens_1m=ml-1m.zip --workers=2`

FM with 16 and FFM with 4 dimensions are the runs of `table2`. All other settings are those tuned for these two sizes.
"""

from ctrzoo.types import Config

from ...sweeps.grid import grid

SIZES = {"fm": (2, 4, 8, 16, 32), "ffm": (1, 2, 4, 8, 16)}
SEEDS = (2018, 2019, 2020)


def get_sweep() -> list[Config]:
    """Return the settings of each run: all sizes of one seed before the next seed."""
    return [
        run
        for seed in SEEDS
        for model, sizes in SIZES.items()
        for run in grid(dataset="movielens_1m", model=model, seed=seed, embedding_dim=list(sizes))
    ]
