"""From raw files to batches.

`prepare` writes a data set to a folder once; `load` opens it. `FrameEncoder` takes a pandas DataFrame instead.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import pathlib
import time
import typing
from typing import Any

from ctrzoo.stores import local_path
from ctrzoo.suggest import unknown

from .datasets.avazu import prepare_avazu
from .datasets.criteo import prepare_criteo
from .datasets.kdd12 import prepare_kdd12
from .datasets.movielens_1m import prepare_movielens_1m
from .datasets.movielens_100k import prepare_movielens_100k
from .datasets.synthetic import prepare_synthetic
from .encoding.features import Block
from .encoding.frame import FrameEncoder
from .preparation.engine import Engine, prepare_table
from .preparation.replacing import replacing
from .progress import console
from .storage.reading import PreparedData, load
from .storage.writing import PreparedWriter

if typing.TYPE_CHECKING:
    from ctrzoo.types import Path

__all__ = [
    "DATASETS",
    "Block",
    "FrameEncoder",
    "PreparedData",
    "PreparedWriter",
    "check_engine",
    "load",
    "options_of",
    "prepare",
]

# Each function prepares a folder: `(folder, raw=None, *, options...)`. Those of tables take an `engine` after `raw`.
DATASETS = {
    "synthetic": prepare_synthetic,
    "criteo": prepare_criteo,
    "avazu": prepare_avazu,
    "kdd12": prepare_kdd12,
    "movielens_1m": prepare_movielens_1m,
    "movielens_100k": prepare_movielens_100k,
}


def options_of(name: str) -> dict[str, Any]:
    """Return the options of a data set with their defaults.

    >>> options_of("movielens_1m")
    {'protocol': 'reference', 'split_seed': 2019, 'target': 'liked', 'keep_groups': False,
     'shown': 'events'}
    """
    if name not in DATASETS:
        raise ValueError(unknown("data set", name, DATASETS))
    parameters = inspect.signature(DATASETS[name]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def check_engine(name: str) -> None:
    """Raise an error unless a data set is made from a table, which engines prepare.

    Raises:
        ValueError: If it is not.

    >>> check_engine("criteo")
    """
    options_of(name)  # refuses unknown names
    if "engine" not in inspect.signature(DATASETS[name]).parameters:
        raise ValueError(f"Data set '{name}' is not made from a table. Leave out the engine.")


def prepare(
    name: str,
    data_dir: Path,
    raw: Path | None = None,
    *,
    overwrite: bool = False,
    engine: Engine = prepare_table,
    **options: Any,
) -> pathlib.Path:
    """Prepare a data set's folder unless it already exists; return its path.

    Args:
        name: One of `DATASETS`.
        data_dir: Where prepared folders are stored: `<name>` with default options, else `<name>-<hash of the options>`.
        raw: The raw file or folder; needed unless the data set can be downloaded or generated. If the folder is
            already prepared, `raw` is ignored.
        overwrite: Whether to replace a folder that already exists. It stays until the new one is complete. A folder
            with other files in it is never replaced.
        engine: What prepares the table of the data set, such as
            `functools.partial(ctrzoo.data_pipelines.spark.files.prepare_source, session)` on Spark.
        **options: Options of the data set, see `options_of`.

    Returns:
        The folder, for `load`.

    Raises:
        ValueError: If the name or an option is unknown, the raw files are invalid, or an engine is given for a data set
            that is not made from a table.
        FileNotFoundError: If a raw file is missing, or the prepared folder is damaged.
        FileExistsError: If `overwrite` is True and the folder is not a prepared one.
    """
    defaults = options_of(name)
    for option in options:
        if option not in defaults:
            raise ValueError(f"Data set '{name}': {unknown('option', option, defaults)}")
    chosen = {**defaults, **options}
    if engine is not prepare_table:
        check_engine(name)
    suffix = ""
    if chosen != defaults:
        suffix = "-" + hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]
    folder = local_path(data_dir, "`data_dir`") / f"{name}{suffix}"
    if overwrite or not folder.exists():
        start = time.monotonic()
        try:
            with replacing(folder, overwrite) as place:
                with_engine = {} if engine is prepare_table else {"engine": engine}
                DATASETS[name](place, raw, **with_engine, **chosen)
        except FileExistsError:
            if overwrite:
                raise
            # Another process was faster, such as another worker of the same training.
        rows = sum(load(folder).num_rows.values())
        console.print(f"{name}: {rows:,} rows in {folder}, prepared in {time.monotonic() - start:.1f} s")
    prepared = load(folder)
    if {**defaults, **prepared.options} != chosen:  # a folder says nothing of options that were added later
        raise ValueError(
            f"{folder} was prepared with the options {prepared.options}, but {chosen} were requested. "
            "Delete the folder, or choose another `data_dir`."
        )
    return folder
