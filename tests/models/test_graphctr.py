"""Checkpoints of the original: read from disk, renumbered, refused where they do not fit."""

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.models import AutoInt, HoAFM, build
from ctrzoo.models.graphctr import load_graphctr
from ctrzoo.schema import Field, Schema
from tests.models.golden import Case


@pytest.fixture(scope="module")
def case():
    return Case("ctr_autoint_joint")


def test_a_checkpoint_on_disk_loads_without_its_optimizer(case, tmp_path):
    variables = case.section("var")
    saved = {**variables, "beta1_power": np.float32(0), "dense/kernel/Adam": np.zeros((8, 8), "float32")}
    path = str(tmp_path / "model-3")
    tf.raw_ops.SaveV2(
        prefix=path, tensor_names=list(saved), shape_and_slices=[""] * len(saved), tensors=[*saved.values()]
    )
    load_graphctr(case.model, path)
    np.testing.assert_allclose(case.explainer(case.batch()[0])["logit"], case.arrays["out/logits"], atol=1e-5)


def test_ids_may_be_numbered_differently(case):
    rows = np.roll(np.arange(60), 1)
    load_graphctr(case.model, case.section("var"), rows)
    features, _ = case.batch()
    moved = {**features, "ids": (features["ids"] + 1) % 60}
    np.testing.assert_allclose(case.explainer(moved)["logit"], case.arrays["out/logits"], atol=1e-5)


def test_what_does_not_fit_is_refused(case):
    schema, variables = case.model.schema, case.section("var")
    sizes = {"embedding_dim": 8, "deep_units": (16, 8)}
    with pytest.raises(ValueError, match="reference formulation"):
        load_graphctr(AutoInt(schema, "paper", **sizes), variables)
    with pytest.raises(ValueError, match="has shape"):
        load_graphctr(AutoInt(schema, units=(8, 8, 16), **sizes), variables)
    with pytest.raises(ValueError, match="no variable 'field_weight_layer0_slice0'"):
        load_graphctr(HoAFM(schema, **sizes), variables)
    with pytest.raises(ValueError, match="no variable 'bn_0/gamma'"):
        load_graphctr(AutoInt(schema, units=(8, 8), deep_batch_norm=True, **sizes), variables)
    with pytest.raises(ValueError, match="No checkpoint exists at"):
        load_graphctr(case.model, "nowhere/model-3")


@pytest.mark.parametrize(
    ("name", "change", "left"),
    [
        ("ctr_autoint_base", {"units": (8,)}, "Variable_"),
        ("ctr_autoint_base", {"use_residual": False}, "dense_"),
        ("ctr_autoint_joint", {"deep_units": ()}, "Variable_"),
        ("ctr_autoint_joint_bn", {"deep_batch_norm": False}, "bn_0/beta"),
        ("ctr_hoafm_base", {"num_layers": 1}, "field_weight_layer1"),
        ("ctr_graphfm_base", {"units": (8,), "num_neighbors": (4,)}, "w_b1"),
        ("ctr_graphfm_base", {"use_residual": False}, "res_b0"),
        ("ctr_fignn_base", {"num_steps": 1}, "gnn/"),
        ("ctr_interhat_base", {"num_orders": 1}, "dense_"),
    ],
)
def test_layers_that_would_be_left_over_are_named(name, change, left):
    case = Case(name)
    config = {**case.model.get_config(), **change}
    smaller = type(case.model).from_config(config)
    with pytest.raises(ValueError, match=f"layers that the model '{smaller.name}' lacks: .*{left}|has shape"):
        load_graphctr(smaller, case.section("var"))


@pytest.mark.parametrize("part", ["use_selection", "use_interaction"])
def test_an_ablation_of_graphfm_is_refused(part):
    case = Case("ctr_graphfm_base")
    ablated = type(case.model).from_config({**case.model.get_config(), part: False})
    with pytest.raises(ValueError, match="GraphFM needs use_selection=True"):
        load_graphctr(ablated, case.section("var"))


@pytest.mark.parametrize("change", [{"selection": "threshold", "num_neighbors": None}, {"edge_metric": "cosine"}])
def test_another_selection_of_graphfm_is_refused(change):
    case = Case("ctr_graphfm_base")
    config = {**case.model.get_config(), "selector_units": 16, **change}
    with pytest.raises(ValueError, match="needs selection='top_k' and edge_metric='mlp'"):
        load_graphctr(type(case.model).from_config(config), case.section("var"))


