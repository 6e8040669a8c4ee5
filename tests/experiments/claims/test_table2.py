"""The averages of GraphFM's Table 2, with sums made by hand from its printed cells."""

import pandas as pd
import pytest

from ctrzoo.experiments.claims.cells import printed_cells
from ctrzoo.experiments.claims.table2 import average_gains, check_averages, gains, main, our_gains
from ctrzoo.experiments.published import read_published


def test_averages_by_hand():
    found = average_gains(printed_cells())
    assert list(found) == ["lr", "fm", "afm", "nfm", "hofm", "deep_crossing", "cross_net", "cin", "autoint", "fignn",
                           "interhat"]  # fmt: skip
    # In units of the last digit: 8087 - 7820, 7765 - 7560, 8535 - 7716; 4428 - 4695, 3816 - 3964, 3716 - 4424.
    expected = {
        "lr": ((267 + 205 + 819) / 3e4, -(267 + 148 + 708) / 3e4),
        "autoint": ((26 + 13 + 79) / 3e4, -(27 + 8 + 81) / 3e4),
        "interhat": ((31 + 43 + 114) / 3e4, -(35 + 64 + 115) / 3e4),
    }
    for label, (auc, log_loss) in expected.items():
        assert found[label] == pytest.approx({"auc": auc, "log_loss": log_loss})
    movielens = gains(printed_cells()["movielens_1m"])
    assert movielens["cross_net"] == pytest.approx({"auc": 0.0567, "log_loss": -0.0550})


def test_the_printed_cells_that_do_not_follow():
    checked = check_averages(printed_cells(), read_published("graphfm_table2_average").to_dict("records"))
    assert len(checked) == 22
    found = {(row["label"], row["metric"]): row["verdict"] for row in checked if row["verdict"] != "follows"}
    assert found == {
        ("interhat", "log_loss"): "does not follow: the sum of the differences, not their mean",
        ("autoint", "log_loss"): "does not follow",
        # 197.67, 33.67 and 62.67 units, printed as 197, 33 and 62.
        ("fm", "auc"): "rounding",
        ("fignn", "auc"): "rounding",
        ("interhat", "auc"): "rounding",
    }


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [(0.0210, "follows"), (0.0211, "rounding"), (0.0212, "does not follow"), (0.0630, "does not follow: the sum")],
)
def test_verdicts_about_a_mean_of_210_units(printed, verdict):
    tables = {
        dataset: {"graphfm": {"auc": 0.8, "log_loss": 0.4}, "fm": {"auc": auc, "log_loss": 0.4}}
        for dataset, auc in (("a", 0.79), ("b", 0.78), ("c", 0.767))
    }
    averages = [{"label": "fm", "printed_name": "FM", "auc_gain": printed, "log_loss_change": 0.0}]
    auc, log_loss = check_averages(tables, averages)
    assert auc["computed"] == pytest.approx(0.021) and auc["verdict"].startswith(verdict)
    if verdict == "does not follow":
        assert auc["verdict"] == verdict
    assert (log_loss["computed"], log_loss["verdict"]) == (0.0, "follows")


def test_our_gains_by_hand():
    fm = {"auc": [0.800, 0.802], "log_loss": [0.5, 0.75]}
    (row,) = our_gains({"fm": fm, "graphfm": {"auc": [0.810, 0.812], "log_loss": [0.5, 0.25]}})
    # The variances are 2 millionths each, so t = 10 / sqrt(2 / 2 + 2 / 2), with two degrees of freedom; the losses'
    # are 1 / 32 each, so t = -0.25 / sqrt(1 / 32).
    for name, gain, t in (("auc_gain", 0.01, 10 / 2**0.5), ("log_loss_change", -0.25, 2**0.5)):
        assert row[name] == pytest.approx(gain) and row[f"{name}_p"] == pytest.approx(1 - t / (t**2 + 2) ** 0.5)
    assert row["seeds"] == 2


def test_one_seed_has_no_p():
    runs = {"fm": {"auc": [0.8], "log_loss": [0.4]}, "graphfm": {"auc": [0.810, 0.812], "log_loss": [0.4, 0.4]}}
    (row,) = our_gains(runs)
    assert row["auc_gain"] == pytest.approx(0.011) and row["auc_gain_p"] is None


def test_the_program_writes_what_it_prints(tmp_path, capsys):
    main([f"--folder={tmp_path / 'claims'}"])
    printed = capsys.readouterr().out
    assert "2 do not follow from the table, and 3 are off" in printed
    assert "| InterHAt | log loss | -0.0071 | -0.0214 | does not follow: the sum" in printed
    assert (tmp_path / "claims" / "table2.md").read_text(encoding="utf-8") == printed
    ours = pd.read_csv(tmp_path / "claims" / "table2_ours.csv").set_index("label")
    # From the means of the committed comparison: 0.8612 - 0.8296, 0.3592 - 0.3933.
    assert ours.loc["fm", "auc_gain"] == pytest.approx(0.0316, abs=1e-4)
    assert ours.loc["fm", "log_loss_change"] == pytest.approx(-0.0341, abs=1.5e-4)
    assert len(pd.read_csv(tmp_path / "claims" / "table2.csv")) == 22
