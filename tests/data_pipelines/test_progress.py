"""What one sees of work on many rows, on a terminal and in a file."""

import io

import pytest
from rich.console import Console

from ctrzoo.data_pipelines import progress


@pytest.fixture
def written(monkeypatch):
    """Return a function that makes the console of the module, a terminal or a file, and returns its text."""

    def make(is_terminal):
        text = io.StringIO()
        console = Console(file=text, force_terminal=is_terminal, width=120, highlight=False)
        monkeypatch.setattr(progress, "console", console)
        return text

    return make


def test_in_a_file_a_step_is_a_line_each_half_minute(written, monkeypatch):
    text, times = written(False), [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times[-1])
    with progress.StepProgress("reading") as step:
        for seconds, rows, share in ((110, 1000, 0.1), (140, 3000, 0.4), (150, 500, 0.5), (180, 500, 1.0)):
            times.append(seconds)
            step.advance(rows, share)
    # 4,000 rows in 40 seconds are 100 per second, and 0.6 of the work is left; 5,000 rows in 80 seconds.
    assert text.getvalue().splitlines() == ["reading: 40%, 100 rows/s, 60 s left", "reading: 100%, 62 rows/s, 0 s left"]
    assert step.rows == 5000


def test_a_step_without_rows_tells_no_rate(written, monkeypatch):
    text, times = written(False), [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times[-1])
    with progress.StepProgress("fitting") as step:
        times.append(140.0)
        step.advance(0, 0.25)
    assert text.getvalue() == "fitting: 25%, 120 s left\n"


def test_rows_are_a_bar_on_a_terminal_and_nothing_in_a_file(written):
    for is_terminal in (True, False):
        text = written(is_terminal)
        with progress.rows_progress("writing", total=40) as advance:
            advance(10)
            advance(30)
        assert ("writing" in text.getvalue() and "40/40" in text.getvalue()) == is_terminal


def test_square_brackets_are_shown_as_they_are(capsys):
    progress.console.print("price [/kg] [eur]")
    assert capsys.readouterr().err == "price [/kg] [eur]\n"
