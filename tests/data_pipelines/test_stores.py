"""Own tables in stores: the folders are those of local files, whatever kind the files are of."""

import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.preparation import engine
from ctrzoo.data_pipelines.preparation.schema_draft import draft_table
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.raw import sources
from ctrzoo.stores import as_path
from tests.data_pipelines.raw.test_sources import zipped, zstandard
from tests.object_store import names, put, put_folder, without_times

SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "site", "min_count": 3},
        {"name": "price", "kind": "numerical", "transform": "standard"},
        {"name": "tags", "kind": "multivalued", "separator": "|"},
    ],
    "split": {"train": 0.8, "valid": 0.1, "test": 0.1},
}


def clicks(rows=3000):
    random = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "click": random.integers(0, 2, rows),
            "site": [f"s{number}" for number in random.integers(0, 300, rows)],
            "price": random.normal(size=rows).round(3),
            "tags": ["|".join(map(str, random.integers(0, 9, 1 + row % 3))) for row in range(rows)],
        }
    )


def write_tables(folder, kind):
    """Write the table in a format; return the pattern of its files."""
    text = clicks().to_csv(index=False)
    packed = {
        "csv": lambda: text.encode(),
        "csv.gz": lambda: gzip.compress(text.encode()),
        "csv.zip": lambda: zipped(text, folder),
        "csv.zst": lambda: zstandard(text, folder),
    }
    folder.mkdir()
    if kind in packed:
        content = packed[kind]()
        for path in folder.iterdir():
            path.unlink()
        (folder / f"clicks.{kind}").write_bytes(content)
        return f"clicks.{kind}"
    for part in range(3):
        clicks()[part * 1000 : (part + 1) * 1000].to_parquet(folder / f"part-{part}.parquet", row_group_size=300)
    return "*.parquet"


def check_same(kind, url, tmp_path):
    pattern = write_tables(tmp_path / "raw", kind)
    put_folder(tmp_path / "raw", f"{url}/raw")
    put(f"{url}/schema.json", json.dumps(SCHEMA))
    prepare_own_table(tmp_path / "local", "clicks", tmp_path / "raw" / pattern, SCHEMA)
    prepare_own_table(tmp_path / "from_store", "clicks", f"{url}/raw/{pattern}", f"{url}/schema.json")
    prepare_own_table(f"{url}/data/clicks", "clicks", f"{url}/raw/{pattern}", f"{url}/schema.json")
    expected = without_times(tmp_path / "local")
    assert without_times(tmp_path / "from_store") == expected
    data = load(f"{url}/data/clicks")
    data.check_shards()
    assert without_times(data.local_folder) == expected


