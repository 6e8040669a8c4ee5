"""Checkpoints of the original: read from disk, renumbered, refused where they do not fit."""

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.models import AutoInt, HoAFM
from ctrzoo.models.graphctr import load_graphctr
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
