"""Poly2: a free weight for each pair of features."""

from typing import Any

import keras

from ctrzoo.layers import HashedPairs, LinearLogit
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class Poly2(CTRModel):
    """Degree-2 polynomial: a linear part and one weight for each pair of features, stored in a hash table.

    Unlike in a factorization machine, a pair that training never saw contributes nothing.
    Source: Chang et al., JMLR 11, 2010, section 2, https://jmlr.org/papers/v11/chang10a.html.
    Cost: O(n^2) per row.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `pairs`, each pair's
        contribution to the logit.

    Args:
        schema: The `Schema`.
        num_buckets: Rows in the hash table of pair weights; colliding pairs share a weight.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        pair_l2: Strength of the penalty `pair_l2 / 2 * ||table||^2` on the pair weights.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If `num_buckets` is out of range.
    """

    def __init__(
        self,
        schema: Schema,
        num_buckets: int = 2**20,
        linear_l2: float = 0.0,
        pair_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        features = feature_inputs(schema)
        linear, terms = LinearLogit(schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear")(
            features
        )
        interaction, pairs = HashedPairs(
            schema, num_buckets, l2=pair_l2, return_explanations=True, dtype=dtype, name="hashed_pairs"
        )(features)
        explanations = {"fields": terms, "pairs": pairs}
        super().__init__(schema, features, linear + interaction, explanations, task=task, dtype=dtype, **kwargs)
        self.num_buckets, self.linear_l2, self.pair_l2 = num_buckets, linear_l2, pair_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "linear_l2": self.linear_l2,
            "pair_l2": self.pair_l2,
        }
