"""The row-wise optimizers against loops over rows in NumPy, against Keras, and in everything Keras does with them."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo import optimizers
from ctrzoo.layers import FieldEmbedding
from ctrzoo.schema import Field, Schema

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
ROWS, DIM = 7, 3
MAKERS = {
    "sgd": lambda **options: optimizers.SGD(0.1, **options),
    "momentum": lambda **options: optimizers.SGD(0.1, momentum=0.9, **options),
    "nesterov": lambda **options: optimizers.SGD(0.1, momentum=0.9, nesterov=True, **options),
    "adagrad": lambda **options: optimizers.Adagrad(0.1, **options),
    "adam": lambda **options: optimizers.LazyAdam(0.1, **options),
    "amsgrad": lambda **options: optimizers.LazyAdam(0.1, amsgrad=True, **options),
    "ftrl": lambda **options: optimizers.Ftrl(
        0.1, l1_regularization_strength=0.05, beta=0.1, l2_shrinkage_regularization_strength=0.1, **options
    ),
}
OPTIONS = [{}, {"weight_decay": 0.2}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.2}]
every_optimizer = pytest.mark.parametrize("name", MAKERS)
with_and_without_xla = pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "xla"])


def batches(num_steps=5, ids=(2, 0, 2, 5, 0, 2)):
    """Gradients of repeated rows; rows 1, 3, 4, 6 never occur, row 5 is absent from every second batch."""
    rng = np.random.default_rng(0)
    for step in range(num_steps):
        now = np.asarray([1 if each == 5 and step % 2 and 1 in ids else each for each in ids], "int32")
        now = np.where((now == 5) & bool(step % 2), 0, now)
        yield now, rng.normal(size=(len(ids), DIM)).astype("float32")


def start():
    return np.random.default_rng(1).normal(size=(ROWS, DIM)).astype("float32")


def run(optimizer, steps, table=None, dense=False, jit_compile=False):
    """Apply gradients of a table and of a bias; return both, and the state of the table by its last name."""
    table = keras.Variable(start() if table is None else table, name="table")
    bias = keras.Variable(np.ones(DIM, "float32"), name="bias")
    optimizer.build([table, bias])

    @tf.function(jit_compile=jit_compile)
    def apply(ids, values):
        gradient = tf.IndexedSlices(values, ids, tf.constant([ROWS, DIM]))
        if dense:
            gradient = tf.convert_to_tensor(gradient)
        optimizer.apply([gradient, tf.reduce_sum(values, axis=0)], [table, bias])

    for ids, values in steps:
        apply(tf.constant(ids), tf.constant(values))
    state = {each.name.removeprefix("table_"): each.numpy() for each in optimizer.variables if "table_" in each.name}
    return table.numpy(), bias.numpy(), state


@every_optimizer
def test_a_row_that_two_fields_share_takes_the_step_of_the_sum_of_their_gradients(name):
    schema = Schema([Field("item", vocabulary_size=ROWS - 1), Field("last", vocabulary_size=ROWS - 1, share="item")])
    layer = FieldEmbedding(schema, DIM)
    layer.build({"ids": (None, 2)})
    layer.table.assign(start())
    optimizer = MAKERS[name]()
    optimizer.build([layer.table])
    ids, random, steps = np.array([[2, 5], [5, 2], [1, 2]], "int32"), np.random.default_rng(3), []
    for _ in range(3):
        upstream = random.normal(size=(3, 2, DIM)).astype("float32")
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer({"ids": ids, "values": np.ones((3, 2), "float32")}) * upstream)
        optimizer.apply([tape.gradient(total, layer.table.value)], [layer.table])
        rows = np.array([1, 2, 5], "int32")
        steps.append((rows, np.array([upstream[ids == row].sum(axis=0) for row in rows], "float32")))
    expected, _, _ = run(MAKERS[name](), steps)
    np.testing.assert_allclose(layer.table.numpy(), expected, rtol=1e-5, atol=1e-6)


@every_optimizer
def test_an_item_that_a_history_has_several_times_takes_one_step(name):
    """The candidate and the events of a row share a table: the step is that of the sum of all gradients of a row."""
    seen = Field("seen", "sequence", vocabulary_size=ROWS - 1, num_slots=3, share="item")
    layer = FieldEmbedding(Schema([Field("item", vocabulary_size=ROWS - 1), seen]), DIM, apart=("seen",))
    layer.build({"ids": (None, 4)})
    layer.table.assign(start())
    optimizer = MAKERS[name]()
    optimizer.build([layer.table])
    ids, random, steps = np.array([[2, 5, 5, 2], [5, 1, 1, 1]], "int32"), np.random.default_rng(3), []
    for _ in range(3):
        upstream = random.normal(size=(2, 4, DIM)).astype("float32")
        with tf.GradientTape() as tape:
            item, events = layer({"ids": ids, "values": np.ones((2, 4), "float32")})
            total = tf.reduce_sum(tf.concat([item, events], axis=1) * upstream)
        optimizer.apply([tape.gradient(total, layer.table.value)], [layer.table])
        rows = np.array([1, 2, 5], "int32")
        steps.append((rows, np.array([upstream[ids == row].sum(axis=0) for row in rows], "float32")))
    expected, _, _ = run(MAKERS[name](), steps)
    np.testing.assert_allclose(layer.table.numpy(), expected, rtol=1e-5, atol=1e-6)


class LoopOverRows:
    """Each optimizer in float64, one number at a time, from the papers' equations."""

    def __init__(self, name):
        self.name, self.table = name, start().astype("float64")
        self.first = np.full_like(self.table, 0.1 if name in ("adagrad", "ftrl") else 0.0)
        self.second, self.third = np.zeros_like(self.table), np.zeros_like(self.table)
        self.step = 0

    def apply(self, ids, values):
        self.step += 1
        for row in set(ids.tolist()):
            for column in range(DIM):
                total = sum(float(value[column]) for each, value in zip(ids, values, strict=True) if each == row)
                self.move((row, column), total)

    def move(self, at, gradient):
        weight, first, second = self.table[at], self.first[at], self.second[at]
        if self.name == "sgd":
            self.table[at] = weight - 0.1 * gradient
        elif self.name in ("momentum", "nesterov"):
            first = self.first[at] = 0.9 * first - 0.1 * gradient
            self.table[at] = weight + (first if self.name == "momentum" else 0.9 * first - 0.1 * gradient)
        elif self.name == "adagrad":
            first = self.first[at] = first + gradient**2
            self.table[at] = weight - 0.1 * gradient / (first + 1e-7) ** 0.5
        elif self.name in ("adam", "amsgrad"):
            first = self.first[at] = 0.9 * first + 0.1 * gradient
            second = self.second[at] = 0.999 * second + 0.001 * gradient**2
            if self.name == "amsgrad":
                second = self.third[at] = max(self.third[at], second)
            rate = 0.1 * (1 - 0.999**self.step) ** 0.5 / (1 - 0.9**self.step)
            self.table[at] = weight - rate * first / (second**0.5 + 1e-7)
        else:
            grown = self.first[at] = first + gradient**2
            sigma = (grown**0.5 - first**0.5) / 0.1
            linear = self.second[at] = second + gradient + 2 * 0.1 * weight - sigma * weight
            rest = max(abs(linear) - 0.05, 0) * -np.sign(linear)
            self.table[at] = rest / ((0.1 + grown**0.5) / 0.1)


