"""A run that is killed goes on where it was, and ends as if it had not been."""

import io
import json
import os
import pathlib
import random
import shutil
import signal
import time
import zipfile

import keras
import pytest
from rich.console import Console

from ctrzoo.training.checkpoints import Checkpoints
from tests.ctrzoo.training.interrupted import SCHEMA, run
from tests.programs import Program
from tests.small_data import SmallData

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
# CTRZOO_KILLS=20 pytest tests/ctrzoo/training/test_resume.py -k killed
KILLS = int(os.environ.get("CTRZOO_KILLS", "1"))


class Interruption(Exception):
    """Stands for the end of the process."""


class FailingData(SmallData):
    """Data whose reading stops within an epoch."""

    def __init__(self, *arguments, fail_in, **options):
        super().__init__(*arguments, **options)
        self.fail_in = fail_in

    def dataset(self, split, batch_size, shuffle=None, start_epoch=0, **position):
        batches = super().dataset(split, batch_size, shuffle, start_epoch=start_epoch, **position)
        if shuffle is False or start_epoch != self.fail_in[0]:
            return batches
        return self._until_failure(batches, self.fail_in[1])

    def _until_failure(self, batches, last):
        for number, batch in enumerate(batches):
            if number == last:
                raise Interruption
            yield batch


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"))[0]


@pytest.mark.parametrize("fail_in", [(0, 3), (0, 27), (1, 61)], ids=["before a checkpoint", "within", "second epoch"])
def test_a_run_goes_on_within_an_epoch_and_ends_with_the_same_bits(undisturbed, tmp_path, fail_in):
    with pytest.raises(Interruption):
        run(tmp_path, data=FailingData(SCHEMA, num_rows=1500, fail_in=fail_in))
    steps_of_an_epoch = 94
    checkpoints = Checkpoints(tmp_path / "checkpoints").paths()
    done = fail_in[0] * steps_of_an_epoch + fail_in[1] // 5 * 5
    assert (int(checkpoints[-1].stem) if checkpoints else 0) == done
    assert run(tmp_path)[0] == undisturbed


def test_a_finished_run_is_not_trained_again_and_another_one_is_refused(undisturbed, tmp_path):
    first = run(tmp_path, epochs=1)[0]
    again = run(tmp_path, data=FailingData(SCHEMA, num_rows=1500, fail_in=(0, 0)), epochs=1)[0]
    assert first == again
    # Another run in the same folder is refused with the difference.
    with pytest.raises(ValueError, match=r"batch_size was 16, is 32\. Choose another folder"):
        run(tmp_path, epochs=1, batch_size=32)
    with pytest.raises(ValueError, match="optimizer.learning_rate was 0.01, is 0.02"):
        run(tmp_path, epochs=1, learning_rate=0.02)
    data = SmallData(SCHEMA, num_rows=1500)
    data.fingerprint = "another vocabulary"
    with pytest.raises(ValueError, match="data fingerprint was None, is 'another vocabulary'"):
        run(tmp_path, data=data, epochs=1)


def test_a_run_goes_on_with_another_number_of_branches_and_a_deleted_model_is_written_again(undisturbed, tmp_path):
    with pytest.raises(Interruption):
        run(tmp_path, data=FailingData(SCHEMA, num_rows=1500, fail_in=(1, 61)))
    result = run(tmp_path, cpu_replicas=2)[0]
    assert result["history"][0] == undisturbed["history"][0] and len(result["history"]) == 3
    (tmp_path / "model.keras").unlink()
    assert run(tmp_path, cpu_replicas=1)[0] == result
    assert (tmp_path / "model.keras").is_file()


def test_a_batch_that_replicas_do_not_divide_is_refused(tmp_path):
    with pytest.raises(ValueError, match="The batch size must be a multiple of the 3 CPU replicas. Received: 16."):
        run(tmp_path, cpu_replicas=3)


