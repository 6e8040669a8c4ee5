"""What a step costs a device: by hand, and against what XLA compiles and what TensorFlow sums over devices."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from ctrzoo.experiments.scale.strategies import STRATEGIES
from ctrzoo.experiments.scale.workload import Table, Workload, deepfm
from tests.ctrzoo.on_jax import needs_jax, run_on_jax

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
# T = 4,000 bytes of tables, W = 800 of other weights, R = 640 of looked-up rows, I = 64 of ids, L = 128 for two tables.
SMALL = Workload((Table(100, 8, 2), Table(100, 2, 2)), dense_weights=200, flops=1000, batch_size=8)


def test_the_small_workload():
    found = SMALL.table_bytes, SMALL.dense_bytes, SMALL.looked_up_bytes, SMALL.id_bytes, 4 * SMALL.ids
    assert found == (4000, 800, 640, 64, 128)


@pytest.mark.parametrize(
    "name, held, sent, flops",
    [
        ("mirrored", 3 * 4800, 3 / 4 * (640 + 128 + 2 * 800), 2000),
        ("mirrored_dense", 3 * 4800, 3 / 4 * 2 * 4800, 2000),
        ("divided_tables", 3 * (1000 + 800), 3 / 4 * 2 * 640, 8000),
        ("divided_batch", 3 * (1000 + 800), 3 / 4 * (2 * 640 + 2 * 64 + 2 * 800), 2000),
        ("owner_updates", 3 * (1000 + 800), 3 / 4 * ((2 * 640 + 64) / 4 + 2 * 800), 2000),
    ],
)
def test_four_devices_by_hand(name, held, sent, flops):
    step = STRATEGIES[name](SMALL, 4)
    assert (step.held_bytes, step.sent_bytes, step.flops) == (held, sent, flops)


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_device_sends_nothing_and_computes_all(name):
    step = STRATEGIES[name](SMALL, 1)
    assert step.sent_bytes == 0
    assert step.held_bytes == 3 * 4800
    assert step.flops == 8000
    if name != "mirrored_dense":  # reads 4 R, updates 8 R
        assert step.moved_bytes == 12 * 640
        assert step.ids == 32


@pytest.mark.parametrize("name", STRATEGIES)
def test_more_devices_never_hold_or_compute_more_and_send_at_most_twice_as_much(name):
    steps = [STRATEGIES[name](SMALL, number) for number in (1, 2, 4, 8, 64, 1024)]
    for before, after in zip(steps, steps[1:], strict=False):
        for part in ("held_bytes", "buffer_bytes", "flops", "moved_bytes", "ids"):
            assert getattr(after, part) <= getattr(before, part), part
    assert steps[-1].sent_bytes <= 2 * steps[1].sent_bytes


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_moments_and_with_twice_the_batch(name):
    plain, step = (STRATEGIES[name](dataclasses.replace(SMALL, moments=count), 4) for count in (0, 2))
    assert 3 * plain.held_bytes == step.held_bytes
    twice = STRATEGIES[name](SMALL.with_batch(16), 4)
    assert twice.held_bytes == step.held_bytes
    assert twice.flops == 2 * step.flops
    assert (twice.sent_bytes > step.sent_bytes) == (name != "mirrored_dense")


# A step of DeepFM on four CPU devices, for a batch that can be divided and for one that cannot: the collectives of the
# compiled step with the bytes of their results, and its memory.
COMPILED = r"""
import json, re
import numpy as np
from ctrzoo import models, optimizers
from ctrzoo.schema import Field, Schema
from ctrzoo.training.jax_step import JaxStep
from ctrzoo.training.strategy import make_strategy

schema = Schema([Field(f"field_{index}", vocabulary_size=100) for index in range(5)])
with make_strategy("model_parallel", 4).scope():
    model = models.build("deepfm", schema, embedding_dim=24, deep_units=(32, 32))
    model.compile(optimizers.build("lazy_adam", 0.001))
    model.optimizer.build(model.trainable_variables)
