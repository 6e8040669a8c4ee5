"""Where the layers of each drawn model stand, and what their boxes say; everything else is read from the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ctrzoo.schema import Field, Schema

# A small table of clicks: two categories, a number and tags, and what the user clicked before.
FIELDS = Schema(
    [
        Field("user", vocabulary_size=1000),
        Field("movie", vocabulary_size=500),
        Field("age", "numerical"),
        Field("genres", "multivalued", vocabulary_size=20, num_slots=3),
    ]
)
EVENTS = Schema([*FIELDS.fields, Field("clicked", "sequence", vocabulary_size=500, num_slots=10, share="movie")])
WHOLE, HALF = (200, 200), ((104, 176), (296, 176))  # middle and width of a box


@dataclasses.dataclass(frozen=True)
class Layout:
    """A diagram of a model.

    Attributes:
        schema: The fields that the model is built for.
        rows: From the top, the parts of each row with the middle and width of their boxes.
        words: What each part computes.
        lanes: For a parent and a child, the x of the vertical line on which their arrow passes the boxes between them.
        hyperparameters: Of the model, where they are not the defaults.
    """

    schema: Schema
    rows: tuple[Mapping[str, tuple[float, float]], ...]
    words: Mapping[str, str]
    lanes: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    hyperparameters: Mapping[str, object] = dataclasses.field(default_factory=dict)


BOTH = {"row": "ids and values of its slots", "embedding": "v_{i}: one for each field i"}
END = {"probability": "sigmoid of the logit"}
LEFT, RIGHT = HALF
LAYOUTS = {
    "fm": Layout(
        FIELDS,
        (
            {"row": WHOLE},
            {"linear": LEFT, "embedding": RIGHT},
            {"pairwise": RIGHT},
            {"Add 1": WHOLE},
            {"probability": WHOLE},
        ),
        {
            **BOTH,
            **END,
            "linear": "sum of w_{i}, and a bias",
            "pairwise": "sum of v_{i} · v_{j}, i < j",
            "Add 1": "logit",
        },
    ),
    "deepfm": Layout(
        FIELDS,
        (
            {"row": WHOLE},
            {"linear": (62, 108), "embedding": (256, 180)},
            {"pairwise": (184, 152), "deep": (330, 126)},
            {"Add 2": WHOLE},
            {"probability": WHOLE},
        ),
        {
            **BOTH,
            **END,
            "linear": "sum of w_{i}",
            "pairwise": "sum of v_{i} · v_{j}",
            "deep": "layers on all v_{i}",
            "Add 2": "logit",
        },
    ),
    "dcn_v2": Layout(
        FIELDS,
        (
            {"row": WHOLE},
            {"embedding": WHOLE},
            {"flat_embedding": WHOLE},
            {"cross_1": (120, 184), "deep": (304, 160)},
            {"cross_2": (120, 184)},
            {"cross_3": (120, 184)},
            {"states": WHOLE},
            {"output": WHOLE},
            {"probability": WHOLE},
        ),
        {
            **BOTH,
            **END,
            "flat_embedding": "x_{0}: all vectors in a row",
            "cross_1": "x_{1} = x_{0} * (W x_{0} + b) + x_{0}",
            "cross_2": "x_{2} = x_{0} * (W x_{1} + b) + x_{1}",
            "cross_3": "x_{3} = x_{0} * (W x_{2} + b) + x_{2}",
            "deep": "layers on x_{0}",
            "states": "both, joined",
            "output": "logit",
        },
        {("flat_embedding", "cross_2"): 14, ("flat_embedding", "cross_3"): 14},
    ),
    "autoint": Layout(
        FIELDS,
        (
            {"row": WHOLE},
            {"embedding": WHOLE},
            {"attention_1": (200, 300)},
            {"attention_2": (200, 300)},
            {"attention_3": (200, 300)},
            {"output": (200, 300)},
            {"probability": WHOLE},
        ),
        {
            **BOTH,
            **END,
            "attention_1": "each field attends to all fields",
            "attention_2": "the same, on the new states",
            "attention_3": "the same, on the new states",
            "output": "logit, from all states",
        },
    ),
    "din": Layout(
        EVENTS,
        (
            {"row": WHOLE},
            {"embedding": WHOLE},
            {"attention_1": (254, 230)},
            {"Matmul 1": (254, 230)},
            {"Concatenate 1": (200, 240)},
            {"deep": (200, 240)},
            {"probability": WHOLE},
        ),
        {
            **BOTH,
            **END,
            "embedding": "v_{i}; e_{t} for each event",
            "attention_1": "a_{t}: how e_{t} fits the movie",
            "Matmul 1": "sum of a_{t} e_{t}",
            "Concatenate 1": "all v_{i}, and the sum",
            "deep": "layers, to the logit",
        },
        {("row", "attention_1"): 389, ("embedding", "Matmul 1"): 120, ("embedding", "Concatenate 1"): 60},
    ),
    "graphfm": Layout(
        FIELDS,
        (
            {"row": WHOLE},
            {"embedding": WHOLE},
            {"graph_1": (178, 296)},
            {"graph_2": (178, 296)},
            {"graph_3": (178, 296)},
            {"Concatenate 1": (178, 296)},
            {"output": (178, 296)},
            {"probability": WHOLE},
        ),
        {
            **BOTH,
            **END,
            "graph_1": "each field gathers its best interactions",
            "graph_2": "the same, among fewer neighbors",
            "graph_3": "the same, among the fewest",
            "Concatenate 1": "means over fields, joined",
            "output": "logit",
        },
        {("graph_1", "Concatenate 1"): 372, ("graph_2", "Concatenate 1"): 350},
    ),
}
TITLES = {
    "row": "A row",
    "Add": "Add",
    "Concatenate": "Concatenate",
    "Matmul": "Weighted sum",
    "Activation": "Probability",
}
