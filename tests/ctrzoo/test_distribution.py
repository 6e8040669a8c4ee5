"""Tables divided over devices: their parts, training that equals one device, and files that do not tell."""

import json
import os

import numpy as np
import pytest

from ctrzoo.distribution import padded_rows, table_layout, table_mesh
from tests.ctrzoo.on_jax import needs_jax, run_on_jax

# 359 ids, which 2, 4 and 8 devices divide only as 360 rows.
START = """
import contextlib, pathlib, re, sys
import keras, numpy as np
import ctrzoo.models as models
from ctrzoo import optimizers
from ctrzoo.distribution import stored, table_layout, table_mesh
from ctrzoo.schema import Field, Schema

schema = Schema([Field("a", vocabulary_size=50), Field("b", vocabulary_size=300), Field("n", kind="numerical"),
                 Field("c", vocabulary_size=7)])
assert schema.num_ids == 359

def batches(num, rows=256):
    random = np.random.default_rng(1)
    for _ in range(num):
        ids = np.stack([random.integers(1, 51, rows), random.integers(51, 351, rows), np.full(rows, 351),
                        random.integers(352, 359, rows)], axis=1).astype("int32")
        values = np.ones(ids.shape, "float32")
        values[:, 2] = random.random(rows)
        labels = (random.random((rows, 1)) < 0.1 + 0.6 * (ids[:, :1] % 2)).astype("float32")
        yield {"ids": ids, "values": values}, labels

def place(num):
    if num == 1:
        return contextlib.nullcontext()
    mesh = table_mesh(keras.distribution.list_devices()[:num])
    return keras.distribution.ModelParallel(layout_map=table_layout(mesh)).scope()

def build(name, num, optimizer="lazy_adam", schema=schema, **options):
    keras.utils.set_random_seed(1)
    with place(num):
        model = models.build(name, schema, **options)
        model.compile(optimizers.build(optimizer, 0.01) if isinstance(optimizer, str) else optimizer)
        model.optimizer.build(model.trainable_variables)
    return model
"""
# In float64 only the order of sums differs. Where a gradient is 0 but for rounding, as that of a bias before batch
# normalization, Adam divides the rounding by its epsilon of 1e-7.
TOLERANCES = {"float64": 1e-9}
OPTIONS = {"normalized": ("deepfm", {"deep_batch_norm": True, "deep_dropout": 0.2})}
EQUAL = (
    """
import jax, keras, sys
from keras.src.backend.common import dtypes
dtype = sys.argv[4]
keras.config.set_floatx(dtype)
if dtype == "float64":
    jax.config.update("jax_enable_x64", True)
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # Keras has float32 there for JAX
"""
    + START
    + """
import json
from ctrzoo.metrics import Scored, evaluate_scores
from ctrzoo.training.jax_step import JaxStep

rtol, named = float(sys.argv[5]), json.loads(sys.argv[6])

def weighted(num):
    for features, labels in batches(num):
        yield features, labels.astype(dtype), np.linspace(0.5, 2, len(labels), dtype=dtype)
    for features, labels in batches(1, rows=250):  # which 4 and 8 devices cannot divide
        yield features, labels.astype(dtype), np.linspace(0.5, 2, len(labels), dtype=dtype)

def trained(name, num):
    name, options = named.get(name, (name, {}))
    model = build(name, num, dtype=dtype, **options)
    step, before = JaxStep(model, positive_weight=2.0), [stored(weight) for weight in model.trainable_weights]
    assert step.num_replicas == num
    losses = [float(step.train(batch)) for batch in weighted(int(sys.argv[3]))]
    for weight, start in zip(model.trainable_weights, before, strict=True):
        assert abs(stored(weight) - start).max() > 0.01 or not weight.path.endswith("table"), weight.path
    labels, scores = zip(*((labels, step.predict(features)) for features, labels, _ in weighted(1)))
    scored = Scored(np.concatenate(labels)[:, 0], np.concatenate(scores)[:, 0])
    return model, losses, [stored(weight) for weight in model.weights], evaluate_scores(scored, ["auc"])["auc"]

for name in sys.argv[1].split(","):
    one, *expected = trained(name, 1)
    for num in map(int, sys.argv[2].split(",")):
        model, losses, weights, auc = trained(name, num)
        np.testing.assert_allclose(losses, expected[0], rtol=rtol, atol=0)
        for found, wanted in zip(weights, expected[1], strict=True):
            assert found.dtype == wanted.dtype == dtype
            np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)
        assert abs(auc - expected[2]) < rtol and auc != 0.5
        variables = [*model.weights, *model.optimizer.variables]
        tables = [each for each in variables if len(each.shape) == 2 and each.shape[0] == 360]
        assert len(tables) >= 3  # a table and its two moments
        for each in tables:
            shards = each.value.addressable_shards
            rows = sorted((shard.index[0].start or 0, shard.data.shape[0]) for shard in shards)
            assert rows == [(part * 360 // num, 360 // num) for part in range(num)]
            assert {shard.data.nbytes for shard in shards} == {each.value.nbytes // num}
        print(name, num)
"""
)
FILES = (
    START
    + """
from ctrzoo import distribution

folder = pathlib.Path(sys.argv[1])
(features, labels), = batches(1)
for num in (1, 2):
    model = build("deepfm", num)
    with place(num):
        model.fit(features, labels, batch_size=64, shuffle=False, verbose=0)
        np.save(folder / f"{num}.npy", model.predict(features, verbose=0))
    model.save(folder / f"{num}.keras")
for num in (1, 4):
    for written in (1, 2):
        with place(num):
            model = keras.models.load_model(folder / f"{written}.keras")
            found = model.predict(features, verbose=0)
        np.testing.assert_allclose(found, np.load(folder / f"{written}.npy"), rtol=0, atol=1e-6)
        table = model.get_layer("embedding").table
        assert table.shape[0] == (359 if num == 1 else 360) and len(table.value.sharding.device_set) == num
        if num == 4:  # as it is gathered from several hosts, 7 rows at a time
            distribution.GATHERED_BYTES = 7 * 4 * table.shape[1]
            np.testing.assert_array_equal(distribution._gathered(table.value)[:359], stored(table))
            other = -1 - abs(stored(table))  # nowhere zero, as the padding is
            distribution.restore(table, other)
            np.testing.assert_array_equal(np.asarray(table.value), np.concatenate([other, 0 * other[:1]]))
            assert {part.data.shape for part in table.value.addressable_shards} == {(90, table.shape[1])}
            try:
                distribution.restore(table, other[:-1])
                raise AssertionError("a table of other rows was taken")
            except ValueError:
                pass
        moments = [stored(each, table) for each in model.optimizer._momentums if each.shape == table.shape]
        assert len(moments) == 1 and abs(moments[0]).max() > 0
        print(num, written)

# A row that only the first of two batches reads: dense gradients move it in the second step too, those of rows do not.
from ctrzoo.training.jax_step import JaxStep
(features, labels), = batches(1)
first, second = ({"ids": features["ids"] * 0 + row, "values": features["values"]} for row in (5, 6))
for name in ("fit", "step"):
    with place(2):
        model = build("lr", 2)
        step = JaxStep(model)
        rows = []
        for batch in (first, second):
            if name == "fit":
                model.fit(batch, labels, batch_size=256, verbose=0)
            else:
                step.train((batch, labels))
            rows.append(stored(model.get_layer("linear").weights_of_ids.table)[5])
    print(name, (rows[0] != rows[1]).any())

# Keras' own optimizer, also where it scales losses.
for scaled in (False, True):
    written = {}
    for num in (1, 2, 4):
        optimizer = keras.optimizers.Adam(0.01)
        model = build("fm", num, keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer)
        if num > 1:
            restored = {name: np.array(array) for name, array in written.items()}
            model.optimizer.load_own_variables(restored)
        else:
            for place_of, each in enumerate(optimizer.variables[2:], start=1):
                each.assign(np.full(each.shape, place_of))
        own = {}
        model.optimizer.save_own_variables(own)
        written = written or own
        assert own.keys() == written.keys()
        for name in own:
            np.testing.assert_array_equal(own[name], written[name])
        assert sum(array.shape[:1] == (359,) for array in own.values()) == 4  # two tables, each with two moments
    print("adam", scaled)
"""
)
MEMORY = (
    START
    + """
from ctrzoo.training.jax_step import JaxStep

NUM_ROWS, WIDTH = 100_003, 16
large = Schema([Field("a", vocabulary_size=NUM_ROWS), *schema.fields[1:]])
(features, labels), = batches(1)
for name, options in (("lazy_adam", {}), ("adam", {}), ("lazy_adam", {"embedding_l2": 0.1})):
    needed, operations = {}, {}
    for num in (1, 8):
        model = build("deepfm", num, name, large, deep_units=(256, 256), **options)
        compiled = JaxStep(model).compiled((features, labels))
        operations[num] = compiled.cost_analysis()["flops"]
        memory = compiled.memory_analysis()
        needed[num] = memory.argument_size_in_bytes + memory.temp_size_in_bytes
        shapes = set(re.findall(r"f32\\[(\\d+),16\\]", compiled.as_text()))
        rows = -(-large.num_ids // num)
        assert str(rows) in shapes and all(int(each) <= max(rows, 4 * 256) for each in shapes), shapes
    table = large.num_ids * WIDTH * 4
    assert needed[1] > 3 * table, needed  # it and two moments
    assert needed[8] < table, needed
    assert operations[8] < operations[1] / 5, operations
    print(name, len(options))
"""
)


