"""Avazu: as the original prepared it, and clean."""

import collections
import gzip

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load, prepare
from tests.data_pipelines.datasets.stored_rows import with_offline_ids


def slow_running_ids(rows, min_count):
    """Whether each cell has an own id, when ids are given at the `min_count`-th occurrence while reading."""
    counts = [collections.Counter() for _ in rows[0]]
    known = np.zeros((len(rows), len(rows[0])), bool)
    for number, row in enumerate(rows):
        for field, cell in enumerate(row):
            counts[field][cell] += 1
            known[number, field] = counts[field][cell] >= min_count
    return known, sum(count >= min_count for counter in counts for count in counter.values())


def test_avazus_first_four_rows_of_each_value_are_rare(real_data, tmp_path):
    path = real_data / "avazu_10k.csv.gz"
    data = load(prepare("avazu", tmp_path, raw=path))
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows = [line.split(",")[:1] + line.split(",")[2:] for line in lines[1:]]
    labels = np.array([int(line.split(",")[1]) for line in lines[1:]])
    known, frequent = slow_running_ids(rows, 5)
    assert data.schema.num_ids == 1 + 23 + frequent
    assert data.schema.fields[0].name == "id" and data.schema.fields[0].vocabulary_size == 1
    rare = np.array(data.schema.first_ids)
    sklearn = pytest.importorskip("sklearn.model_selection")
    folds = [fold for _, fold in sklearn.StratifiedKFold(10, shuffle=True, random_state=2018).split(rows, labels)]
    for split, fold in (("test", folds[0]), ("valid", folds[1])):
        ids, values, stored_labels = with_offline_ids(data, split)
        np.testing.assert_array_equal(ids != rare, known[fold])
        np.testing.assert_array_equal(stored_labels, labels[fold])
        assert (values == 1).all()
    ids, _, _ = with_offline_ids(data, "train")
    assert (ids != rare).sum() == known[np.concatenate(folds[2:])].sum()
    # Rows that come later know the final ids: the first row's hour is frequent.
    later, _ = data.encoding.encode(pl.DataFrame(dict(zip(data.schema.names, rows[0], strict=True))))
    assert later[0, 1] > rare[1] and ids.shape[1] == 23


def write_avazu(path, rows):
    names = "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,"
    names += "device_ip,device_model,device_type,device_conn_type," + ",".join(f"C{index}" for index in range(14, 22))
    lines = [f"{row},{row % 2},1410{21 + row // 100}{row % 24:02d}" + 21 * ",a" for row in rows]
    path.write_text("\n".join([names, *lines]) + "\n")


def test_clean_avazu_decodes_the_hour_and_drops_the_id(tmp_path):
    write_avazu(tmp_path / "train.csv", range(400))
    data = load(prepare("avazu", tmp_path, raw=tmp_path / "train.csv", protocol="clean"))
    assert data.schema.names[:3] == ("hour_of_day", "weekday", "C1") and "id" not in data.schema.names
    hours, weekdays = (field.values.to_list() for field in data.encoding.fields[:2])
    assert sorted(map(int, hours)) == list(range(24))
    assert weekdays == ["2", "3", "4", "5"]  # 21 October 2014 was a Tuesday
    assert data.num_rows == {"train": 320, "valid": 40, "test": 40}
