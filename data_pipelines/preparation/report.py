"""The report of a preparation: `report.json`, a table for the screen, and a picture of the fields."""

from __future__ import annotations

import time
import typing
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from ctrzoo.files import replaced, write_json
from ctrzoo.memory import peak_bytes
from ctrzoo.plot_text import FONTS, plain

from ..storage.writing import SPLITS
from .extension import lines_of
from .numbers import summary_of

if typing.TYPE_CHECKING:
    import pathlib

    import numpy as np

    from ctrzoo.types import Config, Path

    from ..encoding.fields import TableEncoding
    from ..storage.writing import Split

REPORT_FILE, PICTURE_FILE = "report.json", "fields.png"
# A warning names each split of which a smaller share of the values has an id of its own.
LEAST_KNOWN = 0.5
# Kinds whose cells hold any number of values, none of a missing one.
SEVERAL = ("multivalued", "sequence")
WRITTEN_ALIKE = "Check that both are written alike"
# The picture shows so many fields: drawing a thousand takes longer than preparing them.
MOST_DRAWN = 60


def write_report(
    folder: pathlib.Path,
    name: str,
    encoding: TableEncoding,
    splits: Mapping[str, Split],
    chunks: Sequence[Config],
    counts: np.ndarray,
    seconds: Mapping[str, float],
    start: float,
    negative_rate: float = 1.0,
    growth: Config | None = None,
    numbers: Sequence[Mapping[str, Sequence[Config]]] = (),
) -> Config:
    """Write `report.json` and `fields.png` into a folder.

    Args:
        folder: The folder of the shards.
        name: Name of the data set.
        encoding: The `TableEncoding`.
        splits: `{split: Split}`.
        chunks: The stats of each chunk.
        counts: What `encode_chunk` counted, `(fields, splits, 6)`.
        seconds: Duration of each step in seconds.
        start: When this process began, from `time.monotonic`.
        negative_rate: The share of the negative training rows that were kept.
        growth: What `ctrzoo.data_pipelines.preparation.extension.report_of` returned, if the folder keeps all counts.
        numbers: What `numbers_of_chunk` returned of each chunk; empty if numbers were not counted.

    Returns:
        The report, as written to the file.
    """
    rows = sum(split.rows for split in splits.values())
    size = sum(sum(split.shards.values()) for split in splits.values())
    total = time.monotonic() - start
    bad = [chunk["first_bad"] for chunk in chunks if chunk["bad"]]
    fields = []
    for field, description, of_splits in zip(encoding.schema.fields, encoding.fields, counts, strict=True):
        sizes = {"vocabulary_size": field.vocabulary_size, "num_slots": field.num_slots}
        by_split = {name: _shares(of_split) for name, of_split in zip(SPLITS, of_splits, strict=True) if of_split[1]}
        config: Config = {"type": description.type} if description.type else {}
        if field.compositional is not None:
            config |= {"compositional": field.compositional, "num_values": description.num_values}
        if field.share is not None:
            config["share"] = field.share
        if field.cross:
            config["cross"] = list(field.cross)
        if description.holds_several:
            config["cut_values"] = int(of_splits[:, 5].sum())
        if field.name in (numbers[0] if numbers else ()):
            config["numbers"] = summary_of([chunk[field.name] for chunk in numbers])
        fields.append(
            {
                "name": field.name,
                "kind": field.kind,
                **config,
                **sizes,
                "min_count": description.min_count,
                **_shares(of_splits.sum(axis=0)),
                "splits": by_split,
            }
        )
    report = {
        "name": name,
        "rows": rows,
        "positives": sum(split.positives for split in splits.values()),
        "splits": {key: {"rows": split.rows, "positives": split.positives} for key, split in splits.items()},
        **_roles_of(encoding.roles, chunks, rows),
        **_negatives_of(negative_rate, chunks),
        "num_ids": encoding.schema.num_ids,
        **({"growth": growth} if growth else {}),
        "bad_rows": sum(chunk["bad"] for chunk in chunks),
        "first_bad_row": bad[0] if bad else None,
        "bytes_per_row": size / rows,
        "seconds": total,
        "rows_per_second": rows / total,
        "seconds_of_steps": seconds,
        "peak_memory_bytes": peak_bytes(),
        "fields": fields,
        "warnings": warnings_of(fields),
    }
    write_json(folder / REPORT_FILE, report)
    draw_fields(report, folder / PICTURE_FILE)
    return report


