"""The measuring process: `python -m ctrzoo.experiments.benchmarks.worker '<work as JSON>'`.

The process pins itself to its cores and prepares the work. For each input line with a number n, it makes n calls and
writes `{"wall", "cpu"}` in seconds. At the end of its input, it writes its peak memory. Several processes can thus be
timed in turns, each with its own memory.
"""

import importlib
import json
import os
import sys
import time

from ctrzoo.memory import peak_bytes

from .work import IMPLEMENTATIONS, Work


def main() -> None:
    """Serve one `Work`."""
    work = Work(**json.loads(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # keeps output of libraries out of the answers
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, work.cores)
    try:
        call = importlib.import_module(IMPLEMENTATIONS[work.implementation]).prepare(work)
        call(1)
    except Exception as error:  # any error of another library becomes a line of the report
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}".splitlines()[0]}) + "\n")
        sys.exit(1)
    answers.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        call(int(line))
        answers.write(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}) + "\n")
    answers.write(json.dumps({"peak_megabytes": peak_bytes() / 1e6}) + "\n")
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