@with_and_without_xla
@every_optimizer
def test_steps_with_repeated_ids_follow_the_equations(name, jit_compile):
    loop = LoopOverRows(name)
    for ids, values in batches():
        loop.apply(ids, values)
    table, _, _ = run(MAKERS[name](), batches(), jit_compile=jit_compile)
    np.testing.assert_allclose(table, loop.table, atol=1e-5)  # 1 - 0.999 in float32 has 5 digits


@with_and_without_xla
@every_optimizer
def test_rows_that_are_in_no_batch_keep_every_bit(name, jit_compile):
    optimizer = MAKERS[name](weight_decay=0.1)
    _, _, initial = run(MAKERS[name](), [])
    table, _, state = run(optimizer, batches(), jit_compile=jit_compile)
    absent = [1, 3, 4, 6]
    np.testing.assert_array_equal(table[absent], start()[absent])
    assert np.abs(table[[0, 2, 5]] - start()[[0, 2, 5]]).min() > 0
    for key, values in state.items():
        np.testing.assert_array_equal(values[absent], initial[key][absent])


@every_optimizer
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "".join(options) or "plain")
def test_with_all_rows_in_each_batch_it_is_the_dense_optimizer_of_keras(name, options):
    ids = (3, 0, 1, 6, 5, 4, 2, 0, 3)
    steps = [(np.asarray(ids, "int32"), values) for _, values in batches(ids=ids)]
    optimizer = MAKERS[name](**options)
    config = {key: value for key, value in optimizer.get_config().items() if key != "lazy"}
    of_keras = next(kind for kind in type(optimizer).__mro__ if kind.__module__.startswith("keras."))
    dense = of_keras.from_config(config)
    assert type(dense).__name__ in ("SGD", "Adagrad", "Adam", "Ftrl")
    ours, theirs = run(optimizer, steps), run(dense, steps, dense=True)
    np.testing.assert_allclose(ours[0], theirs[0], atol=2e-6)
    np.testing.assert_array_equal(ours[1], theirs[1])
    assert set(ours[2]) == set(theirs[2])


