"""Synthetic clicks that drift: from day to day tastes change, ads come and go, and so does the share of clicks."""

from __future__ import annotations

import numpy as np
import polars as pl

NUM_USERS, NUM_ADS, NUM_SITES, RANK = 300, 200, 20, 2
# Each day, so many ads are replaced by new ones, and effects and factors of all ads move by so much.
REPLACED, EFFECT, FACTOR = 16, 0.4, 0.15
SCHEMA = {
    "label": "click",
    "fields": [{"name": "user", "min_count": 2}, {"name": "ad", "min_count": 2}, "site", "hour"],
}


def drifting_days(num_days: int, rows: int, first_rows: int, seed: int) -> list[pl.DataFrame]:
    """Return the rows of consecutive days.

    The logit of a click is a base that swings within a week, plus effects of ad, site and hour, plus the product of two
    factors of user and ad. The effects and factors of ads are random walks, so older rows tell less.

    Args:
        num_days: Number of days.
        rows: Rows of each day but the first.
        first_rows: Rows of the first day.
        seed: Seed of everything.

    >>> [len(day) for day in drifting_days(3, 100, 200, seed=0)]
    [200, 100, 100]
    """
    random = np.random.default_rng(seed)
    users = random.normal(size=(NUM_USERS, RANK))
    sites, hours = random.normal(scale=0.5, size=NUM_SITES), random.normal(scale=0.3, size=24)
    ads, effects = random.normal(scale=0.5, size=(NUM_ADS, RANK)), random.normal(size=NUM_ADS)
    names = np.arange(NUM_ADS)
    days = []
    for day in range(num_days):
        if day:
            ads += random.normal(scale=FACTOR, size=ads.shape)
            effects += random.normal(scale=EFFECT, size=NUM_ADS)
            gone = random.choice(NUM_ADS, REPLACED, replace=False)
            ads[gone], effects[gone] = random.normal(scale=0.5, size=(REPLACED, RANK)), random.normal(size=REPLACED)
            names[gone] = names.max() + 1 + np.arange(REPLACED)
        count = rows if day else first_rows
        user, ad = random.integers(NUM_USERS, size=count), random.integers(NUM_ADS, size=count)
        site, hour = random.integers(NUM_SITES, size=count), random.integers(24, size=count)
        base = -1.2 + 0.6 * np.sin(2 * np.pi * day / 7)
        logits = base + effects[ad] + sites[site] + hours[hour] + (users[user] * ads[ad]).sum(axis=1)
        clicks = random.random(count) < 1 / (1 + np.exp(-logits))
        cells = {"user": "u", "ad": "a", "site": "s"}
        numbers = {"user": user, "ad": names[ad], "site": site}
        columns = {key: [f"{letter}{number}" for number in numbers[key]] for key, letter in cells.items()}
        days.append(pl.DataFrame({"click": clicks.astype(np.uint8), **columns, "hour": hour}))
    return days
