"""How many pairs of values have no training rows, and how many test rows have such a pair.

Command: `python -m ctrzoo.experiments.claims.sparsity --data FOLDER FOLDER --folder=experiments/results/claims`. The
folders are what `ctrzoo-prepare` wrote. Only categorical and multi-valued fields count, and only values that occur in
training rows: a new value has no pairs, whatever the other fields are.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ctrzoo.files import write_csv, write_text
from ctrzoo.types import Config

from ...data_pipelines import load
from ..cli import one_line_failures
from .markdown import table_lines

if TYPE_CHECKING:
    from ...data_pipelines import PreparedData

KINDS = ("categorical", "multivalued")
ROWS = 32_768


def counts_of(data: PreparedData) -> Config:
    """Return counts of pairs of values of different fields, over all pairs of fields.

    Args:
        data: Prepared data.

    Returns:
        `fields`, `values` (that occur in training rows), `pairs` (that these values can form), `without_rows` (pairs
        without a training row), `once` (pairs with exactly one), `test_rows` (whose values all occur in training rows)
        and `test_rows_with_unseen` (of these, those with at least one pair without a training row).

    Raises:
        ValueError: If fewer than two fields are categorical or multi-valued.
    """
    fields = [index for index, field in enumerate(data.schema.fields) if field.kind in KINDS]
    if len(fields) < 2:
        raise ValueError(
            f"{data.folder} must have at least two categorical or multi-valued fields. It has {len(fields)}."
        )
    slots = [np.flatnonzero(np.equal(data.schema.slot_fields, field)) for field in fields]
    train, test = (_ids(data, split) for split in ("train", "test"))
    known = np.zeros(data.schema.num_ids, bool)
    known[train[:, np.concatenate(slots)]] = True
    known[0] = True  # absent
    test = test[known[test[:, np.concatenate(slots)]].all(axis=1)]
    values = [len(np.unique(train[:, own][train[:, own] > 0])) for own in slots]
    possible, seen, once = 0, 0, 0
    has_unseen = np.zeros(len(test), bool)
    for first, second in itertools.combinations(range(len(fields)), 2):
        codes, numbers = np.unique(_codes(train, slots[first], slots[second], data.schema.num_ids), return_counts=True)
        numbers, codes = numbers[codes >= 0], codes[codes >= 0]
        possible += values[first] * values[second]
        seen += len(codes)
        once += int((numbers == 1).sum())
        of_test = _codes(test, slots[first], slots[second], data.schema.num_ids)
        has_unseen |= ((of_test >= 0) & ~np.isin(of_test, codes)).any(axis=1)
    return {
        "fields": len(fields),
        "values": sum(values),
        "pairs": possible,
        "without_rows": possible - seen,
        "once": once,
        "test_rows": len(test),
        "test_rows_with_unseen": int(has_unseen.sum()),
    }


def _ids(data, split):
    """Return the ids of all rows of a split, `(rows, slots)`; 0 for what is absent."""
    batches = data.dataset(split, ROWS, shuffle=False).as_numpy_iterator()
    return np.concatenate([np.where(batch[0]["values"] != 0, batch[0]["ids"], 0) for batch in batches])


def _codes(ids, first, second, num_ids):
    """Return a number for each pair of values of each row, `(rows, pairs)`; -1 where one of both is absent."""
    left, right = ids[:, first, None].astype(np.int64), ids[:, None, second].astype(np.int64)
    return np.where((left > 0) & (right > 0), left * num_ids + right, -1).reshape(len(ids), -1)


def markdown(rows: Sequence[Config]) -> str:
    """Return the counts as Markdown."""
    shown = [
        {
            "data": row["data"],
            "training rows": f"{row['training_rows']:,}",
            "fields": row["fields"],
            "values": f"{row['values']:,}",
            "pairs of values": f"{row['pairs']:,}",
            "without a training row": f"{row['without_rows'] / row['pairs']:.1%}",
            "with one training row": f"{row['once'] / row['pairs']:.1%}",
            "test rows with a pair without a training row": f"{row['test_rows_with_unseen'] / row['test_rows']:.1%}",
        }
        for row in rows
    ]
    lines = [
        "# Pairs of values without training rows",
        "",
        "Pairs of values of different categorical or multi-valued fields, over all pairs of fields. Only values that "
        "occur in training rows count, and only test rows of such values.",
        "",
    ]
    return "\n".join([*lines, *table_lines(shown)]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the counts of prepared folders, and write them on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, nargs="+", required=True, help="Folders of `ctrzoo-prepare`.")
    parser.add_argument("--folder", type=pathlib.Path, help="Where to write sparsity.md and sparsity.csv.")
    options = parser.parse_args(arguments)
    with one_line_failures("sparsity", "Interrupted."):
        rows = []
        for folder in options.data:
            data = load(folder)
            rows.append({"data": data.name, "training_rows": data.num_rows["train"], **counts_of(data)})
        text = markdown(rows)
        print(text, end="")
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            write_csv(options.folder / "sparsity.csv", rows)
            write_text(options.folder / "sparsity.md", text)


if __name__ == "__main__":
    main()
