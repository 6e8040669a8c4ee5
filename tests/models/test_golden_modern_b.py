"""Models after DCN-v2 equal the code they come from, number for number: GDCN, FinalMLP, FINAL, WuKong, EulerNet, FCN.

Each model is a pair of functions of a case's configuration: its hyperparameters, and its weights by path with the
names of the original's variables, see `Case`.
"""

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


def layer_norm_sources(prefix, layer):
    return {f"{layer}/gamma": f"{prefix}.weight", f"{layer}/beta": f"{prefix}.bias"}


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


def finalmlp(config):
    options = config["options"]
    context = {
        f"fs{number}": [f"field_{name[1:]}" for name in options.get(f"fs{number}_context", ())] for number in (1, 2)
    }
    return {
        "first_units": options["mlp1_hidden_units"],
        "second_units": options["mlp2_hidden_units"],
        "first_batch_norm": options.get("mlp1_batch_norm", False),
        "num_heads": options["num_heads"],
        "use_gates": options["use_fs"],
        "gate_units": options.get("fs_hidden_units", ()),
        "first_context": context["fs1"],
        "second_context": context["fs2"],
    }


def finalmlp_sources(config):
    options, sources = config["options"], {**EMBEDDING, "fusion/kernel": "fusion_module.w_xy"}
    for number, letter in ((1, "x"), (2, "y")):
        depth = len(options[f"mlp{number}_hidden_units"])
        batch_norm = options.get(f"mlp{number}_batch_norm", False)
        sources |= mlp_sources(f"mlp{number}.mlp", f"deep_{number}", depth, batch_norm, output=False)
        sources[f"output_{number}/kernel"] = f"fusion_module.w_{letter}.weight"
        sources[f"output_{number}/bias"] = f"fusion_module.w_{letter}.bias"
        sources[f"gate_{number}/context"] = f"fs_module.fs{number}_ctx_bias"
        sources[f"context_embedding_{number}/table"] = f"fs_module.fs{number}_ctx_emb.table"
        gate_depth = len(options.get("fs_hidden_units", ()))
        sources |= mlp_sources(f"fs_module.fs{number}_gate.mlp", f"gate_{number}/gate", gate_depth)
    return sources


def finalnet(config):
    options = config["options"]
    return {
        "num_blocks": 1 if options["block_type"] == "1B" else 2,
        "use_gate": options.get("use_feature_gating", False),
        "residual": options.get("residual_type", "concat"),
        "batch_norm": options["batch_norm"],
        "first_units": options["block1_hidden_units"],
        "second_units": options.get("block2_hidden_units", ()),
        "first_activation": options.get("block1_hidden_activations", "linear").lower(),
        "second_activation": "linear",
    }


def finalnet_sources(config):
    options = config["options"]
    sources = {**EMBEDDING, "gate/kernel": "feature_gating.linear.weight", "gate/bias": "feature_gating.linear.bias"}
    for number in (1, 2):
        for index in range(len(options.get(f"block{number}_hidden_units", ()))):
            for kind, name in (("kernel", "weight"), ("bias", "bias")):
                sources[f"block_{number}/hidden_{index}/{kind}"] = f"block{number}.layer.{index}.linear.{name}"
                sources[f"output_{number}/{kind}"] = f"fc{number}.{name}"
            sources |= batch_norm_sources(f"block{number}.norm.{index}", f"block_{number}/batch_norm_{index}")
    return sources


def wukong(config):
    options = config["options"]
    return {
        "num_layers": options["num_wukong_layers"],
        "num_fm": options["fmb_features"],
        "num_linear": options["lcb_features"],
        "rank": options["fmp_rank_k"],
        "fm_units": options["fmb_mlp_units"],
        "layer_norm": options.get("layer_norm", True),
        "deep_units": options["mlp_hidden_units"],
        "deep_batch_norm": options["mlp_batch_norm"],
    }


def wukong_sources(config):
    options = config["options"]
    sources = EMBEDDING | mlp_sources("fc.mlp", "deep", len(options["mlp_hidden_units"]), options["mlp_batch_norm"])
    for index in range(options["num_wukong_layers"]):
        theirs, ours = f"wukong_stack.{index}", f"wukong_{index + 1}"
        sources |= mlp_sources(f"{theirs}.fmb.mlp.mlp", f"{ours}/mlp", len(options["fmb_mlp_units"]))
        sources[f"{ours}/projection_kernel"] = f"{theirs}.fmb.proj_Y"
        sources[f"{ours}/linear_kernel"] = f"{theirs}.lcb.linear.weight"
        sources[f"{ours}/residual_kernel"] = f"{theirs}.residual_proj.weight"
        sources[f"{ours}/residual_bias"] = f"{theirs}.residual_proj.bias"
        sources |= layer_norm_sources(f"{theirs}.fmb.layer_norm", f"{ours}/product_norm")
        sources |= layer_norm_sources(f"{theirs}.layer_norm", f"{ours}/norm")
    return sources


