"""The costs of vocabularies: the parts that are repeated give the fields and ids of a preparation."""

import pickle

import polars as pl

from ctrzoo.experiments.scale.vocabularies import NUM_FIELDS, counted, drive, work


def test_values_are_different_texts_of_eight_digits_in_all_fields():
    found = pl.DataFrame(pl.from_arrow(counted(10_000)))
    assert found["text"].n_unique() == 10_000
    assert found["text"].str.contains("^[0-9a-f]{8}$").all()
    assert found.group_by("field").len()["len"].min() == 10_000 // NUM_FIELDS


def test_driver_and_worker(tmp_path):
    """Every value gets an id; 4 bytes for each of its 8 digits, at least, are sent."""
    driven = drive(52_000, tmp_path / "sent")
    worked = work(tmp_path / "sent")
    fields = pickle.loads((tmp_path / "sent").read_bytes()).fields
    values = pl.DataFrame(pl.from_arrow(counted(52_000)))
    for index, field in enumerate(fields):
        assert field.values.to_list() == sorted(values.filter(pl.col("field") == index)["text"])
    assert driven["sent_bytes"] >= 8 * 52_000
    assert 0 < driven["file_bytes"] < driven["sent_bytes"]
    assert set(worked) == {"worker_bytes", "read_seconds", "index_seconds", "lookup_seconds"}
    del worked["index_seconds"]  # so few values are not indexed
    assert all(value > 0 for value in {**driven, **worked}.values())
