import pathlib
import sys

import pytest

from ctrzoo.stores import (
    as_path,
    cache_folder,
    check_writable,
    explained,
    is_url,
    local_path,
    matching,
    opened,
    opened_at_places,
    reaching,
    sizes,
    stamp,
    written,
)
from tests.object_store import names, put


def test_a_url_keeps_its_slashes_and_has_the_methods_of_a_path(store):
    put(f"{store}/logs/a.csv.gz", b"abc")
    path = as_path(f"{store}/logs/a.csv.gz")
    assert (str(path), path.name, path.suffix) == (f"{store}/logs/a.csv.gz", "a.csv.gz", ".gz")
    assert path.exists() and path.is_file() and not path.is_dir() and path.stat().st_size == 3
    assert as_path(f"{store}/logs/").is_dir() and as_path(path) is path
    assert str(as_path(f"{store}/logs/") / "b") == f"{store}/logs/b"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("ftp://host/a.csv", "ftp://host/a.csv: expected a local path, or one that begins with s3://, gs://"),
        (pathlib.Path("s3://bucket/a.csv"), "s3:/bucket/a.csv is a URL that lost a slash"),
    ],
)
def test_other_urls_are_refused(path, message):
    with pytest.raises(ValueError, match=message):
        as_path(path)


@pytest.mark.parametrize("missing", ["upath", "gcsfs"])
def test_a_missing_library_is_named(missing, monkeypatch, store):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ValueError, match=r"gs://bucket/a.csv: gs:// needs a library.*pip install 'ctrzoo\[stores\]'"):
        as_path("gs://bucket/a.csv")


def test_a_local_path_is_no_url():
    assert local_path("runs/mine", "`workdir`") == pathlib.Path("runs/mine")
    assert not is_url(None) and not is_url("C:/a") and is_url("s3://bucket")
    with pytest.raises(ValueError, match="`workdir` must be a local path. Received: s3://bucket/runs"):
        local_path("s3://bucket/runs", "`workdir`")


def test_the_stamp_of_an_object_changes_with_each_writing(store, tmp_path):
    for place in (f"{store}/a.csv", str(tmp_path / "a.csv")):
        put(place, b"one")
        before = stamp(as_path(place))
        assert before == stamp(as_path(place)) and before[:2] == [place, 3]
        put(place, b"two")
        assert stamp(as_path(place)) != before


def test_patterns_match_alike_in_a_store_and_on_disk(store, tmp_path):
    for name in ("b.csv", "a.csv", "c.parquet"):
        put(f"{store}/{name}", name)
        put(tmp_path / name, name)
    found = [[path.name for path in matching(as_path(f"{place}/*.csv"))] for place in (store, tmp_path)]
    assert found == [["a.csv", "b.csv"]] * 2
    assert str(matching(as_path(f"{store}/a*"))[0]) == f"{store}/a.csv"


def open_by_ranges(store, path, mode="rb", **options):
    """Open an object as stores on other machines do: by ranges of bytes, with a cache."""
    from fsspec.spec import AbstractBufferedFile

    class Ranges(AbstractBufferedFile):
        def _fetch_range(self, start, end):
            return store.cat_file(self.path, start, end)

    return Ranges(store, path, mode, **options)


@pytest.mark.parametrize("ahead", [True, False])
def test_an_object_is_read_like_a_file(ahead, store, monkeypatch):
    content = bytes(range(256)) * 1000
    put(f"{store}/a", content)
    monkeypatch.setattr("ctrzoo.stores.BLOCK_BYTES", 1000)
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.open", open_by_ranges)
    with opened(as_path(f"{store}/a"), ahead) as file:
        assert file.read(10) == content[:10] and file.tell() == 10
        assert [file.readline(500), file.readline(100)] == [content[10:11], content[11:111]]  # byte 10 is a line end
        file.seek(200_000)
        assert file.read() == content[200_000:]


def test_ranges_and_sizes_of_objects(store, monkeypatch):
    put(f"{store}/a/one", b"0123456789")
    put(f"{store}/a/two", b"")
    put(f"{store}/a/b/three", b"")
    assert sizes(as_path(f"{store}/a")) == {"one": 10, "two": 0}
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.open", open_by_ranges)
    with opened_at_places(as_path(f"{store}/a/one")) as file:
        assert (file.seek(4), file.read(3)) == (4, b"456")


def test_an_object_is_written_as_a_whole_or_not_at_all(store, tmp_path):
    for place in (f"{store}/out.csv", tmp_path / "out.csv"):
        with pytest.raises(KeyError), written(place) as temporary:
            temporary.write_text("half")
            raise KeyError
        assert not as_path(place).exists()
        with written(place) as temporary:
            temporary.write_text("whole")
        assert as_path(place).read_text() == "whole" and not temporary.exists()


def test_a_store_that_refuses_is_found_out_before_the_work(store, monkeypatch):
    check_writable(as_path(f"{store}/clicks"))
    assert names(store) == []

    def refuse(*arguments, **others):
        raise PermissionError("Forbidden")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.open", refuse)
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.pipe_file", refuse)
    with pytest.raises(PermissionError, match="Forbidden"):
        check_writable(as_path(f"{store}/clicks"))


def error_of(module, name, text):
    return type(name, (Exception,), {"__module__": module})(text)


@pytest.mark.parametrize(
    ("module", "name", "text", "kind", "message"),
    [
        ("botocore.exceptions", "NoCredentialsError", "Unable to locate credentials", PermissionError, "does not know"),
        (
            "botocore.exceptions",
            "EndpointConnectionError",
            "No connection",
            ConnectionError,
            "could not be reached",
        ),
        ("aiohttp.client_exceptions", "ClientPayloadError", "", ConnectionError, "ClientPayloadError"),
        ("s3fs.utils", "FileExpired", "Etag no longer exists", OSError, "changed while it was read"),
    ],
)
def test_errors_of_stores_say_what_to_do(module, name, text, kind, message):
    with pytest.raises(kind, match=f"s3://bucket/a.csv: the .*{message}"), reaching("s3://bucket/a.csv"):
        raise error_of(module, name, text)


def test_an_error_without_a_path_is_given_one():
    with pytest.raises(FileNotFoundError, match="s3://bucket/a.csv: No such bucket. Correct the path"):
        with reaching("s3://bucket/a.csv"):
            raise FileNotFoundError("No such bucket")


def test_other_errors_stay_as_they_are():
    assert explained(KeyError("a")) is None
    with pytest.raises(KeyError), reaching("s3://bucket/a.csv"):
        raise KeyError("a")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ctrzoo"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ctrzoo"
