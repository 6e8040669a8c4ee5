"""What stops a run: ids outside the table, a loss that is NaN or infinite or explodes; each says where."""

import io
import pathlib

import numpy as np
import pytest
from rich.console import Console

from ctrzoo import models
from ctrzoo.training import TrainingOptions, set_seed, train
from ctrzoo.training.divergence import check_loss
from ctrzoo.validation import check_ids
from tests.small_data import SmallData

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("bad", [-1, 22, 2**31 - 1, -(2**31)])
def test_an_id_outside_the_table_names_row_and_field(mixed_schema, bad):
    ids = np.zeros((3, mixed_schema.num_slots), "int32")
    ids[2, 5], ids[1, 2] = 21, 0
    largest = mixed_schema.num_ids - 1
    check_ids({"ids": np.full_like(ids, largest)}, mixed_schema)
    ids[1, 2] = bad
    with pytest.raises(ValueError, match=rf"The id {bad} of field 'item' \(row 1 .* outside 0 to {largest}"):
        check_ids({"ids": ids}, mixed_schema)


def test_ids_of_another_byte_order_are_read(mixed_schema):
    ids = np.full((2, mixed_schema.num_slots), mixed_schema.num_ids - 1, ">i4")
    check_ids({"ids": ids}, mixed_schema)
    with pytest.raises(ValueError, match=f"The id {mixed_schema.num_ids} of field"):
        check_ids({"ids": ids + 1}, mixed_schema)


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3), (2, 99)])
def test_ids_of_another_shape_are_refused(mixed_schema, shape):
    with pytest.raises(
        ValueError, match=rf"shape \(rows, {mixed_schema.num_slots}\), one per slot. Received: \({shape[0]},"
    ):
        check_ids({"ids": np.full(shape, 10**6)}, mixed_schema)
    with pytest.raises(ValueError, match="Features must be 'ids' and 'values'. Received: 'id', 'values'"):
        check_ids({"id": 1, "values": 2}, mixed_schema)


def test_values_of_another_shape_are_refused(mixed_schema):
    features = {"ids": np.zeros((3, mixed_schema.num_slots), "int32"), "values": np.ones((3, 1), "float32")}
    with pytest.raises(ValueError, match=r"Values must have the same shape as the ids, \(3, 6\). Received: \(3, 1\)"):
        models.build("lr", mixed_schema).predict(features, verbose=0)


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


def test_nothing_is_loaded_in_unsafe_ways():
    for folder in ("ctrzoo", "models", "data_pipelines", "experiments"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            for word in ("import pickle", "allow_pickle=True", "safe_mode=False", "enable_unsafe_deserialization"):
                assert word not in text, f"{path}: {word}"
