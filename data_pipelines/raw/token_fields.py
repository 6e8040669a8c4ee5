"""Which field a token of libsvm text belongs to: the text gives numbers of features, and says nothing of fields."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ctrzoo.suggest import unknown

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

# Each field becomes two columns.
MOST_FIELDS = 10_000
KINDS = ("libsvm", "libfm", "libffm")
WAYS = ("positions", "ranges", "mapping")
NO_FIELD = -1
LARGEST_ID = np.iinfo(np.int64).max


@dataclasses.dataclass(frozen=True)
class TokenFields:
    """The fields of libsvm text, by the place of a token in its line or by its id.

    Args:
        names: Names of the fields, texts or whole numbers.
        starts: The first id of each range, rising; empty if fields are places in a line.
        ends: The end of each range, the first id after it.
        owners: The index in `names` of each range's field.

    >>> fields = TokenFields.from_schema({"ranges": {"user": [0, 943], "item": [943, 2625]}})
    >>> fields.of_ids(np.array([0, 943, 2625])).tolist()
    [0, 1, -1]
    """

    names: tuple[str | int, ...]
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()

    def __post_init__(self):
        columns = ["label", *self.columns, *self.value_columns]
        twice = sorted({column for column in columns if columns.count(column) > 1}) if len(columns) < 100 else []
        if len(set(columns)) < len(columns):
            raise ValueError(f"`format` gives two columns the same name{': ' if twice else ''}{', '.join(twice)}.")
        if len(self.names) > MOST_FIELDS:
            raise ValueError(f"`format` names {len(self.names):,} fields, but a table has at most {MOST_FIELDS:,}.")

    @classmethod
    def from_schema(cls, config: Mapping[str, Any]) -> TokenFields:
        """Return the fields that a schema describes.

        Args:
            config: One of three keys. `positions`: how many tokens each line has, or a list of their names; the first
                token is the first field. `ranges`: the ids of each field, `{user: [0, 943]}`, without the second
                number. `mapping`: path of a file that lists the field of each id.

        Raises:
            FileNotFoundError: If the mapping does not exist.
            ValueError: If it is none of these.
        """
        (way,) = config
        return {"positions": _by_position, "ranges": _by_range, "mapping": _by_file}[way](config[way])

    @property
    def columns(self) -> list[str]:
        """The names of the columns of ids."""
        return [f"field{name}" if isinstance(name, int) else name for name in self.names]

    @property
    def value_columns(self) -> list[str]:
        """The names of the columns of values."""
        return [f"value{name}" if isinstance(name, int) else f"value_{name}" for name in self.names]

    @property
    def by_position(self) -> bool:
        """Whether the place of a token in its line determines its field."""
        return not self.starts

    def of_ids(self, ids: np.ndarray) -> np.ndarray:
        """Return the index of each id's field, int64 `(ids,)`; -1 if it has none."""
        starts, ends, owners = self._arrays
        ranges = np.searchsorted(starts, ids, side="right") - 1
        inside = (ranges >= 0) & (ids < ends[ranges])
        return np.where(inside, owners[ranges], NO_FIELD)

    def describe(self) -> Config:
        """Return what the fields depend on, JSON-serializable and short."""
        digest = hashlib.sha256(np.concatenate(self._arrays).tobytes()).hexdigest() if self.starts else None
        return {"names": list(self.names), "ids": digest}

    @functools.cached_property
    def _arrays(self):
        return [np.array(numbers, np.int64) for numbers in (self.starts, self.ends, self.owners)]


def declared_format(config: str | Mapping[str, Any] | None) -> tuple[str | None, TokenFields | None]:
    """Return what the key `format` of a schema says: the kind of the text, and the fields of its tokens.

    Args:
        config: `"libsvm"`, `"libfm"` (the same) or `"libffm"`, or a mapping with `kind` and one key of
            `TokenFields.from_schema`.

    Raises:
        FileNotFoundError: If a mapping does not exist.
        ValueError: If it is neither, or a key does not fit the kind.

    >>> declared_format("libfm")
    ('libsvm', None)
    """
    config = {"kind": config} if isinstance(config, str) else {} if config is None else config
    if not isinstance(config, Mapping):
        raise ValueError(f"Schema: `format` must be a mapping such as {{kind: libsvm, positions: 10}}. Got {config!r}.")
    for key in config:
        if key not in ("kind", *WAYS):
            raise ValueError(f"Schema: {unknown('key of `format`', str(key), ('kind', *WAYS))}")
    kind = config.get("kind")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"Schema: {unknown('kind of `format`', str(kind), KINDS)} Other kinds go by the file's name.")
    ways = {key: value for key, value in config.items() if key != "kind"}
    if len(ways) > 1:
        raise ValueError(f"Schema: `format` takes one of {', '.join(WAYS)}. Received: {', '.join(ways)}.")
    if ways and kind == "libffm":
        raise ValueError(f"Schema: libffm text names the field of each token. Remove {next(iter(ways))} of `format`.")
    return "libsvm" if kind == "libfm" else kind, TokenFields.from_schema(ways) if ways else None


