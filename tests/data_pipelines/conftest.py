"""Small prepared folders, and the real data where a machine has it."""

import os
import pathlib

import pytest

from ctrzoo.data_pipelines import PreparedWriter
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


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of real data sets, or skip."""
    folder = pathlib.Path(os.environ.get("CTRZOO_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ml-1m.zip").is_file():
        pytest.skip(f"needs ml-1m.zip in {folder}; set CTRZOO_DATA to a folder that has it")
    return folder
