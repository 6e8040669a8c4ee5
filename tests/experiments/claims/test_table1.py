"""GraphFM's Table 1 next to tiny prepared folders, whose counts are made by hand."""

import zipfile

import polars as pl
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.experiments.claims.table1 import compared, counts_of, main
from tests.conftest import DATA

# Two genders, three ages, occupations, zip codes and decades; four genres.
MOVIELENS = {
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072-11\n3::M::25::15::55117\n",
    "movies.dat": "10::One (1995)::Drama\n20::Two (1925)::Comedy|Drama|War\n30::Three (1969)::War\n"
    "40::Four (1929)::Film-Noir\n",
    "ratings.dat": "1::10::5::100\n1::20::1::300\n1::30::3::900\n2::10::4::200\n2::40::2::150\n3::30::4::180\n"
    "3::10::5::120\n3::20::2::110\n2::20::5::130\n1::40::1::140\n2::30::4::160\n",
}


@pytest.fixture
def movielens(tmp_path):
    with zipfile.ZipFile(tmp_path / "ml-1m.zip", "w") as archive:
        for filename, text in MOVIELENS.items():
            archive.writestr(f"ml-1m/{filename}", text)
    return prepare("movielens_1m", tmp_path / "data", raw=tmp_path / "ml-1m.zip")


def avazu(tmp_path):
    """40 rows: `C1` has two values of 20 rows each, all ids differ, all other columns have one value."""
    names = [*("id", "click", "hour", "C1", "banner_pos"), *("site_id", "site_domain", "site_category")]
    names += ["app_id", "app_domain", "app_category", "device_id", "device_ip", "device_model", "device_type"]
    names += ["device_conn_type", *(f"C{index}" for index in range(14, 22))]
    columns = {name: ["x"] * 40 for name in names}
    columns |= {"id": list(range(40)), "click": [0, 1] * 20, "C1": ["a"] * 20 + ["b"] * 20}
    pl.DataFrame(columns).write_csv(tmp_path / "train.csv")
    return prepare("avazu", tmp_path / "data", raw=tmp_path / "train.csv")


def test_features_of_movielens_count_the_number_and_the_padding(movielens):
    counts = counts_of(load(movielens))
    values = 2 + 3 + 3 + 3 + 3 + 4
    assert counts == {
        **{"rows": 10, "fields": 7, "features": values + 1 + 5, "values": values, "numerical fields": 1},
        **{"rare values": 0, "padding": 5, "protocol": "reference"},
    }


def test_rows_next_to_the_printed_ones(movielens, tmp_path):
    rows = compared([avazu(tmp_path), movielens])
    assert [row["dataset"] for row in rows] == ["avazu", "movielens_1m"]
    assert [row["printed_features"] for row in rows] == [1_544_488, 3_529]
    # Each of 23 fields has an id for rare values; `C1` has two values and 21 fields one, `id` none.
    assert (rows[0]["rows"], rows[0]["fields"], rows[0]["features"]) == (40, 23, 23 + 2 + 21)
    assert rows[0]["note"] == (
        "a sample of 0.00% of the rows, which has fewer values; ids: 23 of values, 23 of rare values"
    )


@pytest.mark.usefixtures("movielens")
def test_the_program_prints_and_writes_the_table(tmp_path, capsys):
    main([f"--data_dir={tmp_path / 'data'}", f"--folder={tmp_path / 'claims'}"])
    printed = capsys.readouterr().out
    assert "| movielens_1m | reference | 10 | 739,012 | 7 | 7 | 24 | 3,529 |" in printed
    assert (tmp_path / "claims" / "table1.md").read_text(encoding="utf-8") == printed
    (row,) = pl.read_csv(tmp_path / "claims" / "table1.csv").to_dicts()
    assert (row["rows"], row["printed_rows"], row["features"], row["printed_features"]) == (10, 739_012, 24, 3_529)


def test_a_folder_without_a_benchmark_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([f"--data_dir={tmp_path}"])
    assert "has no prepared avazu, criteo, movielens_1m. Prepare one" in capsys.readouterr().err


def test_synthetic_data_have_no_features_to_count(tmp_path):
    with pytest.raises(ValueError, match="has no encoding"):
        counts_of(load(prepare("synthetic", tmp_path / "data", num_rows=100)))


def test_other_counts_than_the_printed_ones_are_named(movielens, monkeypatch):
    printed = pl.DataFrame({"dataset": ["movielens_1m"], "rows": [9], "fields": [7], "features": [25]}).to_pandas()
    monkeypatch.setattr("ctrzoo.experiments.claims.table1.read_published", lambda name: printed)
    assert compared([movielens])[0]["note"].startswith("differs: rows +1, features -1; ids: 18 of values")


@pytest.mark.skipif(not (DATA / "ml-1m.zip").is_file(), reason="set CTRZOO_DATA to a folder with ml-1m.zip")
def test_movielens_1m_is_as_printed(tmp_path):
    (row,) = compared([prepare("movielens_1m", tmp_path / "data", raw=DATA / "ml-1m.zip")])
    assert (row["rows"], row["fields"], row["features"]) == (739_012, 7, 3_529)
    assert row["note"] == "as printed; ids: 3,523 of values, 1 of numerical fields, 5 of padding"
