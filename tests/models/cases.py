"""Every model of the zoo as a small case: by being in `MODELS` a model is among them."""

import functools
import inspect

import keras
import numpy as np
import pytest

from ctrzoo.models import MODELS, build, hyperparameters_of
from ctrzoo.schema import Field, Schema
from tests.small_data import random_rows

# Small values of hyperparameters that set sizes; those of a model that are not here keep their defaults.
SMALL = {
    "bottom_units": (8,),
    "edge_embedding_dim": 3,
    "edge_units": 6,
    "embedding_dim": 4,
    "feed_forward_units": 8,
    "first_units": (8, 6),
    "fm_units": (6,),
    "gate_units": (5,),
    "hidden_units": (8,),
    "num_buckets": 64,
    "num_fm": 3,
    "num_linear": 2,
    "num_neurons": 6,
    "output_units": (6,),
    "rank": 2,
    "second_units": (6, 4),
    "selector_units": 4,
}

HISTORY = Field("seen", "sequence", vocabulary_size=5, num_slots=3, share="item")


def with_history(schema):
    """Return a schema with a sequence of items more, last, so that every model can read it."""
    return Schema([*schema.fields, HISTORY], schema.label)


FORMULATIONS = [
    (name, formulation)
    for name in MODELS
    for formulation in (("reference", "paper") if "formulation" in hyperparameters_of(name) else (None,))
]


def small_hyperparameters(name):
    """Return small sizes for a model; widths that are tuples become two layers, empty ones stay empty."""
    defaults = hyperparameters_of(name)
    small = {key: value for key, value in SMALL.items() if key in defaults}
    for key, width in (("units", 8), ("deep_units", 8), ("attention_units", 4), ("auxiliary_units", 4)):
        if defaults.get(key):
            small[key] = (width, width) if isinstance(defaults[key], tuple) else width
    if name == "dien":  # by default, nothing has these layers
        del small["attention_units"], small["auxiliary_units"]
    return small


class Case:
    """A model by name, in one of its formulations; built once, as its weights can be reset."""

    def __init__(self, name, formulation):
        self.name, self.formulation = name, formulation
        self.id = name if formulation is None else f"{name}-{formulation}"

    def __repr__(self):
        return self.id

    def new(self, schema, **hyperparameters):
        """Build a small model of the case."""
        chosen = {} if self.formulation is None else {"formulation": self.formulation}
        return build(self.name, schema, **{**small_hyperparameters(self.name), **chosen, **hyperparameters})

    def random(self, schema):
        """Return the one model of the case, with random weights, none of them zero."""
        return _random_model(self, schema)


@functools.cache
def _random_model(case, schema):
    keras.utils.set_random_seed(1)
    model = case.new(schema)
    randomize(model)
    return model


def randomize(model, scale=0.5, seed=0):
    """Give every weight random values: biases positive ones, lest all units of a ReLU layer are dead."""
    random = np.random.default_rng(seed)
    for weight in (*model.trainable_weights, *model.non_trainable_weights):
        if "seed_generator" not in weight.path:
            values = random.normal(scale=scale, size=weight.shape)
            positive = "variance" in weight.path or weight.path.endswith("bias")
            weight.assign(np.abs(values) + ("variance" in weight.path) if positive else values)


def rows(schema, count=6, seed=0):
    """Draw `(features, labels)` with absent entries."""
    return random_rows(schema, count, np.random.default_rng(seed))


def predict(model, features):
    """Return the outputs of a model as a NumPy array."""
    return keras.ops.convert_to_numpy(model(features, training=False))


def arguments_of(docstring):
    """Return the names in a docstring's list of arguments."""
    lines = inspect.cleandoc(docstring).partition("Args:\n")[2].partition("\n\n")[0].splitlines()
    return [line.strip().partition(":")[0] for line in lines if line.startswith("    ") and line[4] != " "]


CASES = [Case(*case) for case in FORMULATIONS]
# Models with all kinds of layers between them, for what takes long; the others are tried each night.
DIVERSE = ("lr", "ffm", "poly2", "xdeepfm", "afm", "autoint-paper", "graphfm-reference", "graphfm-paper", "dcn_v2")
DIVERSE += ("fignn-reference", "din", "dien", "eulernet", "wukong")
EACH = [pytest.param(case, marks=[] if case.id in DIVERSE else pytest.mark.nightly, id=case.id) for case in CASES]
