"""Histories: fields whose cells list the events before a row, the oldest first, such as the items seen so far.

The columns of a history describe the same events: the third value of each is of the third event. A value may be missing
in a column, and a missing cell says that it is for all events of the row. An event is left out if no column has an id
for it; otherwise it keeps its place in all of them. The newest events are kept. A serving graph takes the same steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import RowError
from .specification import FieldSpecification


def columns_of_histories(fields: Iterable[FieldSpecification]) -> dict[str, list[int]]:
    """Return the positions of the fields of each history, by its name.

    >>> seen = FieldSpecification("seen", "sequence")
    >>> columns_of_histories([FieldSpecification("user"), seen, FieldSpecification("kind", "sequence", events="seen")])
    {'seen': [1, 2]}
    """
    found: dict[str, list[int]] = {}
    for place, field in enumerate(fields):
        if field.kind == "sequence":
            found.setdefault(field.events or field.name, []).append(place)
    return found


def check_histories(fields: Sequence[FieldSpecification]) -> None:
    """Check that the fields of each history keep equally many events.

    Raises:
        ValueError: If they do not.

    >>> check_histories([FieldSpecification("seen", "sequence", max_values=3),
    ...                  FieldSpecification("kinds", "sequence", events="seen")])
    Traceback (most recent call last):
    ValueError: The fields of the history 'seen' need the same `max_values`. Received: seen 3, kinds None.
    """
    for history, places in columns_of_histories(fields).items():
        found = [(fields[place].name, fields[place].max_values) for place in places]
        if len({most for _, most in found}) > 1:
            raise ValueError(
                f"The fields of the history '{history}' need the same `max_values`. "
                f"Received: {', '.join(f'{name} {most}' for name, most in found)}."
            )


def lengths_of_events(fields: Sequence[FieldSpecification], lengths: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of events of each row, `(rows,)`.

    Args:
        fields: The fields of a history.
        lengths: The number of values of each row, for each field; 0 is a missing cell.

    Raises:
        RowError: If the cells of a row have different numbers of values.

    >>> lengths_of_events([], [np.array([2, 0]), np.array([0, 1])])
    array([2, 1])
    """
    most = np.maximum.reduce([np.asarray(each, np.int64) for each in lengths])
    wrong = np.flatnonzero(np.any([(each != most) & (each != 0) for each in lengths], axis=0))
    if len(wrong):
        found = ", ".join(f"{each[wrong[0]]} in '{field.column}'" for field, each in zip(fields, lengths, strict=True))
        raise RowError(wrong, f"the columns of a history must have equally many values, not {found}")
    return most


def pad_events(
    fields: Sequence[FieldSpecification], lengths: Sequence[np.ndarray], ids: Sequence[np.ndarray], num_slots: int
) -> list[np.ndarray]:
    """Put the newest events of all rows into slots, the oldest first.

    Args:
        fields: The fields of a history.
        lengths: For each field, the number of values of each row.
        ids: For each field, the local ids of all rows, one after the other; 0 is missing.
        num_slots: The most events kept of a row.

    Returns:
        For each field, local ids `(rows, num_slots)`.

    Raises:
        RowError: As in `lengths_of_events`.

    >>> items, kinds = pad_events([], [np.array([3, 1])] * 2, [np.array([7, 0, 9, 0]), np.array([1, 0, 0, 2])], 2)
    >>> items.tolist(), kinds.tolist()
    ([[7, 9], [0, 0]], [[1, 0], [2, 0]])
    """
    most = lengths_of_events(fields, lengths)
    starts = np.cumsum(most) - most
    aligned = []
    for each, own in zip(lengths, ids, strict=True):
        places = np.repeat(starts - (np.cumsum(each) - each), each) + np.arange(len(own))
        events = np.zeros(int(most.sum()), own.dtype)
        events[places] = own
        aligned.append(events)
    rows = np.repeat(np.arange(len(most)), most)
    present = np.any([events > 0 for events in aligned], axis=0)
    rows, aligned = rows[present], [events[present] for events in aligned]
    kept = np.bincount(rows, minlength=len(most))
    # The place of each event among those of its row, of which the first are cut.
    slots = np.arange(len(rows)) - np.searchsorted(rows, rows) - np.maximum(kept - num_slots, 0)[rows]
    stays = slots >= 0
    tables = []
    for events in aligned:
        table = np.zeros((len(most), num_slots), events.dtype)
        table[rows[stays], slots[stays]] = events[stays]
        tables.append(table)
    return tables
