"""Calls on all cores whose results come in order."""

import threading

import pytest

from ctrzoo.data_pipelines.preparation import parallel
from ctrzoo.data_pipelines.preparation.parallel import in_order, num_cores


def test_results_come_in_order_although_the_first_call_ends_last(monkeypatch):
    monkeypatch.setattr(parallel, "num_cores", lambda: 2)
    released = threading.Event()

    def call(item):
        if item == 0:
            assert released.wait(timeout=60)
        else:
            released.set()
        return item

    assert list(in_order(call, range(2))) == [0, 1]


def test_the_first_failure_in_order_is_raised_and_few_items_are_taken_ahead():
    taken = []

    def items():
        for item in range(10_000):
            taken.append(item)
            yield item

    def call(item):
        if item >= 5:
            raise ValueError(f"item {item}")
        return item

    results = in_order(call, items())
    with pytest.raises(ValueError, match="item 5"):
        list(results)
    assert len(taken) <= 6 + num_cores() + 1
