"""FinalNet: factorized interaction layers in one or two blocks."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle
from ctrzoo.layers import FactorizedMLP, FieldEmbedding, FieldMixing, SelfDistillation
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class FinalNet(CTRModel):
    """FINAL: layers that double the degree of interactions, in two blocks that learn from each other, or in one.

    With two blocks, the logit is the mean of theirs. Each block also learns the probability of that mean, by a cross
    entropy that joins `model.losses`; in regression and ranking, half the squared difference of the logits takes its
    place. Weights of rows do not enter these losses, and a batch is not divided among devices: each computes all of
    it. The forms of a layer are those of FuxiCTR's code, and the ReLU is that of its tuned settings. FuxiCTR draws
    tables from N(0, 0.0001^2); here they come from N(0, 0.01^2).
    Source: Zhu et al., SIGIR 2023, https://doi.org/10.1145/3539618.3591988.
    Cost: O(n d h) per row and block, for a first layer of h, and the rest of the blocks.
    Explanations: with two blocks: `parts`, what each block adds to the logit. Otherwise none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        num_blocks: 1 or 2.
        use_gate: Whether block 1 also sees each field times a linear mixture of all fields.
        residual: `"concat"` gives one half of a layer's linear map, then its product with the other half; `"sum"` adds
            the two.
        first_units: Widths of the layers of block 1, at least one; even for `"concat"`.
        first_activation: Activation after each of them, or `"linear"` for none.
        first_dropout: Share of their outputs dropped in training.
        second_units: Widths of the layers of block 2, if there are two.
        second_activation: Activation after each of them.
        second_dropout: Share of their outputs dropped in training.
        batch_norm: Whether the layers use batch normalization, before the activation.
        batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        distillation: Strength of the losses by which the blocks learn from their mean.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the kernels of the layers.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If `num_blocks` is neither 1 nor 2, a block has no layer, the residual is unknown, or a width is odd
            for `"concat"`.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        num_blocks: int = 2,
        use_gate: bool = False,
        residual: str = "concat",
        first_units: Sequence[int] = (400, 400),
        first_activation: str = "relu",
        first_dropout: float = 0.0,
        second_units: Sequence[int] = (400, 400),
        second_activation: str = "relu",
        second_dropout: float = 0.0,
        batch_norm: bool = True,
        batch_norm_momentum: float = 0.9,
        distillation: float = 1.0,
        deep_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if num_blocks == 1:
            idle = ["second_units", "second_activation", "second_dropout", "distillation"]
            refuse_idle(FinalNet, locals(), idle, "with one block", "set num_blocks=2")
        if not batch_norm:
            momentum = ["batch_norm_momentum"]
            refuse_idle(FinalNet, locals(), momentum, "without batch normalization", "set batch_norm=True")
        if num_blocks not in (1, 2):
            raise ValueError(f"`num_blocks` must be 1 or 2. Received: {num_blocks}.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        first = FieldMixing(dtype=dtype, name="gate")(embedded) if use_gate else embedded
        blocks = ((first, first_units, first_activation, first_dropout),)
        if num_blocks == 2:
            blocks += ((embedded, second_units, second_activation, second_dropout),)
        logits = []
        for number, (inputs, units, activation, dropout) in enumerate(blocks, 1):
            if not units:
                raise ValueError(f"Each block needs at least one layer. Received: none for block {number}.")
            flat = keras.layers.Flatten(dtype=dtype, name=f"flat_{number}")(inputs)
            block = FactorizedMLP(
                units,
                residual,
                activation,
                dropout=dropout,
                batch_norm=batch_norm,
                batch_norm_momentum=batch_norm_momentum,
                l2=deep_l2,
                dtype=dtype,
                name=f"block_{number}",
            )
            logits.append(keras.layers.Dense(1, dtype=dtype, name=f"output_{number}")(block(flat)))
        logit, explanations = logits[0], {}
        if num_blocks == 2:
            both = keras.layers.Concatenate(dtype=dtype, name="logits")(logits)
            distill = SelfDistillation(task == "classification", distillation, dtype=dtype, name="distillation")
            logit, explanations = distill(both), {"parts": both / 2}
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_blocks, self.use_gate, self.residual = (
            embedding_dim,
            num_blocks,
            use_gate,
            residual,
        )
        self.first_units, self.first_activation, self.first_dropout = (
            tuple(first_units),
            first_activation,
            first_dropout,
        )
        self.second_units, self.second_activation = tuple(second_units), second_activation
        self.second_dropout, self.distillation = second_dropout, distillation
        self.batch_norm, self.batch_norm_momentum = batch_norm, batch_norm_momentum
        self.deep_l2, self.embedding_l2, self.embedding_dropout = deep_l2, embedding_l2, embedding_dropout

    @property
    def needs_whole_batches(self) -> bool:
        # Between the layers of a step that normalizes the whole batch, replicas would mix up the losses that they add.
        return self.num_blocks == 2 and self.distillation > 0

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_blocks": self.num_blocks,
            "use_gate": self.use_gate,
            "residual": self.residual,
            "first_units": self.first_units,
            "first_activation": self.first_activation,
            "first_dropout": self.first_dropout,
            "second_units": self.second_units,
            "second_activation": self.second_activation,
            "second_dropout": self.second_dropout,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
            "distillation": self.distillation,
            "deep_l2": self.deep_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
