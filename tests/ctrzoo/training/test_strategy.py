"""Several devices and several workers train to what one device does."""

import os
import pathlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo import models, optimizers
from ctrzoo.training.evaluation import Evaluator
from ctrzoo.training.strategy import (
    ReplicatedStep,
    _check_optimizer,
    make_strategy,
    scaled_learning_rate,
    usable_cpu_replicas,
)
from tests.ctrzoo.training.replicas import SCHEMA, weighted
from tests.programs import Program
from tests.small_data import SmallData

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
# CTRZOO_DEVICES=2,4,8 pytest tests/ctrzoo/training/test_strategy.py -k devices
DEVICES = [int(number) for number in os.environ.get("CTRZOO_DEVICES", "2").split(",")]
CASES = ["lr", "fm:rowwise:weighted", "fm:mixed_bfloat16", "deepfm_batch_norm:float64", "din:rowwise:float64"]
CASES += ["fcn:weighted:float64", "sign_batch_norm:float64"]
if len(DEVICES) > 1:
    CASES += ["lr:rowwise", "fm", "fm:rowwise", "fm:jit", "deepfm", "deepfm:rowwise", "deepfm:weighted", "din:float64"]
    CASES += ["graphfm:float64", "graphfm:rowwise:float64", "finalnet:float64"]
HAS_GPUS = len(tf.config.list_physical_devices("GPU")) >= max(2, *DEVICES)
ON_CPUS = {} if HAS_GPUS else {"CUDA_VISIBLE_DEVICES": ""}  # the CPU is divided where no GPU is seen


def python(*arguments, **environment):
    return Program(*arguments, folder=CHECKOUT, **ON_CPUS, **environment)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "one.npz"
    process = python("tests.ctrzoo.training.replicas", "one_device", 1, path, *CASES)
    assert process.wait(timeout=600) == 0, process.errors
    return np.load(path)


@pytest.mark.parametrize("devices", DEVICES)
def test_devices_give_the_losses_weights_and_metrics_of_one(one_device, devices, tmp_path):
    process = python("tests.ctrzoo.training.replicas", "mirrored", devices, tmp_path / "several.npz", *CASES)
    assert process.wait(timeout=1200) == 0, process.errors
    several = np.load(tmp_path / "several.npz")
    for case in CASES:
        tolerance = 2e-3 if "mixed" in case else 2e-7 if "float64" in case else 2e-5
        auc, expected_auc = (found[f"{case}/metrics"][0] for found in (several, one_device))
        # Rounding may swap a pair of rows that are nearly tied.
        assert auc == expected_auc or "mixed" in case and abs(auc - expected_auc) < 2e-3, case
        for key, first in (("losses", 0), ("weights", 0), ("metrics", 1)):
            found, expected = several[f"{case}/{key}"][first:], one_device[f"{case}/{key}"][first:]
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=f"{case}, {key}")


