"""GraphFM's Figure 3: AUC by the numbers of neighbors of layers 2 and 3 on MovieLens-1M; three seeds.

Command: `ctrzoo-sweep --config=neighborhood --raw=movielens_1m=ml-1m.zip --workers=2`

49 cells of 3 runs, first those whose numbers are 1, 2, 4 or 7: 48 runs that cover the whole area. Cells are compared
after ten epochs, half of those in `movielens_1m/graphfm.py`: 7 to 10 minutes per run on one core next to another run,
three to four hours of two cores for the first 48 and ten for all; five minutes for 16 at a time on an H200
(`--workers=16 --gpus=0`). The finished runs are in `experiments/results/neighborhood`.
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
        seed=[2018, 2019, 2020],  # slowest, so that each seed gives a whole picture
        num_neighbors=[(7, *cell) for cell in cells],
    )


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Draw surfaces and heat maps, ours and the published, and test whether cells differ beyond the noise of seeds."""
    report_neighborhood(rows, folder)
