"""The report of finished runs, from ranks that are kept."""

import csv
import json
import shutil

import pytest

from ctrzoo.experiments.next_movie.data import read_ranking_data
from ctrzoo.experiments.next_movie.evaluation import KEPT, kept_ranks
from ctrzoo.experiments.next_movie.report import PRINTED, QUERIES, write_next_movie
from tests.experiments.next_movie.log import prepared


def run_of(folder, data, label, seed, mean_rank, state="finished"):
    """Write a run with kept ranks; return its row of results."""
    place = folder / label / f"seed_{seed}"
    place.mkdir(parents=True)
    (place / "experiment.json").write_text(json.dumps({"data": {"folder": str(data.folder)}}))
    metrics = {"mean_rank": mean_rank, "mrr": 0.25, "hit_rate": 0.5, "ndcg": 0.125, "queries": 1}
    parts = {
        "all": metrics,
        "unseen": {**metrics, "mean_rank": mean_rank - 2},
        "all_untied": {**metrics, "mean_rank": mean_rank + 1},
        "unseen_untied": metrics,
    }
    queries = len(read_ranking_data(data, most=QUERIES).chosen)
    kept = {"metrics": parts, "queries": queries, "method": "shared", "seconds": 1.0, "pairs_per_second": 2000}
    (place / KEPT).write_text(json.dumps(kept))
    return {"label": label, "seed": seed, "state": state, "group": label, "choices": {}, "seconds": 90.0}


def test_a_table_of_means_with_baselines_and_the_printed_order(tmp_path):
    data, _ = prepared(tmp_path)
    folder = tmp_path / "sweep"
    ranks = {"fm": (5.0, 5.5, 6.0), "afm": (9.0, 9.5, 10.0), "ffm": (8.8, 9.6, 10.4), "lr": (7.0, 8.0)}
    rows = [
        run_of(folder, data, label, 2018 + seed, rank)
        for label, found in ranks.items()
        for seed, rank in enumerate(found)
    ]
    rows.append(run_of(folder, data, "nfm", 2018, 3.0, state="open"))
    write_next_movie(rows, folder)
    text = (folder / "next_movie.md").read_text()
    assert "11 of 12 runs are finished, 0.30 hours" in text
    assert "| fm | 3 | 5.5 ± 0.5 | 3.5 ± 0.5 | 6.5 ± 0.5 | 0.2500 ± 0.0000 |" in text and "| nfm |" not in text
    assert text.index("| fm | 3 |") < text.index("| lr | 2 | 7.5 ± 0.7 |") < text.index("| afm | 3 |")
    assert "| *co-occurrence* | |" in text
    # AFM is printed above FM, and is below it here; AFM and FFM differ by less than the noise.
    assert "| afm | fm | +4.0 |" in text and text.count("the other way") == 3  # the count, and both pairs with FM
    assert "| afm | ffm | -0.1 |" in text and "Of its 3 pairs, 0 are as printed, 1 within noise and 2" in text
    with open(folder / "next_movie.csv", newline="") as file:
        table = {row["model"]: row for row in csv.DictReader(file)}
    assert float(table["fm"]["mean rank"]) == 5.5 and float(table["fm"]["seen left out deviation"]) == 0.5
    assert "popularity" in table and (folder / "next_movie_random.png").stat().st_size > 5000
    assert set(PRINTED) - {"dlrm (concat)"} <= {"afm", "ffm", "deepfm", "wide_deep", "nfm", "fm"}


def test_what_is_kept_needs_no_data(tmp_path, monkeypatch):
    data, _ = prepared(tmp_path)
    folder = tmp_path / "sweep"
    queries = len(read_ranking_data(data, most=QUERIES).chosen)
    monkeypatch.setattr("ctrzoo.experiments.next_movie.report.QUERIES", queries)
    row = run_of(folder, data, "fm", 2018, 5.0)
    write_next_movie([row], folder)
    text, table = ((folder / name).read_bytes() for name in ("next_movie.md", "next_movie.csv"))
    shutil.rmtree(data.folder)
    write_next_movie([row], folder)
    assert [(folder / name).read_bytes() for name in ("next_movie.md", "next_movie.csv")] == [text, table]
    assert kept_ranks(folder / "fm" / "seed_2018" / KEPT, queries - 1) is None


def test_nothing_finished_is_said(tmp_path):
    data, _ = prepared(tmp_path)
    write_next_movie([run_of(tmp_path / "sweep", data, "fm", 1, 3.0, state="open")], tmp_path / "sweep")
    assert "0 of 1 runs are finished" in (tmp_path / "sweep" / "next_movie.md").read_text()
    assert not (tmp_path / "sweep" / "next_movie.csv").exists()


def test_each_division_has_its_section(tmp_path):
    data, _ = prepared(tmp_path, split_by="time")
    row = run_of(tmp_path / "sweep", data, "fm", 1, 3.0)
    write_next_movie([{**row, "choices": {"split_by": "time"}}], tmp_path / "sweep")
    text = (tmp_path / "sweep" / "next_movie.md").read_text()
    assert "## The last fifth of each user's queries" in text and "random fifth" not in text
    assert "| fm | 1 | 3.0 |" in text and "next_movie_time.png" in text


@pytest.mark.parametrize("label", PRINTED)
def test_the_sweep_has_the_models_of_the_article(label):
    from ctrzoo.experiments.configs.sweeps.next_movie import get_sweep

    runs = [run for run in get_sweep() if run.get("label", run["model"]) == label]
    assert [run["seed"] for run in runs] == [2018, 2019, 2020]
