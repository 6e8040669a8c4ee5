"""The options of a benchmark run."""

import dataclasses

from ctrzoo.suggest import unknown

from ... import models
from .hyperparameters import VARIANTS
from .shapes import SHAPES
from .work import IMPLEMENTATIONS

QUICK_MODELS = ("lr", "deepfm", "autoint", "graphfm")
# The others, "loop" and "plain", each need about 5 GB, and seconds per step, on the Criteo table.
QUICK_BASELINES = ("keras", "fuxictr", "deepctr")
QUICK_SHAPES = ("movielens", "criteo")
BATCH_SIZES = (128, 512, 1024, 4096)


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured, and for how long.

    Attributes:
        models: Names of models of the zoo, or of `VARIANTS`.
        shapes: Names of `SHAPES`.
        baselines: Names of `IMPLEMENTATIONS` other than the zoo's own.
        cores: Numbers of cores.
        batch_size: Rows of a training step.
        batch_sizes: Numbers of rows of a step, for step time against batch size.
        predict_rows: Rows of a prediction.
        rounds: How often each implementation is timed.
        seconds: Approximate seconds per timing in a round.
        peers_python: The Python that has FuxiCTR and DeepCTR.

    Raises:
        ValueError: If a name or a number is wrong.
    """

    models: tuple[str, ...] = QUICK_MODELS
    shapes: tuple[str, ...] = QUICK_SHAPES
    baselines: tuple[str, ...] = QUICK_BASELINES
    cores: tuple[int, ...] = (1,)
    batch_size: int = 1024
    batch_sizes: tuple[int, ...] = BATCH_SIZES
    predict_rows: int = 65_536
    rounds: int = 3
    seconds: float = 0.3
    peers_python: str | None = None

    def __post_init__(self):
        known = {"model": [*models.MODELS, *VARIANTS], "shape": SHAPES, "baseline": list(IMPLEMENTATIONS)[1:]}
        for what, names in (("model", self.models), ("shape", self.shapes), ("baseline", self.baselines)):
            for name in names:
                if name not in known[what]:
                    raise ValueError(unknown(what, name, known[what]))
        numbers = (*self.cores, *self.batch_sizes, self.batch_size, self.predict_rows, self.rounds)
        if min(numbers) < 1 or self.seconds <= 0:
            raise ValueError("Numbers of cores, rows and rounds must be at least 1, and seconds above 0.")
