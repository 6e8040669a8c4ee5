import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from ctrzoo import __version__
from ctrzoo.data_pipelines import Block, FrameEncoder, PreparedWriter, load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.storage import reading
from ctrzoo.data_pipelines.storage import writing as records
from ctrzoo.data_pipelines.storage.epochs import ShardPlan
from ctrzoo.schema import Field, Schema
from tests.data_pipelines.small_table import SCHEMA, random_block

ROWS = 70_000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A split of several files whose labels are sorted, larger than the buffer that rows are shuffled in."""
    folder = tmp_path_factory.mktemp("prepared") / "small"
    block = random_block(ROWS)._replace(labels=np.arange(ROWS) >= ROWS // 2)
    with pytest.MonkeyPatch.context() as patch, PreparedWriter(folder, "small", SCHEMA) as writer:
        patch.setattr(records, "SHARD_BLOCKS", 4)
        writer.add("train", block)
        writer.add("valid", Block(*(array[:1000] for array in block)))
    return load(folder)


def test_a_large_split_has_several_files(data):
    # 70,000 rows are 18 blocks, in files of 4.
    names = [path.name for path in sorted(data.folder.glob("*-train.*"))]
    assert names == [f"small-train.tfrecord-0000{index}-of-00005" for index in range(5)]
    assert tfds.builder_from_directory(str(data.folder)).info.splits["train"].shard_lengths == [4, 4, 4, 4, 2]


def rows_and_labels(dataset):
    """The row numbers, which are the prices, and labels in the order of one pass."""
    batches = [(features["values"][:, 3], labels[:, 0]) for features, labels in dataset.as_numpy_iterator()]
    return [np.concatenate(part) for part in zip(*batches, strict=True)]


def test_every_row_comes_once_a_pass_in_another_order(data):
    dataset = data.dataset("train", 512)
    passes = [rows_and_labels(dataset)[0] for _ in range(2)]
    for rows in passes:
        np.testing.assert_array_equal(np.sort(rows), np.arange(ROWS))
    assert (passes[0] == passes[1]).mean() < 0.01


def test_the_seed_gives_the_orders(data):
    first, again = data.dataset("train", 512, seed=3), data.dataset("train", 512, seed=3)
    for _ in range(2):
        np.testing.assert_array_equal(rows_and_labels(first)[0], rows_and_labels(again)[0])
    other = data.dataset("train", 512, seed=4)
    assert (rows_and_labels(data.dataset("train", 512, seed=3))[0] == rows_and_labels(other)[0]).mean() < 0.01


def batches_of(dataset, count=None):
    """All of some batches, a row each: ids, values, label."""
    batches = [
        np.concatenate([features["ids"], features["values"], labels], axis=1)
        for features, labels in dataset.take(-1 if count is None else count).as_numpy_iterator()
    ]
    return batches


def assert_same_batches(found, expected):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# A pass has 7 batches; chunks of 65,536 rows end within batch 6.
@pytest.mark.parametrize(
    ("start_epoch", "skip_batches", "batch_size", "options"),
    [
        (0, 3, 10_500, {}),
        (1, 6, 10_500, {}),
        (2, 0, 11_000, {"drop_remainder": True}),
        (0, 6, 5_250, {"num_shards": 2, "shard_index": 1}),
    ],
)
def test_a_run_goes_on_from_any_batch_as_if_it_had_not_stopped(data, start_epoch, skip_batches, batch_size, options):
    whole = data.dataset("train", batch_size, seed=5, repeat=True, **options)
    per_pass = 6 if options.get("drop_remainder") else 7
    position = {"start_epoch": start_epoch, "skip_batches": skip_batches}
    tf.random.set_seed(99)
    rest = data.dataset("train", batch_size, seed=5, repeat=True, **position, **options)
    passed = start_epoch * per_pass + skip_batches
    assert_same_batches(batches_of(rest, 3), batches_of(whole, passed + 3)[passed:])


def test_an_endless_iteration_is_the_passes_one_after_another(data):
    endless = data.dataset("train", 10_500, repeat=True)
    single = data.dataset("train", 10_500)
    expected = [batch for _ in range(2) for batch in batches_of(single)]
    for _ in range(2):
        assert_same_batches(batches_of(endless, 14), expected)


def test_the_first_iteration_may_start_in_the_middle_of_a_pass(data):
    whole = data.dataset("train", 10_500)
    expected = [batch for _ in range(3) for batch in batches_of(whole)]
    rest = data.dataset("train", 10_500, start_epoch=1, skip_batches=4)
    assert_same_batches(batches_of(rest), expected[11:14])
    assert_same_batches(batches_of(rest), expected[14:])


def test_stored_order_starts_at_any_batch_too(data):
    rows, _ = rows_and_labels(data.dataset("valid", 64, skip_batches=5))
    np.testing.assert_array_equal(rows, np.arange(5 * 64, 1000))


# 1000 rows are 250 for each of 4 shards; each of 3 has 333 = 3 * 111, and one of them a row more.
@pytest.mark.parametrize(
    ("shuffle", "drop_remainder", "batch_size", "num_shards"),
    [(False, False, 111, 3), (True, False, 111, 3), (True, True, 111, 3), (True, False, 60, 4)],
)
def test_shards_share_each_pass(data, shuffle, drop_remainder, batch_size, num_shards):
    options = {"shuffle": shuffle, "drop_remainder": drop_remainder, "num_shards": num_shards}
    shards = [data.dataset("valid", batch_size, shard_index=index, **options) for index in range(num_shards)]
    for _ in range(2):
        batches = [batches_of(shard) for shard in shards]
        assert {len(shard) for shard in batches} == {len(shards[0])}
        rows = np.sort(np.concatenate([batch[:, 8 + 3] for shard in batches for batch in shard]))
        if drop_remainder:
            assert len(set(rows)) == len(rows) == len(shards[0]) * batch_size * num_shards
        else:
            np.testing.assert_array_equal(rows, np.arange(1000))


def test_shards_of_which_one_has_a_row_more_have_equally_many_batches():
    # 13 rows in 3 shards: 4, 4 and 5. The third needs 3 batches of 2, the others cut their second into two.
    sizes = [ShardPlan(13, 2, num_shards=3, shard_index=index).batch_sizes.tolist() for index in range(3)]
    assert sizes == [[2, 1, 1], [2, 1, 1], [2, 2, 1]]


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


def test_rows_travel_far(data):
    _, labels = rows_and_labels(data.dataset("train", 512))
    assert abs(np.corrcoef(labels[1:], labels[:-1])[0, 1]) < 0.02
    means = labels[: ROWS // 1000 * 1000].reshape(-1, 1000).mean(axis=1)
    assert means.std() < 1.5 * np.sqrt(0.25 / 1000)


def test_reading_alone_mixes_rows_that_lie_sorted(write):
    # 70,000 rows are 18 blocks: 16 of them, from the whole split, are permuted together.
    block = random_block(ROWS)._replace(labels=np.arange(ROWS) >= ROWS // 2)
    folder = write(train=random_block(10), valid=block)
    rows, labels = rows_and_labels(load(folder).dataset("valid", 512, shuffle=True))
    assert abs(np.corrcoef(labels[1:], labels[:-1])[0, 1]) < 0.1
    # A row of a perfectly shuffled table is a third of the table away from its place.
    np.testing.assert_allclose(np.abs(rows - np.arange(ROWS)).mean() / ROWS, 1 / 3, atol=0.05)


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
        (lambda folder: (folder / "schema.json").write_text("{"), ValueError, "not valid JSON"),
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
        (tmp_path / "cities" / filename).write_text(content.replace(f'"{__version__}"', '"7.0"'))
    data = load(tmp_path / "cities")
    assert data.fingerprint == before and data.encoding.fields[0].values.to_list() == ["Oslo", "Rome"]


def test_the_fingerprint_tells_changed_vocabularies(write):
    folder = write(train=random_block(20))
    before = load(folder).fingerprint
    assert load(folder).fingerprint == before
    (folder / "encoding.json").write_text("{}")
    assert load(folder).fingerprint != before
