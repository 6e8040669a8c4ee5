"""Save one of DeepCTR's models as its users do: `python -m ctrzoo.experiments.benchmarks.baselines.deepctr_saved`.

The arguments are a model of the zoo, its schema as JSON and a folder. Any TensorFlow loads the folder, so a process of
the zoo can time it under the same conditions as its own models.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import tensorflow as tf

from ctrzoo.schema import Schema

from .deepctr_models import build


def main(arguments: Sequence[str]) -> None:
    """Build a model with random weights and save it."""
    name, schema, folder = arguments
    tf.saved_model.save(build(name, Schema.from_dict(json.loads(schema))), folder)


if __name__ == "__main__":
    main(sys.argv[1:])
