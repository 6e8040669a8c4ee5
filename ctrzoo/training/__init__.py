"""The training loop, its strategies, checkpoints and records."""

import ctrzoo.startup  # noqa: F401  (before Keras)

from ctrzoo.training.trainer import EVALUATION_BATCH, MODEL_FILE, set_seed, train

__all__ = ["EVALUATION_BATCH", "MODEL_FILE", "set_seed", "train"]