BROAD = [pytest.param(kind, marks=pytest.mark.nightly) for kind in ("csv", "csv.zip", "csv.zst")]


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", *BROAD])
def test_a_table_in_a_store_gives_the_bytes_of_the_local_one(kind, store, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK_ROWS", 700)
    check_same(kind, store, tmp_path)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_a_table_on_s3_gives_the_bytes_of_the_local_one(kind, s3, tmp_path):
    check_same(kind, s3, tmp_path)


def test_a_draft_of_a_table_in_a_store_is_the_local_one(store, tmp_path):
    for kind in ("csv", "csv.gz", "parquet"):
        pattern = write_tables(tmp_path / kind, kind)
        put_folder(tmp_path / kind, f"{store}/{kind}")
        assert draft_table(f"{store}/{kind}/{pattern}") == draft_table(tmp_path / kind / pattern)


def test_separate_files_in_a_store_determine_the_splits(store, tmp_path):
    schema = {key: value for key, value in SCHEMA.items() if key != "split"}
    frame = clicks(90)
    for number, split in enumerate(("train", "valid", "test")):
        put(f"{store}/{split}.csv", frame[number * 30 : number * 30 + 30].to_csv(index=False))
    tables = {split: f"{store}/{split}.csv" for split in ("train", "valid", "test")}
    prepare_own_table(tmp_path / "data", "clicks", tables, schema)
    assert load(tmp_path / "data").num_rows == {"train": 30, "valid": 30, "test": 30}
    with pytest.raises(ValueError, match="train.csv is in two splits"):
        prepare_own_table(tmp_path / "other", "clicks", {**tables, "test": f"{store}/tr*.csv"}, schema)


@pytest.mark.nightly
def test_a_folder_in_a_store_is_extended(store, tmp_path):
    put(f"{store}/1.csv", clicks().to_csv(index=False))
    put(f"{store}/2.csv", clicks(500).assign(site="new").to_csv(index=False))
    for place in (store, tmp_path):
        prepare_own_table(f"{place}/first", "clicks", f"{store}/1.csv", SCHEMA, keep_counts=True)
        prepare_own_table(f"{place}/second", "clicks", f"{store}/2.csv", SCHEMA, extend=f"{place}/first")
    second = load(f"{store}/second")
    assert second.encoding.schema == load(tmp_path / "second").encoding.schema
    assert second.fingerprint == load(tmp_path / "second").fingerprint


@pytest.mark.parametrize("place", ["store", "disk"])
def test_a_file_that_changes_while_it_is_read_is_noticed(place, store, tmp_path, monkeypatch):
    path = f"{store}/clicks.csv" if place == "store" else str(tmp_path / "clicks.csv")
    put(path, clicks().to_csv(index=False))
    original = engine.read_chunk

    def read_and_replace(*arguments):
        put(path, clicks(2999).to_csv(index=False))
        return original(*arguments)

    monkeypatch.setattr(engine, "read_chunk", read_and_replace)
    with pytest.raises(ValueError, match="clicks.csv changed while it was read. Rerun the command"):
        prepare_own_table(tmp_path / "data", "clicks", path, SCHEMA)
    monkeypatch.setattr(engine, "read_chunk", original)
    prepare_own_table(tmp_path / "data", "clicks", path, SCHEMA)
    assert sum(load(tmp_path / "data").num_rows.values()) == 2999


@pytest.mark.parametrize("step", ["_fit", "publish"])
def test_an_interrupted_preparation_resumes_at_the_finished_chunks(step, store, tmp_path, monkeypatch):
    for part in range(3):
        put(f"{store}/raw/{part}.csv.gz", gzip.compress(clicks().to_csv(index=False).encode()))
    prepare_own_table(tmp_path / "whole", "clicks", f"{store}/raw/*.gz", SCHEMA)

    def interrupt(*arguments, **others):
        raise KeyboardInterrupt

    read = []
    original = engine.read_chunk

    def read_and_note(files, number, *rest):
        read.append(number)
        return original(files, number, *rest)

    monkeypatch.setattr(engine, "read_chunk", read_and_note)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(engine, step, interrupt)
        prepare_own_table(f"{store}/data", "clicks", f"{store}/raw/*.gz", SCHEMA)
    assert sorted(read) == [0, 1, 2] and names(f"{store}/data") == []
    prepare_own_table(f"{store}/data", "clicks", f"{store}/raw/*.gz", SCHEMA)
    assert len(read) == 3  # none was read again
    data = load(f"{store}/data")
    data.check_shards()
    assert without_times(data.local_folder) == without_times(tmp_path / "whole")
    assert not list((tmp_path / "cache" / "ctrzoo" / ".stores").glob("*preparing*"))


def test_a_changed_object_starts_an_interrupted_preparation_again(store, tmp_path, monkeypatch):
    put(f"{store}/clicks.csv", clicks().to_csv(index=False))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(engine, "_fit", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        prepare_own_table(tmp_path / "data", "clicks", f"{store}/clicks.csv", SCHEMA)
    put(f"{store}/clicks.csv", clicks()[::-1].to_csv(index=False))  # of the same size
    prepare_own_table(tmp_path / "data", "clicks", f"{store}/clicks.csv", SCHEMA)
    put(f"{store}/again.csv", clicks()[::-1].to_csv(index=False))
    prepare_own_table(tmp_path / "expected", "clicks", f"{store}/again.csv", SCHEMA)
    assert without_times(tmp_path / "data") == without_times(tmp_path / "expected")


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("none.csv", FileNotFoundError, "none.csv does not exist. Correct the path."),
        ("none*.csv", FileNotFoundError, r"none\*.csv matches no file. Correct the path."),
        ("folder.csv", IsADirectoryError, "folder.csv is a folder. Pass its files"),
        ("empty.csv", ValueError, "empty.csv is empty"),
        ("damaged.csv.gz", ValueError, "damaged.csv.gz is damaged or of another kind"),
        ("rows.txt.exe", ValueError, "the name must end in .csv"),
    ],
)
def test_a_wrong_object_is_named(table, error, message, store, tmp_path):
    put(f"{store}/empty.csv", b"")
    put(f"{store}/folder.csv/a.csv", b"click\n1\n")
    put(f"{store}/damaged.csv.gz", gzip.compress(clicks().to_csv(index=False).encode())[:-300])
    with pytest.raises(error, match=message):
        prepare_own_table(tmp_path / "data", "clicks", f"{store}/{table}", SCHEMA)
    assert not (tmp_path / "data").exists()


