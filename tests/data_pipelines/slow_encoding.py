"""Fields of a table, encoded row by row with Python's dictionaries: independent of the encoders under test."""

import collections
import datetime
import math
import zoneinfo

import numpy as np
import tensorflow as tf

UTC = datetime.UTC
MISSING = ("", "NULL")


def farmhash(text, buckets):
    """Return TensorFlow's hash of a text, which is no part of the code under test."""
    return int(tf.strings.to_hash_bucket_fast([text], buckets)[0])


def moment_of(cell):
    """Return a time, aware of its zone if it says one."""
    if cell.endswith("Z"):
        return datetime.datetime.fromisoformat(cell[:-1]).replace(tzinfo=UTC)
    return datetime.datetime.fromisoformat(cell)


def part_of(cell, part, zone):
    moment = moment_of(cell)
    if moment.tzinfo:
        moment = moment.astimezone(zoneinfo.ZoneInfo(zone or "UTC"))
    parts = {"hour": moment.hour, "weekday": moment.weekday(), "day": moment.day, "month": moment.month}
    return str(int(moment.weekday() >= 5) if part == "is_weekend" else parts[part])


def time_text(cell):
    moment = moment_of(cell).replace(tzinfo=None)
    return moment.strftime("%Y-%m-%d" if moment.time() == datetime.time() else "%Y-%m-%d %H:%M:%S")


def decimal_text(cell):
    number = float(cell)
    return str(int(number)) if number.is_integer() else repr(number)


def log_bucket(cell):
    number = float(cell)
    return str(math.floor(math.log(number) ** 2) if number > 2 else math.floor(number) - 3)


