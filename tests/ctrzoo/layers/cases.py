"""Every public layer with arguments that differ from their defaults, and inputs that it takes."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import keras
import numpy as np

import ctrzoo.layers
from ctrzoo.layers import REFERENCE_ATTENTION
from ctrzoo.schema import Field, Schema

SCHEMA = Schema(
    [
        Field("user", vocabulary_size=9),
        Field("age", "numerical"),
        Field("tags", "multivalued", vocabulary_size=4, num_slots=3),
    ]
)
WITH_HISTORY = Schema([*SCHEMA.fields, Field("seen", "sequence", vocabulary_size=9, num_slots=4, share="user")])
FIELDS, DIM = 3, 4
KERNEL = {"kernel_initializer": "he_normal", "kernel_regularizer": keras.regularizers.L1(0.1)}
BIAS = {"bias_initializer": keras.initializers.RandomNormal(stddev=0.5)}
TABLE = {
    "embeddings_initializer": keras.initializers.RandomNormal(stddev=0.5),
    "embeddings_regularizer": keras.regularizers.L1(0.1),
}
EXPLAINED = {"return_explanations": True}


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer and what it is given.

    Args:
        name: Name of the class.
        arguments: What `__init__` takes.
        inputs: Which inputs `call` takes: `"embedded"`, `"features"`, `"flat"`, ...
        number: Tells the cases of a class apart.
    """

    name: str
    arguments: dict[str, Any]
    inputs: str = "embedded"
    number: int = 1

    @property
    def kind(self) -> Any:
        return getattr(ctrzoo.layers, self.name)

    def layer(self, **others):
        return self.kind(**{**self.arguments, **others})

    def arrays(self, rows=5):
        return arrays(self.inputs, rows)

    def __str__(self):
        return f"{self.name}-{self.number}"


def arrays(kind, rows=5, fields=FIELDS):
    """Return the inputs of a kind as a list of arrays, or of dictionaries of arrays.

    Features are those of `SCHEMA`; for another number of fields they are those of as many fields of one slot.
    """
    random = np.random.default_rng(3)

    def normal(*shape):
        return random.normal(size=(rows, *shape)).astype("float32")

    def features():
        if fields != FIELDS:
            return {"ids": np.ones((rows, fields), "int32"), "values": normal(fields)}
        first, last = np.asarray(SCHEMA.first_ids)[[0, 2]], [9, 4]
        ids = np.stack([first[0] + random.integers(0, last[0], rows), np.full(rows, SCHEMA.first_ids[1])], axis=1)
        tags = np.where(random.random((rows, 3)) < 0.3, 0, first[1] + random.integers(0, last[1], (rows, 3)))
        values = np.concatenate([np.ones((rows, 1)), normal(1), tags > 0], axis=1)
        return {"ids": np.concatenate([ids, tags], axis=1).astype("int32"), "values": values.astype("float32")}

    def with_history():
        batch = features()
        present = np.arange(4) < random.integers(0, 5, (rows, 1))
        ids = np.where(present, 1 + random.integers(0, 9, (rows, 4)), 0)
        ids = np.concatenate([batch["ids"], ids], axis=1).astype("int32")
        return {"ids": ids, "values": np.concatenate([batch["values"], present], axis=1).astype("float32")}

    def present(slots, last=False):
        found = np.arange(slots) < random.integers(0, slots + 1, (rows, 1))
        return np.where(last & (np.arange(slots) == slots - 1), True, found)

    makers = {
        "embedded": lambda: [normal(fields, DIM)],
        "towards": lambda: [normal(fields, fields * DIM)],
        "features": lambda: [features()],
        "history": lambda: [with_history()],
        "flat": lambda: [normal(fields + 1)],
        "flat twice": lambda: [normal(fields + 1), normal(fields + 1)],
        "embedded twice": lambda: [normal(fields, DIM), normal(fields, DIM)],
        "slots": lambda: [normal(4, DIM), present(4, last=True)],
        "events": lambda: [normal(4, DIM), normal(4)],
        "candidate and events": lambda: [normal(DIM), normal(4, DIM), present(4)],
        "states and events": lambda: [normal(4, DIM), normal(4, DIM), present(4)],
        "even twice": lambda: [normal(2 * fields), normal(4 * fields)],
        "heads twice": lambda: [normal(2, fields * DIM), normal(2, fields * DIM)],
        "embedded and gates": lambda: [normal(fields, DIM), _gates(normal(fields, fields))],
    }
    return makers[kind]()


