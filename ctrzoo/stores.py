"""Paths of objects in stores, such as `s3://bucket/clicks.parquet`, next to paths of local files.

`as_path` returns a path with the methods of `pathlib.Path` for both kinds; universal-pathlib and fsspec do the work.
"""

from __future__ import annotations

import contextlib
import glob
import io
import os
import pathlib
import re
import secrets
import typing
from collections.abc import Iterator
from typing import Any, BinaryIO

from ctrzoo.files import replaced
from ctrzoo.types import Path
from ctrzoo.unfinished import temporary_folder

# The stores that are supported. Their libraries come with the extra `stores`; `memory` is a part of fsspec, for tests.
SCHEMES = ("s3", "gs", "memory")
# Sequential reads fetch blocks of this size, and the next one while the current one is used.
BLOCK_BYTES = 8 << 20
BUFFER_BYTES = 1 << 16
# What tells the versions of an object apart, in the words of S3, Google Cloud Storage and fsspec's `memory`.
VERSIONS = ("ETag", "generation", "created")
# The libraries whose errors are those of a store.
LIBRARIES = ("botocore", "aiobotocore", "s3fs", "gcsfs", "google", "aiohttp", "fsspec")


def is_url(path: Path | None) -> bool:
    """Return whether a path is a URL; None is none.

    >>> is_url("s3://bucket/clicks.csv"), is_url("logs/clicks.csv")
    (True, False)
    """
    return bool(re.match(r"[A-Za-z][\w+.-]*://", str(path)))


def as_path(path: Path) -> pathlib.Path:
    """Return a path object, of a local file or of an object in a store.

    Args:
        path: A local path, or a URL that begins with one of `SCHEMES`.

    Returns:
        A `pathlib.Path`; for a URL a `upath.UPath`, which has the same methods but is no `os.PathLike`.

    Raises:
        ValueError: If the store is not supported, or its library is missing.

    >>> as_path("logs/clicks.csv").suffix
    '.csv'
    """
    if hasattr(path, "fs"):  # a `upath.UPath`
        return typing.cast(pathlib.Path, path)
    text = str(path)
    if not is_url(text):
        if re.match(rf"(?:{'|'.join(SCHEMES)}):/[^/]", text):
            raise ValueError(f"{text} is a URL that lost a slash: `pathlib.Path` drops it. Pass the URL as a text.")
        return pathlib.Path(path)
    scheme = text.partition("://")[0]
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES[:2])
        raise ValueError(f"{text}: expected a local path, or one that begins with {known}. Copy the files there.")
    try:
        import upath  # pyright: ignore[reportMissingImports]

        # Listings that are kept would hide what other processes write.
        place: Any = upath.UPath(text.rstrip("/"), use_listings_cache=False)
        place.fs  # noqa: B018  (loads the library of the store)
    except ImportError as error:
        reason = f"{scheme}:// needs a library that is missing ({error})"
        raise ValueError(f"{text}: {reason}. Run pip install 'ctrzoo[stores]'.") from None
    return place


def local_path(path: Path, what: str) -> pathlib.Path:
    """Return the path of a local file or folder.

    Args:
        path: The path.
        what: What it is, for the message.

    Raises:
        ValueError: If it is a URL, which would otherwise name a local folder such as `s3:`.

    >>> local_path("s3://bucket/runs", "`workdir`")
    Traceback (most recent call last):
    ...
    ValueError: `workdir` must be a local path. Received: s3://bucket/runs.
    """
    if is_url(path):
        raise ValueError(f"{what} must be a local path. Received: {path}.")
    return pathlib.Path(path)


def stamp(path: pathlib.Path) -> list[Any]:
    """Return the name of a file, its size, and what changes when it is rewritten, JSON-serializable.

    >>> stamp(as_path("/dev/null"))[:2]
    ['/dev/null', 0]
    """
    if not is_url(path):
        status = path.stat()
        return [str(path.absolute()), status.st_size, status.st_mtime_ns]
    info = _fs(path).info(_key(path))
    return [str(path), info["size"], next((str(info[key]) for key in VERSIONS if key in info), None)]


def matching(pattern: pathlib.Path) -> list[pathlib.Path]:
    """Return the files or objects that match a pattern with `*`, `?` or `[...]`, sorted by name."""
    if not is_url(pattern):
        return [pathlib.Path(path) for path in sorted(glob.glob(str(pattern)))]
    scheme = str(pattern).partition("://")[0]
    return [as_path(f"{scheme}://{name.removeprefix('/')}") for name in sorted(_fs(pattern).glob(_key(pattern)))]


