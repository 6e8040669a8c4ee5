"""Small prepared folders, and the real data where a machine has it."""

import os
import pathlib

import polars as pl
import pytest

from ctrzoo.data_pipelines import PreparedWriter, load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines import clicks_table
from tests.data_pipelines.small_table import SCHEMA

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes one block a split into a prepared folder."""

    def write(name="small", schema=SCHEMA, **blocks):
        with PreparedWriter(tmp_path / name, name, schema) as writer:
            for split, block in blocks.items():
                writer.add(split, block)
        return tmp_path / name

    return write


@pytest.fixture
def prepared(tmp_path):
    """Return a function that writes a table and prepares it."""

    def prepare(content, schema=clicks_table.SCHEMA, suffix=".csv", **options):
        path = tmp_path / f"clicks{suffix}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        report = prepare_own_table(tmp_path / "prepared", "clicks", path, schema, **options)
        return load(tmp_path / "prepared"), report

    return prepare


@pytest.fixture
def typed(tmp_path):
    """Return the path of a Parquet file of unusual types, the label last."""
    label = pl.Series(["0", "1"] * 50, dtype=pl.Categorical)
    pl.DataFrame({**clicks_table.TYPED, "click": label}).write_parquet(tmp_path / "typed.parquet")
    return tmp_path / "typed.parquet"


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of real data sets, or skip."""
    folder = pathlib.Path(os.environ.get("CTRZOO_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ml-1m.zip").is_file():
        pytest.skip(f"needs ml-1m.zip in {folder}; set CTRZOO_DATA to a folder that has it")
    return folder