def test_a_killed_run_equals_the_undisturbed_one(undisturbed, tmp_path):
    chance = random.Random(5)
    for _ in range(KILLS):
        process, before = start(tmp_path), newest(tmp_path)
        while process.poll() is None and newest(tmp_path) == before:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.1))
        assert process.poll() is None, "the run was over before it could be killed"
        process.kill()
        for path in (tmp_path / "checkpoints").glob("[0-9]*.zip"):
            assert zipfile.ZipFile(path).testzip() is None
    assert start(tmp_path).wait(timeout=600) == 0
    assert json.loads((tmp_path / "result.json").read_text()) == undisturbed
    assert not list(tmp_path.glob(".*"))


def start(folder):
    return Program("tests.ctrzoo.training.interrupted", folder, 0.5, folder=CHECKOUT)


def newest(folder):
    return max((path.name for path in (folder / "checkpoints").glob("[0-9]*.zip")), default="")


def test_callbacks_of_a_resumed_run_see_the_right_epochs(tmp_path):
    def callbacks(seen):
        return [
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: seen.append(("begin", epoch)),
                on_epoch_end=lambda epoch, logs: seen.append(("end", epoch, logs["valid_log_loss"])),
            )
        ]

    before, after = [], []
    with pytest.raises(Interruption):
        run(tmp_path, data=FailingData(SCHEMA, num_rows=1500, fail_in=(1, 61)), callbacks=callbacks(before))
    history = run(tmp_path, callbacks=callbacks(after))[0]["history"]
    losses = [row["valid_log_loss"] for row in history]
    assert before == [("begin", 0), ("end", 0, losses[0]), ("begin", 1)]
    assert after == [("begin", 1), ("end", 1, losses[1]), ("begin", 2), ("end", 2, losses[2])]


def test_a_schedule_of_keras_continues_at_the_right_step(tmp_path):
    def settings():
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=50, decay_rate=0.5)
        return {"learning_rate": schedule, "learning_rate_schedule": "constant", "plateau_factor": 1.0, "epochs": 2}

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    with pytest.raises(Interruption):
        run(killed, data=FailingData(SCHEMA, num_rows=1500, fail_in=(1, 61)), **settings())
    assert run(killed, **settings())[0] == run(whole, **settings())[0]


class SignalledData(SmallData):
    """Data whose reading sends a signal to the process, within an epoch or while it is evaluated."""

    def __init__(self, *arguments, split, at, number, **options):
        super().__init__(*arguments, **options)
        self.split, self.at, self.number = split, at, number

    def dataset(self, split, batch_size, shuffle=None, **position):
        batches = super().dataset(split, batch_size, shuffle, **position)
        chosen = split == self.split and (split != "train" or shuffle is None)
        return Signalling(batches, self.at, self.number) if chosen else batches


class Signalling:
    def __init__(self, batches, at, number):
        self.take, self.batches, self.at, self.number = batches.take, batches, at, number

    def __iter__(self):
        for index, batch in enumerate(self.batches):
            if index == self.at:
                os.kill(os.getpid(), self.number)
            yield batch


@pytest.fixture
def signals_interrupt():
    """Make both signals interrupt, also where the shell ignores Ctrl-C, as it does for a program in the background."""
    earlier = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("split", "at", "steps"), [("train", 0, 1), ("train", 33, 34), ("valid", 0, 94)])
def test_a_signal_saves_a_checkpoint_between_others_and_the_run_ends_with_the_same_bits(
    undisturbed, tmp_path, signals_interrupt, number, split, at, steps
):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data=SignalledData(SCHEMA, num_rows=1500, split=split, at=at, number=number))
    assert int(Checkpoints(tmp_path / "checkpoints").paths()[-1].stem) == steps
    console = Console(file=io.StringIO(), width=200)
    assert run(tmp_path, console=console)[0] == undisturbed
    assert f"deepfm: resuming at step {steps} of epoch 1" in console.file.getvalue()


def test_a_deleted_folder_is_told_at_the_next_checkpoint(tmp_path):
    class DeletingData(SmallData):
        def dataset(self, split, batch_size, shuffle=None, **position):
            shutil.rmtree(folder, ignore_errors=split == "valid" or shuffle is False)
            return super().dataset(split, batch_size, shuffle, **position)

    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match="work was deleted during training"):
        run(folder, data=DeletingData(SCHEMA, num_rows=1500))
    assert not folder.exists()
