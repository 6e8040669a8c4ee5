"""GraphFM's Table 1: rows, fields and features of prepared data sets next to the printed numbers.

Command: `python -m ctrzoo.experiments.claims.table1 --data_dir=data --folder=experiments/results/claims`
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctrzoo.files import write_csv, write_text
from ctrzoo.types import Config

from ...data_pipelines import load
from ..cli import DATA_DIR_HELP, data_dir, one_line_failures
from ..published import read_published
from .markdown import table_lines

if TYPE_CHECKING:
    from ...data_pipelines import PreparedData

COUNTS = ("rows", "fields", "features")
# Whose ids the features are, in the order of the note.
PARTS = ("values", "numerical fields", "rare values", "padding")


def counts_of(data: PreparedData) -> Config:
    """Return rows, fields and features of a prepared benchmark, and what the features are.

    Features are ids but 0, which means absent. On MovieLens-1M, the paper's count includes one id of the numerical
    field and five ids with which its code pads the genres.

    Args:
        data: A prepared benchmark.

    Raises:
        ValueError: If the folder says nothing of its encoding, as that of synthetic data.
    """
    if data.encoding is None:
        raise ValueError(f"{data.folder} has no encoding, so its ids cannot be told apart. Pass a benchmark's folder.")
    fields = data.encoding.fields
    parts = (
        sum(len(field.values) for field in fields),
        sum(field.kind == "numerical" for field in fields),
        sum(field.has_oov_id for field in fields if field.kind != "numerical"),
        sum(field.unused_ids for field in fields),
    )
    features = data.schema.num_ids - 1
    if sum(parts) != features:
        raise ValueError(
            f"{data.folder} has {features:,} ids, of which {sum(parts):,} are accounted for. Prepare it without "
            "options that make other ids, such as hash buckets."
        )
    counts = {"rows": sum(data.num_rows.values()), "fields": data.schema.num_fields, "features": features}
    return {**counts, **dict(zip(PARTS, parts, strict=True)), "protocol": data.options.get("protocol", "")}


def compared(folders: Sequence[pathlib.Path]) -> list[Config]:
    """Return a row for each folder whose data set the table has: our counts, the printed ones, the difference."""
    printed = {row["dataset"]: row for row in read_published("graphfm_table1").to_dict("records")}
    rows = []
    for folder in folders:
        data = load(folder)
        if data.name not in printed:
            continue
        counts = counts_of(data)
        pairs = {name: (counts[name], int(printed[data.name][name])) for name in COUNTS}
        row = {"dataset": data.name, "protocol": counts["protocol"]}
        for name, (ours, theirs) in pairs.items():
            row |= {name: ours, f"printed_{name}": theirs}
        rows.append({**row, "note": _note(counts, pairs)})
    return rows


def _note(counts, pairs):
    """Say what the features are and why they differ from the printed ones."""
    parts = [f"{counts[name]:,} of {name}" for name in PARTS if counts[name]]
    ours, printed = pairs["rows"]
    if ours < printed:
        verdict = f"a sample of {ours / printed:.2%} of the rows, which has fewer values"
    else:
        differing = [name for name in COUNTS if pairs[name][0] != pairs[name][1]]
        said = [f"{name} {pairs[name][0] - pairs[name][1]:+,}" for name in differing]
        verdict = f"differs: {', '.join(said)}" if differing else "as printed"
    return f"{verdict}; ids: {', '.join(parts)}"


def markdown(rows: Sequence[Config]) -> str:
    """Return the comparison as Markdown."""
    shown = []
    for row in rows:
        cells = {"data set": row["dataset"], "protocol": row["protocol"]}
        for name in COUNTS:
            cells |= {name: f"{row[name]:,}", f"{name}, printed": f"{row[f'printed_{name}']:,}"}
        shown.append({**cells, "note": row["note"]})
    return "\n".join(["# GraphFM's Table 1", "", *table_lines(shown)]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison of all benchmarks in a folder, and write it on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", help=f"The folder of prepared data, {DATA_DIR_HELP}")
    parser.add_argument("--folder", type=pathlib.Path, help="Where to write table1.md and table1.csv.")
    options = parser.parse_args(arguments)
    with one_line_failures("table1", "Interrupted."):
        folder = data_dir(options.data_dir)
        names = set(read_published("graphfm_table1")["dataset"])
        files = sorted(folder.glob("*/preparation.json"))
        known = [file.parent for file in files if json.loads(file.read_text(encoding="utf-8")).get("name") in names]
        if not known:
            raise ValueError(
                f"{folder} has no prepared {', '.join(sorted(names))}. Prepare one with `ctrzoo-prepare --dataset=`, "
                "or pass its folder as --data_dir."
            )
        rows = compared(known)
        print(markdown(rows), end="")
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            write_csv(options.folder / "table1.csv", rows)
            write_text(options.folder / "table1.md", markdown(rows))


if __name__ == "__main__":
    main()
