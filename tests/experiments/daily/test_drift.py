"""The drifting days have what a rolling evaluation needs: old tastes fade, and new ads come."""

import numpy as np
import polars as pl
import pytest

from ctrzoo.experiments.daily.drift import NUM_ADS, REPLACED, drifting_days


@pytest.fixture(scope="module")
def days():
    return drifting_days(6, 40_000, 60_000, seed=1)


def test_ads_come_and_go(days):
    ads = [set(day["ad"]) for day in days]
    assert [len(each) for each in ads] == [NUM_ADS] * 6
    assert [len(later - earlier) for earlier, later in zip(ads, ads[1:], strict=False)] == [REPLACED] * 5
    assert [len(day) for day in days] == [60_000, *[40_000] * 5]


def test_the_click_rates_of_ads_are_less_alike_the_further_days_are_apart(days):
    def rates(day):
        return dict(day.group_by("ad").agg(pl.col("click").mean()).rows())

    first = rates(days[0])
    likeness = []
    for day in days[1:]:
        now = rates(day)
        both = sorted(first.keys() & now.keys())
        likeness.append(np.corrcoef([first[ad] for ad in both], [now[ad] for ad in both])[0, 1])
    assert likeness[0] > likeness[2] > likeness[4] and likeness[0] > 0.7


def test_the_seed_decides_everything(days):
    assert drifting_days(2, 40_000, 60_000, seed=1)[0].equals(days[0])
    assert not drifting_days(1, 40_000, 60_000, seed=2)[0].equals(days[0])
