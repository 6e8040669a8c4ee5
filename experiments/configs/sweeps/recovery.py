"""How many planted pairs of fields each self-explaining model finds on synthetic clicks; three seeds.

Command: `ctrzoo-sweep --config=recovery --workers=2`

The pairs of `synthetic` are known, so they can validate both a model's own explanation and the permutation test.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.grid import grid
from ...sweeps.recovery import recover

MODELS = ["poly2", "fm", "ffm", "afm", "hofm", "deepfm", "dlrm", "autoint", "fignn", "interhat", "hoafm"]
# In these models, the optimizer or the penalty selects edges, which needs special settings.
GATED = ["autofis", "sign"]


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    seeds = [2018, 2019, 2020]
    common = {"dataset": "synthetic", "seed": seeds, "epochs": 3, "learning_rate": 3e-3, "optimizer": "adam"}
    return (
        grid(model=MODELS + GATED, **common)
        + grid(model="graphfm", formulation="reference", **common)
        + grid(model="graphfm", label="graphfm (paper)", formulation="paper", **common)
    )


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Count the planted pairs among the strongest ones."""
    recover(rows, folder)
