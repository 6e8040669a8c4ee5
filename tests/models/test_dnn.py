import pytest

from ctrzoo.models import DNN, build
from tests.models.pairwise import flatten, mlp
from tests.models.reference import check_model

HIDDEN = ("deep/hidden_0", "deep/hidden_1")


def test_dnn_equals_its_layers(float64, mixed_schema):
    model = DNN(mixed_schema, embedding_dim=3, deep_units=(5, 4))
    check_model(model, lambda weights, embedded, batch: mlp(weights, flatten(embedded), HIDDEN))


def test_dnn_without_hidden_layers_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="`deep_units` must name at least one hidden layer. Received: none"):
        build("dnn", mixed_schema, deep_units=())


def test_parameters(mixed_schema):
    assert DNN(mixed_schema, deep_units=(7, 5)).count_params() == 20 * 16 + (4 * 16 + 1) * 7 + 8 * 5 + 6