class SlowTable:
    """A table whose rows are encoded one by one.

    Args:
        fields: The fields of a schema file, as mappings.
        cells: The cells of each column, all texts.
        learn: Whether each row is one of the fit.
        boundaries: The boundaries of each field with quantile buckets, by name.
    """

    def __init__(self, fields, cells, learn, boundaries):
        self.fields, self.cells, self.learn, self.boundaries = fields, cells, learn, boundaries
        self.by_name = {field["name"]: field for field in fields}
        self.sizes, self.first = {}, {}
        self.vocabularies = {field["name"]: self.vocabulary(field) for field in fields if self.is_counted(field)}
        for field in fields:
            self.sizes[field["name"]] = self.size(field)
        start = 1
        for field in fields:
            self.first[field["name"]] = start
            start += 0 if "share" in field else self.sizes[field["name"]]
        self.first |= {field["name"]: self.first[field["share"]] for field in fields if "share" in field}

    @staticmethod
    def is_counted(field):
        is_bucket = field.get("transform") == "quantile"
        return field.get("kind") not in ("numerical", "vector") and not is_bucket and "hash_buckets" not in field

    def text(self, field, cell):
        """Return the text of a value, None if it is missing."""
        if cell in (*MISSING, *field.get("missing_texts", ())):
            return None
        if "part" in field:
            return part_of(cell, field["part"], field.get("time_zone"))
        if field.get("type") == "time":
            return time_text(cell)
        if field.get("type") == "decimal":
            return decimal_text(cell)
        if field.get("transform") == "log_squared_bucket":
            return log_bucket(cell)
        if field.get("transform") == "quantile":
            return str(1 + sum(boundary <= float(cell) for boundary in self.boundaries[field["name"]]))
        if field.get("type") == "integer":
            return str(int(float(cell)))
        return cell

    def hashed(self, field, text):
        """Return the text that is hashed for a text, and that a cross joins."""
        return f"{float(text):.17e}" if field.get("type") == "decimal" and text else text

    def values(self, field, row):
        """Return the texts of a row: one, or those of a multi-valued cell."""
        if "cross" in field:
            texts = []
            for name in field["cross"]:
                part = self.by_name[name]
                text = self.hashed(part, self.values(part, row)[0])
                if text is None and part.get("missing") != "category":
                    return [None]
                texts.append((text or "").replace("\\", "\\\\").replace("&", "\\&"))
            return [" & ".join(texts)]
        cell = self.cells[field.get("column", field["name"])][row]
        if field.get("kind") == "sequence":
            tokens = cell.split("|")
            is_missing = tokens == [""] or cell in (*MISSING, *field.get("missing_texts", ()))
            return [] if is_missing else [self.text(field, token) for token in tokens]
        if field.get("kind") == "multivalued":
            if cell in MISSING:
                return []
            texts = [token.partition(":")[0] for token in cell.split("|") if token]
            return [self.text(field, text) for text in texts]
        return [self.text(field, cell)]

    def vocabulary(self, field):
        """Return the local id of each text."""
        owner = field.get("share", field["name"])
        counts = collections.Counter()
        for each in self.fields:
            if owner in (each["name"], each.get("share")):
                for row in np.flatnonzero(self.learn):
                    counts.update(self.values(each, row))
        absent = counts.pop(None, 0)
        if field.get("missing", "absent") != "absent" and absent:
            counts[""] += absent
        kept = sorted(text for text, count in counts.items() if count >= field.get("min_count", 1))
        return {text: 1 + self.has_oov(field) + place for place, text in enumerate(kept)}

    def has_oov(self, field):
        if not self.is_counted(field):
            return False
        return field["oov"] if field.get("oov") is not None else field.get("min_count", 1) > 1

    def size(self, field):
        if field.get("kind") == "numerical":
            return 1
        if field.get("kind") == "vector":
            return len(field.get("columns", "123"))
        if "compositional" in field:
            return sum(self.tables(field))
        return self.num_values(field)

    def tables(self, field):
        """Return the numbers of quotients and remainders: the fewest remainders whose square covers all values."""
        values, remainders = self.num_values(field), field["compositional"]
        if remainders == "auto":
            remainders = next(number for number in range(1, values + 1) if number**2 >= values)
        return len(range(0, values, remainders)), remainders

    def num_values(self, field):
        if "hash_buckets" in field:
            size = field["hash_buckets"]
        elif field.get("transform") == "quantile":
            size = len(self.boundaries[field["name"]]) + 1 + (field.get("missing", "absent") != "absent")
        else:
            size = self.has_oov(field) + len(self.vocabularies[field["name"]])
        return max(1, size + field.get("unused_ids", 0))

    def local_id(self, field, text):
        if text is None and field.get("missing") != "category":
            return 0
        if field.get("transform") == "quantile":
            return int(text or len(self.boundaries[field["name"]]) + 2)
        text = text or ""
        if "hash_buckets" in field:
            return 1 + farmhash(self.hashed(field, text), field["hash_buckets"])
        return self.vocabularies[field["name"]].get(text, int(self.has_oov(field)))

    def slots(self, field):
        if field.get("kind") not in ("multivalued", "sequence"):
            return 1
        rows = np.flatnonzero(self.learn)
        return field.get("max_values") or max(
            1, *(len(self.values(each, row)) for each in self.history(field) for row in rows)
        )

    def history(self, field):
        """Return the fields of the same history, of which a field that is no sequence has one."""
        if field.get("kind") != "sequence":
            return [field]
        of = [(each, each.get("events", each["name"])) for each in self.fields if each.get("kind") == "sequence"]
        return [each for each, name in of if name == field.get("events", field["name"])]

    def events(self, field, row):
        """Return the local ids of a sequence, those of the newest events."""
        columns = self.history(field)
        texts = [self.values(each, row) for each in columns]
        number = max(map(len, texts))
        assert all(len(some) in (0, number) for some in texts)
        ids = [
            [self.local_id(each, text) for text in some or [None] * number]
            for each, some in zip(columns, texts, strict=True)
        ]
        events = [event for event in zip(*ids, strict=True) if any(event)]
        return [event[columns.index(field)] for event in events][-self.slots(field) :]

    def encode(self, field, row):
        """Return the global ids of a row, and the values of its slots."""
        first, slots = self.first[field["name"]], self.slots(field)
        if field.get("kind") == "numerical":
            cell = self.cells[field.get("column", field["name"])][row]
            is_missing = cell in (*MISSING, *field.get("missing_texts", ()))
            return [first], [0.0 if is_missing else self.number(field, float(cell))]
        if field.get("kind") == "vector":
            numbers = self.vector(field, row)
            return list(range(first, first + len(numbers))), numbers
        if field.get("kind") == "sequence":
            local = self.events(field, row)
            empty = [0] * (slots - len(local))
            return [one and first + one - 1 for one in local] + empty, [float(one > 0) for one in local] + empty
        ids = [self.local_id(field, text) for text in self.values(field, row)]
        weights = [1.0] * len(ids)
        if "weight_separator" in field:
            cell = self.cells[field.get("column", field["name"])][row]
            tokens = [] if cell in MISSING else [token for token in cell.split("|") if token]
            weights = [float(token.partition(":")[2] or 1) for token in tokens]
        pairs = [(one, weight) for one, weight in zip(ids, weights, strict=True) if one]
        pairs = pairs[-slots:] if field.get("keep") == "last" else pairs[:slots]
        if field.get("kind") == "multivalued" and field.get("pooling", "mean") == "mean":
            total = sum(weight for _, weight in pairs)
            pairs = [(one, weight / total) for one, weight in pairs]
        weights = [weight for _, weight in pairs] + [0.0] * (slots - len(pairs))
        empty = [0] * (slots - len(pairs))
        if "compositional" not in field:
            return [first + one - 1 for one, _ in pairs] + empty, weights
        quotients, remainders = self.tables(field)
        above = [first + (one - 1) // remainders for one, _ in pairs] + empty
        below = [first + quotients + (one - 1) % remainders for one, _ in pairs] + empty
        return above + below, weights * 2

    def vector(self, field, row):
        """Return the numbers of a vector, zeros for a missing one."""
        columns = field.get("columns", [field.get("column")])
        texts = [text for column in columns for text in self.cells[column][row].split("|")]
        if self.cells[columns[0]][row] in (*MISSING, *field.get("missing_texts", ())):
            return [0.0] * self.size(field)
        return [float(text) for text in texts]

    def number(self, field, number):
        transform = field.get("transform")
        if transform is None:
            return number
        cells = np.array(self.cells[field.get("column", field["name"])])[self.learn]
        others = (*MISSING, *field.get("missing_texts", ()))
        known = [float(cell) for cell in cells if cell not in others]
        if not known:  # a number without a single training value counts as missing
            return 0.0
        low, spread = min(known), max(known) - min(known)
        if transform == "standard":
            low, spread = np.mean(known), np.std(known)
        return (number - low) / (spread or 1)
