"""Mutated files of a prepared folder are refused in one line, or give the same."""

import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.clicks_table import SCHEMA, TEXT
from tests.fuzz.mutations import judged, mutated, seeds


@pytest.mark.parametrize("has_checksums", [True, False], ids=["with checksums", "as version 0.1 wrote it"])
def test_folders(tmp_path, monkeypatch, has_checksums):
    monkeypatch.setattr("ctrzoo.data_pipelines.preparation.report.draw_fields", lambda report, path: None)
    (tmp_path / "clicks.csv").write_text(TEXT)
    folder = tmp_path / "clicks"
    prepare_own_table(folder, "clicks", tmp_path / "clicks.csv", SCHEMA)
    before = load(folder).fingerprint
    if not has_checksums:
        (folder / "checksums.json").unlink()
    paths = sorted(folder.iterdir())
    for number, source in enumerate(seeds(f"folders {has_checksums}")):
        path = source.choice(paths)
        original = path.read_bytes()
        path.write_bytes(mutated(original, source))
        with judged(f"{path.name} {number}"):
            data = load(folder)
            assert data.encoding is not None
            data.arrays("test")
            if has_checksums and path.name != "checksums.json":
                assert data.fingerprint == before
        path.write_bytes(original)
