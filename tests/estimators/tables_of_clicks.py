"""A small table of clicks for estimators, and its labels."""

import numpy as np
import pandas as pd


def clicks(rows=120, seed=0):
    """Return a frame with a column of each kind, and labels that depend on the site."""
    random = np.random.default_rng(seed)
    site = random.choice(["a", "b", "c"], rows)
    frame = pd.DataFrame({"site": site, "price": random.normal(size=rows).round(3)})
    frame["tags"] = random.choice(["x|y", "y", "", "z|x"], rows)
    frame.loc[frame.index[:5], "price"] = None
    return frame, (random.random(rows) < np.where(site == "a", 0.9, 0.2)).astype(int)


COLUMNS = {"categorical": ["site"], "numerical": ["price"], "multivalued": ["tags"]}
FAST = {"epochs": 2, "batch_size": 32, "learning_rate": 0.05, "random_state": 3}
