""""""

import fcntl
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow_datasets as tfds

from ctrzoo.data_pipelines import Block, PreparedWriter, load
from ctrzoo.data_pipelines.storage.writing import BLOCK_ROWS
from ctrzoo.schema import Field, Schema
from tests.data_pipelines.small_table import SCHEMA, random_block


def slow_features(block):
    """Ids and values of all slots of `SCHEMA`, row by row as the design says."""
    all_ids, all_values = [], []
    for ids, numbers in zip(block.ids, block.numerical, strict=True):
        genres, city, tags = ids[:3], ids[3], ids[4:]
        present = sum(1 for genre in genres if genre)
        all_ids.append([*genres, 7, city, *tags, 17])
        all_values.append(
            [
                *[1 / present if genre else 0 for genre in genres],
                numbers[0],
                1 if city else 0,
                *[1 if tag else 0 for tag in tags],
                numbers[1],
            ]
        )
    return np.array(all_ids, np.int32), np.array(all_values, np.float32)


def sorted_rows(ids, numbers, labels):
    rows = np.concatenate([ids, numbers, np.reshape(labels, (-1, 1))], axis=1)
    return rows[np.lexsort(rows.T)]


def test_rows_come_back_as_the_definition_says(write):
    blocks = {"train": random_block(BLOCK_ROWS * 2 + 5), "valid": random_block(300, seed=1)}
    data = load(write(**blocks))
    for split, block in blocks.items():
        features, labels = data.arrays(split)
        order = np.argsort(features["values"][:, 3])
        ids, values = slow_features(block)
        np.testing.assert_array_equal(features["ids"][order], ids)
        np.testing.assert_allclose(features["values"][order], values, rtol=1e-6)
        np.testing.assert_array_equal(labels[order, 0], block.labels)
    assert data.num_rows == {"train": BLOCK_ROWS * 2 + 5, "valid": 300}
    assert data.num_positives == {split: block.labels.sum() for split, block in blocks.items()}


def test_plain_tensorflow_datasets_reads_the_folder(write):
    block = random_block(BLOCK_ROWS + 10)
    builder = tfds.builder_from_directory(str(write(train=block, test=random_block(7))))
    assert set(builder.info.splits) == {"train", "test"}
    examples = list(builder.as_dataset(split="train").as_numpy_iterator())
    found = [np.concatenate([example[key] for example in examples]) for key in ("ids", "numbers", "label")]
    np.testing.assert_array_equal(sorted_rows(*found), sorted_rows(*block[:3]))


@pytest.mark.parametrize("kind", ["categorical", "numerical"])
def test_a_table_of_one_kind_leaves_the_other_feature_out(write, kind):
    columns = {"categorical": ([[1]] * 3, np.zeros((3, 0))), "numerical": (np.zeros((3, 0)), [[2.0]] * 3)}
    data = load(write(schema=Schema([Field("one", kind)]), train=Block(*columns[kind], [0, 1, 1])))
    features, labels = data.arrays("train")
    np.testing.assert_array_equal(features["ids"], [[1]] * 3)
    np.testing.assert_array_equal(features["values"], [[1.0 if kind == "categorical" else 2.0]] * 3)
    assert labels.sum() == 2


def test_many_small_blocks_equal_one_large_one(tmp_path, write):
    block = random_block(10_000)
    with PreparedWriter(tmp_path / "pieces", "pieces", SCHEMA) as writer:
        for start in range(0, 10_000, 37):
            for split in ("train", "valid"):
                writer.add(split, block.rows(slice(start, start + 37)))
    pieces, whole = load(tmp_path / "pieces"), load(write("whole", train=block, valid=block))
    for key in ("ids", "values"):
        np.testing.assert_array_equal(pieces.arrays("valid")[0][key], whole.arrays("valid")[0][key])
    assert pieces.num_rows == whole.num_rows


