"""Scores of all pairs of queries and candidates: logits, of which only the order counts.

Three ways give the same scores up to rounding. `"pairs"` computes the model on a row for each pair. `"shared"` looks up
and pools the embeddings of each query and each candidate once, and computes the rest of the model for each pair.
`"factored"` computes one vector for each query and each candidate; a score is an inner product.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from ctrzoo.layers import FieldEmbedding, LinearLogit, NumericalValues
from ctrzoo.model import CTRModel
from ctrzoo.ranking.factors import cross_factors
from ctrzoo.schema import Schema
from ctrzoo.suggest import unknown
from ctrzoo.types import Features

METHODS = ("factored", "shared", "pairs")
# Layers that read the slots of a row, of which the output is a sum over slots.
READERS = (FieldEmbedding, LinearLogit, NumericalValues)
# Queries that are factored at a time.
FACTORED_QUERIES = 1024


def scorer_of(
    model: CTRModel,
    candidates: Features,
    is_candidate: np.ndarray,
    method: str = "auto",
    batch_size: int = 16_384,
    jit_compile: bool = False,
) -> Scorer:
    """Return the scorer of a model by the fastest way that it allows.

    Args:
        model: The model.
        candidates: Features of different candidates, see `ctrzoo.ranking.rank_candidates`.
        is_candidate: Whether a field belongs to candidates, `(fields,)`.
        method: `"factored"`, `"shared"`, `"pairs"`, or `"auto"` for the first of them that the model allows.
        batch_size: Pairs that are computed at a time.
        jit_compile: Whether XLA compiles the model.

    Raises:
        ValueError: If the method is unknown, or the model does not allow it.
    """
    if method not in ("auto", *METHODS):
        raise ValueError(unknown("method", method, ("auto", *METHODS)))
    options = {"batch_size": batch_size, "jit_compile": jit_compile}
    if method == "factored" or (method == "auto" and model.pair_terms is not None):
        return FactoredScorer(model, candidates, is_candidate, **options)
    if method == "pairs":
        return PairScorer(model, candidates, is_candidate, **options)
    try:
        return SharedScorer(model, candidates, is_candidate, **options)
    except NotSharedError:
        if method == "shared":
            raise
        return PairScorer(model, candidates, is_candidate, **options)


class NotSharedError(ValueError):
    """The model reads the slots of a row in other layers than those that look up embeddings."""


class Scorer:
    """The base of all scorers.

    Args:
        model: The model.
        candidates: Features of different candidates, with all slots of the schema.
        is_candidate: Whether a field belongs to candidates, `(fields,)`.
        batch_size: Pairs that are computed at a time.
        jit_compile: Whether XLA compiles the model.

    Attributes:
        method: The name of the way.
    """

    method = ""

    def __init__(
        self,
        model: CTRModel,
        candidates: Features,
        is_candidate: np.ndarray,
        batch_size: int = 16_384,
        jit_compile: bool = False,
    ) -> None:
        self.schema: Schema = model.schema
        self.is_candidate = np.asarray(is_candidate, bool)
        self.slots = self.is_candidate[np.asarray(self.schema.slot_fields)]
        self.candidates = one_side(candidates, self.slots)
        self.num_candidates = len(candidates["ids"])
        self.jit_compile = jit_compile
        # Whole queries, so that all batches but the last have one shape.
        self.queries_per_batch = max(1, batch_size // self.num_candidates)

    def scores(self, queries: Features) -> Iterator[np.ndarray]:
        """Yield the scores of consecutive queries, `(some queries, candidates)`.

        Args:
            queries: Features with all slots of the schema; those of the candidates are ignored.
        """
        queries = one_side(queries, ~self.slots)
        size = self.queries_per_batch
        for start in range(0, len(queries["ids"]), size):
            yield self.score({name: array[start : start + size] for name, array in queries.items()})

    def score(self, queries: dict[str, np.ndarray]) -> np.ndarray:
        """Return the scores of a few queries, whose slots of the candidates are absent."""
        raise NotImplementedError

    def compiled(self, inputs: Any, outputs: Any) -> Any:
        """Return a Keras model that `predict_on_batch` computes."""
        part = keras.Model(inputs, outputs)
        options: Any = {"jit_compile": self.jit_compile}
        part.compile(**options)
        return part


class PairScorer(Scorer):
    """Computes the model on a row for each pair."""

    method = "pairs"

    def __init__(self, model: CTRModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(model, *args, **kwargs)
        self._model = self.compiled(model.input, logit_of(model))

    def score(self, queries: dict[str, np.ndarray]) -> np.ndarray:
        rows = {
            # One of the two is 0 in every slot.
            name: (array[:, None] + self.candidates[name]).reshape(-1, array.shape[1])
            for name, array in queries.items()
        }
        return np.reshape(self._model.predict_on_batch(rows), (-1, self.num_candidates))


class SharedScorer(Scorer):
    """Computes what reads slots once for each query and candidate, and the rest of the model for each pair.

    Raises:
        NotSharedError: If another layer reads slots.
    """

    method = "shared"

    def __init__(self, model: CTRModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(model, *args, **kwargs)
        readers = [layer for layer in model.layers if isinstance(layer, READERS)]
        tensors = [tensor for layer in readers for tensor in keras.tree.flatten(layer.output)]
        logit = logit_of(model)
        try:
            self._rest = self.compiled(tensors, logit)
        except ValueError as error:  # the logit depends on something else
            raise NotSharedError(
                f"Not only embeddings, linear terms and numbers of '{model.name}' read the features of a row. "
                "Use the method 'pairs'."
            ) from error
        self._front = self.compiled(model.input, tensors)
        absent = {name: np.zeros_like(array[:1]) for name, array in self.candidates.items()}
        empty, parts = self._read(absent), self._read(self.candidates)
        # What both sides have, such as a bias, counts once.
        self._parts = [part - alone for part, alone in zip(parts, empty, strict=True)]

    def _read(self, features):
        return [np.asarray(output) for output in keras.tree.flatten(self._front.predict_on_batch(dict(features)))]

    def score(self, queries: dict[str, np.ndarray]) -> np.ndarray:
        pairs = [
            (of_query[:, None] + of_candidates).reshape(-1, *of_query.shape[1:])
            for of_query, of_candidates in zip(self._read(queries), self._parts, strict=True)
        ]
        return np.reshape(self._rest.predict_on_batch(pairs), (-1, self.num_candidates))


class FactoredScorer(Scorer):
    """Computes one vector for each query and each candidate.

    Raises:
        ValueError: If the model's logit is not a sum of terms that have such a form, see `CTRModel.pair_terms`.
    """

    method = "factored"

    def __init__(self, model: CTRModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(model, *args, **kwargs)
        terms = model.pair_terms
        if terms is None:
            raise ValueError(f"The logit of '{model.name}' is not a sum of pair terms. Use the method 'shared'.")
        self.queries_per_batch = FACTORED_QUERIES
        self._layers = [model.get_layer(interaction) for interaction in terms.values()]
        embedded = [model.get_layer(embedding).output for embedding in terms]
        self._front = self.compiled(model.input, [logit_of(model), *embedded])
        absent = {name: np.zeros_like(array[:1]) for name, array in self.candidates.items()}
        logits, *self._embedded = self._read(self.candidates)
        self._alone = logits - self._read(absent)[0]

    def _read(self, features):
        size = len(features["ids"])
        slices = ({name: array[at : at + 8192] for name, array in features.items()} for at in range(0, size, 8192))
        parts = [keras.tree.flatten(self._front.predict_on_batch(piece)) for piece in slices]
        return [np.concatenate([np.asarray(part[index]) for part in parts]) for index in range(len(parts[0]))]

    def score(self, queries: dict[str, np.ndarray]) -> np.ndarray:
        logits, *embedded = self._read(queries)
        scores = logits + self._alone.T
        for layer, left, right in zip(self._layers, embedded, self._embedded, strict=True):
            first, second = cross_factors(layer, left, right, self.is_candidate)
            scores += first @ second.T
        return scores


def logit_of(model: CTRModel) -> Any:
    """Return the symbolic logit of a model, which orders rows where probabilities are all rounded to 1."""
    outputs: Any = model.explainer().output
    return outputs["logit"]


def one_side(features: Features, slots: np.ndarray) -> dict[str, np.ndarray]:
    """Return features in which all other slots are absent."""
    return {name: np.where(slots, array, np.zeros((), np.asarray(array).dtype)) for name, array in features.items()}
