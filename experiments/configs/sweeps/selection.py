"""GraphFM's selection by a threshold and its metrics of edges, compared with the default; three seeds.

Command: `ctrzoo-sweep --config=selection --raw=movielens_1m=ml-1m.zip`

It has not been run on MovieLens-1M yet, which takes 18 runs of 16 minutes on one core next to another run. The 18 runs
in `experiments/results/selection` are on synthetic clicks: `ctrzoo-sweep --config=selection --set=dataset=synthetic
--set=epochs=3 --folder=experiments/results/selection`, about two minutes each. The paper's formulation has the residual
and the normalization of the released code, without which it learns little.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...claims.variants import write_variants
from ...sweeps.grid import grid

# Settings of a data set may give numbers of neighbors, which a threshold has no use for.
THRESHOLD = {"selection": "threshold", "num_neighbors": None}


def get_sweep() -> list[Config]:
    """Return the settings of each run: those of the default formulation first, all of one seed before the next."""
    released = [
        {"label": "top k"},
        {"label": "threshold", **THRESHOLD},
        {"label": "top k, cosine", "edge_metric": "cosine"},
        {"label": "top k, euclidean", "edge_metric": "euclidean"},
    ]
    paper = {"formulation": "paper", "use_residual_norm": True}
    equations = [{"label": "paper, top k", **paper}, {"label": "paper, threshold", **paper, **THRESHOLD}]
    return [
        run
        for variants in (released, equations)
        for seed in (2018, 2019, 2020)
        for variant in variants
        for run in grid(dataset="movielens_1m", model="graphfm", **variant, seed=seed)
    ]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Compare each variant with the default."""
    write_variants(rows, folder)