@pytest.mark.parametrize(
    ("name", "options", "optimizer", "number"),
    [
        ("fm", {"embedding_l2": 0.1}, keras.optimizers.Adam, 2),
        ("fm", {}, optimizers.LazyAdam, 4),
        ("graphfm", {"units": (8,)}, optimizers.LazyAdam, 2),
        ("finalnet", {"first_units": (8,), "second_units": (6,), "batch_norm": False}, keras.optimizers.Adam, 2),
        ("fcn", {"num_exponential_layers": 2, "num_linear_layers": 2}, keras.optimizers.Adam, 2),
    ],
    ids=["dense", "row-wise", "graphfm", "finalnet", "fcn"],
)
def test_branches_give_the_losses_weights_and_metrics_of_the_whole(name, options, optimizer, number):
    data, found = SmallData(SCHEMA, num_rows=3 * 64 + 27), []  # the last batch cannot be divided
    for branches in (1, number):
        keras.utils.set_random_seed(1)
        model = models.build(name, SCHEMA, embedding_dim=4, **options)
        model.compile(optimizer(0.01, epsilon=1e-4))
        step, losses = ReplicatedStep(model, cpu_replicas=branches), []
        for epoch in range(3):
            losses += [float(step.train(batch)) for batch in data.dataset("train", 64, start_epoch=epoch)]
        metrics = Evaluator(model, branches).evaluate(data.dataset("test", 48, shuffle=False))
        found.append([losses, list(metrics.values()), *model.get_weights()])
    for expected, divided in zip(*found, strict=True):
        np.testing.assert_allclose(divided, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("optimizer", "jit_compile"), [*((name, False) for name in optimizers.OPTIMIZERS), ("lazy_adam", True)]
)
def test_a_row_of_weight_two_trains_like_two_rows(optimizer, jit_compile):
    data, found = SmallData(SCHEMA, num_rows=3 * 64 + 27), []
    for is_repeated in (False, True):
        keras.utils.set_random_seed(1)
        model = models.build("deepfm", SCHEMA, embedding_dim=4, deep_units=(8,), embedding_l2=0.1)
        model.compile(optimizers.build(optimizer, 0.01))
        step, losses = ReplicatedStep(model, jit_compile), []
        for epoch in range(3):
            for batch in data.dataset("train", 64, start_epoch=epoch):
                features, labels, weights = weighted(*batch)
                weights = weights + 1  # a row of weight 0 is in the batch, which lazy optimizers notice
                if is_repeated:
                    rows = np.repeat(np.arange(len(labels)), weights.astype(int))
                    batch = tf.nest.map_structure(lambda column, rows=rows: tf.gather(column, rows), (features, labels))
                    losses.append(float(step.train(batch)))
                else:
                    losses.append(float(step.train((features, labels, weights))))
        found.append([losses, *model.get_weights()])
    for expected, repeated in zip(*found, strict=True):
        np.testing.assert_allclose(repeated, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("number", [1, 4])
def test_branches_share_the_weights_of_a_batch_and_positives_may_weigh_more(number):
    data, found = SmallData(SCHEMA, num_rows=2 * 64), []
    for branches, positive_weight in ((1, 1), (number, 3)):
        keras.utils.set_random_seed(1)
        model = models.build("fm", SCHEMA, embedding_dim=4)
        model.compile(optimizers.build("adam", 0.01))
        step = ReplicatedStep(model, cpu_replicas=branches, positive_weight=positive_weight)
        losses = []
        for batch in data.dataset("train", 64):
            features, labels, weights = weighted(*batch)
            weights = weights if positive_weight > 1 else weights * np.where(labels[:, 0] > 0, 3, 1)
            losses.append(float(step.train((features, labels, weights.astype("float32")))))
        found.append([losses, *model.get_weights()])
    for expected, divided in zip(*found, strict=True):
        np.testing.assert_allclose(divided, expected, rtol=1e-4, atol=2e-5)


def test_a_batch_of_weights_0_changes_nothing_and_has_no_loss():
    data = SmallData(SCHEMA, num_rows=64)
    model = models.build("fm", SCHEMA, embedding_dim=4)
    model.compile(keras.optimizers.SGD(0.1))
    before = model.get_weights()
    ((features, labels),) = data.dataset("train", 64)
    assert float(ReplicatedStep(model).train((features, labels, np.zeros(64, "float32")))) == 0
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(("name", "options"), [("fm", {}), ("deepfm", {"embedding_l2": 0.1, "deep_units": (8,)})])
def test_a_step_compiled_by_xla_gives_the_losses_and_weights_of_the_plain_one(name, options):
    data, found = SmallData(SCHEMA, num_rows=3 * 64 + 27), []  # the last batch is shorter
    for jit_compile in (False, True):
        keras.utils.set_random_seed(1)
        model = models.build(name, SCHEMA, embedding_dim=4, **options)
        model.compile(optimizers.LazyAdam(0.01, epsilon=1e-4))
        step = ReplicatedStep(model, jit_compile)
        losses = [
            float(step.train(batch)) for epoch in range(3) for batch in data.dataset("train", 64, start_epoch=epoch)
        ]
        found.append([losses, *model.get_weights()])
    for expected, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, expected, rtol=1e-4, atol=2e-5)


