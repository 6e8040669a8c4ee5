"""Stores for tests: fsspec's memory of this process, and moto's S3 on a port of this machine."""

import os
import uuid

import pytest


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Return the URL of an empty folder in memory, or skip; local copies go to a folder of the test."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install 'ctrzoo[stores]'")
    pytest.importorskip("upath", reason="needs universal-pathlib: pip install 'ctrzoo[stores]'")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield f"memory://bucket-{uuid.uuid4().hex}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """Return the URL of an empty bucket of moto's S3, or skip."""
    for module, package in (("moto.server", "moto[server]"), ("s3fs", "s3fs"), ("upath", "universal-pathlib")):
        pytest.importorskip(module, reason=f"needs {package}: pip install '{package}'")
    from moto.server import ThreadedMotoServer  # pyright: ignore[reportMissingImports]

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
    values = ("test", "test", "us-east-1", f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    for name, value in zip(names, values, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    import s3fs  # pyright: ignore[reportMissingImports]

    s3fs.S3FileSystem.clear_instance_cache()  # those of an earlier server
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    s3fs.S3FileSystem().mkdir(bucket)
    yield f"s3://{bucket}"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def put(url, content):
    """Write an object."""
    from ctrzoo.stores import as_path

    as_path(url).write_bytes(content if isinstance(content, bytes) else content.encode())


def put_folder(folder, url):
    """Write the files of a local folder as objects."""
    for path in sorted(folder.iterdir()):
        put(f"{url}/{path.name}", path.read_bytes())


def names(url):
    """Return the names of the objects of a folder; none if there is no folder."""
    from ctrzoo.stores import as_path

    folder = as_path(url)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def without_times(folder):
    """Return the content of the files of a local folder by name, except those that hold how long things took."""
    left_out = ("report.json", "report.html", "checksums.json")
    return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder)) if name not in left_out}
