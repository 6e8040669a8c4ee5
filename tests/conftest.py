"""What several tests need: the optional folder of real data, and schemas of every field kind."""

import contextlib
import os
import pathlib
import re
import sys
from unittest import mock

import pytest

from ctrzoo.schema import Field, Schema
from tests.object_store import s3, store  # noqa: F401  (fixtures)

os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # expected values are those of full float32, on a GPU too

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
DATA = pathlib.Path(os.environ.get("CTRZOO_DATA", CHECKOUT.parent / "shared" / "data"))

NIGHTLY = [line for line in (CHECKOUT / "tests" / "nightly.txt").read_text().splitlines() if line and line[0] != "#"]
FOURTH = "1/4 "  # before a test of which every fourth case always runs


@pytest.hookimpl(tryfirst=True)  # before `-m "not nightly"` chooses
def pytest_collection_modifyitems(items):
    """Mark the tests that `nightly.txt` lists."""
    cases = dict.fromkeys((line.removeprefix(FOURTH) for line in NIGHTLY if line.startswith(FOURTH)), 0)
    patterns = [re.escape(line).replace(r"\*", ".*") for line in NIGHTLY if not line.startswith(FOURTH)]
    listed = re.compile("|".join(patterns))
    for item in items:
        name = item.nodeid.partition("[")[0]
        if listed.fullmatch(item.nodeid):
            item.add_marker(pytest.mark.nightly)
        elif name in cases and not item.get_closest_marker("nightly"):
            if cases[name] % 4:
                item.add_marker(pytest.mark.nightly)
            cases[name] += 1


@pytest.fixture(scope="session", autouse=True)
def without_pictures_of_tables():
    """Leave out the picture of a prepared table, which takes longer than the preparation of a small one.

    A test of the picture puts `draw_fields` back.
    """
    report = sys.modules.get("ctrzoo.data_pipelines.preparation.report")
    with mock.patch.object(report, "draw_fields") if report else contextlib.nullcontext():
        yield


@pytest.fixture
def mixed_schema():
    """One field of each kind, and a second categorical one."""
    return Schema(
        [
            Field("user", vocabulary_size=9),
            Field("age", "numerical"),
            Field("item", vocabulary_size=5),
            Field("tags", "multivalued", vocabulary_size=4, num_slots=3),
        ]
    )


@pytest.fixture
def float64():
    """Compute in float64, so that a slow reference can be met to the last digits."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(policy)
