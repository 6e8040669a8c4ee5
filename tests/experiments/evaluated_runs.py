"""A way to run `ctrzoo-evaluate` within a process, and to read what it wrote."""

import contextlib
import csv
import io
import json
import sys
import types

from ctrzoo.experiments import evaluate as program


def evaluate(*arguments, stdin=b""):
    """Run `ctrzoo-evaluate` in this process; return what it says on the standard streams: `(output, messages)`."""
    values = program.FLAGS
    for name in values:
        values[name].unparse()
    values(["ctrzoo-evaluate", *map(str, arguments)])
    output, messages = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, types.SimpleNamespace(buffer=io.BytesIO(stdin))
    try:
        with contextlib.redirect_stderr(messages), contextlib.redirect_stdout(output):
            program.main(["ctrzoo-evaluate"])
    finally:
        sys.stdin = before
    return output.getvalue(), messages.getvalue()


def evaluated(folder):
    """Return what an evaluation's `metrics.json` and `slices.csv` hold; the latter as a list, empty without slices."""
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    slices = []
    if (folder / "slices.csv").is_file():
        with open(folder / "slices.csv", newline="", encoding="utf-8") as file:
            slices = list(csv.DictReader(file))
    return content, slices
