"""GraphFM's Figure 3: AUC by the number of neighbors in layers 2 and 3 on MovieLens-1M; three seeds.

Command: `ctrzoo-sweep --config=neighborhood --raw=movielens_1m=ml-1m.zip --workers=2`

The sweep has 49 cells of 3 runs. The first 48 runs are the cells whose numbers are 1, 2, 4 or 7, which cover the whole
area. Cells are compared after ten epochs, half of those in `movielens_1m/graphfm.py`. A run takes 7 to 10 minutes on
one core next to another run. Two cores take three to four hours for the first 48 runs and ten hours for all. An H200
takes five minutes for 16 runs at a time (`--workers=16 --gpus=0`). Finished runs are in
`experiments/results/neighborhood`. Pass `--folder=experiments/results/neighborhood` to resume from them.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.figure3 import report_neighborhood
from ...sweeps.grid import grid

FIRST = {1, 2, 4, 7}


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    cells = [(second, third) for second in range(1, 8) for third in range(1, 8)]
    first = [cell for cell in cells if FIRST.issuperset(cell)]
    return _runs(first) + _runs([cell for cell in cells if cell not in first])


def _runs(cells):
    return grid(
        dataset="movielens_1m",
        model="graphfm",
        epochs=10,
        seed=[2018, 2019, 2020],  # varies slowest, so each seed gives a whole picture
        num_neighbors=[(7, *cell) for cell in cells],
    )


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Draw our and the published surfaces and heat maps, and test whether cells differ beyond the noise of seeds."""
    report_neighborhood(rows, folder)