def eulernet(config):
    return {"units": config["options"]["shape"], "layer_norm": config["options"].get("layer_norm", False)}


def eulernet_sources(config):
    sources = {**EMBEDDING, "complex_fields/modulus": "mu", "output/kernel": "reg.weight", "output/bias": "reg.bias"}
    for index in range(len(config["options"]["shape"])):
        theirs, ours = f"Euler_interaction_layers.{index}", f"euler_{index + 1}"
        sources[f"{ours}/power_kernel"] = f"{theirs}.inter_orders"
        sources[f"{ours}/modulus_bias"] = f"{theirs}.bias_lam"
        sources[f"{ours}/phase_bias"] = f"{theirs}.bias_theta"
        sources[f"{ours}/kernel"], sources[f"{ours}/bias"] = f"{theirs}.im.weight", f"{theirs}.im.bias"
        sources |= layer_norm_sources(f"{theirs}.norm_r", f"{ours}/real_norm")
        sources |= layer_norm_sources(f"{theirs}.norm_p", f"{ours}/imaginary_norm")
    return sources


def fcn(config):
    options, ecn_alone = config["options"], config["model"] == "ECN"
    return {
        "num_heads": options["num_heads"],
        "num_exponential_layers": options["num_cross_layers" if ecn_alone else "num_deep_cross_layers"],
        "use_linear": not ecn_alone,
        "num_linear_layers": options.get("num_shallow_cross_layers", 1),
        "layer_norm": options["layer_norm"],
        "batch_norm": options["batch_norm"],
    }


def fcn_sources(config):
    sources, own = {**EMBEDDING}, "fc" if config["model"] == "ECN" else "dfc"
    for theirs, ours, output in (("ECN", "exponential", own), ("LCN", "linear", "sfc")):
        sources[f"{ours}_output/kernel"] = f"{theirs}.{output}.weight"
        sources[f"{ours}_output/bias"] = f"{theirs}.{output}.bias"
        for index in range(3):
            layer = f"{ours}_{index + 1}"
            sources[f"{layer}/kernel"], sources[f"{layer}/bias"] = f"{theirs}.w.{index}.weight", f"{theirs}.b.{index}"
            sources |= layer_norm_sources(f"{theirs}.layer_norm.{index}", f"{layer}/mask_norm")
            sources |= batch_norm_sources(f"{theirs}.batch_norm.{index}", f"{layer}/head_norm")
    return sources


MODELS = {
    "gdcn": (gdcn, gdcn_sources),
    "finalmlp": (finalmlp, finalmlp_sources),
    "finalnet": (finalnet, finalnet_sources),
    "wukong": (wukong, wukong_sources),
    "eulernet": (eulernet, eulernet_sources),
    "fcn": (fcn, fcn_sources),
    "ecn": (fcn, fcn_sources),
}
CASES = sorted(path.stem for path in FOLDER.glob("*.npz") if path.stem.partition("_")[0] in MODELS)


class OwnLosses(Case):
    """A case whose loss is that of the model in training: its own loss, and what it adds to it."""

    def gradients(self):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            outputs = self.model(self.features, training=self.training)
            loss = self.model.compute_loss(self.features, self.labels, outputs, training=True)
        gradients = tape.gradient(loss, [weight.value for weight in self.model.trainable_weights])
        return float(loss), [tf.convert_to_tensor(gradient) for gradient in gradients]


@pytest.fixture(params=CASES, scope="module")
def built(request):
    name = request.param.partition("_")[0]
    hyperparameters, find_sources = MODELS[name]

    def new(schema, config):
        return build(
            "fcn" if name == "ecn" else name, schema, embedding_dim=config["embedding_dim"], **hyperparameters(config)
        )

    case = OwnLosses(request.param, new, find_sources)
    case.model.compile()
    return case


@pytest.fixture
def case(built):
    built.load()
    return built


def test_there_are_cases():
    assert len(CASES) == 18


def test_outputs(case):
    check_outputs(case)


def test_loss_and_gradients(case):
    check_gradients(case)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_optimizer_steps(case, optimizer):
    check_steps(case, optimizer)