class Original:
    """The original's forward passes with a size per step or order, written with loops from its code."""

    def __init__(self, num_fields=3, dim=4, seed=0):
        self.random, self.fields, self.dim, self.variables = np.random.default_rng(seed), range(num_fields), dim, {}

    def weight(self, name, *shape):
        return self.variables.setdefault(name, self.random.normal(scale=0.5, size=shape))

    def attention(self, row, units):
        """Two heads with residual and layer normalization, as `multihead_attention` computes them."""
        queries, keys, values, residual = (
            np.maximum(
                row @ self.weight(f"dense{end}/kernel", self.dim, units) + self.weight(f"dense{end}/bias", units), 0
            )
            for end in ("", "_1", "_2", "_3")
        )
        output = residual.copy()
        for head in np.split(np.arange(units), 2):
            for i in self.fields:
                scores = np.array([queries[i, head] @ keys[j, head] for j in self.fields]) / np.sqrt(head.size)
                shares = np.exp(scores) / np.exp(scores).sum()
                output[i, head] += shares @ values[:, head]
        output = np.maximum(output, 0)
        normal = (output - output.mean(1, keepdims=True)) / np.sqrt(output.var(1, keepdims=True) + 1e-8)
        return normal * self.weight("Variable_1", units) + self.weight("Variable", units)

    def logit(self, states):
        flat = np.concatenate(states)
        return flat @ self.weight("prediction", flat.size, 1)[:, 0] + self.weight("prediction_bias")

    def fignn(self, row, units, widths):
        sigmoid = lambda values: 1 / (1 + np.exp(-values))  # noqa: E731
        start = states = self.attention(row, units)
        for step, width in enumerate(widths):
            out = [self.weight(f"gnn/output_layer{step}_field{i}/kernel", units, width) for i in self.fields]
            into = [self.weight(f"gnn/input_layer{step}_field{i}/kernel", width, units) for i in self.fields]
            sent = [states[i] @ out[i] for i in self.fields]
            new = []
            for i in self.fields:
                message = sum((sent[j] for j in self.fields if j != i), np.zeros(width)) @ into[i]
                both = np.concatenate([message, states[i]])
                gates = sigmoid(
                    both @ self.weight("gnn/gru_cell/gates/kernel", 2 * units, 2 * units)
                    + self.weight("gnn/gru_cell/gates/bias", 2 * units)
                )
                reset, update = np.split(gates, 2)
                both = np.concatenate([message, reset * states[i]])
                candidate = np.tanh(
                    both @ self.weight("gnn/gru_cell/candidate/kernel", 2 * units, units)
                    + self.weight("gnn/gru_cell/candidate/bias", units)
                )
                new.append(start[i] + update * states[i] + (1 - update) * candidate)
            states = np.array(new)
        return self.logit(states)

    def interhat(self, row, units, widths):
        first = states = self.attention(row, units)
        number = 4
        for width in widths:
            new = []
            for i in self.fields:
                products = states[i] * first
                hidden = np.maximum(products @ self.weight(f"dense_{number}/kernel", units, width), 0)
                scores = (hidden @ self.weight(f"dense_{number + 1}/kernel", width, 1))[:, 0]
                new.append(states[i] + (np.exp(scores) / np.exp(scores).sum()) @ products)
                number += 2
            states = np.array(new)
        return self.logit(states)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("name", "option"), [("fignn", "message_units"), ("interhat", "attention_units")])
def test_steps_and_orders_may_differ_in_size(name, option):
    schema = Schema([Field(f"field_{index}", vocabulary_size=3) for index in range(3)])
    original, table = Original(), np.random.default_rng(1).normal(size=(10, 4))
    widths = (3, 5) if name == "fignn" else (3, 5, 2)
    ids = np.array([[1, 5, 9], [2, 4, 7]], "int32")
    expected = [getattr(original, name)(table[row], 6, widths) for row in ids]
    sizes = {"embedding_dim": 4, "units": 6, option: widths}
    model = build(name, schema, **sizes)
    assert (
        model.get_config()[option] == widths
        and type(model).from_config(model.get_config()).get_config()[option] == widths
    )
    checkpoint = {**original.variables, "feature_embeddings": table}
    load_graphctr(model, checkpoint)
    found = model.explainer()({"ids": ids, "values": np.ones(ids.shape)})["logit"]
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-7)
    with pytest.raises(ValueError, match="message_units=.3, 5." if name == "fignn" else "has shape"):
        load_graphctr(build(name, schema, embedding_dim=4, units=6), checkpoint)
    with pytest.raises(ValueError, match=f"`{option}` must be a size of at least 1, or . of them"):
        build(name, schema, **{**sizes, option: (3,)})
