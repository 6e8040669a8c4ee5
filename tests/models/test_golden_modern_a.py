"""Models after DCN-v2 equal FuxiCTR's code, number for number: MLP, FwFM, FmFM, FiBiNET, MaskNet and AFN."""

import numpy as np
import pytest

from ctrzoo.models import build
from tests.models.golden_modern import (
    FOLDER,
    Case,
    batch_norm_sources,
    check_gradients,
    check_outputs,
    check_steps,
    mlp_sources,
)

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


def fibinet(options):
    return {
        "bilinear": options["bilinear_type"].removeprefix("field_"),
        "reduction_ratio": options["reduction_ratio"],
        "excitation": options.get("excitation_activation", "ReLU").lower(),
        "deep_units": options["hidden_units"],
        "deep_batch_norm": options.get("batch_norm", False),
    }


def fibinet_sources(config):
    options = config["options"]
    sources = {
        "linear/weights/table": "lr_layer.table",
        "excitation/squeeze_kernel": "senet_layer.excitation.0.weight",
        "excitation/excite_kernel": "senet_layer.excitation.2.weight",
        "bilinear/kernel": "bilinear_interaction1.bilinear_W",
        "weighted_bilinear/kernel": "bilinear_interaction2.bilinear_W",
    }
    if options["bilinear_type"] == "field_each":  # the original has a matrix of the last field too, without an effect
        sources |= {path: (name, without_last) for path, name in sources.items() if path.endswith("bilinear/kernel")}
    units, batch_norm = options["hidden_units"], options.get("batch_norm", False)
    return EMBEDDING | sources | mlp_sources("dnn.mlp", "deep", len(units), batch_norm)


def without_last(matrices):
    return matrices[:-1]


def masknet(options):
    chosen = {
        "reduction_ratio": options["reduction_ratio"],
        "normalize_embedding": options.get("emb_layernorm", True),
        "normalize_blocks": options.get("net_layernorm", True),
    }
    if options["model_type"] == "SerialMaskNet":
        return {"structure": "serial", "units": options["dnn_hidden_units"], **chosen}
    units = [options["parallel_block_dim"]] * options["parallel_num_blocks"]
    return {"structure": "parallel", "units": units, "deep_units": options["dnn_hidden_units"], **chosen}


def masknet_sources(config):
    options, names = config["options"], [f"emb_norm.{index}" for index in range(config["num_fields"])]
    serial = options["model_type"] == "SerialMaskNet"
    sources = {
        "embedding_norm/gamma": [f"{name}.weight" for name in names],
        "embedding_norm/beta": [f"{name}.bias" for name in names],
    }
    for index in range(len(masknet(options)["units"])):
        block = f"mask_net.mask_blocks.{index}"
        names = {
            "mask_hidden_kernel": "mask_layer.0.weight",
            "mask_hidden_bias": "mask_layer.0.bias",
            "mask_kernel": "mask_layer.2.weight",
            "mask_bias": "mask_layer.2.bias",
            "kernel": "hidden_layer.0.weight",
            "gamma": "hidden_layer.1.weight",
            "beta": "hidden_layer.1.bias",
        }
        sources |= {f"block_{index + 1}/{ours}": f"{block}.{theirs}" for ours, theirs in names.items()}
    network = ("mask_net.fc", 0) if serial else ("mask_net.dnn.mlp", len(options["dnn_hidden_units"]))
    return EMBEDDING | sources | mlp_sources(network[0], "deep", network[1])


def afn(options):
    chosen = {
        "num_neurons": options["logarithmic_neurons"],
        "hidden_units": options["afn_hidden_units"],
        "hidden_batch_norm": options["batch_norm"],
    }
    if options["ensemble_dnn"]:
        chosen |= {"deep_units": options["dnn_hidden_units"], "deep_batch_norm": options["batch_norm"]}
    return chosen


def afn_sources(config):
    options = config["options"]
    num_neurons, units, batch_norm = (options[key] for key in ("logarithmic_neurons", "afn_hidden_units", "batch_norm"))

    def by_dimension(weight):
        """The original's MLP has the numbers of a neuron next to each other, ours those of a dimension."""
        return weight.reshape(len(weight), num_neurons, -1).transpose(2, 1, 0).reshape(-1, len(weight))

    sources = EMBEDDING | {"neurons/kernel": "coefficient_W.weight"}
    sources |= mlp_sources("dense_layer.mlp", "hidden", len(units), batch_norm)
    sources["hidden/hidden_0/kernel"] = ("dense_layer.mlp.0.weight", by_dimension)
    for name in ("log", "exp"):
        sources |= batch_norm_sources(f"{name}_batch_norm", f"neurons/{name}_norm")
    if options["ensemble_dnn"]:
        sources |= {"deep_embedding/table": "embedding_layer2.table"}
        sources |= {"output/kernel": "fc.weight", "output/bias": "fc.bias"}
        sources |= mlp_sources("dnn.mlp", "deep", len(options["dnn_hidden_units"]), batch_norm)
    return sources


# The hyperparameters and sources of each model's cases.
MODELS = {
    "dnn": (dnn, dnn_sources),
    "fwfm": (fwfm, fwfm_sources),
    "fmfm": (fmfm, fmfm_sources),
    "fibinet": (fibinet, fibinet_sources),
    "masknet": (masknet, masknet_sources),
    "afn": (afn, afn_sources),
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
    "fibinet_all",
    "fibinet_each",
    "fibinet_interaction",
    "masknet_serial",
    "masknet_parallel",
    "masknet_serial_plain",
    "afn_eval",
    "afn_train",
    "afn_plus_eval",
]


@pytest.fixture(params=CASES, scope="module")
def built(request):
    name = request.param.partition("_")[0]
    hyperparameters, find_sources = MODELS[name]

    def new(schema, config):
        return build(name, schema, embedding_dim=config["embedding_dim"], **hyperparameters(config["options"]))

    case = Case(request.param, new, find_sources)
    # These batch normalizations average over the dimensions of the embedding too.
    case.per_row = dict.fromkeys(("neurons/log_norm", "neurons/exp_norm"), case.config["embedding_dim"])
    return case


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


def test_the_matrix_that_is_left_out_has_no_gradient():
    gradients = dict(np.load(FOLDER / "fibinet_each.npz"))
    for number in (1, 2):
        gradient = gradients[f"grad/bilinear_interaction{number}.bilinear_W"]
        assert gradient[:-1].any(axis=(1, 2)).all() and not gradient[-1].any()
