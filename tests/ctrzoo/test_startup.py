"""The options that are handed to XLA's compiler by an environment variable."""

import os

import pytest

from ctrzoo.startup import keep_loops_rolled

OPTION = "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling"


@pytest.mark.parametrize(
    "before, after",
    [
        (None, OPTION),
        ("--xla_cpu_max_isa=AVX2", f"--xla_cpu_max_isa=AVX2 {OPTION}"),
        ("--xla_backend_extra_options=one", "--xla_backend_extra_options=one"),
        (OPTION, OPTION),
    ],
)
def test_options_of_the_user_are_kept(monkeypatch, before, after):
    monkeypatch.setenv("XLA_FLAGS", "")  # restored afterwards
    monkeypatch.delenv("XLA_FLAGS") if before is None else monkeypatch.setenv("XLA_FLAGS", before)
    keep_loops_rolled()
    assert os.environ["XLA_FLAGS"] == after
