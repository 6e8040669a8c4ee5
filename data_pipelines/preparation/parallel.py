"""Tasks on all cores, in threads: the libraries that do the work let other threads run meanwhile."""

from __future__ import annotations

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_cores() -> int:
    """Return the number of cores to use: those of this process, 16 at most, as each needs memory."""
    return min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `function(item)` of each item in the order of the items.

    As many calls run at a time as there are cores, and no item is taken from the iterable long before its turn. If
    a call fails, those that run are waited for and the failure of the first item in order is raised.

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