def check_equal(names, devices, steps, dtype):
    arguments = (names, devices, steps, dtype, TOLERANCES[dtype], json.dumps(OPTIONS))
    found = run_on_jax(EQUAL, *arguments, num_devices=8)
    assert found == [f"{name} {num}" for name in names.split(",") for num in devices.split(",")]


@needs_jax
def test_losses_weights_and_auc_equal_those_of_one_device():
    check_equal("lr,normalized", "4", 4, "float64")


@pytest.mark.nightly
@needs_jax
@pytest.mark.parametrize("name", ["lr", "fm", "deepfm", "normalized", "dcn_v2", "graphfm"])
def test_they_equal_those_of_one_device_over_50_steps(name):
    check_equal(name, os.environ.get("CTRZOO_DEVICES", "2,4,8"), 50, "float64")


@needs_jax
def test_fit_save_load_and_predict_with_any_number_of_devices(tmp_path):
    found = run_on_jax(FILES, tmp_path, num_devices=4)
    assert len(found) == 8 and found[4:6] == ["fit True", "step False"], found
    one, two = (np.load(tmp_path / f"{num}.npy") for num in (1, 2))
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-5)


@needs_jax
def test_no_device_of_eight_needs_as_many_bytes_as_one_table_or_computes_a_fifth_of_a_step():
    assert run_on_jax(MEMORY, num_devices=8) == ["lazy_adam 0", "adam 0", "lazy_adam 1"]


@pytest.mark.parametrize("call", [table_mesh, lambda: table_layout(None)])
def test_other_backends_are_refused(call):
    with pytest.raises(ValueError, match="Set KERAS_BACKEND=jax"):
        call()


def test_a_table_has_its_own_rows_without_a_distribution():
    assert padded_rows(359, "embedding/table") == 359
