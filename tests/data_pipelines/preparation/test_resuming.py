"""A preparation that is killed goes on where it was, and gives the same bytes."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import textwrap

import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.storage import writing

# CTRZOO_KILLS=20 pytest tests/data_pipelines/preparation -k killed
KILLS = max(3, int(os.environ.get("CTRZOO_KILLS", "8")))
# The parent only imports; each child prepares the table and is killed by a timer of its own.
PREPARE = """
    import os, pathlib, random, signal, sys, threading, time
    from ctrzoo.data_pipelines.preparation import division, history_log, table
    from ctrzoo.data_pipelines.raw import sources

    folder, raw, delays = pathlib.Path(sys.argv[1]), sys.argv[2], [float(word) for word in sys.argv[3:]]
    division.SHARD_BLOCKS, history_log.PARTITION_BYTES = 1, 300_000
    original = sources.TextSource
    table.TextSource = lambda *arguments: original(*arguments, chunk_bytes=100_000)
    schema = {
        "label": "click",
        "fields": [
            {"name": "site", "min_count": 3},
            {"name": "price", "kind": "numerical", "transform": "standard"},
            {"name": "size", "transform": "quantile", "num_buckets": 5},
            {"name": "tags", "kind": "multivalued", "weight_separator": ":"},
            {"name": "both", "cross": ["size", "site"], "min_count": 2},
        ],
        "history": {"of": "site", "by": "size", "order": "price", "length": 3},
    }

    def finished_files():
        # The files that come last of a chunk, a field and a shard, and say that it is complete.
        state = folder.with_name(f".{folder.name}.preparing")
        patterns = ["chunks/0*.json", "fields/0*/encoding.json", "rows/0*.json", "rows/shard-*.npy"]
        patterns += ["histories/*.json", "histories/events-*", "histories/places-*"]
        files = [path for pattern in patterns for path in state.glob(pattern)]
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}

    redone, before = 0, {}
    for delay in delays:
        child = os.fork()
        if not child:
            timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL))
            timer.daemon = True  # a child that fails ends at once
            timer.start()
            table.prepare_own_table(folder, "small", raw, schema)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or status == 0, "a preparation failed"
        print("killed" if os.WIFSIGNALED(status) else "finished", flush=True)
        if folder.exists():
            sys.exit()
        after = finished_files()
        assert before.items() <= after.items(), "a finished file was made again"
        before = after
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    random.seed(5)
    path = tmp_path_factory.mktemp("raw") / "clicks.csv"
    lines = ["click,site,price,size,tags"]
    for row in range(40_000):
        tags = "|".join(f"t{random.randrange(50)}:{random.random():.2f}" for _ in range(row % 4))
        lines.append(f"{row % 3 % 2},s{random.randrange(3000)},{random.random():.4f},{random.randrange(99)},{tags}")
    path.write_text("\n".join(lines) + "\n")
    return path


def prepare(folder, raw, delays):
    """Run preparations that are killed after so many seconds each; return what became of them."""
    command = [sys.executable, "-c", textwrap.dedent(PREPARE), folder, raw, *map(str, delays)]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def digests(folder):
    """What was prepared; the report, and so its checksum, holds times and is not the same twice."""
    files = [path for path in folder.rglob("*") if path.name not in ("report.json", "checksums.json")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_killed_at_random_moments_it_gives_the_bytes_of_an_undisturbed_run(tmp_path, raw):
    assert prepare(tmp_path / "undisturbed", raw, [1000]) == ["finished"]
    expected = digests(tmp_path / "undisturbed")
    assert len(expected) > 14  # several shards
    seconds = json.loads((tmp_path / "undisturbed" / "report.json").read_text())["seconds"]
    random.seed(0)
    kills = finishes = 0
    while kills < KILLS:
        outcomes = prepare(
            tmp_path / "killed", raw, [random.uniform(0.02, 0.6 * seconds) for _ in range(KILLS - kills)]
        )
        kills += outcomes.count("killed")
        if outcomes[-1] == "killed":
            prepare(tmp_path / "killed", raw, [1000])
        assert digests(tmp_path / "killed") == expected
        shutil.rmtree(tmp_path / "killed")
        finishes += 1
    assert list(tmp_path.iterdir()) == [tmp_path / "undisturbed"]
    assert finishes < KILLS  # work was kept from one kill to the next


@pytest.mark.parametrize("is_remote", [False, True], ids=["local", "store"])
def test_interrupted_after_its_checksums_were_written_it_resumes(is_remote, tmp_path, raw, request, monkeypatch):
    folder = f"{request.getfixturevalue('store')}/clicks" if is_remote else tmp_path / "clicks"
    schema = {"label": "click", "fields": ["site", "size"]}

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writing, "upload" if is_remote else "synchronize", interrupted)
        prepare_own_table(folder, "small", raw, schema)
    assert list(tmp_path.rglob("checksums.json"))  # of the interrupted preparation
    prepare_own_table(folder, "small", raw, schema)
    assert sum(load(folder).num_rows.values()) == 40_000