def _is_whole(value, least):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_ID


def _names(names, where):
    wrong = [name for name in names if not (isinstance(name, str) and name or _is_whole(name, 0))]
    if wrong or not names:
        found = repr(wrong[0]) if wrong else "none"
        raise ValueError(f"Schema: {where} must name fields by texts or whole numbers. Received: {found}.")
    return tuple(names)


def _by_position(value):
    if isinstance(value, (list, tuple)):
        return TokenFields(_names(value, "`positions` of `format`"))
    if not _is_whole(value, 1) or value > MOST_FIELDS:
        raise ValueError(
            f"Schema: `positions` of `format` must be the number of tokens in each line, 1 to {MOST_FIELDS:,}, or a "
            f"list of their names. Received: {value!r}."
        )
    return TokenFields(tuple(range(value)))


def _by_range(value):
    if not isinstance(value, Mapping) or not value:
        raise ValueError(
            "Schema: `ranges` of `format` must give the first id of each field and the one after its last, such as "
            f"{{user: [0, 943], item: [943, 2625]}}. Received: {value!r}."
        )
    names = _names(tuple(value), "`ranges` of `format`")
    for name, bounds in value.items():
        is_range = isinstance(bounds, Sequence) and len(bounds) == 2 and all(_is_whole(bound, 0) for bound in bounds)
        if not is_range or bounds[0] >= bounds[1]:
            raise ValueError(
                f"Schema: the range of '{name}' must be two whole numbers, the first id and the one after the last, "
                f"such as [0, 943]. Received: {bounds!r}."
            )
    ordered = sorted((*bounds, index) for index, bounds in enumerate(value.values()))
    for (_, end, first), (start, _, second) in zip(ordered, ordered[1:], strict=False):
        if start < end:
            raise ValueError(
                f"Schema: the ranges of '{names[first]}' and '{names[second]}' both hold the id {start}. A range ends "
                "before its second number."
            )
    starts, ends, owners = zip(*ordered, strict=True)
    return TokenFields(names, starts, ends, owners)


def _by_file(path: Path) -> TokenFields:
    if not isinstance(path, (str, pathlib.Path)):
        raise ValueError(f"Schema: `mapping` of `format` must be the path of a file. Received: {path!r}.")
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"The mapping {path} of `format` does not exist. Correct the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = json.loads(text).items() if path.suffix == ".json" else _lines(path, text)
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{error}" if str(error).startswith(str(path)) else _not_a_mapping(path, error)) from None
    fields, names = {}, {}
    for key, name in pairs:
        if not re.fullmatch(r"[0-9]{1,18}", str(key)):
            raise ValueError(f"{path}: {key!r} is not an id. Each id must be a whole number of at most 18 digits.")
        name = int(name) if isinstance(name, str) and re.fullmatch(r"[0-9]{1,9}", name) else name
        (name,) = _names([name], str(path))
        owner = names.setdefault(name, len(names))
        if fields.setdefault(int(key), owner) != owner:
            raise ValueError(f"{path}: the id {int(key)} is in two fields. Leave it in one.")
    if not fields:
        raise ValueError(f"{path} lists no ids. Write an id and its field per line.")
    ids = sorted(fields)
    owners = [fields[key] for key in ids]
    return TokenFields(tuple(names), tuple(ids), tuple(key + 1 for key in ids), tuple(owners))


def _lines(path, text):
    """Yield the id and the field in each line, which a comma, a tab, a semicolon or spaces separate."""
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip().strip('"') for cell in re.split(r"\s*[,;\t]\s*|\s+", line.strip())]
        if cells == [""] or (number == 1 and not cells[0].isdigit()):  # a header
            continue
        if len(cells) != 2:
            raise ValueError(f"{path}, row {number:,}: expected an id and its field. Received: {line[:50]!r}.")
        yield cells


def _not_a_mapping(path, error):
    return f"{path} is not a mapping of ids to fields ({' '.join(str(error).split())})."