@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_sgd_and_adagrad_are_those_of_keras_on_any_batch(name):
    ours, theirs = run(MAKERS[name](), batches()), run(MAKERS[name](lazy=False), batches(), dense=True)
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)


def test_ftrl_is_that_of_keras_on_any_batch_for_tables_that_start_at_zero():
    zero, regularization = np.zeros((ROWS, DIM), "float32"), {"l1_regularization_strength": 0.05, "beta": 0.1}
    ours, theirs = (run(optimizers.Ftrl(0.1, lazy=lazy, **regularization), batches(), zero) for lazy in (True, False))
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)


@every_optimizer
def test_not_lazy_is_the_dense_optimizer_of_keras_also_with_repeated_ids(name):
    sparse, dense = (run(MAKERS[name](lazy=False), batches(), dense=dense) for dense in (False, True))
    for ours, theirs in zip(sparse[:2], dense[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if name in ("adam", "momentum"):
        assert np.abs(sparse[0] - run(MAKERS[name](), batches())[0])[5].max() > 1e-3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param(
            name,
            options,
            marks=[] if name == "adam" or not options else pytest.mark.nightly,
            id=f"{name}-{''.join(options) or 'plain'}",
        )
        for name in MAKERS
        for options in OPTIONS
    ],
)
def test_xla_computes_the_same(name, options):
    ours, compiled = (run(MAKERS[name](**options), batches(), jit_compile=jit) for jit in (False, True))
    np.testing.assert_allclose(ours[0], compiled[0], atol=2e-6)


@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.5}], ids=["plain", "clipped"])
def test_tables_of_any_size_and_batches_of_any_length_share_the_memory_of_places(options):
    rng = np.random.default_rng(2)
    lengths = [(8, 5), (8, 5), (3, 11)]
    steps = [[(rng.integers(0, rows, n), rng.normal(size=(n, 2))) for rows, n in ((4, a), (9, b))] for a, b in lengths]

    def trained(jit_compile):
        tables = [keras.Variable(np.ones((rows, 2), "float32")) for rows in (4, 9)]
        optimizer = optimizers.LazyAdam(0.1, **options)
        optimizer.build(tables)
        num_variables = len(optimizer.variables)

        @tf.function(jit_compile=jit_compile)
        def apply(batch):
            optimizer.apply(
                [tf.IndexedSlices(v, i, tf.shape(t)) for (i, v), t in zip(batch, tables, strict=True)], tables
            )

        for step in steps:
            apply([(tf.constant(ids), tf.constant(values, tf.float32)) for ids, values in step])
        assert len(optimizer.variables) == num_variables  # the memory is not saved
        return np.concatenate(tables)

    np.testing.assert_allclose(trained(True), trained(False), atol=2e-6)


