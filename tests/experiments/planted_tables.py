"""A table in which one pair of fields interacts, one field acts alone and one says nothing, prepared for every task."""

import numpy as np
import pandas as pd

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

LABELS = {
    "classification": {"column": "click"},
    "regression": {"column": "price", "kind": "real"},
    "poisson": {"column": "sold", "kind": "real"},
    "ranking": {"column": "grade", "kind": "graded"},
}
VALUES = 6


def planted_frame(num_rows, seed=0):
    """Return rows whose labels depend on site x ad and on hour; users are noise, a list has ten rows."""
    random = np.random.default_rng(seed)
    columns = {name: random.integers(0, VALUES, num_rows) for name in ("site", "user", "ad", "hour")}
    of_site, of_ad, of_hour = random.normal(size=(3, VALUES)) * 1.2
    signal = of_site[columns["site"]] * of_ad[columns["ad"]] + of_hour[columns["hour"]]
    noisy = signal + random.normal(size=num_rows) / 2
    return pd.DataFrame(
        {
            **columns,
            "list": np.arange(num_rows) // 10,
            "weight": random.integers(1, 4, num_rows),
            "click": (noisy > 0.5).astype(int),
            "price": 3 + noisy,
            "sold": random.poisson(np.exp(signal / 2)),
            "grade": np.digitize(noisy, np.quantile(noisy, [0.5, 0.75, 0.9])),
        }
    )


def prepared(folder, kind, num_rows=6000, **roles):
    """Prepare the table with the label of a task, a sixth of its lists for validation and another for tests."""
    planted_frame(num_rows).to_csv(folder / "rows.csv", index=False)
    schema = {
        "label": LABELS[kind],
        "group": "list",
        "keep_groups": True,
        "fields": ["site", "user", "ad", "hour"],
        "split": {"column": "list", "valid_from": num_rows // 15, "test_from": num_rows // 12},
    }
    prepare_own_table(folder / kind, kind, folder / "rows.csv", schema | roles)
    return load(folder / kind)
