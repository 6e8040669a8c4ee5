"""A user's own table as a data set; a schema file describes its columns."""

from __future__ import annotations

import dataclasses
import glob
import json
import pathlib
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ctrzoo.stores import as_path, is_url, matching, reaching
from ctrzoo.suggest import unknown

from ..encoding.cell_types import AUTO
from ..encoding.field import FITTED, FieldEncoding
from ..encoding.fields import TableEncoding
from ..encoding.roles import COLUMNS, Roles
from ..raw.delimited import Format
from ..raw.layout import kind_of, source_like
from ..raw.libsvm import SparseTextSource
from ..raw.sources import ParquetSource, TextSource
from ..raw.token_fields import declared_format
from ..storage.writing import SPLITS
from .engine import prepare_table
from .extension import Extension, described, extension_of, opened
from .history import histories_from_schema
from .negatives import Negatives
from .plan import TablePlan
from .replacing import replacing
from .splits import ByFile, split_from_dict

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

LARGEST_SCHEMA = 1 << 24
DEEPEST_SCHEMA = 50
MOST_VALUES = 1_000_000
KEYS = ("label", "fields", *COLUMNS, "keep_groups", "negatives", "split", "fit_on", "history", "format", *Format.keys())


def prepare_own_table(
    folder: Path,
    name: str,
    tables: Path | Mapping[str, Path],
    schema: Path | Mapping[str, Any] | None = None,
    *,
    bad_rows: str = "error",
    most_skipped: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
    keep_counts: bool = False,
    extend: Path | None = None,
    expire: int | None = None,
) -> Config:
    """Prepare your own table into a folder.

    Args:
        folder: The folder to create, or its URL in a store, such as `"s3://bucket/data/clicks"`.
        name: Name of the data set: letters, digits and underscores.
        tables: A path, URL or pattern such as `"logs/*.parquet"` or `"s3://logs/*.parquet"`, or one for each split,
            `{"train": ..., "valid": ..., "test": ...}`. Files end in `.csv`, `.tsv`, `.txt` or `.parquet`, `.libsvm`,
            `.svm`, `.libfm`, `.libffm` or `.ffm` (see `SparseTextSource` for their columns);
            text may be compressed (`.gz`, `.bz2`, `.zst`, `.zip`).
        schema: Path of the schema file (JSON or YAML), or its content as a mapping: `label` (a
            column, or arguments of `Label`), `fields` (arguments of `FieldEncoding`), `weight`, `group`, `time`, `id`
            and `keep_groups` (see `Roles`), `split` (arguments of `Fractions`, `ByColumn` or `ByName`, or those of
            `ByHash` with its columns as `hash`), `fit_on`, `history` (arguments of `History`, or a list of them: lists
            of the earlier rows of a user), `negatives` (the share of the negative training rows to keep), `missing`,
            `format` for libsvm text (the fields of its tokens, see `declared_format`), and for other text `separator`,
            `columns` (if the files have no header) and `quote` (by default none for tab-separated text, otherwise
            `"`). With `extend` it may be None: then files are written, and rows are split, as those of the earlier
            folder.
        bad_rows: What to do with rows that cannot be used: `"error"` or `"skip"`.
        most_skipped: The largest share of the rows that `"skip"` may leave out, 0 to 1; by default 0.05.
        seed: Seed for the order of the training rows, for the choice of `negatives`, and for the split if the schema
            gives none.
        overwrite: Whether to replace an earlier preparation, which stays until the new one is complete. A folder with
            other files in it is never replaced.
        keep_counts: Whether the folder keeps the counts of all values, also of rare ones, so that it can be extended.
            They take about as much disk as the texts of these values.
        extend: A folder with such counts, which stays as it is. The new folder has only the rows of `tables`; each
            value has the id that it has there, counts go on, and values that pass `min_count` get new ids. All else
            that was fitted stays: types, scalings, buckets.
        expire: Drop values that did not occur in so many extensions, this one among them; their ids are used again.

    Returns:
        The report, as in `report.json`.

    Raises:
        FileExistsError: If the folder exists, and `overwrite` is False or the folder is not a prepared one.
        FileNotFoundError: If a file is missing.
        ValueError: If the schema or a row is invalid, or the folder to extend keeps no counts.
    """
    _check_extension(keep_counts, extend, expire)
    files, splits = find_tables(tables)
    given, extension = None, None
    if schema is None:
        source = source_like(files, opened(extend)[1].table, splits=splits)
    else:
        config = schema if isinstance(schema, Mapping) else read_schema(schema)
        source = table_source(files, splits, config)
        given = table_plan(config, source.columns(), bool(splits), seed)
    if given and given.histories and (keep_counts or extend is not None):
        raise ValueError(
            "Schema: `history` cannot be combined with `keep_counts` or `extend`: the events of earlier rows are not "
            "kept. Prepare all rows of the log together."
        )
    if given is None or extend is not None:
        plan, extension = extension_of(extend, given, bool(splits), seed, expire)
    else:
        plan, extension = given, Extension(described(given)) if keep_counts else None
    options: Any = {"bad_rows": bad_rows, "most_skipped": most_skipped, "shuffle_seed": seed, "extension": extension}
    with replacing(folder, overwrite) as place:
        return prepare_table(place, name, plan, source, **options)


