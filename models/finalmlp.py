"""FinalMLP: two MLPs, each with its own view of the fields."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.idle import refuse_idle, refuse_idle_hidden
from ctrzoo.layers import MLP, FeatureGate, FieldEmbedding, HeadProducts
from ctrzoo.model import CTRModel, feature_inputs, features_of
from ctrzoo.schema import Schema
from ctrzoo.suggest import unknown
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class FinalMLP(CTRModel):
    """FinalMLP: two MLPs on gated embeddings, whose outputs meet in a bilinear fusion.

    A gate per stream weights every entry of the embeddings. It depends on the stream's context fields, which have
    tables of their own for this, or is the same for all rows. FuxiCTR's code has a bias in each stream's logit, as
    here, and draws tables from N(0, 0.0001^2); here they come from N(0, 0.01^2).
    Source: Mao et al., AAAI 2023, https://arxiv.org/abs/2304.00902.
    Cost: O(n d h) per row, for first hidden layers of h in both streams, and the rest of the MLPs.
    Explanations: `field_gates_k`, the gate of stream k on each field, the mean over the field's entries, from 0 to 2:
        1 leaves the field as it is (only with `use_gates`); `parts`, what stream 1, stream 2 and their product add to
        the logit.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        first_units: Widths of the MLP of stream 1, at least one.
        first_dropout: Share of its outputs dropped in training.
        first_batch_norm: Whether it uses batch normalization.
        first_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        second_units: Widths of the MLP of stream 2, at least one.
        second_dropout: Share of its outputs dropped in training.
        second_batch_norm: Whether it uses batch normalization.
        second_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        num_heads: Number of heads of the fusion; it divides the last widths of both MLPs.
        use_gates: Whether each stream has its gate.
        gate_units: Hidden widths of the gates' MLPs; `()` for a linear map.
        first_context: Names of the fields on which the gate of stream 1 depends, such as those of the user; `()` for
            a gate that is the same for all rows.
        second_context: Those of stream 2, such as the fields of the item.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLPs' kernels.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2` on every table.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If an MLP has no layer, `num_heads` does not divide its last width, a context names an unknown
            field or one twice, or a context is given without gates.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        first_units: Sequence[int] = (400, 400),
        first_dropout: float = 0.0,
        first_batch_norm: bool = False,
        first_batch_norm_momentum: float = 0.9,
        second_units: Sequence[int] = (400, 400),
        second_dropout: float = 0.0,
        second_batch_norm: bool = False,
        second_batch_norm_momentum: float = 0.9,
        num_heads: int = 1,
        use_gates: bool = True,
        gate_units: Sequence[int] = (64,),
        first_context: Sequence[str] = (),
        second_context: Sequence[str] = (),
        deep_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        for stream in ("first", "second"):
            refuse_idle_hidden(FinalMLP, locals(), stream)
        if not use_gates:
            refuse_idle(FinalMLP, locals(), ["gate_units"], "without gates", "set use_gates=True")
        contexts = (tuple(first_context), tuple(second_context))
        _check_contexts(schema, contexts, use_gates)
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        options = (
            (first_units, first_dropout, first_batch_norm, first_batch_norm_momentum),
            (second_units, second_dropout, second_batch_norm, second_batch_norm_momentum),
        )
        streams, parts, explanations = [], [], {}
        for number, (units, dropout, batch_norm, momentum) in enumerate(options, 1):
            if not units:
                raise ValueError("Each of the two MLPs needs at least one layer. Received: none for one of them.")
            states = flat
            if use_gates:
                given = [flat]
                if contexts[number - 1]:
                    own_schema, own = features_of(schema, features, contexts[number - 1])
                    name = f"context_embedding_{number}"
                    context = FieldEmbedding(own_schema, embedding_dim, l2=embedding_l2, dtype=dtype, name=name)(own)
                    given.append(keras.layers.Flatten(dtype=dtype, name=f"context_{number}")(context))
                gate = FeatureGate(
                    gate_units, embedding_dim, return_explanations=True, dtype=dtype, name=f"gate_{number}"
                )
                states, gates = gate(*given)
                of_fields = keras.layers.Reshape((schema.num_fields, embedding_dim), dtype=dtype)(gates)
                explanations[f"field_gates_{number}"] = ops.mean(of_fields, axis=-1)
            stream = MLP(
                units,
                dropout=dropout,
                batch_norm=batch_norm,
                batch_norm_momentum=momentum,
                l2=deep_l2,
                dtype=dtype,
                name=f"deep_{number}",
            )(states)
            streams.append(stream)
            parts.append(keras.layers.Dense(1, dtype=dtype, name=f"output_{number}")(stream))
        parts.append(HeadProducts(num_heads, dtype=dtype, name="fusion")(*streams))
        explanations["parts"] = keras.layers.Concatenate(dtype=dtype, name="parts")(parts)
        logit = keras.layers.Add(dtype=dtype, name="sum")(parts)
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_heads, self.use_gates = embedding_dim, num_heads, use_gates
        self.first_units, self.first_dropout = tuple(first_units), first_dropout
        self.first_batch_norm, self.first_batch_norm_momentum = first_batch_norm, first_batch_norm_momentum
        self.second_units, self.second_dropout = tuple(second_units), second_dropout
        self.second_batch_norm, self.second_batch_norm_momentum = second_batch_norm, second_batch_norm_momentum
        self.gate_units, (self.first_context, self.second_context) = tuple(gate_units), contexts
        self.deep_l2, self.embedding_l2, self.embedding_dropout = deep_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "first_units": self.first_units,
            "first_dropout": self.first_dropout,
            "first_batch_norm": self.first_batch_norm,
            "first_batch_norm_momentum": self.first_batch_norm_momentum,
            "second_units": self.second_units,
            "second_dropout": self.second_dropout,
            "second_batch_norm": self.second_batch_norm,
            "second_batch_norm_momentum": self.second_batch_norm_momentum,
            "num_heads": self.num_heads,
            "use_gates": self.use_gates,
            "gate_units": self.gate_units,
            "first_context": self.first_context,
            "second_context": self.second_context,
            "deep_l2": self.deep_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }


def _check_contexts(schema, contexts, use_gates):
    for argument, names in zip(("first_context", "second_context"), contexts, strict=True):
        if names and not use_gates:
            raise ValueError(f"`{argument}` is for gates. Received: {names} with use_gates=False. Leave one out.")
        for name in names:
            if name not in schema.names:
                raise ValueError(f"`{argument}`: {unknown('field', str(name), schema.names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"`{argument}` must name a field once. Received: {', '.join(names)}.")
