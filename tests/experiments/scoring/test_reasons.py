"""Reasons are parts of the logit, and only models that say them give any."""

import numpy as np
import pytest
import scipy.special

from ctrzoo import models
from ctrzoo.experiments.scoring.reasons import Reasons
from ctrzoo.schema import Field, Schema
from tests.small_data import random_rows

SCHEMA = Schema([Field("site", vocabulary_size=5), Field("ad", vocabulary_size=4), Field("hour", vocabulary_size=6)])


def built(name, **options):
    model = models.build(name, SCHEMA, **options)
    random = np.random.default_rng(1)
    for weight in model.weights:
        values = random.normal(scale=0.5, size=weight.shape)  # with larger ones, Fi-GNN's states reach 1e4 and cancel
        weight.assign(np.abs(values) if "variance" in weight.path else values)
    return model


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lr", {}),
        ("fm", {}),
        ("ffm", {}),
        ("ffm", {"normalize": True}),
        ("poly2", {}),
        ("afm", {}),
        ("fwfm", {}),
        ("fmfm", {}),
        ("hofm", {"order": 2}),
        ("autofis", {}),
        ("deepfm", {"deep_units": ()}),
        ("wide_deep", {"crosses": [("site", "ad")], "deep_units": ()}),
        ("fignn", {"formulation": "paper"}),
    ],
)
def test_all_reasons_add_up_to_the_logit_but_for_a_constant(name, options):
    """These have no deep part: the fields and pairs are all that differs between rows."""
    model = built(name, **options)
    features, _ = random_rows(SCHEMA, 40, np.random.default_rng(0))
    predictions, columns = Reasons(model, 6)(features)
    added = sum(columns[f"contribution_{number}"].fill_null(0).to_numpy() for number in range(1, 7))
    logit = np.asarray(model.explainer()(features)["logit"])[:, 0]
    assert logit.std() > 0.1
    rounding = 2e-5 * np.abs(logit).max()
    np.testing.assert_allclose(logit - added, (logit - added)[0], atol=rounding)
    # An error of the logit is at most the same relative error of the probability.
    np.testing.assert_allclose(predictions, scipy.special.expit(logit), rtol=rounding)


def test_order_and_missing_cells():
    model = built("lr")
    features = {
        "ids": np.array([[1, 0, 10], [0, 0, 0]], np.int32),
        "values": np.array([[1, 0, 1], [0, 0, 0]], "float32"),
    }
    _, columns = Reasons(model, 4)(features)
    terms = np.asarray(model.explainer()(features)["fields"])[0]
    first = sorted(["site", "hour"], key=lambda name: -abs(terms[SCHEMA.names.index(name)]))
    assert [columns[f"reason_{number}"].to_pylist() for number in (1, 2, 3, 4)] == [
        [first[0], None],
        [first[1], None],
        [None, None],
        [None, None],
    ]
    assert columns["contribution_1"].to_pylist() == [terms[SCHEMA.names.index(first[0])], None]
    assert columns["contribution_4"].null_count == 2


@pytest.mark.parametrize("name", ["graphfm", "hoafm", "dlrm", "dcn_v2", "autoint"])
def test_models_without_contributions_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} does not say .* Leave out --explain"):
        Reasons(models.build(name, SCHEMA), 3)
