"""Behavior Sequence Transformer."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.histories import embed_histories, head
from ctrzoo.idle import refuse_idle, refuse_idle_hidden
from ctrzoo.layers import EventTransformer, JoinPositions
from ctrzoo.layers.recency import by_recency
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

POOLINGS = ("mean", "sum", "target", "concat")
POSITIONS = ("newest", "oldest", "none")

# Options that need hidden layers of the MLP; its penalty is for other layers too.
HIDDEN = ("dropout", "batch_norm", "batch_norm_momentum", "activation")


@keras.saving.register_keras_serializable("ctrzoo")
class BST(CTRModel):
    """BST: a transformer over the events of a history and the candidate, which comes last.

    A trainable vector of its position is joined to each event. The outputs of the transformer are pooled. An MLP gets
    the result and all other fields, the candidate among them. Each history of the schema has its own transformer.
    Defaults are FuxiCTR's, except for the embedding size (10 there) and the initial tables, N(0, 0.01^2) instead of
    N(0, 0.0001^2). The paper has 8 heads, and its positions are the time between the event and now.
    Source: Chen et al., DLP-KDD 2019, section 2, https://arxiv.org/abs/1905.06874.
    Cost: O(l^2 m + l m^2) per row and block, for l events of size m, and the MLP.
    Explanations: `events_k`, the attention of the candidate to the events of history k in the last block, the newest
        first, as the mean over heads. The rest, up to 1, is its attention to itself.

    Args:
        schema: The `Schema`, whose sequences share the ids of the candidate's fields.
        embedding_dim: Size of an embedding vector, and of a position.
        num_blocks: Number of transformer blocks.
        num_heads: Number of attention heads; it divides the size of a joined event, with its position.
        positions: `"newest"` counts positions from the newest event, `"oldest"` from the oldest, `"none"` leaves them
            out. From the newest, the model is that of rows padded on the left.
        pooling: `"mean"` or `"sum"` over events and candidate, `"target"`, the candidate alone, or `"concat"`, all
            slots joined, absent ones too.
        use_norm: Whether to normalize each sum over its entries.
        use_residual: Whether to add the input of each part of a block to its output.
        causal: Whether a slot attends only to itself and to older events.
        attention_dropout: Share of attention weights dropped in training.
        block_dropout: Share of the outputs of each part of a block dropped in training.
        deep_units: Widths of the hidden layers of the MLP; `()` leaves its output layer.
        deep_activation: Their activation, as in Keras, or `"dice"` or `"prelu"`.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance, also those of Dice: the share
            that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the hidden kernels, also of the blocks.
        use_fm: Whether to add the logit of a factorization machine on the fields that are no sequences.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on its linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the schema has no sequence, or one without `share`, a name is unknown, or `linear_l2` is given
            without `use_fm`.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        num_blocks: int = 1,
        num_heads: int = 2,
        positions: str = "newest",
        pooling: str = "mean",
        use_norm: bool = True,
        use_residual: bool = True,
        causal: bool = False,
        attention_dropout: float = 0.0,
        block_dropout: float = 0.0,
        deep_units: Sequence[int] = (256, 128, 64),
        deep_activation: str = "relu",
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        use_fm: bool = False,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if num_blocks < 1:
            raise ValueError(f"`num_blocks` must be at least 1. Received: {num_blocks}.")
        refuse_idle_hidden(BST, locals(), "deep", HIDDEN)
        if num_blocks == 1 and pooling == "target":
            why = "on the candidate, which is the newest and the only one that is read"
            refuse_idle(BST, locals(), ["causal"], why, "choose another pooling or more blocks")
        for name, value, known in (("positions", positions, POSITIONS), ("pooling", pooling, POOLINGS)):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(known)}. Received: {value!r}.")
        features = feature_inputs(schema)
        embedded, histories = embed_histories(schema, features, embedding_dim, embedding_l2, dtype)
        parts, explanations = [], {}
        for number, history in enumerate(histories, start=1):
            states = ops.concatenate([history.events, history.candidate[:, None]], axis=1)
            mask = ops.concatenate([history.mask, ops.ones_like(history.mask[:, :1])], axis=1)
            attention: Any = None
            if positions != "none":
                states = JoinPositions(embedding_dim, positions, dtype=dtype, name=f"positions_{number}")(states, mask)
            for block in range(1, num_blocks + 1):
                states, attention = EventTransformer(
                    num_heads,
                    use_norm,
                    use_residual,
                    causal,
                    attention_dropout,
                    block_dropout,
                    l2=deep_l2,
                    return_explanations=True,
                    dtype=dtype,
                    name=f"block_{number}_{block}",
                )(states, mask)
            parts.append(_pooled(states, mask, pooling))
            explanations[f"events_{number}"] = by_recency(attention[:, -1, :-1], history.mask)
        logit = head(
            schema,
            features,
            embedded,
            parts,
            units=deep_units,
            activation=deep_activation,
            dropout=deep_dropout,
            batch_norm=deep_batch_norm,
            batch_norm_momentum=deep_batch_norm_momentum,
            l2=deep_l2,
            use_fm=use_fm,
            linear_l2=linear_l2,
            dtype=dtype,
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_blocks, self.num_heads = embedding_dim, num_blocks, num_heads
        self.positions, self.pooling, self.use_norm, self.use_residual = positions, pooling, use_norm, use_residual
        self.causal, self.attention_dropout, self.block_dropout = causal, attention_dropout, block_dropout
        self.deep_units, self.deep_activation, self.deep_dropout = tuple(deep_units), deep_activation, deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2, self.use_fm, self.linear_l2, self.embedding_l2 = deep_l2, use_fm, linear_l2, embedding_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "positions": self.positions,
            "pooling": self.pooling,
            "use_norm": self.use_norm,
            "use_residual": self.use_residual,
            "causal": self.causal,
            "attention_dropout": self.attention_dropout,
            "block_dropout": self.block_dropout,
            "deep_units": self.deep_units,
            "deep_activation": self.deep_activation,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "use_fm": self.use_fm,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
        }


def _pooled(states, mask, pooling):
    """Pool states `(batch, slots, size)`, of which the candidate's is the last."""
    if pooling == "target":
        return states[:, -1]
    if pooling == "concat":
        return ops.reshape(states, (-1, states.shape[1] * states.shape[2]))
    mask = ops.cast(mask, states.dtype)[:, :, None]
    total = ops.sum(states * mask, axis=1)
    return total / ops.sum(mask, axis=1) if pooling == "mean" else total