def _roles_of(roles, chunks, rows):
    """Return what the report says of labels that are numbers, and of weights."""
    found: Config = {}
    if roles.the_label.kind != "binary":
        found |= {"label_kind": roles.the_label.kind, "mean_label": sum(chunk["label_sum"] for chunk in chunks) / rows}
    if "weight" in roles.columns:
        found["mean_weight"] = sum(chunk["weight_sum"] for chunk in chunks) / rows
    if roles.columns:
        found["columns"] = {role: getattr(roles, role) for role in roles.columns}
    return found


def _negatives_of(rate, chunks):
    """Return what the report says of negative training rows that were left out."""
    return {"negative_rate": rate, "left_out_negatives": sum(chunk["left_out"] for chunk in chunks)} if rate < 1 else {}


def _shares(counts):
    missing, rows, rare, unseen, values, _ = (int(count) for count in counts)
    values = max(values, 1)
    return {"missing_share": missing / rows, "rare_share": rare / values, "unseen_share": unseen / values}


def warnings_of(fields: Sequence[Config]) -> list[str]:
    """Return a sentence for each thing that a model would learn badly, such as a split with few known values.

    Args:
        fields: The fields of a report.
    """
    warnings = []
    if len(fields) == 1 and fields[0]["kind"] == "multivalued":
        warnings.append(
            f"Field '{fields[0]['name']}' is the only one, so models of interactions find no pairs of fields. Divide "
            "its values into fields. libffm text names the field of each value; for libsvm text, the schema's `format` "
            "does."
        )
    for field in fields:
        if field.get("num_values", field["vocabulary_size"] + 1) <= field["vocabulary_size"]:
            warnings.append(
                f"Field '{field['name']}': `compositional` saves nothing, as {field['num_values']:,} values have "
                f"{field['vocabulary_size']:,} rows. Remove it."
            )
        if field.get("cut_values"):
            warnings.append(
                f"Field '{field['name']}': {field['cut_values']:,} values were cut, because their cells have more than "
                f"{_values_of(field)} values. Set `max_values` to keep more or fewer."
            )
        missing = {name: shares["missing_share"] for name, shares in field["splits"].items()}
        if missing.get("train") == 1 and min(missing.values()) < 1:
            other = min(missing, key=lambda name: missing[name])
            warnings.append(
                f"Field '{field['name']}' is missing in all training rows, but not in the split '{other}'. A model "
                "cannot learn what it means. Leave the field out, or split the rows in another way."
            )
        known = {name: _known_share(field["kind"], shares) for name, shares in field["splits"].items()}
        for name, share in known.items():
            if share < LEAST_KNOWN <= known.get("train", 0.0):
                check = "A cross needs values that recur together" if "cross" in field else WRITTEN_ALIKE
                warnings.append(
                    f"Field '{field['name']}': only {share:.1%} of the values in the split '{name}' have an id of "
                    f"their own, compared with {known['train']:.1%} of the training values. {check}."
                )
    return warnings


def _values_of(field):
    """Return the most values of a row."""
    return field["num_slots"] // 2 if "compositional" in field else field["num_slots"]


def _known_share(kind, shares):
    """Return the share of the values, without missing cells, that have an id of their own."""
    present = 1 if kind in SEVERAL else 1 - shares["missing_share"]
    return 1 - (shares["rare_share"] + shares["unseen_share"]) / present if present > 0 else 1.0


