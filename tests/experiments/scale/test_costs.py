"""Prices: by hand, recovered from planted ones, and how well they predict the points that they were not fitted to."""

import dataclasses

import pytest

from ctrzoo.experiments.scale.costs import A100, Prices, fitted, predicted, read_points, workload_of_point
from ctrzoo.experiments.scale.measuring import SETTINGS, Point, grid
from ctrzoo.experiments.scale.page import prices_of
from ctrzoo.experiments.scale.strategies import Step

STEP = Step(held_bytes=9, buffer_bytes=9, flops=10, moved_bytes=20, ids=3, sent_bytes=40, exchanges=2)


def test_parts_by_hand():
    prices = Prices(overhead=1, flop=0.1, moved_byte=0.5, id=2, sent_byte=0.25, exchange=5)
    assert prices.parts(STEP) == {"computing": 1 + 1, "memory": 10 + 6, "exchange": 10 + 10}
    assert prices.seconds(STEP) == 38


def test_a_device_by_hand():
    device = dataclasses.replace(A100, flops=10, bandwidth=20, near=40, far=4, per_host=8, overhead=1, latency=0.5)
    one_host, two_hosts = device.prices(8), device.prices(16)
    assert one_host == Prices(1, 1 / 10, 1 / 20, 64 / 20, 1 / 40, 3 * 0.5)
    assert two_hosts == Prices(1, 1 / 10, 1 / 20, 64 / 20, 1 / 4, 4 * 0.5)
    assert one_host.seconds(STEP) == pytest.approx(1 + 1 + 1 + 9.6 + 1 + 3)


def test_a_point_is_the_model_that_is_measured():
    found = workload_of_point(Point("mirrored", 2, batch_size=512, width=16, hidden=64))
    assert found.looked_up_bytes == 4 * 512 * 26 * 17
    assert found.tables[0].rows == 260_001
    assert found.flops == 6 * (26 * 16 * 64 + 64 * 64 + 64)


def test_planted_prices_are_found_again():
    planted = Prices(overhead=2e-3, flop=1e-11, moved_byte=2e-10, id=5e-8, sent_byte=3e-10)
    points = [point for point in grid() if point.strategy != "mirrored_dense"]
    found = fitted(points, [predicted(point, planted) for point in points])
    for field in dataclasses.fields(Prices):
        assert getattr(found, field.name) == pytest.approx(getattr(planted, field.name), rel=1e-6), field.name


def test_the_work_of_all_devices_is_added_up():
    """Overhead is that of each device; the arithmetic of a divided batch is the same on any number of them."""
    prices = Prices(overhead=1, flop=0, moved_byte=0, id=0, sent_byte=0)
    points = [Point("divided_batch", number, 512, 16, 64) for number in (1, 4)]
    assert [predicted(point, prices) for point in points] == [1, 4]
    prices = Prices(overhead=0, flop=1, moved_byte=0, id=0, sent_byte=0)
    one, four = (predicted(point, prices) for point in points)
    assert one == four
    whole = predicted(dataclasses.replace(points[1], strategy="divided_tables"), prices)
    assert whole == 4 * one


def test_eight_devices_are_predicted_from_fewer():
    """The fit uses points of 1, 2 and 4 devices; those of 8 were only measured. The page shows each error."""
    points = read_points()
    prices = prices_of(points)
    assert set(prices) == {"jax", "tensorflow"}
    errors = {
        point: predicted(point, prices["tensorflow" if point.strategy.startswith("mirrored") else "jax"]) / seconds - 1
        for point, seconds in points.items()
        if point.num_devices == 8
    }
    assert {point.strategy for point in errors} == set(SETTINGS)
    assert max(map(abs, errors.values())) < 0.5, errors
