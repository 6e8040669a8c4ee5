"""What all kinds of input share."""

import pytest


@pytest.fixture
def without_pictures(monkeypatch):
    """Leave out the picture of the fields, which takes longer than the preparation of a small table."""
    monkeypatch.setattr("ctrzoo.data_pipelines.preparation.report.draw_fields", lambda report, path: None)