def test_under_xla_a_step_searches_no_ids_and_makes_no_dense_gradient():
    optimizer, table = optimizers.LazyAdam(0.1), keras.Variable(start())
    optimizer.build([table])

    @tf.function(jit_compile=True)
    def apply(values, ids):
        optimizer.apply([tf.IndexedSlices(values, ids, tf.constant([ROWS, DIM]))], [table])

    graph = apply.get_concrete_function(tf.zeros((4, DIM)), tf.zeros(4, "int32")).graph
    assert "Unique" not in {op.type for op in graph.get_operations()}
    outputs = [tuple(output.shape) for op in graph.get_operations() for output in op.outputs if output.shape.rank == 2]
    assert outputs and (ROWS, DIM) not in outputs


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "".join(options) or "plain")
def test_no_step_makes_a_dense_gradient_or_reads_the_whole_table(options):
    optimizer, table = optimizers.LazyAdam(0.1, **options), keras.Variable(start())
    optimizer.build([table])

    @tf.function
    def apply(values, ids):
        optimizer.apply([tf.IndexedSlices(values, ids, tf.constant([ROWS, DIM]))], [table])

    graph = apply.get_concrete_function(tf.zeros((4, DIM)), tf.zeros(4, "int32")).graph
    outputs = [tuple(output.shape) for op in graph.get_operations() for output in op.outputs if output.shape.rank == 2]
    assert outputs and (ROWS, DIM) not in outputs


def test_models_look_up_rows_without_reading_the_whole_table():
    model = small_model()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(small_rows()[0]))
    assert isinstance(tape.gradient(loss, model.weights[0]), tf.IndexedSlices)


def test_the_schedule_sets_the_rate_of_each_step():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    steps = [(np.array([0], "int32"), np.ones((1, DIM), "float32"))] * 3
    table, _, _ = run(optimizers.SGD(schedule), steps)
    np.testing.assert_allclose(table[0], start()[0] - 0.5 - 0.5 - 0.25, atol=1e-6)


def test_weight_decay_shrinks_the_rows_of_the_batch_before_the_step():
    steps = [(np.array([2, 2], "int32"), np.ones((2, DIM), "float32"))]
    table, bias, _ = run(optimizers.SGD(0.1, weight_decay=0.5), steps)
    np.testing.assert_allclose(table[2], start()[2] * (1 - 0.1 * 0.5) - 0.1 * 2, atol=1e-6)
    np.testing.assert_allclose(bias, 1 - 0.1 * 0.5 - 0.1 * 2, atol=1e-6)


def test_variables_excluded_from_weight_decay_keep_their_size():
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["table"])
    table, bias, _ = run(optimizer, [(np.array([2], "int32"), np.zeros((1, DIM), "float32"))])
    np.testing.assert_array_equal(table, start())
    np.testing.assert_allclose(bias, 0.95, atol=1e-6)


def test_averages_are_those_of_all_rows_after_each_step():
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    steps = list(batches(2))
    first, second = (run(optimizers.SGD(0.1), steps[:count])[0] for count in (1, 2))
    _, _, state = run(optimizer, steps)
    np.testing.assert_allclose(state["average"], 0.5 * first + 0.5 * second, atol=1e-6)


@pytest.mark.parametrize("options", [{"gradient_accumulation_steps": 2}, {"loss_scale_factor": 8.0}])
def test_what_needs_all_rows_is_refused_unless_all_rows_are_updated(options):
    with pytest.raises(ValueError, match=f"does not support `{list(options)[0]}`.*lazy=False"):
        optimizers.LazyAdam(0.1, **options)
    assert not optimizers.LazyAdam(0.1, lazy=False, **options).lazy


def small_model(embedding="ours", dtype=None, seed=0):
    keras.utils.set_random_seed(seed)
    ids = keras.Input((4,), dtype="int32")
    if embedding == "ours":
        schema = Schema([Field(f"field_{number}", vocabulary_size=6) for number in range(4)])
        layer = FieldEmbedding(schema, 2, dtype=dtype, embeddings_initializer="normal")
        embedded = layer({"ids": ids, "values": keras.ops.ones_like(ids, "float32")})
    else:
        embedded = keras.layers.Embedding(25, 2, dtype=dtype)(ids)
    hidden = keras.layers.Dense(3, dtype=dtype)(keras.layers.Flatten(dtype=dtype)(embedded))
    return keras.Model(ids, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(hidden))


