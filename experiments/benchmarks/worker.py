"""The measuring process: `python -m ctrzoo.experiments.benchmarks.worker '<work as JSON>'`.

It pins itself to its cores, prepares the work, then answers each line of its input that holds a number n by
making n calls and writing `{"wall", "cpu"}` in seconds. At the end of its input it writes its peak memory.
So several processes can be timed in turns, and each has its memory to itself.
"""

import importlib
import json
import os
import sys
import time

from ctrzoo.memory import peak_bytes

from .work import IMPLEMENTATIONS, Work


def main() -> None:
    """Serve one work."""
    work = Work(**json.loads(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries may print what they like, but not among the answers
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, work.cores)
    try:
        call = importlib.import_module(IMPLEMENTATIONS[work.implementation]).prepare(work)
        call(1)
    except Exception as error:  # whatever another library raises is a line of the report
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
