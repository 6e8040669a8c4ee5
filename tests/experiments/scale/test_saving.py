"""The cost of a checkpoint: its file has the bytes of the arrays, and nothing is left of it."""

from ctrzoo.experiments.scale.saving import measure


def test_a_small_checkpoint(tmp_path):
    found = measure(tmp_path, megabytes=3)
    assert 3_000_000 <= found["bytes"] < 3_010_000
    assert {name for name in found} == {
        "bytes",
        *(f"{a}_{b}" for a in ("save", "restore") for b in ("elapsed", "processor")),
    }
    assert all(value > 0 for value in found.values())
    assert list(tmp_path.iterdir()) == []
