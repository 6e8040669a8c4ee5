"""The tables of the page by hand, and what must hold of them."""

import dataclasses
import json

import pytest

from ctrzoo.experiments.scale import terabyte
from ctrzoo.experiments.scale.costs import A100
from ctrzoo.experiments.scale.strategies import STRATEGIES
from ctrzoo.experiments.scale.terabyte import WIDTHS, fewest_devices, per_byte, per_value, rows_per_second, workload


def test_bytes_of_tables_by_hand():
    """188,000,013 rows of a width and a linear weight, 4 bytes each, and two moments."""
    rows = {row["width"]: row for row in terabyte.memory_rows()}
    assert set(rows) == set(WIDTHS)
    assert rows[16]["tables"] == "12.8 GB"  # 188e6 * 17 * 4
    assert rows[16]["with moments"] == "38 GB"
    assert rows[128]["with moments"] == "291 GB"  # 188e6 * 129 * 4 * 3
    assert rows[128]["on each device"] == "does not fit"


def test_fewest_devices_by_hand():
    """291 GB on 4 devices are 73 GB each, and 8 hold 36 GB each; buffers of a batch that all compute take 13 GB more.

    The batch looks up 65,536 x 39 x 129 x 4 bytes = 1.32 GB, of which a step has ten copies.
    """
    assert fewest_devices("divided_batch", workload(128)) == 8
    assert fewest_devices("owner_updates", workload(128)) == 4
    with pytest.raises(ValueError, match="mirrored holds on each device"):
        fewest_devices("mirrored", workload(128))


def test_folder_by_hand():
    """26 ids, 13 numbers and a label: 157 bytes per row, and 80 per 4,096 rows."""
    shards, number, _ = terabyte.folder_rows()
    assert shards["figure"] == "691 GB" and shards["how"] == "157.02 bytes per row"
    assert number["figure"] == "8,393"  # 4.4e9 / 524,288


def test_batches_among_hosts_by_hand():
    """39 slots of 8 bytes and a label of 4: 316 bytes; two hosts read 32,768 rows each."""
    two = terabyte.host_rows()[0]
    assert two["received per host and step"] == "10.4 MB"
    assert two["by all hosts"] == "21 MB"


def test_preparation_falls_with_cores():
    hours = [_hours(row["and vocabularies"]) for row in terabyte.preparation_rows() if row["engine"] == "Spark"]
    assert hours == sorted(hours, reverse=True) and len(set(hours)) == len(hours)
    for row in terabyte.preparation_rows():
        assert _hours(row["rows only"]) <= _hours(row["and vocabularies"])


def _hours(text):
    number, unit = text.split()
    return float(number) / {"min": 60, "h": 1}[unit]


def test_slopes_by_hand(tmp_path):
    names = ("seconds", "driver_bytes", "sent_bytes", "worker_bytes", "file_bytes")
    names += ("read_seconds", "index_seconds", "lookup_seconds")
    found = [{"values": 100, **dict.fromkeys(names, 7)}, {"values": 300, **dict.fromkeys(names, 8)}]
    found[1] |= {"driver_bytes": 607, "index_seconds": 11, "lookup_seconds": 9}
    (tmp_path / "vocabularies.json").write_text(json.dumps(found), encoding="utf-8")
    costs, read, lookup = per_value(tmp_path / "vocabularies.json")
    assert (costs.driver_bytes, costs.sent_bytes, read, lookup) == (3, 0.005, 0.025, 0.01)
    saved = [{"bytes": 50, "save_processor": 5, "restore_processor": 10}]
    (tmp_path / "saving.json").write_text(json.dumps(saved), encoding="utf-8")
    assert per_byte(tmp_path / "saving.json") == {"save": 0.1, "restore": 0.2}


def test_arithmetic_shrinks_only_where_the_batch_is_divided():
    fast = dataclasses.replace(A100, bandwidth=1e30, near=1e30, far=1e30, overhead=0, latency=0)
    for name in STRATEGIES:
        if name != "mirrored_dense":
            one, many = (rows_per_second(name, 8, number, fast) for number in (1, 64))
            assert one is not None and many is not None
            assert many / one == pytest.approx(1 if name == "divided_tables" else 64), name


def test_rows_per_second_fall_with_the_width_until_a_device_is_too_small():
    for name in STRATEGIES:
        found = [rows_per_second(name, width, 8) for width in WIDTHS]
        fitting = [rows for rows in found if rows is not None]
        assert fitting == sorted(fitting, reverse=True), name
        assert found == fitting + [None] * (len(found) - len(fitting)), name


def test_rows_of_limits_have_figures():
    rows = terabyte.limit_rows()
    assert len(rows) == 12
    assert all(any(letter.isdigit() for letter in row["here"]) for row in rows), rows
