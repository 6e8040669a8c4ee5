"""The leaderboard program: its table by hand, and the committed leaderboards follow from the committed results."""

import csv
import pathlib

import pytest

from ctrzoo.experiments.leaderboard import main, markdown
from ctrzoo.experiments.sweeps.leaders import read_leaders, rows_of_leaders, with_times
from ctrzoo.files import write_csv
from tests.experiments.sweeps.test_leaders import HEADER, ROWS, leader

RESULTS = pathlib.Path(__file__).resolve().parents[2] / "experiments" / "results"


def test_the_table_by_hand():
    leaders = [
        leader("fm", 0.81237, 2.0, 1234, seeds=3, deviation=0.00126, unfinished=2, seconds_slowest=4.0),
        leader("lr", 0.7, 1.0, 10),
    ]
    text = markdown(leaders, note="On a busy machine.").replace("\N{NO-BREAK SPACE}", " ")
    assert "| fm | 3 | 0.8124 ± 0.0013 | 2.0* | 2.0 to 4.0 | 2.0 | 1,234 | epoch, run, weights |\n" in text
    assert "| lr | 1 | 0.7000 | 1.0 | 1.0 to 1.0 | 1.0 | 10 | epoch, run, weights |\n" in text
    assert "2 unfinished runs are left out" in text and "On a busy machine." in text and "A star" in text
    assert "A star" not in markdown(leaders[1:]) and "unfinished" not in markdown(leaders[1:])
    assert "| device |" in markdown([leaders[1], leader("fm", 0.8, device="GPU")])


def test_references_by_hand():
    leaders = [
        leader("fm", 0.813, seeds=2, deviation=0.001),
        leader("ffm", 0.8, seeds=2, deviation=0.001),
        leader("afm", 0.803, seeds=2, deviation=0.001),
        leader("lr", 0.7),
        leader("fm", 0.5, dataset="views"),
    ]
    lines = markdown(leaders, references=["afm"]).replace("\N{NO-BREAK SPACE}", " ").splitlines()
    last = {line.split(" | ")[1]: line.split(" | ")[-1] for line in lines if line.startswith("| clicks")}
    # t is the difference in thousandths, and with two degrees of freedom p = 1 - t / sqrt(t^2 + 2).
    assert last == {
        "fm": "+0.0100 (p = 0.0099) |",
        "ffm": "-0.0030 (p = 0.095) |",
        "lr": "-0.1030 |",  # one seed, no test
        "afm": " |",
    }
    assert lines[-1] == "- afm: fm better beyond noise; 0 of 2 worse beyond noise."
    text = markdown(leaders, "test_log_loss", references=["afm"])
    assert "- afm: none better beyond noise; 1 of 2 worse beyond noise." in text
    with pytest.raises(ValueError, match="No model is called 'dnn'"):
        markdown(leaders, references=["dnn"])


def test_files_are_written(tmp_path, capsys):
    (tmp_path / "results.csv").write_text(HEADER + ROWS, encoding="utf-8")
    main([f"--folder={tmp_path}", "--costs", "minutes"])
    assert "`min per run` is the median time of a whole run." in (tmp_path / "leaderboard.md").read_text("utf-8")
    assert "2 models" in capsys.readouterr().out
    assert {path.name for path in tmp_path.glob("leaderboard.*")} == {
        f"leaderboard.{end}" for end in ("md", "csv", "png")
    }
    with open(tmp_path / "leaderboard.csv", newline="", encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["fm", "afm size=2"]


def test_sweeps_are_shown_together(tmp_path):
    for name, model in (("old", "fm"), ("new", "lr")):
        (tmp_path / name).mkdir()
        text = HEADER + ROWS.splitlines(keepends=True)[0].replace("fm", model)
        (tmp_path / name / "results.csv").write_text(text, encoding="utf-8")
    folders = [f"--folder={tmp_path / 'new'}", "--more_folders", str(tmp_path / "old")]
    timed = tmp_path / "timed"
    timed.mkdir()
    (timed / "results.csv").write_text(
        (tmp_path / "new" / "results.csv").read_text().replace(",2.0,", ",90.0,")
        + (tmp_path / "old" / "results.csv").read_text().splitlines()[1],
        encoding="utf-8",
    )
    main([*folders, "--also", "test_log_loss", "--references", "fm", "--times_from", str(timed)])
    text = (tmp_path / "new" / "leaderboard.md").read_text(encoding="utf-8")
    assert "| model | seeds | test AUC | test log loss |" in text and "| against fm |" in text
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "| lr | 1 | 0.8000 | 0.4000 | 90.0 | 6.0 |" in text  # four epochs take six minutes
    assert "| fm | 1 | 0.8000 | 0.4000 | 2.0 |" in text
    assert "`min per run` is this time times the median number of epochs." in text
    assert not list((tmp_path / "old").glob("leaderboard*"))


def test_a_score_without_direction_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([f"--folder={tmp_path}", "--score=test_calibration"])
    assert "neither better high nor low" in capsys.readouterr().err


@pytest.mark.parametrize(("sweep", "score"), [("table2", "test_auc"), ("next_movie", "mean_rank")])
def test_committed_leaderboards_are_up_to_date(sweep, score, tmp_path):
    """The order of the committed table is that of the means of the sweep's own report."""
    with open(RESULTS / sweep / "leaderboard.csv", newline="", encoding="utf-8") as file:
        board = {row["name"]: row for row in csv.DictReader(file)}
    name, key = ("comparison.csv", "auc") if sweep == "table2" else ("next_movie.csv", "mean rank")
    with open(RESULTS / sweep / name, newline="", encoding="utf-8") as file:
        reported = [row for row in csv.DictReader(file) if row["seeds"]]
    expected = {row.get("label") or row["model"]: (float(row[key]), row["seeds"]) for row in reported}
    assert set(board) == set(expected)
    for model, (mean, seeds) in expected.items():
        assert float(board[model]["score"]) == pytest.approx(mean) and board[model]["seeds"] == seeds
    scores = [float(row["score"]) for row in board.values()]
    assert scores == sorted(scores, reverse=score == "test_auc")


def test_the_committed_leaderboard_of_two_sweeps_is_up_to_date(tmp_path):
    leaders = read_leaders([RESULTS / "modern", RESULTS / "table2"], device="CPU", also=["test_log_loss"])
    leaders = with_times(leaders, read_leaders([RESULTS / "epoch_times"], device="CPU"))
    write_csv(tmp_path / "leaderboard.csv", rows_of_leaders(leaders))
    expected = (RESULTS / "modern" / "leaderboard.csv").read_text(encoding="utf-8")
    assert (tmp_path / "leaderboard.csv").read_text(encoding="utf-8") == expected