@contextlib.contextmanager
def opened(path: pathlib.Path, ahead: bool = True) -> Iterator[BinaryIO]:
    """Yield a file that is open for reading bytes.

    Args:
        path: A local file, or an object in a store.
        ahead: Whether to fetch large blocks of an object, the next one in the background. Otherwise, little more is
            fetched than what is read, such as for the first line.
    """
    if not is_url(path):
        with open(path, "rb") as file:
            yield file
        return
    cache: Any = {"cache_type": "background", "cache_options": {"maxblocks": 4}} if ahead else {"cache_type": "none"}
    with _fs(path).open(_key(path), "rb", block_size=BLOCK_BYTES, **cache) as file:
        yield typing.cast(BinaryIO, io.BufferedReader(file, BUFFER_BYTES))  # S3 files lack `readline` with a limit


@contextlib.contextmanager
def opened_at_places(path: pathlib.Path) -> Iterator[BinaryIO]:
    """Yield an object of a store that is open for reading bytes; each read fetches just its bytes."""
    with _fs(path).open(_key(path), "rb", cache_type="none") as file:
        yield file


def sizes(folder: pathlib.Path) -> dict[str, int]:
    """Return the size in bytes of each object of a folder in a store, by name."""
    found = _fs(folder).ls(_key(folder), detail=True)
    return {info["name"].rpartition("/")[2]: info["size"] for info in found if info["type"] == "file"}


@contextlib.contextmanager
def written(path: Path) -> Iterator[pathlib.Path]:
    """Yield a temporary local path; on success the file there becomes the file or object `path`.

    An object is uploaded as a whole, so it is either complete or not there.
    """
    if not is_url(path):
        with replaced(path) as temporary:
            yield temporary
        return
    place = as_path(path)
    with temporary_folder("upload") as folder:
        temporary = folder / place.name
        yield temporary
        with reaching(path):
            _fs(place).put_file(str(temporary), _key(place))


def check_writable(path: pathlib.Path) -> None:
    """Write an empty object next to the place of another one, and delete it, before hours of work are done in vain.

    Raises:
        OSError: If the store cannot be reached, or refuses.
    """
    with reaching(path):
        probe = path.with_name(f".{path.name}.{secrets.token_hex(4)}.probe")
        probe.write_bytes(b"")
        probe.unlink()


def cache_folder() -> pathlib.Path:
    """Return the folder for what can be made or copied again: `$XDG_CACHE_HOME/ctrzoo`, or `~/.cache/ctrzoo`."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return pathlib.Path(cache if os.path.isabs(cache) else "~/.cache").expanduser() / "ctrzoo"


@contextlib.contextmanager
def reaching(path: Path) -> Iterator[None]:
    """Turn the errors of a store's library into ones that name the path and say what to do.

    Raises:
        OSError: If the store cannot be reached, or refuses.

    >>> with reaching("logs/clicks.csv"):
    ...     pass
    """
    try:
        yield
    except Exception as error:
        if is_url(path) and (mended := explained(error, path)):
            raise mended from error
        raise


def explained(error: BaseException, path: Any = None) -> OSError | None:
    """Return an error of a store's library as an error that says what to do; None for other errors.

    Args:
        error: The error.
        path: The object or folder, if it is known.
    """
    if isinstance(error, (FileNotFoundError, PermissionError)) and error.errno is None and "://" not in str(error):
        return type(error)(f"{path}: {error}. Correct the path, or ask for access.") if path else None
    kinds = {kind.__module__.split(".")[0]: kind.__name__ for kind in type(error).__mro__}
    if not kinds.keys() & set(LIBRARIES):
        return None
    where, name = f"{path}: " if path else "", type(error).__name__
    what = " ".join((str(error) or name).split())
    if name == "FileExpired":
        return OSError(f"{where}the object changed while it was read. Rerun the command to read the new one.")
    if "credential" in name.lower() or "credential" in what.lower() or "Unauthorized" in what:
        return PermissionError(
            f"{where}the store does not know who asks ({what}). Log in, such as by `aws configure` or `gcloud auth "
            "application-default login`, or set the variables of the environment that its library reads."
        )
    return ConnectionError(f"{where}the store could not be reached or refused ({what}). Rerun the command to resume.")


def _fs(path) -> Any:
    return path.fs


def _key(path) -> str:
    return path.path