def tables_of(report: Config) -> tuple[Table, Table]:
    """Return the report as tables for the screen."""
    head = Table(title=f"{report['name']}: {report['rows']:,} rows prepared", show_header=False)
    splits = [f"{key} {split['rows']:,} ({split['positives']:,} positive)" for key, split in report["splits"].items()]
    if "mean_label" in report:
        splits = [f"{key} {split['rows']:,}" for key, split in report["splits"].items()]
    head.add_row("splits", ", ".join(splits))
    if "mean_label" in report:
        head.add_row("labels", f"{report['label_kind']}, mean {report['mean_label']:.4g}")
    else:
        head.add_row("positives", f"{report['positives']:,} ({report['positives'] / report['rows']:.2%})")
    if "left_out_negatives" in report:
        left_out, rate = report["left_out_negatives"], report["negative_rate"]
        head.add_row("left out", f"{left_out:,} negative training rows, to keep about {rate:g} of them")
    if "mean_weight" in report:
        head.add_row("mean weight", f"{report['mean_weight']:.4g}")
    for role, column in report.get("columns", {}).items():
        head.add_row(role, Text(f"column '{column}'"))
    head.add_row("ids", f"{report['num_ids']:,}")
    head.add_row("bytes per row", f"{report['bytes_per_row']:,.1f}")
    head.add_row("time", f"{report['seconds']:,.1f} s, {report['rows_per_second']:,.0f} rows/s")
    head.add_row("peak memory", f"{report['peak_memory_bytes'] / 2**20:,.0f} MiB")
    for title, text in lines_of(report["growth"]) if "growth" in report else ():
        head.add_row(title, Text(text))
    if report["bad_rows"]:
        head.add_row("rows skipped", Text(f"{report['bad_rows']:,}; the first: {report['first_bad_row']}"))
    table = Table()
    table.add_column("field")
    table.add_column("kind")
    splits = list(report["splits"])
    for column in ("ids", "min count", f"% rare or unseen: {' / '.join(splits)}", "missing"):
        table.add_column(column, justify="right")
    for field in report["fields"]:
        shares = [field["splits"][split] for split in splits]
        rare = " / ".join(f"{100 * (share['rare_share'] + share['unseen_share']):.1f}" for share in shares)
        of_values = f" for {field['num_values']:,} values" if "num_values" in field else ""
        row = (field["kind"], f"{field['vocabulary_size']:,}{of_values}", str(field["min_count"]), rare)
        table.add_row(Text(field["name"]), *row, f"{field['missing_share']:.2%}")
    for warning in report["warnings"]:
        head.add_row("warning", Text(warning))
    return head, table


def _most_telling(fields):
    """Return the fields to draw, in their order: those with most missing or rare cells, then those with most ids."""
    telling = sorted(
        fields, key=lambda field: (-field["missing_share"] - field["rare_share"], -field["vocabulary_size"])
    )
    names = {field["name"] for field in telling[:MOST_DRAWN]}
    return [field for field in fields if field["name"] in names]


@matplotlib.rc_context(FONTS)
def draw_fields(report: Config, path: Path) -> None:
    """Draw each field's number of ids and its shares of cells that have their own id, are rare, or are missing.

    In a multi-valued field, cells that are not missing are divided in proportion to their values. Of many fields, only
    those with the most missing and rare cells are drawn.
    """
    fields = _most_telling(report["fields"])[::-1]
    shown = f"the {len(fields)} of {len(report['fields']):,} fields with most missing or rare cells"
    title = f"{report['name']}, {report['rows']:,} rows" + (f"\n{shown}" if len(fields) < len(report["fields"]) else "")
    names = plain(field["name"] for field in fields)
    figure = Figure(figsize=(9, 1.2 + 0.22 * len(fields)), layout="constrained")
    sizes, shares = figure.subplots(1, 2, sharey=True)
    sizes.barh(names, [field["vocabulary_size"] for field in fields])
    sizes.set(xscale="log", xlabel="ids of the field")
    figure.suptitle(title)
    sizes.margins(y=0.01)
    sizes.tick_params(labelsize=7)
    missing = [field["missing_share"] for field in fields]
    rare = [
        (field["rare_share"] + field["unseen_share"]) * (1 - field["missing_share"] if field["kind"] in SEVERAL else 1)
        for field in fields
    ]
    known = [1 - m - r for m, r in zip(missing, rare, strict=True)]
    left = [0.0] * len(fields)
    for label, part, color in (("own id or number", known, "C0"), ("rare", rare, "C1"), ("missing", missing, "0.8")):
        shares.barh(names, part, left=left, color=color, label=label)
        left = [a + b for a, b in zip(left, part, strict=True)]
    shares.set(xlabel="share of the cells", xlim=(0, 1))
    figure.legend(fontsize=8, loc="outside lower center", ncols=3)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)
