"""FM and FFM with vectors of several sizes on MovieLens-1M, three seeds each: does FFM need smaller vectors than FM?

Command: `ctrzoo-sweep --config=vector_sizes --raw=movielens_1m=ml-1m.zip --workers=2`

FM has vectors of 16 numbers by default, and FFM of 4 for each other field; these runs are those of `table2`. Only the
size differs. Finished runs are in `experiments/results/vector_sizes`. Pass
`--folder=experiments/results/vector_sizes` to resume from them.
"""

from ctrzoo.types import Config

from ...sweeps.grid import grid


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    common = {"dataset": "movielens_1m", "seed": [2018, 2019, 2020]}
    runs = grid(model=["fm", "ffm"], **common)
    runs += grid(model="fm", label="fm, 4", embedding_dim=4, **common)
    for size in (2, 16):
        runs += grid(model="ffm", label=f"ffm, {size}", embedding_dim=size, **common)
    return sorted(runs, key=lambda run: run["seed"])  # each seed gives a whole picture