def _gates(scores):
    return np.clip(scores + scores.transpose(0, 2, 1), 0, 1)


_graph = {
    "units": 6,
    "num_heads": 3,
    "num_neighbors": 2,
    "selector_units": 5,
    "attention_dropout": 0.2,
    **KERNEL,
    **BIAS,
    **EXPLAINED,
}
_cross = functools.partial(Case, inputs="flat twice")
CASES = [
    Case("NegativeSamplingCorrection", {"rate": 0.25}, "flat"),
    Case("AnovaKernel", {"order": 3}),
    Case("AttentionPooling", {"units": 5, **KERNEL, **EXPLAINED}),
    Case(
        "AttentionalInteraction",
        {"units": 5, "attention_dropout": 0.2, "pooling_dropout": 0.1, **KERNEL, **BIAS, **EXPLAINED},
    ),
    Case("BiInteraction", {}),
    Case("BilinearInteraction", {"kernels": "each", **KERNEL}),
    Case("BilinearInteraction", {"kernels": "all", "l2": 0.1}, number=2),
    Case("BilinearInteraction", {"kernels": "interaction"}, number=3),
    Case("ComplexFields", {"modulus_initializer": keras.initializers.RandomNormal(stddev=0.5)}),
    Case("CompressedInteraction", {"units": (4, 3), "split_half": True, "activation": "tanh", **KERNEL}),
    Case("CompressedInteraction", {"units": (3, 2), "split_half": False, "l2": 0.1}, number=2),
    _cross("CrossV1", {**KERNEL, **BIAS}),
    _cross("CrossV2", {"rank": 2, **KERNEL, **BIAS}),
    _cross("CrossV2", {"l2": 0.1}, number=2),
    Case("DotInteraction", {"self_interaction": True}),
    Case("EdgeGates", {"units": 5, "dropout": 0.2, "l0": 0.1, **KERNEL, **BIAS}),
    Case("Dice", {"momentum": 0.8, "alpha_initializer": "ones"}, inputs="flat"),
    Case(
        "EventAttention",
        {
            "score": "network",
            "units": (5, 3),
            "activation": "prelu",
            "dropout": 0.2,
            "momentum": 0.8,
            "use_softmax": True,
            "position_dim": 2,
            **KERNEL,
            **BIAS,
        },
        inputs="candidate and events",
    ),
    Case("EventAttention", {"score": "bilinear", "l2": 0.1}, inputs="candidate and events", number=2),
    Case("EventAttention", {"units": (5,)}, inputs="candidate and events", number=3),
    Case("EventGRU", {"use_update_gate": False, "return_states": True, **KERNEL, **BIAS}, inputs="events"),
    Case("EventGRU", {"l2": 0.1}, inputs="events", number=2),
    Case(
        "EventTransformer",
        {
            "num_heads": 4,
            "use_norm": False,
            "use_residual": False,
            "causal": True,
            "attention_dropout": 0.2,
            "dropout": 0.1,
            **KERNEL,
            **BIAS,
            **EXPLAINED,
        },
        inputs="slots",
    ),
    Case("EventTransformer", {"num_heads": 2, "l2": 0.1}, inputs="slots", number=2),
    Case(
        "EulerInteraction",
        {"units": 2, "layer_norm": True, "explicit_dropout": 0.1, "implicit_dropout": 0.2, **KERNEL, **BIAS},
        inputs="embedded twice",
    ),
    Case("EulerInteraction", {"units": 3, "l2": 0.1}, inputs="embedded twice", number=2),
    Case("FactorizedInnerProducts", {"units": 5, **KERNEL}),
    Case("FactorizedOuterProducts", {"units": 5, **KERNEL}),
    Case(
        "FactorizedMLP",
        {
            "units": (5, 3),
            "residual": "sum",
            "activation": "tanh",
            "dropout": 0.2,
            "batch_norm": True,
            "batch_norm_momentum": 0.8,
            **KERNEL,
            **BIAS,
        },
        inputs="flat",
    ),
    Case("FactorizedMLP", {"units": (6, 4), "l2": 0.1}, inputs="flat", number=2),
    Case("FeatureGate", {"units": (5,), "context_dim": 3, **KERNEL, **BIAS, **EXPLAINED}, inputs="flat"),
    _cross("FeatureGate", {"units": (4,), "l2": 0.1}, number=2),
    Case(
        "FieldAttention",
        {
            "units": 6,
            "num_heads": 3,
            "activation": "tanh",
            **REFERENCE_ATTENTION,
            "use_residual": False,
            "attention_dropout": 0.2,
            **KERNEL,
            **BIAS,
            **EXPLAINED,
        },
    ),
    Case("FieldAttention", {"units": 10, "l2": 0.1}, number=2),
    Case("FieldAwareInteraction", {**EXPLAINED}, inputs="towards"),
    Case("FieldEmbedding", {"schema": SCHEMA, "dim": 5, **TABLE}, inputs="features"),
    Case("FieldEmbedding", {"schema": WITH_HISTORY, "dim": 5, "apart": ("seen",)}, inputs="history", number=2),
    Case("FieldGraph", {"num_steps": 3, "negative_slope": 0.1, **KERNEL, **BIAS, **EXPLAINED}),
    Case("FieldGraph", {"use_attention": False, "share_steps": False, "use_bias": False, "l2": 0.1}, number=2),
    Case("FieldGraph", {"num_steps": 2, "share_steps": False, "message_units": (3, 5), **EXPLAINED}, number=3),
    Case("FieldNormalization", {}),
    Case("FieldVectorLogit", {**KERNEL, **EXPLAINED}),
    Case("FieldMixing", {**KERNEL, **BIAS}),
    _cross("GatedCross", {**KERNEL, **BIAS, **EXPLAINED}),
    _cross("GatedCross", {"l2": 0.1}, number=2),
    Case(
        "GatedPairs",
        {
            "pairs": ((0, 2), (1, 2)),
            "batch_norm": True,
            "batch_norm_momentum": 0.8,
            "gates_initializer": "ones",
            **EXPLAINED,
        },
    ),
    Case("GatedPairs", {"batch_norm": False}, number=2),
    Case(
        "GraphInteraction",
        {**_graph, "average_heads": True, "activation": "elu", "negative_slope": 0.1, "use_residual_norm": True},
    ),
    Case("GraphInteraction", {"units": 6, "use_selection": False, "use_interaction": False, "l2": 0.1}, number=2),
    Case("GraphInteraction", {"units": 6, "selection": "threshold", "threshold": 0.4, **EXPLAINED}, number=3),
    Case("GraphInteraction", {"units": 6, "edge_metric": "cosine", "num_neighbors": 2, **EXPLAINED}, number=4),
    Case("HardConcrete", {"l0": 0.1, "temperature": 0.5, "low": -0.2, "high": 1.2}),
    Case(
        "HashedPairs",
        {"schema": SCHEMA, "num_buckets": 50, "pairs": [["user", "tags"], ["age", "user"]], **TABLE, **EXPLAINED},
        inputs="features",
    ),
    Case("HeadHalves", {"num_heads": 2}),
    Case("HeadProducts", {"num_heads": 2, **KERNEL}, inputs="even twice"),
    Case(
        "HighOrderCross",
        {"num_layers": 2, "sum_orders": False, "negative_slope": 0.1, "dropout": 0.2, **KERNEL, **EXPLAINED},
    ),
    Case("InnerProducts", {}),
    Case("InteractionGraph", {"units": 5, "activation_l2": 0.1, **KERNEL, **BIAS}, inputs="embedded and gates"),
    Case("JoinPositions", {"dim": 3, "count_from": "oldest"}, inputs="slots"),
    Case("JoinPositions", {"dim": 3}, inputs="slots", number=2),
    Case("LinearLogit", {"schema": SCHEMA, **TABLE, **BIAS, **EXPLAINED}, inputs="features"),
    Case("LinearLogit", {"schema": SCHEMA, "use_bias": False, "l2": 0.1}, inputs="features", number=2),
    Case("LogarithmicNeurons", {"num_neurons": 5, "batch_norm_momentum": 0.8, **KERNEL}),
    Case(
        "MLP",
        {
            "units": (5, 3),
            "output_dim": 2,
            "activation": keras.activations.softplus,
            "dropout": 0.2,
            "batch_norm": True,
            "batch_norm_momentum": 0.8,
            **KERNEL,
            **BIAS,
        },
        inputs="flat",
    ),
    Case("MLP", {"units": (5, 3), "activation": "dice"}, inputs="flat", number=2),
    Case("NextEventLoss", {"units": (5, 3), "weight": 0.5, **KERNEL, **BIAS}, inputs="states and events"),
    _cross(
        "MaskBlock",
        {
            "units": 5,
            "reduction_ratio": 1.5,
            "activation": "tanh",
            "layer_norm": False,
            "dropout": 0.2,
            **KERNEL,
            **BIAS,
            **EXPLAINED,
        },
    ),
    _cross("MaskBlock", {"units": 5, "l2": 0.1}, number=2),
    Case(
        "MaskedCross",
        {"layer_norm": False, "batch_norm": True, "batch_norm_momentum": 0.8, **KERNEL, **BIAS},
        inputs="heads twice",
    ),
    Case("MaskedCross", {"l2": 0.1}, inputs="heads twice", number=2),
    _cross(
        "MixtureCrossLayer", {"rank": 2, "num_experts": 3, "gate": "sigmoid", "activation": "relu", **KERNEL, **BIAS}
    ),
    Case("NetworkMean", {}, inputs="flat"),
    Case("NumericalValues", {"schema": SCHEMA, "log": False}, inputs="features"),
    Case("OuterProducts", {**KERNEL}),
    Case("PairProducts", {}),
    Case("PairwiseInteraction", {}),
    Case("ProductAttention", {"units": 5, "attention_dropout": 0.2, **KERNEL, **EXPLAINED}, inputs="embedded twice"),
    Case("ReferenceGraphInteraction", {**_graph, "use_residual": False}),
    Case("ReferenceGraphInteraction", {"units": 6, "use_selection": False, "l2": 0.1}, number=2),
    Case(
        "ReferenceGraphInteraction",
        {"units": 6, "selection": "threshold", "threshold": 0.4, "edge_metric": "euclidean", **EXPLAINED},
        number=3,
    ),
    Case("ResidualUnit", {"units": (5, 3), "dropout": 0.2, **KERNEL, **BIAS}, inputs="flat"),
    Case("SqueezeExcitation", {"reduction_ratio": 0.5, "activation": "sigmoid", **KERNEL, **EXPLAINED}),
    Case("SelfDistillation", {"probabilities": False, "strength": 0.5}, inputs="flat"),
    Case("SelfDistillation", {}, inputs="flat", number=2),
    Case(
        "TransformerBlock",
        {
            "units": 6,
            "num_heads": 3,
            "feed_forward_units": 5,
            "attention_dropout": 0.2,
            **KERNEL,
            **BIAS,
            **EXPLAINED,
        },
    ),
    Case("WeightedPairs", {"weights": "number", "use_bias": True, **KERNEL, **BIAS, **EXPLAINED}),
    Case("WeightedPairs", {"weights": "vector", "l2": 0.1}, number=2),
    Case("WeightedPairs", {"weights": "matrix", **EXPLAINED}, number=3),
    Case(
        "WukongLayer",
        {"num_fm": 2, "num_linear": 3, "rank": 2, "units": (5,), "dropout": 0.2, "layer_norm": False, **KERNEL, **BIAS},
    ),
    Case("WukongLayer", {"num_fm": 2, "num_linear": 1, "rank": None, "l2": 0.1}, number=2),
]
