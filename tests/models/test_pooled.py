"""The baseline of pooled histories against loops."""

import numpy as np
import pytest

from ctrzoo.models import build
from ctrzoo.schema import Field, Schema
from tests.models.reference import check_model
from tests.models.slow_histories import HISTORIES, SCHEMA, events_of, linear, top


@pytest.mark.parametrize("options", [{}, {"candidate_product": False, "use_fm": True}])
def test_the_mlp_gets_the_means_and_their_products_with_the_candidate(options, float64):
    # In the order of the fields: seen, seen_shop, liked.
    columns = [[column] for history in HISTORIES for column in history]

    def pooled(weights, embedded, batch):
        logits = []
        for row in range(len(embedded)):
            means, products = [], []
            for column in columns:
                events, candidate = events_of(weights["embedding/table"], batch, row, column)
                mean = sum(events) / len(events) if len(events) else np.zeros_like(candidate)
                means.append(mean)
                products.append(mean * candidate)
            parts = means + (products if options.get("candidate_product", True) else [])
            logit = top(weights, embedded, row, parts)
            logits.append(logit + (linear(weights, batch, row) if "linear/weights/table" in weights else 0))
        return np.array(logits)

    check_model(build("pooled", SCHEMA, embedding_dim=3, deep_units=(6, 5), **options), pooled, rows=6)


def test_a_product_needs_a_candidate():
    alone = Schema([Field("item", vocabulary_size=5), Field("seen", "sequence", vocabulary_size=5, num_slots=3)])
    with pytest.raises(ValueError, match="no sequence shares the ids of a candidate; set candidate_product=False"):
        build("pooled", alone)
