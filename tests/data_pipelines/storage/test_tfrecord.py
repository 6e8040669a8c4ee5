"""Files that TensorFlow and TensorFlow Datasets read, written without either."""

import json

import pytest
import tensorflow as tf

from ctrzoo.data_pipelines.storage.tfrecord import write_example, write_tfds_metadata
from ctrzoo.data_pipelines.storage.writing import Split


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 20_000])  # lengths of one to three bytes on the wire
def test_tensorflow_reads_what_was_written(tmp_path, size):
    features = {"label": bytes(range(256))[:size], "ids": b"\xff" * size, "": b"no name"}
    with open(tmp_path / "rows", "wb") as file:
        for _ in range(2):
            write_example(file, features)
    records = list(tf.data.TFRecordDataset(str(tmp_path / "rows")).as_numpy_iterator())  # checks the checksums
    assert len(records) == 2
    found = tf.train.Example.FromString(records[1]).features.feature
    assert {name: list(found[name].bytes_list.value) for name in found} == {
        name: [content] for name, content in features.items()
    }


def test_the_bytes_are_those_of_tensorflow(tmp_path):
    with open(tmp_path / "ours", "wb") as file:
        write_example(file, {"ids": b"12345"})
    example = tf.train.Example()
    example.features.feature["ids"].bytes_list.value.append(b"12345")
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        writer.write(example.SerializeToString())
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_metadata_name_shapes_and_sizes(tmp_path):
    tensors = {"label": ("uint8", (None, 1)), "ids": ("int32", (None, 6))}
    splits = {"train": Split(10, 3, {"a": 100, "b": 50}, [2, 1])}
    write_tfds_metadata(tmp_path, "small", "A table.", tensors, splits)
    features = json.loads((tmp_path / "features.json").read_text())["featuresDict"]["features"]
    shapes = {name: entry["tensor"]["shape"]["dimensions"] for name, entry in features.items()}
    assert shapes == {"ids": ["-1", "6"], "label": ["-1", "1"]}
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert (info["name"], info["description"], info["fileFormat"]) == ("small", "A table.", "tfrecord")
    (split,) = info["splits"]
    assert (split["name"], split["numBytes"], split["shardLengths"]) == ("train", "150", ["2", "1"])
