"""Run tasks on all cores, in threads: the libraries that do the work release the GIL."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

# Before Python 3.11.8, NumPy fails now and then if two threads read the headers of arrays at a time:
# https://github.com/python/cpython/issues/106905.
ARRAY_LOCK = threading.Lock() if sys.version_info < (3, 11, 8) else contextlib.nullcontext()

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_cores() -> int:
    """Return the number of cores to use: those of this process, at most 16, because each needs memory."""
    return min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order.

    One call per core runs at a time, and items are taken from the iterable only shortly before their turn. If a call
    fails, running calls are awaited; then the error of the first failed item in order is raised.

    >>> list(in_order(str, range(3)))
    ['0', '1', '2']
    """
    with concurrent.futures.ThreadPoolExecutor(num_cores()) as executor:
        running = collections.deque()
        try:
            for item in items:
                running.append(executor.submit(function, item))
                if len(running) > num_cores():
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
