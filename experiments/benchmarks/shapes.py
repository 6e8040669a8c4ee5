"""The benchmark tables: fields and vocabularies as in Criteo, Avazu and MovieLens-1M, and one with a history.

Their rows are synthetic.

This module needs only NumPy, so other libraries get the same rows in their own environment.
"""

from collections.abc import Mapping

import numpy as np

from ctrzoo.schema import Field, Schema


def vocabulary_sizes(num_fields: int, num_ids: int) -> list[int]:
    """Return uneven vocabulary sizes, from a few ids to a third of all, as in click logs.

    >>> vocabulary_sizes(4, 1000)
    [3, 3, 21, 973]
    """
    weights = np.geomspace(1, 1e5, num_fields)
    sizes = np.maximum(weights / weights.sum() * num_ids, 3).astype(int)
    sizes[-1] = num_ids - sizes[:-1].sum()
    return sizes.tolist()


def _categorical(num_fields, num_ids):
    sizes = vocabulary_sizes(num_fields, num_ids)
    return [Field(f"category_{number}", vocabulary_size=size) for number, size in enumerate(sizes, start=1)]


def _numerical(num_fields):
    return [Field(f"number_{number}", "numerical") for number in range(1, num_fields + 1)]


def history_schema(num_ids: int, num_events: int = 50) -> Schema:
    """Return a table of clicks with a history: the items that the user clicked before, and their categories.

    Args:
        num_ids: Ids of the table: nine tenths are items, and a tenth are users.
        num_events: Events of the history.

    >>> schema = history_schema(10_000)
    >>> schema.num_ids - 1, schema.histories
    (10000, {'item_history': ('item_history', 'category_history')})
    """
    users, categories, hours, devices = num_ids // 10, max(num_ids // 1000, 10), 24, 8
    items = num_ids - users - categories - hours - devices
    return Schema(
        (
            Field("user", vocabulary_size=users),
            Field("hour", vocabulary_size=hours),
            Field("device", vocabulary_size=devices),
            Field("item", vocabulary_size=items),
            Field("category", vocabulary_size=categories),
            Field("item_history", "sequence", vocabulary_size=items, num_slots=num_events, share="item"),
            Field(
                "category_history",
                "sequence",
                vocabulary_size=categories,
                num_slots=num_events,
                share="category",
                events="item_history",
            ),
        )
    )


SHAPES = {
    # 13 numerical and 26 categorical fields.
    "criteo": Schema((*_numerical(13), *_categorical(26, 999_987))),
    "avazu": Schema(tuple(_categorical(23, 1_500_000))),
    "movielens": Schema(
        (
            Field("gender", vocabulary_size=2),
            Field("age", vocabulary_size=7),
            Field("occupation", vocabulary_size=21),
            Field("zip_code", vocabulary_size=3439),
            Field("release_year", vocabulary_size=36),
            Field("timestamp", "numerical"),
            Field("genres", "multivalued", vocabulary_size=18, num_slots=6),
        )
    ),
    "history": history_schema(1_000_000),
    # For tests of the suite itself.
    "tiny": Schema(
        (
            Field("user", vocabulary_size=20),
            Field("item", vocabulary_size=10),
            Field("age", "numerical"),
            Field("tags", "multivalued", vocabulary_size=5, num_slots=3),
        )
    ),
}


def random_rows(schema: Schema, num_rows: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Generate synthetic rows: uniform ids (the hardest case for caches and row-wise updates), no absent entries.

    Args:
        schema: The `Schema`.
        num_rows: Number of rows.
        seed: Seed for all random numbers.

    Returns:
        `({"ids": int32 (rows, slots), "values": float32 (rows, slots)}, labels float32 (rows, 1))`.
    """
    random = np.random.default_rng(seed)
    ids, values = np.ones((2, num_rows, schema.num_slots), "float32")
    ids = ids.astype("int32")
    for slot, owner in enumerate(schema.slot_fields):
        field = schema.fields[owner]
        ids[:, slot] = schema.first_ids[owner] + random.integers(0, field.vocabulary_size, num_rows)
        if field.kind == "numerical":
            values[:, slot] = random.random(num_rows)
        elif field.kind == "multivalued":
            values[:, slot] = 1 / field.num_slots
    labels = random.integers(0, 2, (num_rows, 1)).astype("float32")
    return {"ids": ids, "values": values}, labels


def by_field(schema: Schema, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Split features for libraries that take one array per field, with ids that begin at 1.

    Returns:
        `{name: (rows,) numbers}` for numerical, `(rows,)` ids for categorical, `(rows, slots)` ids for
        multi-valued fields and sequences.
    """
    owners, columns = np.asarray(schema.slot_fields), {}
    for number, field in enumerate(schema.fields):
        slots = np.flatnonzero(owners == number)
        if field.kind == "numerical":
            columns[field.name] = features["values"][:, slots[0]]
        else:
            own = features["ids"][:, slots] - schema.first_ids[number] + 1
            columns[field.name] = own if field.num_slots > 1 else own[:, 0]
    return columns
