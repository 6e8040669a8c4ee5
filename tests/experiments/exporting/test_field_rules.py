"""A client that knows only the rules in words, in plain Python, computes the ids and values of every row."""

import bisect
import datetime
import json
import math

import numpy as np
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo.experiments.exporting.field_rules import rule_of
from tests.experiments.exporting.wide_table import wide_data
from tests.experiments.scored_table import cells_of


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide")
    data = wide_data(folder)
    return folder, data


def hashed(text, buckets):
    return int(tf.strings.to_hash_bucket_fast(text, buckets))  # TensorFlow's FarmHash64


def shortest(text):
    """Write a decimal in its shortest way, one that is whole without a point."""
    number = float(text)
    return str(int(number)) if number == int(number) else str(number)


def squared(number):
    return math.floor(math.log(number) ** 2) if number > 2 else number


class Client:
    """The ids and values of rows by `encoding.json`, `vocabulary.parquet` and the rules."""

    def __init__(self, folder, first_ids):
        self.fields = {field["name"]: field for field in json.loads((folder / "encoding.json").read_text())["fields"]}
        self.first = first_ids
        rows = pl.read_parquet(folder / "vocabulary.parquet").select("field", "value", "id").rows()
        self.ids, self.places = {}, {}
        for field, value, number in rows:
            self.ids[field, value] = number
            place = self.places.setdefault(field, {})
            place[value] = len(place)

    def looked_up(self, field, text, unknown=0):
        """One id, 0 for a missing cell."""
        return 0 if text == "" else self.ids.get((field, text), unknown)

    def two(self, first, number, remainders, quotients):
        return [first + number // remainders, first + quotients + number % remainders]

    def several(self, field, tokens, slots):
        ids = [(self.looked_up(field, token), weight) for token, weight in tokens]
        ids = [pair for pair in ids if pair[0]]
        return ids[-slots:] if self.fields[field].get("keep") == "last" else ids[:slots]

    def features(self, row):
        """Return the ids and values of a row, field by field."""
        cells = {name: "" if cell == "NULL" else cell for name, cell in row.items()}
        first, fields = self.first, self.fields
        yield from self.one(self.looked_up("site", cells["site"], first["site"]))
        yield from self.one(self.looked_up("site", cells["last_site"], first["site"]))
        yield from self.one(self.ids.get(("maybe", cells["site"]), 0))
        yield from self.one(first["user"] + hashed(cells["user"], 50))
        for number in self.two(first["device"], hashed(cells["device"], 1000), 40, 25):
            yield number, 1
        count = len(self.places["ad"]) + 1
        number = 0 if cells["ad"] == "" else 1 + self.places["ad"].get(cells["ad"], -1)
        for each in self.two(first["ad"], number, 4, math.ceil(count / 4)):
            yield from self.one(each if cells["ad"] else 0)
        yield from self.one(self.looked_up("rate", cells["rate"] and shortest(cells["rate"])))
        yield from self.one(self.looked_up("flag", cells["flag"].lower()))
        price, views = cells["price"], float(cells["views"] or "nan")
        offset, scale = fields["price"]["offset"], fields["price"]["scale"]
        yield first["price"], (float(price) - offset) / scale if price else 0
        for name, value in (
            ("views", math.copysign(math.log1p(abs(views)), views)),
            ("root", math.copysign(math.sqrt(abs(views)), views)),
            ("squared", views if math.isnan(views) else squared(views)),
        ):
            yield first[name], 0 if math.isnan(views) else value
        bucket = "" if math.isnan(views) else squared(views) if views > 2 else math.floor(views) - 3
        yield from self.one(self.looked_up("views_bucket", str(bucket)))
        boundaries = fields["age"]["boundaries"]
        age = bisect.bisect_right(boundaries, float(cells["age"])) if cells["age"] else len(boundaries) + 1
        yield first["age"] + age, 1
        moment = datetime.datetime.fromisoformat(cells["at"])
        yield from self.one(self.looked_up("hour", str(moment.hour)))
        yield from self.one(self.looked_up("berlin_day", str(moment.weekday())))
        tags = [(tag, None) for tag in cells["tags"].split("|") if tag]
        kept = self.several("tags", [(tag if self.known("tags", tag) else "rare", None) for tag, _ in tags], 2)
        yield from self.padded([(number, 1 / len(kept)) for number, _ in kept], 2)
        yield from self.padded([(number, 1) for number, _ in self.several("largest_tag", tags, 3)], 3)
        likes = [like.split(":") for like in cells["likes"].split(";") if like]
        yield from self.padded([(n, float(w)) for n, w in self.several("likes", likes, 3)], 3)
        cross = f"{cells['site']} & {moment.hour}" if cells["site"] else ""
        yield from self.one(self.looked_up("site_hour", cross))
        part = f"{age + 1 if cells['age'] else ''} & {float(cells['rate']):.17e}" if cells["rate"] else ""
        yield from self.one(self.looked_up("age_rate", part))
        for place, name in enumerate(("x", "y")):
            yield first["place"] + place, float(cells[name])
        for place, number in enumerate((cells["picture"] or "0;0;0").split(";")):
            yield first["picture"] + place, float(number)

    def known(self, field, text):
        return (field, text) in self.ids

    def one(self, number):
        yield number, int(number > 0)

    def padded(self, pairs, slots):
        yield from [*pairs, *[(0, 0)] * (slots - len(pairs))]


def test_a_client_in_plain_python_has_the_same_rows(table):
    folder, data = table
    schema = data.encoding.schema
    client = Client(folder / "data", dict(zip(schema.names, schema.first_ids, strict=True)))
    client.ids["tags", "rare"] = client.first["tags"]
    features, _ = data.arrays("test")
    found = [list(client.features(row)) for row in cells_of(folder / "test.csv")]
    assert len(found) == 200
    for index, name in enumerate(schema.names):
        slots = [slot for slot, owner in enumerate(schema.slot_fields) if owner == index]
        ids = [[row[slot][0] for slot in slots] for row in found]
        values = [[row[slot][1] for slot in slots] for row in found]
        np.testing.assert_array_equal(features["ids"][:, slots], ids, name)
        np.testing.assert_allclose(features["values"][:, slots], values, rtol=1e-6, err_msg=name)
    for name in ("site", "maybe", "ad", "tags", "likes", "site_hour", "age_rate"):
        slot = schema.slot_fields.index(schema.names.index(name))
        assert len(set(features["ids"][:, slot].tolist())) > 2


def test_the_words_name_the_numbers_that_the_client_uses(table):
    schema = table[1].encoding.schema
    fields = {field.name: field for field in table[1].encoding.fields}
    first = dict(zip(schema.names, schema.first_ids, strict=True))
    words = {
        name: rule_of(fields[name], shape, first[name]) for name, shape in zip(schema.names, schema.fields, strict=True)
    }
    device = first["device"]
    assert words["device"].ids == (
        f"two: {device} + n // 40, and {device + 25} + n % 40, where n is FarmHash64 of the text modulo 1000; "
        "0 if missing"
    )
    assert words["last_site"].ids.endswith(f"rows of 'site'; without one {first['site']} (unknown); 0 if missing")
    assert words["age"].ids.endswith(f"; {first['age'] + 4} if missing")
    assert words["price"].values.startswith(f"(y - {fields['price'].offset}) / {fields['price'].scale} with y = x;")
    assert words["likes"].values == "the weight; 0 where the id is 0"
    assert words["tags"].cells.startswith("`tags`: values between `|`, the last 2 that have an id")
    assert words["berlin_day"].cells == (
        "the weekday, 0 for Monday, of the time in `at` in Europe/Berlin (times without an offset stay as they are)"
    )
    assert words["picture"].ids == f"{first['picture']} to {first['picture'] + 2}"
