"""What a prepared folder keeps so that another one can extend it, and the plan of the one that does.

`counts.parquet` holds each value that was seen: its field, how often it occurred in all rows of the fit, and in which
extension last. `growth.json` holds the number of the extension, the fields as the schema named them, and how rows were
split. A folder that is prepared with `keep_counts` has both, and so does each folder that extends it.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from ..encoding.fields import DAMAGES, TableEncoding
from ..encoding.growing import COUNTS, KEPT, Change, Growing, continued
from ..storage.reading import PreparedData, load
from .negatives import Negatives
from .plan import TablePlan
from .splits import ByColumn, ByFile, ByHash, ByName, Folds, Fractions, Shuffled

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from ..encoding.field import FieldEncoding

GROWTH_FILE, COUNTS_FILE = "growth.json", "counts.parquet"
FORMAT_VERSION = 1
DIVISIONS: dict[str, Any] = {
    kind.__name__: kind for kind in (Fractions, ByColumn, ByName, ByHash, ByFile, Folds, Shuffled)
}


@dataclasses.dataclass(frozen=True, eq=False)
class Extension:
    """How the vocabularies of a preparation grow.

    Args:
        plan: The fields as the schema named them, and how rows are split, JSON-serializable: what `described` returned.
        fields: The fitted fields that are extended, in model order; empty if this is the first preparation.
        counts: For each field that has values of its own, those seen so far.
        number: The number of the extension; 0 is the first preparation.
        expire: After how many extensions without it a value is dropped; None drops none.
        fingerprint: The fingerprint of the folder that is extended.
    """

    plan: Config
    fields: tuple[FieldEncoding, ...] = ()
    counts: Mapping[str, pl.DataFrame] = dataclasses.field(default_factory=dict)
    number: int = 0
    expire: int | None = None
    fingerprint: str | None = None

    def growing(self, index: int) -> Growing:
        """Return where the vocabulary of a field continues."""
        if not self.fields:
            return Growing()
        field = self.fields[index]
        counts = self.counts.get(field.share or field.name, pl.DataFrame(schema=COUNTS))
        return Growing(field, counts, self.number, self.expire)

    def describe(self) -> Config:
        """Return what the result depends on, JSON-serializable."""
        return {"number": self.number, "expire": self.expire, "from": self.fingerprint}

    def save(self, folder: pathlib.Path, counts: Mapping[str, pl.DataFrame]) -> None:
        """Write `growth.json`, and `counts.parquet` of the values of each field, into a folder that is not public yet.

        Args:
            folder: The folder.
            counts: The values of each field that has some of its own, by name.
        """
        tables = [frame.select(pl.lit(name).alias("field"), pl.all()) for name, frame in counts.items()]
        pl.concat([pl.DataFrame(schema={"field": pl.String, **COUNTS}), *tables]).write_parquet(folder / COUNTS_FILE)
        content = {"format_version": FORMAT_VERSION, **self.describe(), "plan": self.plan}
        (folder / GROWTH_FILE).write_text(json.dumps(content, indent=2), encoding="utf-8")


def described(plan: TablePlan) -> Config:
    """Return the part of a plan that an extension must repeat or may take over, JSON-serializable."""
    kept = {key: plan.describe()[key] for key in ("fields", "split", "fit_on")}
    others = {"roles": plan.roles.describe(), "negatives": dataclasses.asdict(plan.negatives)}
    return json.loads(json.dumps({**kept, **others}))


def opened(folder: Path | None) -> tuple[PreparedData, TableEncoding]:
    """Return a prepared folder that can be extended, and its encoding.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it keeps no counts or is damaged.
    """
    if folder is None:
        raise ValueError("A table needs a schema. Pass one, or the folder to `extend`.")
    data = load(folder)
    encoding = data.encoding
    if encoding is None or not (data.local_folder / GROWTH_FILE).is_file():
        raise ValueError(
            f"{data.folder} keeps no counts, so those of rare values cannot go on. Prepare it again with --keep_counts "
            "(`keep_counts=True`)."
        )
    return data, encoding


def extension_of(
    folder: Path | None, given: TablePlan | None, by_file: bool, seed: int, expire: int | None
) -> tuple[TablePlan, Extension]:
    """Return the plan of a preparation that extends a folder, and how its vocabularies grow.

    Args:
        folder: The prepared folder, which stays as it is.
        given: The plan of a schema, of which only the split, `fit_on` and the negatives may differ from those of the
            folder; None repeats those of the folder.
        by_file: Whether files determine the splits.
        seed: Seed for the choice of negatives, if the plan is that of the folder.
        expire: See `Extension`.

    Raises:
        FileNotFoundError: If the folder is missing.
        ValueError: If it keeps no counts or is damaged, the schema has other fields, or `expire` is below 1.
    """
    if expire is not None and (not isinstance(expire, int) or isinstance(expire, bool) or expire < 1):
        raise ValueError(f"`expire` must be a whole number of at least 1. Received: {expire!r}.")
    data, encoding = opened(folder)
    content, counts = _read(data.local_folder)
    fields = tuple(continued(field) for field in encoding.fields)
    earlier = content["plan"]
    if given is None:
        plan = _repeated(earlier, encoding, by_file, seed)
    else:
        _check_same(earlier, given, data.folder)
        plan = given
    unfitted = [field.unfitted() for field in fields]
    plan = TablePlan(unfitted, encoding.roles, plan.split, plan.fit_on, plan.negatives)
    mine = {**described(plan), "fields": earlier["fields"]}
    return plan, Extension(mine, fields, counts, content["number"] + 1, expire, data.fingerprint)


def _read(folder):
    """Return the content of `growth.json`, and the counts of each field."""
    try:
        content = json.loads((folder / GROWTH_FILE).read_text(encoding="utf-8"))
        table = pl.read_parquet(folder / COUNTS_FILE, glob=False)
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"its format version is {content['format_version']}, not {FORMAT_VERSION}")
        counts = table.partition_by("field", as_dict=True, include_key=False)
        return content, {
            key[0]: frame.select(pl.col(name).cast(kind) for name, kind in COUNTS.items())
            for key, frame in counts.items()
        }
    except (*DAMAGES, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"The counts in {folder} cannot be read ({reason}). Prepare the folder again.") from None


def _repeated(earlier, encoding, by_file, seed):
    """Return the plan of the folder that is extended."""
    kind, arguments = earlier["split"]
    if kind == "ByFile" and not by_file:
        raise ValueError(
            "The rows of the folder were split by files. Pass --valid_table and --test_table too, or a --schema with "
            "another `split`."
        )
    split = ByFile() if by_file else DIVISIONS[kind](**arguments)
    negatives = Negatives(earlier["negatives"]["share"], seed)
    return TablePlan(encoding.fields, encoding.roles, split, earlier["fit_on"], negatives)


def _check_same(earlier, plan, folder):
    """Raise an error if the fields or the roles of a schema are not those of the folder."""
    now = described(plan)
    before, after = ({field["name"]: field for field in each["fields"]} for each in (earlier, now))
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            what = "is not in the folder" if name not in before else "is missing" if name not in after else "differs"
            raise ValueError(
                f"The schema has other fields than {folder}: '{name}' {what}. An extension keeps the fields: correct "
                "the schema, or prepare all rows anew."
            )
    if list(before) != list(after):
        raise ValueError(f"The schema has the fields of {folder} in another order. Put them into that order.")
    if earlier["roles"] != now["roles"]:
        raise ValueError(
            f"The schema has another label, weight, group, time or id than {folder}. An extension keeps them: correct "
            "the schema."
        )


def report_of(extension: Extension, changes: Mapping[str, Change | None]) -> Config:
    """Return what the report says of an extension: the counts of each field that has values of its own."""
    fields = {name: change._asdict() for name, change in changes.items() if change is not None}
    return {**extension.describe(), "fields": fields, "unchanged": KEPT}


def lines_of(growth: Config) -> Iterable[tuple[str, str]]:
    """Yield what a table on the screen says of an extension, for the part of a report that `report_of` made.

    >>> change = {"kept": 3, "appended": 2, "dropped": 1, "rare": 5, "forgotten": 0}
    >>> list(lines_of({"number": 1, "expire": 7, "fields": {"site": change}, "unchanged": "Types"}))[0]
    ('extension 1', 'site: 3 values kept, 2 new, 1 dropped; 5 rare ones counted, 0 forgotten')
    """
    if not growth["number"]:
        rare = sum(change["rare"] for change in growth["fields"].values())
        yield "counts", f"those of {rare:,} rare values are kept too, for --extend"
        return
    title = f"extension {growth['number']}"
    for name, change in growth["fields"].items():
        dropped, forgotten = (f", {change[key]:,} {key}" * bool(growth["expire"]) for key in ("dropped", "forgotten"))
        changed = f"{change['kept']:,} values kept, {change['appended']:,} new{dropped}"
        yield title, f"{name}: {changed}; {change['rare']:,} rare ones counted{forgotten}"
    yield title, f"{growth['unchanged']} stay as they were fitted first"