def test_several_devices_divide_a_batch_themselves():
    one, two = (types.SimpleNamespace(num_replicas_in_sync=number) for number in (1, 2))
    assert usable_cpu_replicas(3, two) == 1
    assert usable_cpu_replicas(3, one) == (1 if tf.config.list_physical_devices("GPU") else 3)


def test_a_step_on_mirrored_devices_reads_no_whole_table():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = models.build("fm", SCHEMA, embedding_dim=4)
        model.compile(optimizers.build("lazy_adam", 1e-3))
    step = ReplicatedStep(model)
    (batch,) = SmallData(SCHEMA, num_rows=64).dataset("train", 64)
    step.train(batch)
    (function,) = step._steps.values()
    operations = function.get_concrete_function().graph.get_operations()
    tables = {tuple(weight.shape) for weight in model.trainable_weights if weight.shape[:1] == (SCHEMA.num_ids,)}
    whole = [each.name for each in operations if each.type == "ReadVariableOp" and each.outputs[0].shape in tables]
    assert len(tables) == 2 and whole == []
    # Of each table, the model reads rows, and the optimizer reads them again with those of two moments.
    assert sum(each.type == "ResourceGatherNd" for each in operations) == 2 * 4


def test_batch_normalisation_is_not_trained_in_branches():
    model = models.build("deepfm", SCHEMA, deep_units=(4,), deep_batch_norm=True)
    model.compile("adam")
    with pytest.raises(ValueError, match="Set cpu_replicas=1"):
        ReplicatedStep(model, cpu_replicas=2)


def test_losses_that_another_device_replaced_are_an_error():
    """Where a model says that batches may be divided though its layers add losses around batch normalization."""
    model = models.build("sign", SCHEMA, units=4, edge_embedding_dim=2, deep_units=(4,), deep_batch_norm=True)
    assert model.needs_whole_batches
    model.compile("adam")
    step = ReplicatedStep(model)
    model(SmallData(SCHEMA, num_rows=8).arrays("test")[0], training=True)
    step._batch_norms = [layer for layer in model.layers if "batch_norm" in layer.name] or [model]
    step._check_added_losses()
    with pytest.raises(ValueError, match=r"SIGN\.needs_whole_batches"):
        step._check_added_losses()


def test_loss_scaling_on_several_devices_learns(tmp_path):
    process = python("tests.ctrzoo.training.replicas", "mirrored", 2, tmp_path / "scaled.npz", "lr:mixed_float16")
    assert process.wait(timeout=300) == 0, process.errors
    losses = np.load(tmp_path / "scaled.npz")["lr:mixed_float16/losses"]
    assert np.isfinite(losses).all() and losses[-8:].mean() < losses[:8].mean() - 0.01


def test_the_learning_rate_grows_as_chosen():
    assert scaled_learning_rate(0.01, "none", 8) == 0.01
    assert scaled_learning_rate(0.01, "linear", 8) == 0.08
    assert scaled_learning_rate(0.01, "sqrt", 4) == 0.02
    with pytest.raises(ValueError, match="one of none, sqrt, linear"):
        scaled_learning_rate(0.01, "cubic", 8)


@pytest.mark.parametrize("setting", [{"global_clipnorm": 1.0}, {"clipnorm": 1.0}, {"gradient_accumulation_steps": 2}])
def test_what_keras_computes_otherwise_on_several_devices_is_refused(setting):
    with pytest.raises(ValueError, match=f"`{next(iter(setting))}`.*training differs from one device"):
        _check_optimizer(keras.optimizers.Adam(**setting))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("all",), "must be one of auto, one_device"),
        (("one_device", 4), "`num_devices` is for the strategy 'mirrored'"),
        (("multi_worker",), "TF_CONFIG"),
    ],
)
def test_strategies_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_strategy(*arguments)