def test_training_rows_are_shuffled_on_disk_and_others_are_not(write):
    block = random_block(20_000)
    data = load(write(train=block, valid=block))
    train, valid = (data.arrays(split)[0]["values"][:, 3] for split in ("train", "valid"))
    np.testing.assert_array_equal(valid, np.arange(20_000))
    assert abs(np.corrcoef(train, np.arange(20_000))[0, 1]) < 0.05
    np.testing.assert_array_equal(np.sort(train), np.arange(20_000))


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="power cut"):
        with PreparedWriter(tmp_path / "data" / "small", "small", SCHEMA) as writer:
            writer.add("train", random_block(10_000))
            writer.add("valid", random_block(10_000))
            raise RuntimeError("power cut")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_killed_run_does_not_stop_the_next_and_is_cleaned_up(tmp_path):
    script = """
        import os, sys, signal
        from tests.data_pipelines.small_table import SCHEMA, random_block
        from ctrzoo.data_pipelines import PreparedWriter
        with PreparedWriter(sys.argv[1], "small", SCHEMA) as writer:
            writer.add("train", random_block(100))
            os.kill(os.getpid(), signal.SIGKILL)
    """
    folder = tmp_path / "small"
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), folder], env={"PYTHONPATH": ":".join(sys.path)}, timeout=60
    )
    (leftover,) = tmp_path.iterdir()
    assert leftover.name.endswith(".partial")
    with PreparedWriter(folder, "small", SCHEMA) as writer:
        writer.add("train", random_block(100))
    assert list(tmp_path.iterdir()) == [folder]
    assert load(folder).num_rows == {"train": 100}


def test_a_running_writer_is_not_taken_for_a_leftover(tmp_path):
    running = tmp_path / ".small.01234567.partial"
    running.mkdir()
    with open(running / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with PreparedWriter(tmp_path / "small", "small", SCHEMA) as writer:
            writer.add("train", random_block(3))
        assert running.is_dir()


def test_two_writers_of_one_folder_make_it_once(tmp_path):
    with pytest.raises(FileExistsError, match="Another process created"):
        with PreparedWriter(tmp_path / "small", "small", SCHEMA) as slow:
            slow.add("train", random_block(3))
            with PreparedWriter(tmp_path / "small", "small", SCHEMA) as fast:
                fast.add("train", random_block(5))
    assert load(tmp_path / "small").num_rows == {"train": 5}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda block: block._replace(ids=block.ids[:, :5]), "`ids` must have the shape"),
        (lambda block: block._replace(numerical=block.numerical * np.nan), "finite"),
        (lambda block: block._replace(numerical=block.numerical.astype(np.float64) + 1e39), "finite"),
        (lambda block: block._replace(ids=block.ids + 17), "Ids must lie in 0 to 17"),
        (lambda block: block._replace(ids=block.ids * 0 + 1.9), "Ids must be 32-bit whole numbers. Received: 1.9"),
        (lambda block: block._replace(ids=block.ids * np.nan), "Ids must be 32-bit whole numbers. Received: nan"),
        (lambda block: block._replace(ids=block.ids.astype(np.int64) + 2**32), "Ids must be 32-bit whole numbers"),
        (lambda block: block._replace(labels=[1] * 9 + [0.7]), "Row 9: the label 'label' must be 0 or 1, not 0.7"),
        (lambda block: block._replace(labels=[0, 5] * 5), "Row 1: the label 'label' must be 0 or 1, not 5"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(write, change, message):
    with pytest.raises(ValueError, match=message):
        write(train=change(random_block(10)))


def test_an_existing_folder_is_not_overwritten(write):
    folder = write(train=random_block(3))
    with pytest.raises(FileExistsError, match="Delete it"):
        write(train=random_block(3))
    assert json.loads((folder / "preparation.json").read_text())["splits"]["train"]["rows"] == 3


def test_without_training_rows_nothing_is_written(tmp_path, write):
    with pytest.raises(ValueError, match="no row in the split 'train'"):
        write(valid=random_block(3))
    with pytest.raises(ValueError, match="Did you mean 'valid'"):
        write(vaild=random_block(3))
    assert list(tmp_path.iterdir()) == []


def test_a_large_split_has_several_files(data):
    # 70,000 rows are 18 blocks, in files of 4.
    names = [path.name for path in sorted(data.folder.glob("*-train.*"))]
    assert names == [f"small-train.tfrecord-0000{index}-of-00005" for index in range(5)]
    assert tfds.builder_from_directory(str(data.folder)).info.splits["train"].shard_lengths == [4, 4, 4, 4, 2]
