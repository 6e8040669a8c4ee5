"""GraphFM's Figure 3: AUC by the numbers of neighbors of layers 2 and 3 on MovieLens-1M; three seeds.

Command: `ctrzoo-sweep --config=neighborhood --raw=movielens_1m=ml-1m.zip --workers=2`

49 cells of 3 runs. Cells are compared after ten epochs, half of what `movielens_1m_graphfm.py` takes: 7 minutes a run
on one core beside another run, nine hours of two cores together. Not yet run as a whole.
"""

from ctrzoo.experiments.sweeps.grid import grid
from ctrzoo.experiments.sweeps.surface import plot_neighborhood


def get_sweep():
    """Return the settings of each run."""
    return grid(
        dataset="movielens_1m",
        model="graphfm",
        epochs=10,
        seed=[2018, 2019, 2020],  # slowest, so that each seed gives a whole picture
        num_neighbors=[(7, second, third) for second in range(1, 8) for third in range(1, 8)],
    )


def write_report(rows, folder):
    """Draw surfaces and heat maps, ours and the published."""
    plot_neighborhood(rows, folder)
