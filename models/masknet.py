"""MaskNet: blocks whose input is multiplied by a mask that the embeddings decide."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import MLP, FieldEmbedding, FieldNormalization, MaskBlock
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

STRUCTURES = ("serial", "parallel")


@keras.saving.register_keras_serializable("ctrzoo")
class MaskNet(CTRModel):
    """MaskNet: dense blocks whose input is multiplied by a mask, computed from the embeddings of the row.

    Every mask is computed from the embeddings as they are, even where the blocks work on normalized ones. FuxiCTR draws
    tables from N(0, 0.0001^2); here they come from N(0, 0.01^2), so that the normalization of embeddings has an effect
    from the start.
    Source: Wang, She, Zhang, DLP-KDD 2021, serial and parallel model, https://arxiv.org/abs/2102.07619.
    Cost: O(n d r w) per row for each block, for inputs of width w and ratio r, and the MLP.
    Explanations: `mask_k` of each block k that works on the embeddings (all if parallel, the first one if serial): the
        numbers by which the entries of each field's embedding are multiplied.

    Args:
        schema: The `Schema`.
        structure: `"serial"` for blocks on top of each other, of which the first has the embeddings as its input;
            `"parallel"` for blocks side by side on the embeddings, whose outputs are concatenated.
        embedding_dim: Size of an embedding vector.
        units: Size of each block's output; one entry per block.
        reduction_ratio: Size of each mask's hidden layer relative to the width of what is masked.
        activation: Activation of the blocks.
        dropout: Share of each block's outputs dropped in training.
        normalize_embedding: Whether the blocks work on embeddings after a layer normalization of each field.
        normalize_blocks: Whether each block has a layer normalization before its activation.
        mask_l2: Strength of the penalty `mask_l2 / 2 * ||kernel||^2` on the kernels of the blocks.
        deep_units: Hidden widths of an MLP on the last block's output, or on all outputs; `()` for a linear function,
            as serial MaskNet has it in the paper.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the structure or the activation is unknown, or the ratio is not positive.
    """

    def __init__(
        self,
        schema: Schema,
        structure: str = "serial",
        embedding_dim: int = 16,
        units: Sequence[int] = (400, 400),
        reduction_ratio: float = 1.0,
        activation: str = "relu",
        dropout: float = 0.0,
        normalize_embedding: bool = True,
        normalize_blocks: bool = True,
        mask_l2: float = 0.0,
        deep_units: Sequence[int] = (),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(MaskNet, locals())
        if structure not in STRUCTURES:
            raise ValueError(f"The structure must be 'serial' or 'parallel'. Received: {structure!r}.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        flat = states = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        if normalize_embedding:
            normal = FieldNormalization(dtype=dtype, name="embedding_norm")(embedded)
            states = keras.layers.Flatten(dtype=dtype, name="flat_norm")(normal)
        inputs, outputs, explanations = states, [], {}
        for number, width in enumerate(units, start=1):
            states, mask = MaskBlock(
                width,
                reduction_ratio,
                activation,
                layer_norm=normalize_blocks,
                dropout=dropout,
                l2=mask_l2,
                return_explanations=True,
                dtype=dtype,
                name=f"block_{number}",
            )(inputs if structure == "parallel" else states, flat)
            outputs.append(states)
            if structure == "parallel" or number == 1:
                shape = (schema.num_fields, embedding_dim)
                by_field = keras.layers.Reshape(shape, dtype=dtype, name=f"mask_by_field_{number}")(mask)
                explanations[f"mask_{number}"] = keras.layers.Permute((2, 1), dtype=dtype, name=f"mask_{number}")(
                    by_field
                )
        if structure == "parallel" and len(outputs) > 1:
            states = keras.layers.Concatenate(dtype=dtype, name="states")(outputs)
        logit = MLP(
            deep_units,
            output_dim=1,
            dropout=deep_dropout,
            batch_norm=deep_batch_norm,
            batch_norm_momentum=deep_batch_norm_momentum,
            l2=deep_l2,
            dtype=dtype,
            name="deep",
        )(states)
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.structure, self.embedding_dim, self.units = structure, embedding_dim, tuple(units)
        self.reduction_ratio, self.activation, self.dropout = reduction_ratio, activation, dropout
        self.normalize_embedding, self.normalize_blocks = normalize_embedding, normalize_blocks
        self.mask_l2, self.deep_units, self.deep_dropout = mask_l2, tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2
        self.embedding_l2, self.embedding_dropout = embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "structure": self.structure,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "reduction_ratio": self.reduction_ratio,
            "activation": self.activation,
            "dropout": self.dropout,
            "normalize_embedding": self.normalize_embedding,
            "normalize_blocks": self.normalize_blocks,
            "mask_l2": self.mask_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
