"""A table of clicks as text, and what its rows become; a table of unusual types."""

import numpy as np
import polars as pl

from tests.data_pipelines.small_table import stored_block

HEADER = "click,site,price,tags\n"

ROWS = [f"{row % 2},s{row % 3},{row}.5,a:1|b:2\n" for row in range(100)]

SCHEMA = {
    "label": "click",
    "fields": [
        "site",
        {"name": "price", "kind": "numerical"},
        {"name": "tags", "kind": "multivalued", "weight_separator": ":", "pooling": "sum"},
    ],
}


def all_rows(data):
    """Stored ids, numbers and labels of all splits, sorted by price."""
    ids, numbers, labels = stored_block(data.folder)[:3]
    order = np.argsort(numbers[:, 0])
    return ids[order], numbers[order], labels[order]


# Sites 1 to 3, price 4, tags a and b 5 and 6 with weights 1 and 2.
IDS = [[1 + row % 3, 5, 6] for row in range(100)]

NUMBERS = [[row + 0.5, 1, 2] for row in range(100)]

TYPED = {
    "category": pl.Series(["a", "b"] * 50, dtype=pl.Categorical),
    "codes": pl.Series(["1", "2"] * 50, dtype=pl.Enum(["1", "2"])),
    "bytes": pl.Series([b"x", b"y"] * 50),
    "no_text": pl.Series([b"x", b"\xff"] * 50),
    "lists": pl.Series([[1, 2], [3]] * 50),
    "byte_lists": pl.Series([[b"x"], [b"y", b"\xff"]] * 50),
    "list_lists": pl.Series([[["a"]], []] * 50),
    "structure": pl.Series([{"a": 1}, {"a": 2}] * 50),
    "span": pl.Series([1, 2] * 50, dtype=pl.Duration("us")),
}

TEXT = HEADER + "".join(ROWS)