for rows in (64, 63):
    ids = np.tile(np.array(schema.first_ids, np.int32), (rows, 1))
    batch = {"ids": ids, "values": np.ones((rows, 5), np.float32)}, np.ones((rows, 1), np.float32)
    compiled = JaxStep(model).compiled(batch)
    found, kinds = [], "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"
    for result, name in re.findall(rf"= (\(.*?\)|\S+) ({kinds})\(", compiled.as_text()):
        sizes = re.findall(r"[fs]32\[([\d,]*)\]", result)
        found.append([name, 4 * sum(int(np.prod([int(size) for size in each.split(",") if size])) for each in sizes)])
    memory = compiled.memory_analysis()
    print(json.dumps([found, memory.alias_size_in_bytes, memory.temp_size_in_bytes]))
"""
# What each of four devices sends, by bytes of the result.
SENT = {"all-reduce": 2 * 3 / 4, "all-gather": 3 / 4, "reduce-scatter": 3}


@needs_jax
@pytest.mark.nightly
def test_bytes_on_jax_are_those_that_xla_compiled():
    """The loss is one number more to add up. A device holds what a step replaces, with the step and learning rate."""
    workload = deepfm(num_ids=504, num_slots=5, width=24, units=(32, 32), batch_size=64)  # 501 rows and 3 more
    for rows, line in zip((64, 63), run_on_jax(COMPILED, num_devices=4), strict=True):
        collectives, held, buffers = json.loads(line)
        step = STRATEGIES["divided_batch" if rows == 64 else "divided_tables"](workload.with_batch(rows), 4)
        sent = sum(SENT[kind] * size for kind, size in collectives)
        assert sent - step.sent_bytes == (SENT["all-reduce"] * 4 if rows == 64 else 0), collectives
        assert held - step.held_bytes == 8
        assert buffers < step.buffer_bytes


# A step of DeepFM on two CPU devices; prints the bytes that each device passes to the sum over devices.
SUMMED = r"""
import sys
import numpy as np, tensorflow as tf
from ctrzoo import models, optimizers
from ctrzoo.schema import Field, Schema
from ctrzoo.training.strategy import ReplicatedStep, make_strategy

kept, plain = tf.distribute.ReplicaContext.all_reduce, float(sys.argv[1])

def all_reduce(self, operation, gradients, *arguments, **options):
    sparse = [each for each in gradients if isinstance(each, tf.IndexedSlices)]
    rows = [tf.size(part) * part.dtype.size for each in sparse for part in (each.values, each.indices)]
    others = [each for each in gradients if not isinstance(each, tf.IndexedSlices)]
    dense = [tf.size(each) * each.dtype.size for each in others]
    tf.print("summed", tf.add_n(rows or [0]), tf.add_n(dense or [0]), output_stream=sys.stdout)
    return kept(self, operation, gradients, *arguments, **options)

tf.distribute.ReplicaContext.all_reduce = all_reduce
schema = Schema([Field(f"field_{index}", vocabulary_size=100) for index in range(5)])
with make_strategy("mirrored", 2).scope():
    model = models.build("deepfm", schema, embedding_dim=4, deep_units=(8, 8), embedding_l2=plain, linear_l2=plain)
    model.compile(optimizers.build("lazy_adam", 0.001))
    model.optimizer.build(model.trainable_variables)
ids = np.tile(np.array(schema.first_ids, np.int32), (64, 1))
batch = {"ids": ids, "values": np.ones((64, 5), np.float32)}, np.ones((64, 1), np.float32)
ReplicatedStep(model).train(tf.nest.map_structure(tf.constant, batch))
"""


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["mirrored", "mirrored_dense"])
def test_bytes_on_tensorflow_are_those_that_devices_add_up(name):
    """Each of two devices sends half of an all-gather's result, its own rows, and as much of an all-reduce's."""
    workload = deepfm(num_ids=501, num_slots=5, width=4, units=(8, 8), batch_size=64)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", SUMMED, "1e-6" if name == "mirrored_dense" else "0"]
    ended = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = re.findall(r"summed (\d+) (\d+)", ended.stdout)
    assert len(lines) == 2 and len(set(lines)) == 1, "both devices pass as much"
    rows, dense = map(int, lines[0])
    assert STRATEGIES[name](workload, 2).sent_bytes == rows + dense
    assert (rows == 0) == (name == "mirrored_dense")
