"""Prepared folders as batches, arrays, frames and texts; what is damaged is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from ctrzoo import __version__
from ctrzoo.data_pipelines import Block, FrameEncoder, PreparedWriter, load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.storage import reading
from ctrzoo.schema import Field, Schema
from tests.data_pipelines.small_table import random_block
from tests.data_pipelines.storage.batches import assert_same_batches, batches_of, rows_and_labels


def test_texts_of_events_and_of_one_that_is_not_known(tmp_path):
    """The third event has no kind, and the last row no event; an item is in one column only."""
    lines = ["click,item,seen,kinds,day", "1,a,b|a,x|y,0", "0,b,a,x,1", "1,a,b|a|b,x|nothing|y,2", "0,b,,,2"]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    options = {"kind": "sequence", "events": "seen", "max_values": 3}
    fields = ["item", {"name": "seen", "kind": "sequence", "share": "item", "max_values": 3}]
    fields.append({"name": "kinds", **options, "oov": False})
    split = {"column": "day", "valid_from": 1, "test_from": 2}
    schema = {"label": "click", "fields": fields, "split": split}
    prepare_own_table(tmp_path / "data", "rows", tmp_path / "rows.csv", schema)
    data = load(tmp_path / "data")
    features = data.arrays("test")[0]
    found = data.event_texts(features)
    order = sorted(range(2), key=lambda row: -len(found["seen"][row]))
    assert [found["seen"][row] for row in order] == [["b", "a", "b"], []]
    assert [found["kinds"][row] for row in order] == [["x", None, "y"], []]
    texts = data.texts(features)
    assert [texts[row][1:] for row in order] == [["b, a, b", "x, (unknown), y"], ["(none)", "(none)"]]


@pytest.mark.parametrize(
    "options", [{}, {"skip_batches": 2}, {"shuffle": False}, {"num_shards": 2, "shard_index": 1}], ids=str
)
def test_a_cached_split_is_the_same(data, options):
    cached, read = (data.dataset("train", 10_500, cache=cache, **options) for cache in (True, False))
    for _ in range(2):
        assert_same_batches(batches_of(cached), batches_of(read))


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("kind", ["numerical", "categorical"])
def test_tables_of_one_kind_of_field_are_shuffled_too(kind, cache, tmp_path):
    field = Field("only", "numerical") if kind == "numerical" else Field("only", vocabulary_size=50)
    counted, nothing = np.arange(1, 51)[:, None], np.empty((50, 0))
    ids, numbers = (nothing, counted) if kind == "numerical" else (counted, nothing)
    with PreparedWriter(tmp_path / "one", "one", Schema([field])) as writer:
        writer.add("train", Block(ids.astype(np.int32), numbers.astype(np.float32), np.zeros(50, np.uint8)))
    ((features, _),) = load(tmp_path / "one").dataset("train", 50, cache=cache).as_numpy_iterator()
    found = features["values" if kind == "numerical" else "ids"][:, 0]
    assert sorted(found.tolist()) == list(range(1, 51)) and found.tolist() != sorted(found.tolist())


def test_splits_that_fit_are_kept_in_memory_and_read_once(data, monkeypatch):
    found, reads = load(data.folder, cache_bytes=1000 * (8 * 8 + 4)), []  # valid: 1,000 rows of 8 slots
    read_blocks = reading.read_blocks
    monkeypatch.setattr(reading, "read_blocks", lambda *arguments: reads.append(arguments) or read_blocks(*arguments))
    for _ in range(2):
        assert_same_batches(batches_of(found.dataset("valid", 100)), batches_of(data.dataset("valid", 100, cache=True)))
    assert len(reads) == 2  # one for each of the two objects
    batches_of(found.dataset("train", 10_500), 1)
    batches_of(found.dataset("train", 10_500), 1)
    assert len(reads) == 4


def test_without_shuffling_rows_keep_their_order(data):
    for shuffle in (None, False):
        rows, _ = rows_and_labels(data.dataset("valid", 64, shuffle=shuffle))
        np.testing.assert_array_equal(rows, np.arange(1000))
    assert (rows_and_labels(data.dataset("valid", 64, shuffle=True))[0] != np.arange(1000)).any()


@pytest.mark.parametrize(("batch_size", "drop_remainder", "batches"), [(300, False, 4), (300, True, 3), (250, True, 4)])
def test_batches_have_the_stated_number_and_shapes(data, batch_size, drop_remainder, batches):
    dataset = data.dataset("valid", batch_size, drop_remainder=drop_remainder)
    assert len(dataset) == batches
    features, labels = dataset.element_spec
    assert features["ids"].shape.as_list() == [batch_size if drop_remainder else None, 8]
    assert features["ids"].dtype == "int32" and features["values"].dtype == labels.dtype == "float32"
    sizes = [len(labels) for _, labels in dataset]
    assert len(sizes) == batches and set(sizes[:-1]) <= {batch_size}
    assert sum(sizes) == (batches * batch_size if drop_remainder else 1000)


def test_a_split_is_a_frame_of_raw_cells(tmp_path):
    raw = list(zip(np.arange(50) + 0.5, ["Oslo", "Rome"] * 25, [0, 1, 1, 0, 0] * 10, strict=True))
    lines = [f"{price},{city},{click}" for price, city, click in raw]
    (tmp_path / "raw.csv").write_text("\n".join(["price,city,click", *lines]))
    config = {"label": "click", "fields": [{"name": "price", "kind": "numerical", "transform": "standard"}, "city"]}
    prepare_own_table(tmp_path / "data", "data", tmp_path / "raw.csv", config)
    data = load(tmp_path / "data")
    frame = pd.concat([data.frame(split) for split in data.num_rows]).sort_values("price")
    assert list(frame.columns) == ["price", "city", "click"]
    np.testing.assert_allclose(frame["price"], [price for price, _, _ in raw], atol=1e-4)
    assert list(zip(frame["city"], frame["click"], strict=True)) == [(city, click) for _, city, click in raw]
    texts = data.texts(data.arrays("test")[0])
    assert texts == [[f"{price:.4g}", city] for price, city in data.frame("test")[["price", "city"]].to_numpy()]


def test_made_up_data_is_no_frame(data):
    with pytest.raises(ValueError, match="small was made without an encoding of raw cells. Use `arrays`."):
        data.frame("valid")


def test_made_up_rows_are_told_by_the_number_of_each_id_within_its_field(tmp_path):
    schema = Schema([Field("user", vocabulary_size=3), Field("age", "numerical"), Field("tags", "multivalued", 4, 2)])
    ids, numbers = np.array([[3, 8, 5], [0, 0, 0]], np.int32), np.array([[0.25], [12345.0]], np.float32)
    with PreparedWriter(tmp_path / "made", "made", schema) as writer:
        writer.add("train", Block(ids, numbers, np.array([1, 0])))
        writer.add("test", Block(ids, numbers, np.array([1, 0])))
    data = load(tmp_path / "made")
    assert data.texts(data.arrays("test")[0]) == [["#3", "0.25", "#4, #1"], ["(absent)", "12,345", "(none)"]]


def test_keras_trains_on_it(data):
    keras = pytest.importorskip("keras")
    ids, values = keras.Input((8,), dtype="int32", name="ids"), keras.Input((8,), name="values")
    logit = keras.ops.sum(keras.layers.Embedding(18, 1)(ids)[..., 0] * values * 1e-3, axis=-1, keepdims=True)
    model = keras.Model({"ids": ids, "values": values}, keras.ops.sigmoid(logit))
    model.compile("sgd", "binary_crossentropy")
    history = model.fit(data.dataset("train", 4096), validation_data=data.dataset("valid", 512), verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()


def test_wrong_arguments_are_named(data):
    with pytest.raises(ValueError, match="Unknown split 'trian'. Did you mean 'train'?"):
        data.dataset("trian", 10)
    with pytest.raises(ValueError, match="Known: train, valid"):
        data.arrays("test")
    with pytest.raises(ValueError, match="batch_size"):
        data.dataset("train", 0)
    with pytest.raises(ValueError, match="`skip_batches` at least 0 and less than the 7 batches of an epoch"):
        data.dataset("train", 10_500, skip_batches=7)
    with pytest.raises(ValueError, match="less than `num_shards`. Received: 2 of 2"):
        data.dataset("train", 512, num_shards=2, shard_index=2)
    with pytest.raises(ValueError, match="1,000 rows cannot give 600 shards equally many batches of 1. Set `drop_rem"):
        data.dataset("valid", 1, num_shards=600)


def edit(filename, change):
    def damage(folder):
        content = json.loads((folder / filename).read_text())
        change(content)
        (folder / filename).write_text(json.dumps(content))
        (folder / "checksums.json").unlink()  # as in a folder of another version

    return damage


def truncate(folder):
    shard = next(folder.glob("*train.tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (shutil.rmtree, FileNotFoundError, "There is no folder .* `prepare`"),
        (lambda folder: (folder / "preparation.json").unlink(), FileNotFoundError, "Prepare it again"),
        (lambda folder: (folder / "schema.json").unlink(), FileNotFoundError, "schema.json is missing"),
        (lambda folder: (folder / "schema.json").write_text("{"), ValueError, "schema.json was damaged or edited"),
        (lambda folder: (folder / "checksums.json").write_text("{"), ValueError, "checksums.json is damaged"),
        (lambda folder: (folder / "checksums.json").write_text("[]"), ValueError, "checksums.json is damaged"),
        (lambda folder: next(folder.glob("*valid*")).unlink(), FileNotFoundError, "small-valid.* is missing"),
        (truncate, ValueError, "bytes, it was written with .* prepare it again"),
        (
            edit("preparation.json", lambda content: content.update(format_version=9, ctrzoo_version="7.0")),
            ValueError,
            "format version 9.* written by ctrzoo 7.0; install it, or delete the folder and prepare again",
        ),
        (
            edit("schema.json", lambda content: content.update(format_version=9)),
            ValueError,
            f"schema has format version 9.* written by ctrzoo {__version__}; install it",
        ),
        (edit("schema.json", lambda content: content["fields"].pop()), ValueError, "schema.json does not fit"),
        (
            edit("schema.json", lambda content: content["fields"][0].update(vocabulary_size=99)),
            ValueError,
            "schema.json does not fit",
        ),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(write, damage, error, message):
    folder = write(train=random_block(20), valid=random_block(20))
    damage(folder)
    with pytest.raises(error, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_every_file_says_which_version_wrote_it_and_the_fingerprint_does_not_depend_on_it(tmp_path):
    frame = pd.DataFrame({"city": ["Oslo", "Rome"], "label": [0, 1]})
    encoder = FrameEncoder(categorical=["city"]).fit(frame)
    with PreparedWriter(tmp_path / "cities", "cities", encoder.schema, encoder.encoding) as writer:
        writer.add("train", encoder.block(frame))
    before = load(tmp_path / "cities").fingerprint
    for filename in ("preparation.json", "encoding.json", "schema.json"):
        content = (tmp_path / "cities" / filename).read_text()
        assert json.loads(content)["ctrzoo_version"] == __version__
        (tmp_path / "cities" / "checksums.json").unlink(missing_ok=True)
        (tmp_path / "cities" / filename).write_text(content.replace(f'"{__version__}"', '"7.0"'))
    data = load(tmp_path / "cities")
    assert data.fingerprint == before and data.encoding.fields[0].values.to_list() == ["Oslo", "Rome"]


def test_the_fingerprint_tells_changed_vocabularies(write):
    folder = write(train=random_block(20))
    before = load(folder).fingerprint
    assert load(folder).fingerprint == before
    (folder / "encoding.json").write_text("{}")
    assert load(folder).fingerprint != before


def test_a_folder_of_other_labels_is_refused(write):
    """Another program can write such a folder, with the checksums of its records."""
    folder = write(train=random_block(20))
    (shard,) = folder.glob("small-train*")
    (record,) = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    example = tf.train.Example.FromString(record)
    labels = bytearray(example.features.feature["label"].bytes_list.value[0])
    labels[3] = 2
    example.features.feature["label"].bytes_list.value[0] = bytes(labels)
    with tf.io.TFRecordWriter(str(shard)) as writer:
        writer.write(example.SerializeToString())
    with pytest.raises(ValueError, match="Labels must be 0 or 1. A block of the prepared rows holds 2"):
        load(folder).arrays("train")


def test_a_folder_without_one_file_of_its_encoding_is_damaged(tmp_path):
    frame = pd.DataFrame({"city": ["Oslo", "Rome"], "label": [0, 1]})
    encoder = FrameEncoder(categorical=["city"]).fit(frame)
    with PreparedWriter(tmp_path / "cities", "cities", encoder.schema, encoder.encoding) as writer:
        writer.add("train", encoder.block(frame))
    (tmp_path / "cities" / "checksums.json").unlink()
    (tmp_path / "cities" / "encoding.json").unlink()
    with pytest.raises(FileNotFoundError, match="encoding.json is missing"):
        _ = load(tmp_path / "cities").encoding
