"""Run as a program: train models on several devices and write down what came out.

`python -m tests.ctrzoo.training.replicas <strategy> <devices> <output.npz> <model>[:<option>...] ...`
"""

import sys

import keras
import numpy as np

from ctrzoo import models, optimizers
from ctrzoo.schema import Field, Schema
from ctrzoo.training.evaluation import Evaluator
from ctrzoo.training.strategy import ReplicatedStep, make_strategy
from tests.small_data import SmallData

SCHEMA = Schema(
    [
        Field("user", vocabulary_size=30),
        Field("age", "numerical"),
        Field("item", vocabulary_size=20),
        Field("tags", "multivalued", vocabulary_size=6, num_slots=3),
    ]
)
STEPS = 50
BATCH = 64
POLICIES = ("mixed_bfloat16", "mixed_float16", "float64")
HYPERPARAMETERS = {
    "deepfm": {"embedding_dim": 4, "deep_units": (8,)},
    "deepfm_batch_norm": {"embedding_dim": 4, "deep_units": (8,), "deep_batch_norm": True},
    "graphfm": {"embedding_dim": 4, "units": (8, 8)},
    "fm": {"embedding_dim": 4},
    "din": {"embedding_dim": 4, "attention_units": (6,), "deep_units": (8,), "deep_activation": "dice"},
    "finalnet": {"embedding_dim": 4, "first_units": (8,), "second_units": (6,)},
    "fcn": {"embedding_dim": 4, "num_exponential_layers": 2, "num_linear_layers": 2},
    # Layers add losses, and batch normalization lets another device run in between.
    "sign_batch_norm": {"embedding_dim": 4, "use_selection": False, "deep_units": (8,), "deep_batch_norm": True},
    "dien_batch_norm": {"embedding_dim": 4, "auxiliary_weight": 1.0, "deep_units": (8,), "deep_batch_norm": True},
}
# Models of histories read the items seen before, of which the events of a row may be the same.
HISTORY = Schema([*SCHEMA.fields, Field("seen", "sequence", vocabulary_size=20, num_slots=6, share="item")])


def train_model(case, strategy):
    """Return losses of 50 steps, whose last of each pass is uneven, the weights after them, and the test AUC."""
    name, *options = case.split(":")
    keras.utils.set_random_seed(1)
    keras.mixed_precision.set_dtype_policy(next((word for word in options if word in POLICIES), "float32"))
    schema = HISTORY if name.removesuffix("_batch_norm") in models.MODELS_OF_HISTORIES else SCHEMA
    data = SmallData(schema, num_rows=7 * BATCH + 27)
    with strategy.scope():
        hyperparameters = HYPERPARAMETERS.get(name, {})
        model = models.build(name.removesuffix("_batch_norm"), schema, **hyperparameters)
        model.compile(optimizer(options))
        model.optimizer.build(model.trainable_variables)
    step, losses = ReplicatedStep(model, jit_compile="jit" in options), []
    while len(losses) < STEPS:
        batches = data.dataset("train", BATCH, start_epoch=len(losses))
        losses += [float(step.train(weighted(*batch) if "weighted" in options else batch)) for batch in batches]
    metrics = Evaluator(model).evaluate(data.dataset("test", 48, shuffle=False))
    weights = [np.ravel(keras.ops.convert_to_numpy(weight)) for weight in model.weights]
    return {"losses": losses[:STEPS], "weights": np.concatenate(weights), "metrics": sorted(metrics.items())}


def weighted(features, labels):
    """Return a batch with weights from 0 to 3, which differ from part to part."""
    return features, labels, np.arange(len(labels), dtype="float32") % 7 % 4


def optimizer(options):
    """Return the optimizer that the options of a case name, Adam by default."""
    adam = optimizers.LazyAdam if "rowwise" in options else keras.optimizers.Adam
    return adam(0.01, epsilon=1e-4)


def main(strategy, devices, path, *cases):
    """Train all cases."""
    strategy = make_strategy(strategy, int(devices) if strategy == "mirrored" else None)
    found = {}
    for case in cases:
        for key, value in train_model(case, strategy).items():
            found[f"{case}/{key}"] = [number for _, number in value] if key == "metrics" else value
    np.savez(path, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
