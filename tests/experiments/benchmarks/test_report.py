"""Results as files: tables, a chart, what failed."""

import dataclasses
import io

from rich.console import Console

from ctrzoo.experiments.benchmarks import race
from ctrzoo.experiments.benchmarks.report import markdown_table, rows_of, terminal_tables, write_results
from ctrzoo.experiments.benchmarks.shapes import SHAPES
from ctrzoo.experiments.benchmarks.work import Work

TINY = SHAPES["tiny"]
WORK = Work("ctrzoo", "lr", TINY.to_dict(), shape="tiny", batch_size=8)


def test_results_are_written_with_a_chart_and_say_what_failed(tmp_path):
    works = [WORK, dataclasses.replace(WORK, implementation="fuxictr")]
    rows = rows_of(
        [race.Measurement(works[0], "", 2.0, 1.5, 4000.0, 512.3, 1.0, 1.0, 9), race.Measurement(works[1], "no torch")]
    )
    assert markdown_table(rows)[2:] == [
        "| tiny | 1 | lr | 8 | ctrzoo | 4,000 | 2.00 | 1.50 | 512 | 1.00 | 1.00 |",
        "| tiny | 1 | lr | 8 | fuxictr |  |  |  |  |  | no torch |",
    ]
    write_results(tmp_path / "out", {"train": rows}, "ctrzoo-bench")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["results.json", "results.md", "train.png"]


def test_rows_of_other_programs_become_a_table_without_a_chart(tmp_path):
    rows = [{"vocabulary": 10_000, "milliseconds": 4.5, "times_faster": None}, {"vocabulary": 1, "milliseconds": 0.25}]
    assert markdown_table(rows) == [
        "| vocabulary | milliseconds | times_faster |",
        "| --- | --- | --- |",
        "| 10,000 | 4.50 | – |",
        "| 1 | 0.25 | – |",
    ]
    write_results(tmp_path, {"vocabulary": rows}, "ctrzoo-bench")
    assert not (tmp_path / "vocabulary.png").exists()


def test_names_with_brackets_are_printed_as_they_are():
    console = Console(file=io.StringIO(), width=300, highlight=False, markup=False)
    for table in terminal_tables("price [/kg]", [{"field [/kg]": "price [/kg]", "[bold]": 1}]):
        console.print(table)
    assert console.file.getvalue().count("[/kg]") == 3 and "[bold]" in console.file.getvalue()