def _check_extension(keep_counts, extend, expire):
    if extend is None and expire is not None:
        raise ValueError("`expire` drops values of the folder to `extend`. Pass both, or neither.")
    if extend is not None and keep_counts:
        raise ValueError("A folder that extends another one always keeps its counts. Leave out `keep_counts`.")


def read_schema(path: Path) -> Mapping[str, Any]:
    """Read a schema file, JSON or YAML.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is not a mapping.
    """
    path = as_path(path)
    with reaching(path):
        if not path.is_file():
            raise FileNotFoundError(f"The schema {path} does not exist. Draft one with --infer_schema.")
        size = path.stat().st_size
        if size > LARGEST_SCHEMA:
            raise ValueError(f"The schema {path} has {size:,} bytes, more than any schema needs. Correct the path.")
        content = path.read_bytes()
    try:
        text = content.decode("utf-8")
        config = json.loads(text) if path.suffix == ".json" else yaml.load(text, _SchemaLoader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"The schema {path} cannot be read: {' '.join(str(error).split())}.") from None
    if not isinstance(config, Mapping):
        raise ValueError(f"The schema {path} must be a mapping with the keys label and fields.")
    return config


class _SchemaLoader(yaml.SafeLoader):
    """Reads YAML, but no deep nesting, and no references that stand for more values than any schema has."""

    _depth = 0

    def compose_node(self, parent, index):
        self._depth += 1
        if self._depth > DEEPEST_SCHEMA:
            raise yaml.YAMLError(f"it is nested more than {DEEPEST_SCHEMA} deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self):
        node = super().get_single_node()
        if node is not None and _num_values(node, {}) > MOST_VALUES:
            raise yaml.YAMLError(f"its references (*) stand for more than {MOST_VALUES:,} values; write them out")
        return node


def _num_values(node, counted):
    """Return the number of values of a YAML node, references written out."""
    if id(node) not in counted:
        counted[id(node)] = MOST_VALUES  # what a node that holds itself has at least
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
        counted[id(node)] = 1 + sum(_num_values(part, counted) for part in parts)
    return counted[id(node)]


def _check_names(config):
    """Raise an error for names that YAML reads as something else than text, such as `no`."""
    entries = config["fields"]
    names = [(f"`{role}`", config.get(role)) for role in ("label", *COLUMNS)]
    for entry in entries:
        keys = ("name", "column") if isinstance(entry, Mapping) else (None,)
        cross = entry.get("cross") if isinstance(entry, Mapping) else None
        names += [("a field in `cross`", part) for part in cross] if isinstance(cross, list) else []
        names += [(f"`{key}` of a field" if key else "a field", entry.get(key, "") if key else entry) for key in keys]
    if isinstance(config.get("split"), Mapping):
        names.append(("`column` of a split", config["split"].get("column")))
    for what, name in names:
        if not isinstance(name, (str, type(None), Mapping, list, tuple)):
            written = (
                "'no', 'off', 'false'" if name is False else "'yes', 'on', 'true'" if name is True else f"'{name}'"
            )
            raise ValueError(
                f"Schema: {what} must be a text. Received: {name!r}. YAML reads words such as no, on and 1 as other "
                f"values: write the name in quotes ({written})."
            )


def find_tables(tables: Path | Mapping[str, Path]) -> tuple[tuple[pathlib.Path, ...], tuple[str, ...]]:
    """Return the files and the split of each; no splits if one table holds all of them.

    Raises:
        FileNotFoundError: If a name or pattern matches no file.
        ValueError: If a split is unknown, `train` is missing, or a file is in two splits.
    """
    if not isinstance(tables, Mapping):
        return tuple(_matching(tables)), ()
    for split in tables:
        if split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
    if "train" not in tables:
        raise ValueError("Separate files must include one for the split 'train'.")
    pairs = [(path, split) for split in SPLITS if split in tables for path in _matching(tables[split])]
    seen = {}
    for path, split in pairs:
        other = seen.setdefault(path.resolve(), split)
        if other != split:
            raise ValueError(f"{path} is in two splits, {other} and {split}. Correct the paths or patterns.")
    return tuple(path for path, _ in pairs), tuple(split for _, split in pairs)


def _matching(pattern):
    path = as_path(pattern)
    path = path if is_url(pattern) else path.expanduser()
    with reaching(pattern):
        is_pattern = glob.has_magic(str(path)) and not path.exists()
        found = matching(path) if is_pattern else [path]
    if not found:
        raise FileNotFoundError(f"{path} matches no file. Correct the path.")
    return found


def table_source(
    files: Sequence[pathlib.Path], splits: Sequence[str], config: Mapping[str, Any]
) -> ParquetSource | SparseTextSource | TextSource:
    """Return a source for some files.

    Raises:
        ValueError: If a file is of an unknown kind.
    """
    declared, token_fields = declared_format(config.get("format"))
    kinds = {declared or kind_of(path) for path in files}
    if len(kinds) > 1:
        raise ValueError(f"All files must be of the same kind. Received: {', '.join(sorted(kinds))}.")
    kind = kinds.pop()
    if kind not in ("csv", "tsv"):
        idle = sorted({"separator", "columns", "quote"} & set(config))
        if idle:
            raise ValueError(f"Schema: {', '.join(idle)} is for CSV and TSV files. Received: {kind}. Remove it.")
    if token_fields and kind != "libsvm":
        raise ValueError(f"Schema: `format` names fields of libsvm text. Received: {kind}. Remove it, or add its kind.")
    if kind == "parquet":
        return ParquetSource(files, splits)
    if kind in ("libsvm", "libffm"):
        return SparseTextSource(files, kind, splits=splits, fields=token_fields)
    return TextSource(files, Format.from_schema(config, "," if kind == "csv" else "\t"), splits)


def name_of_table(table: Path) -> str:
    """Return the name of a table's data set: that of its file, without what TensorFlow Datasets does not allow.

    Raises:
        ValueError: If the extension is unknown.

    >>> name_of_table("logs/2024-05.csv.gz")
    'table_2024_05'
    """
    kind_of(table)
    name = re.sub(r"\W+", "_", pathlib.PurePath(str(table)).name.split(".")[0]).strip("_")
    return name if re.match("[a-zA-Z]", name) else f"table_{name}".rstrip("_")


def table_plan(config: Mapping[str, Any], columns: Sequence[str], by_file: bool = False, seed: int = 0) -> TablePlan:
    """Return the `TablePlan` of a schema.

    Args:
        config: The content of a schema file.
        columns: The columns of the table.
        by_file: Whether files determine the splits.
        seed: Seed for a split that has none, and for the choice of `negatives`.

    Raises:
        ValueError: If a key is unknown or a value is wrong.
    """
    for key in config:
        if key == "learn_from":
            raise ValueError("Schema: the key 'learn_from' was renamed to 'fit_on'. Rename it.")
        if key not in KEYS:
            raise ValueError(f"Schema: {unknown('key', key, KEYS)}")
    for key in ("label", "fields"):
        if config.get(key) in (None, "", [], ()):
            raise ValueError(f"Schema: the key '{key}' is missing.")
    if not isinstance(config["fields"], (list, tuple)):
        raise ValueError(f"Schema: `fields` must be a list, such as [site, price]. Received: {config['fields']!r}.")
    _check_names(config)
    roles = Roles.from_schema(config)
    for column in roles.needed:
        if column not in columns:
            role = "label column" if column == roles.label_column else "column"
            raise ValueError(f"Schema: {unknown(role, column, columns)}{_headless(columns)}")
    histories = histories_from_schema(config.get("history"))
    for history in histories:
        for column in history.needed:
            if column not in columns:
                raise ValueError(f"Schema, history: {unknown('column', column, columns)}{_headless(columns)}")
        for name in history.columns:
            if name in columns:
                raise ValueError(
                    f"Schema: the history '{history.name}' would make the column '{name}', which the table has. Give "
                    "the history another `name`."
                )
    columns = [*columns, *(name for history in histories for name in history.columns)]
    missing = Format.from_schema(config, ",").missing
    fields = []
    for entry in config["fields"]:
        field = FieldEncoding.from_dict({"name": entry} if isinstance(entry, str) else entry)
        fitted = sorted(set(FITTED) & set(entry)) if isinstance(entry, Mapping) else []
        if fitted:
            raise ValueError(
                f"Schema, field '{field.name}': {', '.join(fitted)} is fitted by the preparation. Remove it."
            )
        for key, fields_of in field.idle().items():
            if isinstance(entry, Mapping) and key in entry:
                raise ValueError(
                    f"Schema, field '{field.name}': `{key}` has no effect, it is for {fields_of}. Remove it, or "
                    f"correct the kind, which is '{field.kind}'."
                )
        for column in field.raw_columns:
            if column not in columns:
                raise ValueError(f"Schema: {unknown('column', column, columns)}{_headless(columns)}")
        fields.append(_of_this_table(field, missing))
    for history in histories:
        fields += history.fields(fields)
    TableEncoding(fields, roles=roles)  # finds names that occur twice and more ids than fit
    split = ByFile() if by_file else split_from_dict(config.get("split", {}), seed)
    if by_file and "split" in config:
        raise ValueError("Schema: separate files determine the splits. Remove the key 'split'.")
    negatives = Negatives(config.get("negatives", 1.0), seed)
    return TablePlan(fields, roles, split, config.get("fit_on", "train"), negatives, histories)


def _of_this_table(field, missing):
    """Return a field that knows the table's texts for missing cells, and whose type is decided if it has none."""
    if field.cross:
        return field
    is_text = not (field.reads_numbers or field.holds_numbers) and not field.assign_ids_online and field.part is None
    missing_texts = tuple(dict.fromkeys([*missing, *field.missing_texts]))
    return dataclasses.replace(
        field, missing_texts=missing_texts, type=AUTO if is_text and field.type is None else field.type
    )


def _headless(columns):
    """Return advice if the first row does not look like a header."""
    numbers = sum(str(column).replace(".", "", 1).lstrip("-").isdigit() for column in columns)
    return " The first row does not look like a header: name the `columns` in the schema." if numbers else ""