def small_rows(num_rows=32):
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 3, (num_rows, 4)) + 6 * np.arange(4)  # two of the six values of each field
    return ids.astype("int32"), rng.integers(0, 2, (num_rows, 1)).astype("float32")


def fitted(model, optimizer=None, epochs=2, **options):
    if optimizer is not None:
        model.compile(optimizer, "binary_crossentropy", **{"jit_compile": False, **options})
    model.fit(*small_rows(), batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def assert_same_weights(one, other, atol=0.0):
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("embedding", ["ours", "keras"])
def test_in_fit_only_rows_of_the_batches_move(embedding):
    before, after = small_model(embedding), fitted(small_model(embedding), optimizers.LazyAdam(0.01))
    moved = np.abs(before.get_weights()[0] - after.get_weights()[0]).max(axis=1) > 0
    np.testing.assert_array_equal(np.flatnonzero(moved), np.unique(small_rows()[0]))


@pytest.mark.parametrize("options", [{"steps_per_execution": 4}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_ways_to_run_a_step_give_the_same_weights(options):
    plain = fitted(small_model(), optimizers.LazyAdam(0.01))
    assert_same_weights(plain, fitted(small_model(), optimizers.LazyAdam(0.01), **options), atol=1e-6)


def test_mixed_precision_scales_the_loss_and_moves_the_same_rows():
    model = small_model(dtype="mixed_float16")
    before = model.get_weights()[0]
    fitted(model, keras.optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=64.0))
    plain = fitted(small_model(), optimizers.SGD(0.1))
    moved = np.abs(before - model.get_weights()[0]).max(axis=1) > 0
    np.testing.assert_array_equal(np.flatnonzero(moved), np.unique(small_rows()[0]))
    assert_same_weights(model, plain, atol=2e-3)


@pytest.mark.parametrize("name", ["momentum", "adagrad", "adam", "ftrl"])
def test_a_saved_model_goes_on_as_it_would_have(name, tmp_path):
    model = fitted(small_model(), MAKERS[name]())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(model.optimizer) and loaded.optimizer.lazy
    on_gpu = bool(tf.config.list_physical_devices("GPU"))  # it sums in any order
    assert_same_weights(fitted(model), fitted(loaded), atol=1e-7 if on_gpu else 0.0)


def python(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, env=environment, timeout=200)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


def test_a_fresh_process_loads_the_optimizer_with_its_state(tmp_path):
    model = fitted(small_model(), optimizers.LazyAdam(0.01))
    model.save(tmp_path / "model.keras")
    code = """
import sys, ctrzoo.models, keras
model = keras.models.load_model(sys.argv[1])
print(type(model.optimizer).__module__, model.optimizer.lazy, int(model.optimizer.iterations))
print(sum(abs(each.numpy()).sum() for each in model.optimizer.variables))
"""
    lines = python(code, tmp_path / "model.keras").splitlines()
    assert lines[0] == "ctrzoo.optimizers.rowwise True 8"
    expected = sum(np.abs(each.numpy()).sum() for each in model.optimizer.variables)
    assert float(lines[1]) == pytest.approx(expected, rel=1e-6)


MIRRORED = """
import sys, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from tests.ctrzoo.optimizers.test_rowwise import MAKERS, fitted, small_model
name, path = sys.argv[1:]
weights = []
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = small_model()
    fitted(model, MAKERS[name](weight_decay=0.01))
assert len(model.weights[0].value.values) == 2
np.savez(path, *model.get_weights())
"""


def test_two_replicas_learn_what_one_device_learns(tmp_path):
    python(MIRRORED, "adam", tmp_path / "weights.npz")
    one = fitted(small_model(), MAKERS["adam"](weight_decay=0.01))
    two = np.load(tmp_path / "weights.npz")
    for number, weight in enumerate(one.get_weights()):
        np.testing.assert_allclose(weight, two[f"arr_{number}"], atol=2e-6)
