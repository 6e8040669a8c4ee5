"""Models after DCN-v2 equal FuxiCTR's code, number for number: MLP, FwFM, FmFM, FiBiNET, MaskNet and AFN."""

import pytest

from ctrzoo.models import build
from tests.models.golden_modern import Case, check_gradients, check_outputs, check_steps, mlp_sources

EMBEDDING = {"embedding/table": "embedding_layer.table"}


def dnn(options):
    return {"deep_units": options["hidden_units"], "deep_batch_norm": options.get("batch_norm", False)}


def dnn_sources(config):
    options = config["options"]
    return EMBEDDING | mlp_sources("mlp.mlp", "deep", len(options["hidden_units"]), options.get("batch_norm", False))


LINEAR = {
    "FiLV": ("field_vectors", {"linear/kernel": "linear_weight_layer.weight"}),
    "FeLV": ("feature_vectors", {"linear/table": "linear_weight_layer.table"}),
    "LW": ("weights", {"linear/weights/table": "linear_weight_layer.table"}),
}


def fwfm(options):
    return {"linear": LINEAR[options["linear_type"]][0]}


def fwfm_sources(config):
    pairs = {
        "weighted_pairs/kernel": "interaction_weight.weight",
        "weighted_pairs/bias": "interaction_weight.bias",
    }
    return EMBEDDING | pairs | LINEAR[config["options"]["linear_type"]][1]


def fmfm(options):
    return {"pair_weights": {"matrixed": "matrix", "vectorized": "vector"}[options["field_interaction_type"]]}


def fmfm_sources(config):
    linear = {"linear/bias": "lr_layer.bias", "linear/weights/table": "lr_layer.table"}
    return EMBEDDING | linear | {"weighted_pairs/kernel": "interaction_weight"}


# The hyperparameters and sources of each model's cases.
MODELS = {
    "dnn": (dnn, dnn_sources),
    "fwfm": (fwfm, fwfm_sources),
    "fmfm": (fmfm, fmfm_sources),
}
CASES = [
    "dnn_base",
    "dnn_bn_eval",
    "dnn_bn_train",
    "fwfm_filv",
    "fwfm_felv",
    "fwfm_lw",
    "fmfm_matrix",
    "fmfm_vector",
]


@pytest.fixture(params=CASES, scope="module")
def built(request):
    name = request.param.partition("_")[0]
    hyperparameters, find_sources = MODELS[name]

    def new(schema, config):
        return build(name, schema, embedding_dim=config["embedding_dim"], **hyperparameters(config["options"]))

    return Case(request.param, new, find_sources)


@pytest.fixture
def case(built):
    built.load()
    return built


def test_outputs(case):
    check_outputs(case)


def test_loss_and_gradients(case):
    check_gradients(case)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_optimizer_steps(case, optimizer):
    check_steps(case, optimizer)
