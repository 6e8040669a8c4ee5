"""Leaderboards: means and medians worked by hand, the Pareto front by definition, what is left out is counted."""

import itertools
import json

import numpy as np
import pytest

from ctrzoo.experiments.sweeps.leaders import COSTS, Leader, front, ordered, read_leaders, rows_of_leaders, with_times

HEADER = (
    "dataset,label,seed,state,variant,test_auc,test_log_loss,epochs,num_parameters,seconds_per_epoch,seconds,group\n"
)
ROWS = (
    "clicks,fm,1,finished,,0.80,0.40,4,100,2.0,60,clicks_fm_1\n"
    "clicks,fm,2,finished,,0.82,0.38,6,100,3.0,120,clicks_fm_1\n"
    "clicks,fm,3,finished,,0.84,0.36,7,100,9.0,240,clicks_fm_1\n"
    "clicks,fm,4,failed,,,,,,,5,clicks_fm_1\n"
    "clicks,afm,1,finished,size=2,0.81,0.37,3,300,1.0,30,clicks_afm_2\n"
    "clicks,din,1,open,,,,,,,0,clicks_din_3\n"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "results.csv").write_text(HEADER + ROWS, encoding="utf-8")
    return tmp_path


def leader(name, score, seconds=1.0, parameters=1, **changes):
    times = {f"{kind}{part}": seconds for kind in ("seconds", "minutes") for part in ("", "_fastest", "_slowest")}
    fields = {"dataset": "clicks", "seeds": 1, "unfinished": 0, "epochs": 2.0, "deviation": None, "device": "CPU"}
    return Leader(**{**fields, **times, "name": name, "score": score, "parameters": parameters, **changes})


def test_means_and_medians_by_hand(folder):
    fm, afm = read_leaders([folder])
    assert (fm.name, fm.seeds, fm.unfinished) == ("fm", 3, 1)
    assert fm.score == pytest.approx(0.82) and fm.deviation == pytest.approx(0.02)
    assert (fm.seconds, fm.seconds_fastest, fm.seconds_slowest) == (3.0, 2.0, 9.0)  # a mean would be 4.67
    assert (fm.minutes, fm.minutes_fastest, fm.minutes_slowest) == (2.0, 1.0, 4.0)
    assert fm.parameters == 100 and fm.is_noisy and fm.epochs == 6.0
    assert (afm.name, afm.deviation, afm.is_noisy) == ("afm size=2", None, False)
    assert read_leaders([folder], "test_log_loss")[0].score == pytest.approx(0.38)


def test_further_scores_by_hand(folder):
    fm, afm = read_leaders([folder], also=["test_log_loss"])
    (loss,) = fm.others
    assert loss.name == "test_log_loss" and (loss.mean, loss.deviation) == pytest.approx((0.38, 0.02))
    assert (afm.others[0].mean, afm.others[0].deviation) == (0.37, None)
    rows = rows_of_leaders([fm, afm])
    assert [row["test_log_loss_deviation"] for row in rows] == [pytest.approx(0.02), None]
    assert rows[0]["test_log_loss"] == pytest.approx(0.38) and "others" not in rows[0]
    (folder / "results.csv").write_text(HEADER + ROWS.replace("0.82,0.38", "0.82,"), encoding="utf-8")
    (loss,) = read_leaders([folder], also=["test_log_loss"])[0].others
    assert (loss.mean, loss.deviation) == (None, None)  # two of three runs are no mean of three


