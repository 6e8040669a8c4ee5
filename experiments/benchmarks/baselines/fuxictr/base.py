"""FuxiCTR's training step, for models that are connected here from its layers.

FuxiCTR's wheel holds layers and the training step but no models. The modules next to this one connect the layers as
FuxiCTR's model zoo does. Sizes are the defaults of our models, except as `hyperparameters.py` says.
"""

from collections.abc import Sequence

import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch import layers
from fuxictr.pytorch.models import BaseModel

from ...hyperparameters import EMBEDDING_DIM

DEEP_UNITS = [400, 400]


class Model(BaseModel):
    """Base of all models; a subclass creates its layers in `make` and returns its logit from `logit`."""

    embedding_dim = EMBEDDING_DIM

    def __init__(self, feature_map: FeatureMap) -> None:
        super().__init__(feature_map, verbose=0, model_root=".", metrics=[])
        self.num_fields, self.width = feature_map.num_fields, feature_map.num_fields * self.embedding_dim
        self.make(feature_map)
        self.compile("adam", "binary_crossentropy", 1e-3)
        self.reset_parameters()

    def make(self, feature_map: FeatureMap) -> None:
        """Create the layers."""
        raise NotImplementedError

    def logit(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the logit `(batch, 1)`."""
        raise NotImplementedError

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the probability as FuxiCTR's training step expects it."""
        return {"y_pred": torch.sigmoid(self.logit(self.get_inputs(inputs)))}

    def embed(self, feature_map: FeatureMap) -> layers.FeatureEmbedding:
        """Return a layer that embeds all fields, `(batch, fields, dim)`."""
        return layers.FeatureEmbedding(feature_map, self.embedding_dim)

    def deep(
        self, width: int, units: Sequence[int] = DEEP_UNITS, output_dim: int | None = 1, batch_norm: bool = False
    ) -> layers.MLP_Block:
        """Return an MLP; without `output_dim`, it ends with its last hidden layer."""
        return layers.MLP_Block(input_dim=width, output_dim=output_dim, hidden_units=list(units), batch_norm=batch_norm)


class TwoLogits(Model):
    """A model whose logit is the mean of two, which its loss compares; a subclass returns them from `logits`."""

    def logits(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both logits, each `(batch, 1)`."""
        raise NotImplementedError

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the probability of the mean, and those of both logits."""
        first, second = self.logits(self.get_inputs(inputs))
        return {
            "y_pred": torch.sigmoid((first + second) / 2),
            "first": torch.sigmoid(first),
            "second": torch.sigmoid(second),
        }
