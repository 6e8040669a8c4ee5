"""The page of scale: its tables are those that the command writes, and the command writes them."""

import re
import subprocess
import sys

import pytest

from ctrzoo.experiments.scale.page import PAGE, TABLES, updated
from tests.ctrzoo.on_jax import CHECKOUT

TEXT = PAGE.read_text(encoding="utf-8")


def run(*arguments):
    command = [sys.executable, "-m", "ctrzoo.experiments.scale", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_tables_are_those_of_the_command():
    """If points or formulas changed, run `python -m ctrzoo.experiments.scale`."""
    assert updated(TEXT) == TEXT


def test_rows_have_as_many_cells_as_their_titles():
    tables = re.findall(r"(?:^\|.*\|\n)+", TEXT, re.MULTILINE)
    assert len(tables) >= len(TABLES)
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_a_page_without_a_mark_is_refused():
    with pytest.raises(ValueError, match="<!-- begin: folder -->"):
        updated(TEXT.replace("<!-- begin: folder -->", ""))


def test_the_command_writes_the_page_and_its_picture(tmp_path):
    page = tmp_path / "scale.md"
    page.write_text(
        re.sub(r"(<!-- begin: .*? -->\n).*?(<!-- end -->)", r"\1\2", TEXT, flags=re.DOTALL), encoding="utf-8"
    )
    ended = run(f"--page={page}")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{page}: tables written anew\n"
    assert page.read_text(encoding="utf-8") == TEXT
    assert (tmp_path / "scale.png").stat().st_size > 10_000


def test_the_command_prints_a_step():
    """A million ids, 2 slots, width 4, batch 16,000: T = 20 MB and R = 16,000 x 2 x 5 x 4 = 640,000 bytes."""
    options = {"num_devices": 2, "num_ids": 10**6, "num_slots": 2, "width": 4, "units": "", "batch_size": 16_000}
    ended = run("--strategy=divided_tables", *(f"--{name}={value}" for name, value in options.items()))
    assert ended.returncode == 0, ended.stderr
    assert "| held per device | 0.030 GB of 80 GB |" in ended.stdout  # a half of the table and of two moments
    assert "| sent per device and step | 0.640 MB |" in ended.stdout  # 1 / 2 x 2 R
    assert re.search(r"\| step \| 3\.\d{3} ms \|", ended.stdout), ended.stdout
    assert run("--strategy=unheard_of").returncode != 0
