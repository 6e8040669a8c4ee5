"""LR and FM equal their equations; the registry names what it does not know."""

import json

import numpy as np
import pytest

from ctrzoo import models
from tests.models.reference import check_model


def linear(weights, batch):
    ids, values = batch["ids"], batch["values"].astype("float64")
    table = weights["linear/weights/table"][:, 0]
    return weights["linear/bias"][0] + sum(table[ids[:, slot]] * values[:, slot] for slot in range(ids.shape[1]))


def test_lr(float64, mixed_schema):
    check_model(models.build("lr", mixed_schema), lambda weights, embedded, batch: linear(weights, batch))


def test_fm(float64, mixed_schema):
    def logits(weights, embedded, batch):
        pairs = [[row[i] @ row[j] for i in range(len(row)) for j in range(i)] for row in embedded]
        return linear(weights, batch) + [sum(of_row) for of_row in pairs]

    check_model(models.build("fm", mixed_schema, embedding_dim=3), logits)


def test_penalties_are_half_the_squared_norm(mixed_schema):
    model = models.build("fm", mixed_schema, embedding_dim=3, embedding_l2=0.1, linear_l2=0.0)
    table = model.get_layer("embedding").table.numpy()
    assert float(sum(model.losses)) == pytest.approx(0.05 * (table**2).sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        (
            "graphfm",
            {"units": 64},
            "`units` must be a tuple of whole numbers of at least 1, such as .64, 64.. Received: 64",
        ),
        ("graphfm", {"units": ()}, "`units` must be a tuple of at least one layer's size"),
        ("graphfm", {"num_neighbors": 3}, "`num_neighbors` must have one entry for each of the 3 layers"),
        ("graphfm", {"use_selection": 1}, "`use_selection` must be True or False"),
        ("deepfm", {"deep_units": 64}, "`deep_units` must be a tuple"),
        ("deepfm", {"deep_units": (64, 0)}, "`deep_units` must be a tuple"),
        ("deepfm", {"deep_dropout": "0.1"}, "`deep_dropout` must be a number of at least 0"),
        ("interhat", {"units": (64, 64)}, "`units` must be a whole number of at least 1"),
        ("dcn_v2", {"num_layers": -1}, "`num_layers` must be a whole number of at least 1"),
        ("dcn_v2", {"structure": 1}, "`structure` must be a text"),
        ("fm", {"embedding_dim": None}, "`embedding_dim` must be a whole number of at least 1. Received: None"),
        ("dcn_v2", {"cross": "low_rank", "rank": None}, "`rank` must be a whole number"),
        ("graphfm", {"use_selection": None}, "`use_selection` must be True or False"),
        ("wide_deep", {"crosses": None}, "`crosses` must be a tuple"),
    ],
)
def test_hyperparameters_of_another_type_are_refused(name, wrong, message, mixed_schema):
    with pytest.raises(ValueError, match=message):
        models.build(name, mixed_schema, **wrong)


def test_a_model_may_have_another_name_and_needs_a_schema(mixed_schema):
    assert models.build("fm", mixed_schema, name="first").name == "first"
    assert models.build("dcn_v2", mixed_schema, num_layers=np.int64(1), deep_units=[4], cross_l2=0).num_layers == 1
    with pytest.raises(ValueError, match="takes a `Schema`, such as `load.folder..schema`. Received: dict"):
        models.build("fm", mixed_schema.to_dict())


def test_unknown_names_are_refused_with_the_near_one(mixed_schema):
    with pytest.raises(ValueError, match="Unknown model 'gfm'. Did you mean 'fm'|Unknown model"):
        models.build("gfm", mixed_schema)
    with pytest.raises(ValueError, match="no .*|Unknown hyperparameter 'num_neighbours'. Did you mean 'num_neighbors'"):
        models.build("graphfm", mixed_schema, num_neighbours=3)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("deepfm", {"deep_units": [np.int64(8)], "embedding_dim": np.int32(4), "deep_l2": np.float32(0.5)}),
        ("autoint", {"units": (np.int64(8),), "use_residual": np.False_}),
        ("graphfm", {"units": (np.int64(8),), "num_neighbors": (np.int64(2),)}),
    ],
)
def test_numbers_of_numpy_are_taken_as_those_of_python(name, numbers, mixed_schema):
    model = models.build(name, mixed_schema, **numbers)
    assert type(model).from_config(json.loads(json.dumps(model.get_config()))).get_config()
