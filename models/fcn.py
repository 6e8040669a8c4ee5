"""FCN: the fusing cross network, and the exponential cross network alone."""

from typing import Any

import keras

from ctrzoo.idle import refuse_idle
from ctrzoo.layers import FieldEmbedding, HeadHalves, MaskedCross, NetworkMean
from ctrzoo.losses import FusedLoss
from ctrzoo.model import CTRModel, feature_inputs, output_name
from ctrzoo.schema import Schema
from ctrzoo.tasks import task_of
from ctrzoo.types import Config, DType, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class FCN(CTRModel):
    """Fusing cross network (DCN-v3): an exponential and a linear cross network, without an MLP.

    The logit is the mean of those of the two networks. In training, each network also has a loss of its own, weighted
    by how far it exceeds the loss of the mean, see `ctrzoo.losses.FusedLoss`. It is the default loss of `compile`,
    except for ranking. With another loss, only the mean is trained. As it compares means over the batch, a batch is
    not divided among devices: each computes all of it.
    As in the authors' code, the gradient also flows through these weights, and biases start at U(0, 1). FuxiCTR draws
    tables from N(0, 0.0001^2); here they come from N(0, 0.01^2).
    Source: Li et al., 2024, https://arxiv.org/abs/2407.13349.
    Cost: O(L h (n d)^2) per row, for L layers of both networks and h heads, half of that of DCN-v2 per layer.
    Explanations: with both networks: `parts`, what the exponential and the linear network add to the
        logit. Otherwise none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector of one head, an even number. Tables have `num_heads` times as many
            columns.
        num_heads: Number of heads, each with a part of the table of its own; they share all matrices.
        num_exponential_layers: Number of layers of the exponential cross network.
        exponential_dropout: Share of its layers' outputs dropped in training.
        use_linear: Whether there is a linear cross network; without it, the model is ECN, and has the plain loss.
        num_linear_layers: Number of layers of the linear cross network.
        linear_dropout: Share of its layers' outputs dropped in training.
        layer_norm: Whether the layers normalize their masks.
        batch_norm: Whether the layers normalize their maps per head, over the batch.
        batch_norm_momentum: Momentum of the moving mean and variance: the share that a step keeps.
        cross_l2: Strength of the penalty `cross_l2 / 2 * ||W||^2` on the matrix of each layer.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If a size is below 1, or `embedding_dim` is odd.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        num_heads: int = 1,
        num_exponential_layers: int = 4,
        exponential_dropout: float = 0.0,
        use_linear: bool = True,
        num_linear_layers: int = 4,
        linear_dropout: float = 0.0,
        layer_norm: bool = True,
        batch_norm: bool = False,
        batch_norm_momentum: float = 0.9,
        cross_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if not use_linear:
            idle = ["num_linear_layers", "linear_dropout"]
            refuse_idle(FCN, locals(), idle, "without the linear network", "set use_linear=True")
        if not batch_norm:
            momentum = ["batch_norm_momentum"]
            refuse_idle(FCN, locals(), momentum, "without batch normalization", "set batch_norm=True")
        if embedding_dim % 2:
            raise ValueError(f"`embedding_dim` must be even, because vectors are halved. Received: {embedding_dim}.")
        features = feature_inputs(schema)
        size = embedding_dim * num_heads
        embedded = FieldEmbedding(schema, size, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        first = HeadHalves(num_heads, dtype=dtype, name="heads")(embedded)
        networks = [("exponential", num_exponential_layers, exponential_dropout)]
        networks += [("linear", num_linear_layers, linear_dropout)] * use_linear
        logits = []
        for network, num_layers, dropout in networks:
            states = first
            for number in range(1, num_layers + 1):
                layer = MaskedCross(
                    layer_norm,
                    batch_norm,
                    batch_norm_momentum,
                    l2=cross_l2,
                    dtype=dtype,
                    name=f"{network}_{number}",
                )
                states = layer(states if network == "exponential" else first, states)
                states = keras.layers.Dropout(dropout, dtype=dtype, name=f"{network}_dropout_{number}")(states)
            of_heads = keras.layers.Dense(1, dtype=dtype, name=f"{network}_output")(states)
            logits.append(keras.ops.mean(of_heads, axis=1))
        logit, explanations = logits[0], {}
        if use_linear:
            both = keras.layers.Concatenate(dtype=dtype, name="logits")(logits)
            logit, explanations = NetworkMean(dtype=dtype, name="networks")(both), {"parts": both / 2}
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_heads, self.use_linear = embedding_dim, num_heads, use_linear
        self.num_exponential_layers, self.exponential_dropout = num_exponential_layers, exponential_dropout
        self.num_linear_layers, self.linear_dropout = num_linear_layers, linear_dropout
        self.layer_norm, self.batch_norm, self.batch_norm_momentum = layer_norm, batch_norm, batch_norm_momentum
        self.cross_l2, self.embedding_l2, self.embedding_dropout = cross_l2, embedding_l2, embedding_dropout

    @property
    def default_loss(self) -> keras.losses.Loss:
        """The loss of the task; with both networks, that of each of them too, if the loss compares no rows."""
        plain = super().default_loss
        return plain if task_of(self.task).by_group or not self.use_linear else FusedLoss(plain)

    @property
    def needs_whole_batches(self) -> bool:
        return self.use_linear

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        """Compute the loss as Keras does; in training, also from the predictions of both networks.

        Args:
            x: The features.
            y: The labels.
            y_pred: The predictions.
            sample_weight: The weights of the rows.
            training: Whether the loss is for training.
        """
        if training and self.use_linear and isinstance(self.loss, FusedLoss):
            link = self.get_layer(output_name(self.task)).activation
            own = link(keras.ops.cast(self.get_layer("networks").latest, y_pred.dtype))
            y_pred = keras.ops.concatenate([y_pred, own], axis=-1)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_heads": self.num_heads,
            "num_exponential_layers": self.num_exponential_layers,
            "exponential_dropout": self.exponential_dropout,
            "use_linear": self.use_linear,
            "num_linear_layers": self.num_linear_layers,
            "linear_dropout": self.linear_dropout,
            "layer_norm": self.layer_norm,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
            "cross_l2": self.cross_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
