"""What a checkpoint holds of a run, and which runs are the same."""

import keras
import pytest

from ctrzoo import models
from ctrzoo.training import TrainingOptions, set_seed
from ctrzoo.training.run_state import RunState, RunStore, check_same_run, describe_run
from tests.small_data import SmallData


@pytest.fixture
def data(mixed_schema):
    return SmallData(mixed_schema)


def fresh_model(data, name="fm", seed=1):
    set_seed(seed)
    return models.build(name, data.schema, embedding_dim=4)


def test_the_precision_of_a_run_is_that_of_its_model(data):
    model = models.FM.from_config({**fresh_model(data).get_config(), "precision": "mixed_bfloat16"})
    model.compile()
    description = describe_run(model, data, TrainingOptions())
    assert (description["precision"], keras.config.dtype_policy().name) == ("mixed_bfloat16", "float32")


def test_a_checkpoint_of_version_0_1_is_resumed_or_names_the_version_to_install():
    now = {"optimizer": "LazyAdam", "plateau_factor": 1.0, "epochs": 3}
    earlier = {"optimizer": "Adam", "learning_rate_decay": 1.0, "epochs": 3}
    check_same_run(earlier, now, "folder", "0.1.0")
    with pytest.raises(ValueError, match=r"epochs was 4, is 3\. .*install ctrzoo 0\.1\.0"):
        check_same_run({**earlier, "epochs": 4}, now, "folder", "0.1.0")


def row(loss):
    return {"valid_log_loss": loss}


def test_the_loss_of_an_epoch_is_the_mean_over_rows():
    state = RunState(epoch=1, steps=10)
    state.add_step(0.5, rows=30)
    state.add_step(1.0, rows=10)  # a last batch that is smaller
    assert state.loss == (0.5 * 30 + 1.0 * 10) / 40
    assert (state.step, state.steps, state.rows) == (2, 12, 40)


def test_a_run_ends_after_patience_or_all_epochs_and_an_equal_loss_is_not_better():
    state = RunState()
    for loss, best, finished in ((0.5, 1, False), (0.4, 2, False), (0.4, 2, False), (0.6, 2, True)):
        state.add_step(0.7, rows=5)
        state.end_epoch(row(loss), epochs=9, patience=2)
        assert (state.best_epoch, state.finished) == (best, finished)
        assert (state.step, state.rows, state.loss_sum, state.seconds) == (0, 0, 0, 0)
    assert (state.epoch, state.steps, [entry["valid_log_loss"] for entry in state.history]) == (
        4,
        4,
        [0.5, 0.4, 0.4, 0.6],
    )
    short = RunState()
    short.end_epoch(row(0.5), epochs=1, patience=3)
    assert short.finished


def test_another_run_is_refused_with_three_differences_at_most():
    now = {"seed": 1, "epochs": 2, "patience": 3, "model": "FM", "text": "x" * 99}
    check_same_run(now, dict(now), "folder")
    with pytest.raises(ValueError, match=r"seed was 2, is 1; epochs was 2, is None; patience was 3, is 4 and 2 more\."):
        check_same_run({**now, "seed": 2}, {"seed": 1, "patience": 4}, "folder")
    with pytest.raises(ValueError, match=r"text was 'x{56}\.\.\., is None\. Choose another folder"):
        check_same_run({"text": "x" * 99}, {}, "folder")


def test_a_run_resumes_on_its_own_backend_only():
    for earlier in ({}, {"backend": None}, {"backend": "tensorflow"}):  # as three versions wrote it
        check_same_run(earlier, {"backend": "tensorflow"}, "folder")
        with pytest.raises(ValueError, match=r"backend was 'tensorflow', is 'jax'\. Choose another folder"):
            check_same_run(earlier, {"backend": "jax"}, "folder")
    check_same_run({"backend": "jax"}, {"backend": "jax"}, "folder")


@pytest.mark.parametrize("kept", [0, -1])
def test_a_checkpoint_without_all_best_weights_is_refused(data, tmp_path, kept):
    model = fresh_model(data)
    model.compile()
    model.optimizer.build(model.trainable_variables)
    store = RunStore(model, tmp_path, 2, {})
    store.save(RunState(epoch=1, steps=5, best_epoch=1), model.get_weights()[:kept])
    with pytest.raises(ValueError, match="is damaged .it lacks weights of the best epoch"):
        store.restore()
