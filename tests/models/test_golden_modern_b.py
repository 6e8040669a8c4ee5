"""Models after DCN-v2 equal the code they come from, number for number: GDCN, FinalMLP, FINAL, WuKong, EulerNet, FCN.

Each model is a pair of functions of a case's configuration: its hyperparameters, and its weights by path with the
names of the original's variables, see `Case`.
"""

import pytest

from ctrzoo.models import build
from tests.models.golden_modern import FOLDER, Case, check_gradients, check_outputs, check_steps, mlp_sources

EMBEDDING = {"embedding/table": "embedding_layer.table"}


def gdcn(config):
    options = config["options"]
    return {
        "structure": "parallel" if config["model"] == "GDCNP" else "stacked",
        "num_layers": options["num_cross_layers"],
        "deep_units": options["dnn_hidden_units"],
        "deep_batch_norm": options.get("batch_norm", False),
    }


def gdcn_sources(config):
    options = config["options"]
    depth = len(options["dnn_hidden_units"])
    output = "fc" if config["model"] == "GDCNP" else f"dnn.mlp.{2 * depth}"
    sources = EMBEDDING | {"output/kernel": f"{output}.weight", "output/bias": f"{output}.bias"}
    sources |= mlp_sources("dnn.mlp", "deep", depth, options.get("batch_norm", False), output=False)
    for index in range(options["num_cross_layers"]):
        sources[f"cross_{index + 1}/kernel"] = f"cross_net.w.{index}.weight"
        sources[f"cross_{index + 1}/gate_kernel"] = f"cross_net.wg.{index}.weight"
        sources[f"cross_{index + 1}/bias"] = f"cross_net.b.{index}"
    return sources


MODELS = {"gdcn": (gdcn, gdcn_sources)}
CASES = sorted(path.stem for path in FOLDER.glob("*.npz") if path.stem.partition("_")[0] in MODELS)


@pytest.fixture(params=CASES, scope="module")
def built(request):
    name = request.param.partition("_")[0]
    hyperparameters, find_sources = MODELS[name]

    def new(schema, config):
        return build(name, schema, embedding_dim=config["embedding_dim"], **hyperparameters(config))

    return Case(request.param, new, find_sources)


@pytest.fixture
def case(built):
    built.load()
    return built


def test_there_are_cases():
    assert len(CASES) == 3


def test_outputs(case):
    check_outputs(case)


def test_loss_and_gradients(case):
    check_gradients(case)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_optimizer_steps(case, optimizer):
    check_steps(case, optimizer)
