"""What stops a run: ids outside the table, a loss that is NaN or infinite or explodes; each says where."""

import io

import numpy as np
import pytest
from rich.console import Console

from ctrzoo import models
from ctrzoo.training import TrainingOptions, set_seed, train
from ctrzoo.training.divergence import check_loss
from tests.small_data import SmallData


def test_sound_losses_pass_and_the_first_wrong_one_is_found():
    assert check_loss([0.7, 0.2, 30.0], first_loss=0.7) is None
    assert check_loss([0.7, np.inf, np.nan], first_loss=0.7) == 1
    assert check_loss([0.7, 51.0], first_loss=0.7) == 1
    assert check_loss([500.0, 51.0], first_loss=500.0) is None  # a penalty that is large from the beginning
    assert check_loss([np.nan], first_loss=np.nan) == 0


def run(data, folder, learning_rate=0.01, **settings):
    set_seed(1)
    model = models.build("fm", data.schema, embedding_dim=4)
    console = Console(file=io.StringIO())
    options = TrainingOptions(epochs=2, batch_size=16, learning_rate=learning_rate, **settings)
    return train(
        model,
        data,
        options,
        folder=folder,
        console=console,
    )


@pytest.mark.parametrize("split", ["train", "valid"])
def test_training_refuses_ids_outside_the_table(mixed_schema, tmp_path, split):
    data = SmallData(mixed_schema, num_rows=64)
    data.arrays(split)[0]["ids"][9, 0] = 99
    with pytest.raises(ValueError, match="The id 99 of field 'user'"):
        run(data, tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_its_batch(mixed_schema, tmp_path):
    data = SmallData(mixed_schema, num_rows=640)
    data.arrays("train")[0]["values"][77, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinite \(nan\) at step \d+ of epoch 1. 1 of its numbers"):
        run(data, tmp_path, checkpoint_steps=1)
    with np.load(tmp_path / "failed_batch.npz", allow_pickle=False) as batch:
        assert batch["ids"].shape == (16, mixed_schema.num_slots) and batch["labels"].shape == (16, 1)
        assert np.isnan(batch["values"]).sum() == 1
        step = int(batch["step"])
    # The last checkpoint is of the step before, and sound.
    assert max(int(path.stem) for path in (tmp_path / "checkpoints").glob("*.zip")) == step - 1


def test_an_exploding_loss_stops_the_run(mixed_schema, tmp_path):
    with pytest.raises(ValueError, match=r"has exploded .* Lower the learning rate.*failed_batch.npz"):
        run(SmallData(mixed_schema, num_rows=640), tmp_path, learning_rate=1e4)