def test_a_folder_in_a_store_is_never_overwritten(store):
    put(f"{store}/clicks.csv", clicks(100).to_csv(index=False))
    prepare_own_table(f"{store}/data", "clicks", f"{store}/clicks.csv", SCHEMA)
    with pytest.raises(FileExistsError, match="data exists. Choose another name or folder"):
        prepare_own_table(f"{store}/data", "clicks", f"{store}/clicks.csv", SCHEMA)
    with pytest.raises(ValueError, match="no folder can take the place of another"):
        prepare_own_table(f"{store}/data", "clicks", f"{store}/clicks.csv", SCHEMA, overwrite=True)


def test_a_store_is_refused_where_it_cannot_be_used(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="`data_dir` must be a local path"):
        prepare("synthetic", f"{store}/data")
    for name in ("movielens_1m", "movielens_100k", "kdd12"):
        with pytest.raises(ValueError, match="`raw` must be a local path"):
            prepare(name, tmp_path / "data", raw=f"{store}/raw.zip")
    assert not list(tmp_path.glob("memory*"))


def test_the_connection_to_s3_is_lost_and_the_preparation_resumes(s3, tmp_path, monkeypatch):
    import botocore.exceptions  # pyright: ignore[reportMissingImports]
    import s3fs  # pyright: ignore[reportMissingImports]

    write_tables(tmp_path / "raw", "parquet")
    put_folder(tmp_path / "raw", f"{s3}/raw")
    prepare_own_table(tmp_path / "whole", "clicks", f"{s3}/raw/*.parquet", SCHEMA)
    original = s3fs.core.S3File._fetch_range

    def lose(self, start, end):
        if "part-2" in self.path:
            raise botocore.exceptions.EndpointConnectionError(endpoint_url="http://store")
        return original(self, start, end)

    monkeypatch.setattr(s3fs.core.S3File, "_fetch_range", lose)
    with pytest.raises(ConnectionError, match="part-2.parquet: the store could not be reached .* Rerun the command"):
        prepare_own_table(f"{s3}/data", "clicks", f"{s3}/raw/*.parquet", SCHEMA)
    assert names(f"{s3}/data") == []
    monkeypatch.setattr(s3fs.core.S3File, "_fetch_range", original)
    prepare_own_table(f"{s3}/data", "clicks", f"{s3}/raw/*.parquet", SCHEMA)
    assert without_times(as_local(f"{s3}/data")) == without_times(tmp_path / "whole")


def as_local(url):
    data = load(url)
    data.check_shards()
    return data.local_folder


def test_an_object_of_s3_that_is_replaced_while_it_is_read_is_noticed(s3, monkeypatch):
    monkeypatch.setattr("ctrzoo.stores.BLOCK_BYTES", 1 << 18)
    rows = clicks(200_000).to_csv(index=False)
    put(f"{s3}/clicks.csv", rows)
    source = sources.TextSource([as_path(f"{s3}/clicks.csv")], chunk_bytes=1 << 17)
    chunks = source.chunks([])
    next(chunks)
    put(f"{s3}/clicks.csv", rows[::-1])
    with pytest.raises(OSError, match="clicks.csv: the object changed while it was read"):
        for _ in range(40):
            next(chunks)


def test_copies_are_made_anew_if_they_are_deleted(store):
    put(f"{store}/clicks.csv", clicks(100).to_csv(index=False))
    prepare_own_table(f"{store}/data", "clicks", f"{store}/clicks.csv", SCHEMA)
    shutil.rmtree(load(f"{store}/data").local_folder)
    assert sum(load(f"{store}/data").num_rows.values()) == 100
