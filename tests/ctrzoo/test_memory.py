"""The peak memory of a process."""

import subprocess
import sys
import types

from ctrzoo import memory
from tests.architecture import CHECKOUT


def test_peak_memory_counts_what_was_freed():
    # In a process of its own: in this one, an earlier test may have needed more.
    code = """
import numpy as np
from ctrzoo.memory import peak_bytes
before = peak_bytes()
assert np.ones(25_000_000).sum() == 25_000_000  # 200 MB, free again after this line
print(peak_bytes() - before)
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert 190e6 < int(finished.stdout) < 300e6


def test_systems_without_a_high_water_mark_are_asked_for_what_they_know(monkeypatch, tmp_path):
    usage = types.SimpleNamespace(ru_maxrss=5)
    monkeypatch.setattr(memory.resource, "getrusage", lambda who: usage)
    for status in ("", "VmRSS: 7 kB\n"):  # no such file, or one that lacks the line
        monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
        if status:
            (tmp_path / "status").write_text(status)
        for platform, unit in (("linux", 1024), ("darwin", 1)):
            monkeypatch.setattr(memory.sys, "platform", platform)
            assert memory.peak_bytes() == 5 * unit
    (tmp_path / "status").write_text("Name: x\nVmHWM:\t   12 kB\n")
    assert memory.peak_bytes() == 12 * 1024