def test_the_first_folder_has_precedence(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    rows = ROWS.replace("afm", "lr").replace("0.80", "0.10")
    (other / "results.csv").write_text(HEADER + rows, encoding="utf-8")
    leaders = read_leaders([folder, other])
    assert [each.name for each in leaders] == ["fm", "afm size=2", "lr size=2"]
    assert leaders[0].score == pytest.approx(0.82)
    assert read_leaders([other, folder])[0].score == pytest.approx(1.76 / 3)


def test_kinds_of_device_are_read_from_the_runs(folder):
    for seed, devices in ((1, {"kind": "A"}), (2, {})):
        run = folder / "clicks_fm_1" / f"seed_{seed}"
        run.mkdir(parents=True)
        (run / "experiment.json").write_text(json.dumps({"devices": devices}), encoding="utf-8")
    fm, afm = read_leaders([folder], device="CPU")
    assert (fm.device, afm.device) == ("A and CPU", "CPU")


def test_mean_ranks_are_read_from_the_runs(folder):
    for seed, rank in ((1, 10.0), (2, 14.0)):
        run = folder / "clicks_fm_1" / f"seed_{seed}"
        run.mkdir(parents=True)
        ranks = {"metrics": {"all": {"mean_rank": rank}}}
        (run / "ranks.json").write_text(json.dumps(ranks), encoding="utf-8")
    (fm,) = read_leaders([folder], "mean_rank")
    assert (fm.score, fm.seeds, fm.unfinished, fm.seconds) == (12.0, 2, 2, 2.5)


def test_times_of_other_runs_by_hand():
    measured = [leader("a", 0.1, seconds=30.0, device="GPU"), leader("b", 0.1, seconds=9.0), leader("c", 0.1)]
    changed, other = with_times([leader("a", 0.8, epochs=10.0), leader("b", 0.9)], measured)
    assert (changed.score, changed.seconds, changed.seconds_slowest, changed.device) == (0.8, 30.0, 30.0, "GPU")
    assert changed.minutes == changed.minutes_fastest == 5.0 and other.minutes == 0.3
    with pytest.raises(ValueError, match="No time was measured for d, e"):
        with_times([leader("a", 0.8), leader("d", 0.8), leader("e", 0.8)], measured)


def test_what_is_wrong_is_said(folder, tmp_path):
    with pytest.raises(ValueError, match="no score 'test_mrr'. Its scores are test_auc, test_log_loss"):
        read_leaders([folder], "test_mrr")
    with pytest.raises(ValueError, match="no score 'test_mrr'"):
        read_leaders([folder], also=["test_mrr"])
    with pytest.raises(ValueError, match="no results.csv"):
        read_leaders([tmp_path / "absent"])
    with pytest.raises(ValueError, match="no finished run with mean_rank"):
        read_leaders([folder], "mean_rank")


def test_the_front_by_hand():
    cheap, best, beaten = leader("cheap", 0.7, 1), leader("best", 0.9, 5), leader("beaten", 0.7, 2)
    twin = leader("twin", 0.9, 5)
    assert front([cheap, best, beaten, twin], "seconds") == {cheap, best, twin}  # equals do not beat each other
    assert front([cheap, best, beaten, twin], "seconds", higher=False) == {cheap}
    assert front([leader("a", 0.5, 1, 10), leader("b", 0.4, 2, 5)], "parameters") == {
        leader("a", 0.5, 1, 10),
        leader("b", 0.4, 2, 5),
    }


@pytest.mark.parametrize("higher", [True, False])
def test_the_front_is_what_a_sweep_over_costs_finds(higher):
    """By ascending cost, a model is on the front if it is strictly better than all before it."""
    random = np.random.default_rng(3)
    leaders = [leader(str(n), float(s), float(c)) for n, (s, c) in enumerate(random.permutation(200).reshape(100, 2))]
    expected, best = set(), -np.inf
    for each in sorted(leaders, key=lambda each: each.seconds):
        goodness = each.score if higher else -each.score
        if goodness > best:
            expected.add(each)
            best = goodness
    assert 1 < len(expected) < 30
    assert front(leaders, "seconds", higher) == expected


def test_other_devices_and_data_sets_do_not_compete():
    slow, fast = leader("slow", 0.8, 9), leader("fast", 0.9, 1, device="GPU")
    assert front([slow, fast], "seconds") == front([slow, fast], "minutes") == {slow, fast}
    assert front([slow, fast], "parameters") == {fast}
    other = leader("other", 0.1, 99, dataset="views")
    assert other in front([slow, other], "seconds")
    mixed = leader("mixed", 0.99, 0.1, device="CPU and GPU")
    assert front([slow, mixed], "seconds") == {slow}


def test_the_best_is_first_within_its_data_set():
    leaders = [leader("b", 0.5), leader("z", 0.9, dataset="views"), leader("a", 0.6)]
    assert [each.name for each in ordered(leaders)] == ["a", "b", "z"]
    assert [each.name for each in ordered(leaders, higher=False)] == ["b", "a", "z"]
    rows = rows_of_leaders(leaders)
    assert [row["on_front_of_seconds"] for row in rows] == [True, False, True]
    assert all(f"on_front_of_{cost}" in row for row, cost in itertools.product(rows, COSTS))
