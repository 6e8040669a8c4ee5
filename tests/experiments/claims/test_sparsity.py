"""Pairs of values without rows, counted by sets of pairs and by hand."""

import csv
import itertools

import pytest

from ctrzoo.experiments.claims.sparsity import counts_of, main
from ctrzoo.schema import Field, Schema
from tests.experiments.claims.test_table1 import movielens  # noqa: F401
from tests.small_data import SmallData

SCHEMA = Schema(
    [
        Field("a", vocabulary_size=6),
        Field("number", "numerical"),
        Field("tags", "multivalued", vocabulary_size=9, num_slots=3),
        Field("b", vocabulary_size=40),
    ]
)


class Data(SmallData):
    """Small data with a folder's name; the test rows have fewer values than the training rows."""

    folder = "small"

    def dataset(self, split, batch_size, shuffle=None, **options):
        assert shuffle is False
        return super().dataset(split, batch_size, shuffle=False, **options)


def test_counts_equal_those_of_sets():
    data = Data(SCHEMA, num_rows=120, seed=3)
    owners = SCHEMA.slot_fields

    def present(split):
        features, _ = data.arrays(split)
        return [
            [(owners[slot], id) for slot, id in enumerate(ids) if values[slot] and owners[slot] != 1]
            for ids, values in zip(features["ids"], features["values"], strict=True)
        ]

    def pairs_of(row):
        return [tuple(sorted(pair)) for pair in itertools.combinations(row, 2) if pair[0][0] != pair[1][0]]

    train, test = present("train"), present("test")
    known = {value for row in train for value in row}
    numbers = [len({id for field, id in known if field == each}) for each in (0, 2, 3)]
    seen = [pair for row in train for pair in pairs_of(row)]
    rows = [row for row in test if set(row) <= known]
    assert counts_of(data) == {
        "fields": 3,
        "values": len(known),
        "pairs": numbers[0] * numbers[1] + numbers[0] * numbers[2] + numbers[1] * numbers[2],
        "without_rows": sum(a * b for a, b in itertools.combinations(numbers, 2)) - len(set(seen)),
        "once": sum(seen.count(pair) == 1 for pair in set(seen)),
        "test_rows": len(rows),
        "test_rows_with_unseen": sum(bool(set(pairs_of(row)) - set(seen)) for row in rows),
    }
    assert 0 < sum(bool(set(pairs_of(row)) - set(seen)) for row in rows) < len(rows)
    assert len(rows) < len(test)  # some test rows have a new value


def test_one_field_has_no_pairs():
    schema = Schema([Field("a", vocabulary_size=3), Field("number", "numerical")])
    with pytest.raises(ValueError, match="at least two categorical or multi-valued fields. It has 1"):
        counts_of(Data(schema, num_rows=20))


def test_files(movielens, tmp_path, capsys):  # noqa: F811
    main(["--data", str(movielens), f"--folder={tmp_path / 'new'}"])
    text = (tmp_path / "new" / "sparsity.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out and "| movielens_1m | 8 | 6 |" in text
    with open(tmp_path / "new" / "sparsity.csv", newline="") as file:
        assert next(csv.DictReader(file))["fields"] == "6"
