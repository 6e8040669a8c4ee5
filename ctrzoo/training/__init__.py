"""The training loop, its options, strategies, checkpoints and logs.

TensorFlow is loaded with the first name that needs it, so programs can read the options without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrzoo.training.options import TrainingOptions

if TYPE_CHECKING:
    from ctrzoo.training.trainer import EVALUATION_BATCH, MODEL_FILE, Start, set_seed, train

__all__ = ["EVALUATION_BATCH", "MODEL_FILE", "Start", "TrainingOptions", "set_seed", "train"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ctrzoo.training import trainer

    return getattr(trainer, name)
