"""Sentences about Table 2, with cells read off the printed table."""

import pandas as pd
import pytest

from ctrzoo.experiments.claims.cells import printed_cells, read_runs
from ctrzoo.experiments.claims.sentences import (
    CLASSES,
    SENTENCES,
    Sentence,
    largest_gains,
    main,
    our_pairs,
    printed_pairs,
)
from ctrzoo.experiments.published import read_published


def failing(sentence, metric):
    return {
        (row["source"].removeprefix("printed, "), row["higher"], row["lower"])
        for row in printed_pairs(sentence, printed_cells())
        if row["verdict"] != "holds" and row["metric"] == metric
    }


def sentence_of(start):
    (sentence,) = [sentence for sentence in SENTENCES if sentence.text.startswith(start)]
    return sentence


def test_classes_are_those_of_the_table():
    table = read_published("graphfm_table2")
    for name, labels in CLASSES.items():
        printed = set(table.loc[table["class"] == name, "label"])
        assert set(labels) == printed - {"graphfm"}


def test_graphfm_is_above_every_model_in_every_column():
    rows = printed_pairs(sentence_of("GraphFM is above"), printed_cells())
    assert len(rows) == 11 * 3 * 2 and {row["verdict"] for row in rows} == {"holds"}


def test_aggregation_is_not_always_above_the_other_classes():
    # Avazu: xDeepFM has 0.7758, AutoInt 0.7752, InterHAt 0.7722; MovieLens-1M: DeepCrossing 0.8448, InterHAt 0.8421.
    assert failing(sentence_of("AutoInt, Fi-GNN and InterHAt"), "auc") == {
        ("avazu", "autoint", "cin"),
        ("avazu", "interhat", "cin"),
        ("movielens_1m", "interhat", "deep_crossing"),
    }


def test_the_gain_is_above_a_hundredth_over_all_but_one():
    sentence = sentence_of("GraphFM gains more")
    # (78 + 122 + 87) / 3 and (85 + 73 + 98) / 3 units of the last digit.
    for metric, units in (("auc", 287 / 3), ("log_loss", 256 / 3)):
        assert failing(sentence, metric) == {("average", "graphfm", "deep_crossing")}
        rows = printed_pairs(sentence, printed_cells())
        (row,) = [row for row in rows if (row["metric"], row["lower"]) == (metric, "deep_crossing")]
        assert row["improvement"] == pytest.approx(units / 1e4)


def test_the_sentence_about_crossnet_and_xdeepfm_contradicts_the_table():
    # Criteo: 0.7907, 0.8009 against 0.7957, 0.8009. Avazu: 0.7667, 0.7758 against 0.7708, 0.7643. MovieLens-1M: 0.7968,
    # 0.8286 against 0.8357, 0.8448.
    expected = {("avazu", "cross_net", "nfm")}
    expected |= {("movielens_1m", one, other) for one in ("cross_net", "cin") for other in ("nfm", "deep_crossing")}
    expected |= {("criteo", "cross_net", "nfm"), ("criteo", "cross_net", "deep_crossing"),
                 ("criteo", "cin", "deep_crossing")}  # fmt: skip
    assert failing(sentence_of("CrossNet and xDeepFM"), "auc") == expected


def test_the_largest_gain_is_on_movielens_but_for_one_model():
    largest = largest_gains(printed_cells())
    assert {label for label, dataset in largest["auc"].items() if dataset != "movielens_1m"} == {"deep_crossing"}
    assert largest["auc"]["deep_crossing"] == "avazu"  # 0.7765 - 0.7643 = 0.0122; MovieLens-1M: 0.0087
    assert set(largest["log_loss"].values()) == {"movielens_1m"} and len(largest["log_loss"]) == 11


@pytest.mark.parametrize(
    ("margin", "verdict"), [(0.0, "holds"), (0.0101, "within noise"), (0.03, "does not hold"), (0.01, "within noise")]
)
def test_our_pairs_by_hand(margin, verdict):
    # Means 0.811 and 0.801, variances of 2 millionths: t = (10 - margin in thousandths) / sqrt(2).
    runs = {
        "graphfm": {"auc": [0.810, 0.812], "log_loss": [0.4, 0.402]},
        "fm": {"auc": [0.800, 0.802], "log_loss": [0.41, 0.412]},
    }
    rows = our_pairs(Sentence("a", ["graphfm"], ["fm", "lr"], margin), "some", runs)
    t = abs(10 - margin * 1000) / 2**0.5
    assert [row["metric"] for row in rows] == ["auc", "log_loss"]  # `lr` has no runs
    for row in rows:
        assert row["improvement"] == pytest.approx(0.01) and row["verdict"] == verdict
        assert row["p"] == pytest.approx(1 - t / (t**2 + 2) ** 0.5, abs=1e-9)


def test_pairs_of_one_seed_are_left_out():
    one = {"auc": [0.8], "log_loss": [0.4]}
    assert our_pairs(Sentence("a", ["graphfm"], ["fm"]), "some", {"graphfm": one, "fm": one}) == []


def test_our_runs_of_the_paper_s_models():
    dataset, runs = read_runs()
    rows = our_pairs(sentence_of("GraphFM is above"), dataset, runs)
    assert len(rows) == 22 and {row["verdict"] for row in rows} == {"holds"}


def test_the_program_writes_what_it_prints(tmp_path, capsys):
    main([f"--folder={tmp_path / 'claims'}"])
    printed = capsys.readouterr().out
    assert (tmp_path / "claims" / "sentences.md").read_text(encoding="utf-8") == printed
    assert "| GraphFM is above every other model | AUC | 33 of 33 | 11 hold, 0 within noise, 0 do not |" in printed
    assert "on movielens_1m over 10 of 11 models; not over deep_crossing (avazu)." in printed
    assert "printed, criteo | AUC | cross_net over nfm (-0.0050), cross_net over deep_crossing (-0.0102)" in printed
    rows = pd.read_csv(tmp_path / "claims" / "sentences.csv")
    assert (rows["verdict"] == "does not hold").any() and "-0.0000" not in printed
