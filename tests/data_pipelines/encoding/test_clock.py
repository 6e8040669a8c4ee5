"""Parts of times mean the same wherever cells are encoded; expected values are those of `datetime` and `zoneinfo`."""

import datetime
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo import models
from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.encoding.clock import Clock, time_cells, utc_times
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder, serving_model
from ctrzoo.data_pipelines.errors import RowError
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
# An hour and more on both sides of the changes of 31 March and 27 October 2024 in Berlin, and other moments.
CHANGES = [datetime.datetime(2024, 3, 31, 1), datetime.datetime(2024, 10, 27, 1)]
UTC = [change + datetime.timedelta(minutes=30 * step) for change in CHANGES for step in range(-4, 5)]
UTC += [datetime.datetime(2024, 12, 31, 23, 30), datetime.datetime(2024, 2, 28, 23, 30), datetime.datetime(1969, 1, 1)]
PARTS = {
    "hour": lambda moment: moment.hour,
    "weekday": lambda moment: moment.weekday(),
    "day": lambda moment: moment.day,
    "month": lambda moment: moment.month,
    "is_weekend": lambda moment: int(moment.weekday() >= 5),
}


def aware(moments):
    return [moment.replace(tzinfo=datetime.UTC) for moment in moments]


# Ways to write moments of which the offset from UTC is known: cells, and the `time_format`.
AWARE = {
    "Z": ([moment.isoformat() + "Z" for moment in UTC], None),
    "offset": ([moment.astimezone(BERLIN).isoformat(" ") for moment in aware(UTC)], None),
    "apache": ([moment.strftime("%d/%b/%Y:%H:%M:%S +0000") for moment in UTC], "%d/%b/%Y:%H:%M:%S %z"),
    "seconds": ([int(moment.timestamp()) for moment in aware(UTC)], "epoch_seconds"),
    "float seconds": ([moment.timestamp() for moment in aware(UTC)], "epoch_seconds"),
    "text seconds": ([str(int(moment.timestamp())) for moment in aware(UTC)], "epoch_seconds"),
    "milliseconds": ([int(moment.timestamp()) * 1000 for moment in aware(UTC)], "epoch_milliseconds"),
    "datetime": (aware(UTC), None),
    "datetime of a format": (aware(UTC), "%d.%m.%Y %H:%M"),
}
NAIVE = {
    "iso": ([moment.isoformat() for moment in UTC], None),
    "german": ([moment.strftime("%d.%m.%Y %H:%M") for moment in UTC], "%d.%m.%Y %H:%M"),
    "american": ([moment.strftime("%m/%d/%Y %I:%M %p") for moment in UTC], "%m/%d/%Y %I:%M %p"),
    "number": ([int(moment.strftime("%Y%m%d%H")) for moment in UTC], "%Y%m%d%H"),
    "datetime": (UTC, None),
}
WAYS = [(f"aware {way}", True, *cells) for way, cells in AWARE.items()]
WAYS += [(f"naive {way}", False, *cells) for way, cells in NAIVE.items()]


def table_of(folder, cells):
    is_text = isinstance(cells[0], str)
    path = folder / ("t.csv" if is_text else "t.parquet")
    frame = pl.DataFrame({"row": range(len(cells)), "click": [row % 2 for row in range(len(cells))], "at": cells})
    frame.write_csv(path) if is_text else frame.write_parquet(path)
    return str(path), frame


@pytest.mark.parametrize(("way", "is_aware", "cells", "format"), WAYS, ids=[way for way, *_ in WAYS])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_every_entry_point_gives_the_parts(way, is_aware, cells, format, zone, tmp_path):
    shown = [moment.astimezone(BERLIN) for moment in aware(UTC)] if is_aware and zone else UTC
    expected = {part: [str(function(moment)) for moment in shown] for part, function in PARTS.items()}
    options = {key: value for key, value in (("time_zone", zone), ("time_format", format)) if value}
    fields = [{"name": part, "column": "at", "part": part, **options} for part in PARTS]
    path, frame = table_of(tmp_path, cells)
    schema = {"label": "click", "fields": [*fields, {"name": "row", "kind": "numerical"}], "fit_on": "all"}
    prepare_own_table(tmp_path / "data", "t", path, {**schema, "split": {"train": 1.0, "valid": 0.0, "test": 0.0}})
    data = load(tmp_path / "data")
    features, _ = data.arrays("train")
    order = np.argsort(features["values"][:, -1])

    def names(ids):
        found = data.encoding.decode(ids[:, : len(PARTS)], np.empty((len(ids), 1)))
        return {part: found[part].to_list() for part in PARTS}

    assert names(features["ids"][order]) == expected
    restored = TableEncoding.from_dict(data.encoding.to_dict())
    assert names(restored.features(frame)["ids"]) == expected
    cells = [str(cell) if isinstance(cell, datetime.datetime) else cell for cell in cells]
    rows = np.arange(len(cells), dtype=np.float64)
    served = ServingEncoder(restored)({"at": tf.constant(np.array(cells)), "row": rows})
    assert names(served["ids"].numpy()) == expected
    if zone and way in ("aware offset", "aware seconds", "naive american"):
        check_exported(data, frame, np.array(cells).astype("U"), rows, tmp_path)
    pandas = frame.to_pandas()
    encoder = FrameEncoder("click", time_parts={"at": list(PARTS)}, time_zone=zone, time_format=format).fit(pandas)
    for fitted in (encoder, FrameEncoder.from_dict(encoder.to_dict())):
        found = fitted.encoding.decode(fitted.features(pandas)["ids"], np.empty((len(cells), 0)))
        assert {part: found[f"at_{part}"].to_list() for part in PARTS} == expected


def check_exported(data, frame, texts, rows, folder):
    """Compare an exported model, whose logit is the sum of the ids of the parts, with `encode`."""
    model = models.build("lr", data.schema)
    ids = np.arange(data.schema.num_ids)
    weights = np.where(ids < data.schema.first_ids[-1], ids, 0)[:, None]
    model.get_layer("linear").weights_of_ids.table.assign(weights / 100)
    expected = data.encoding.encode(frame)[0].sum(axis=1)
    serving = serving_model(model, data.encoding)
    serving.export(str(folder / "exported"), verbose=False)
    exported = tf.saved_model.load(str(folder / "exported"))
    inputs = {"at": tf.constant(texts[:, None]), "row": tf.constant(rows[:, None])}
    (probability,) = exported.signatures["serving_default"](**inputs).values()
    predicted = [serving.predict(table, verbose=0) for table in (frame, frame.to_pandas())]
    for found in (probability.numpy(), *predicted):
        logits = -np.log(1 / found[:, 0].astype(float) - 1)
        np.testing.assert_allclose(logits * 100, expected, rtol=1e-3)


@settings(max_examples=150, deadline=None)
@given(
    st.datetimes(datetime.datetime(1900, 1, 2), datetime.datetime(2099, 12, 30)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"]),
    st.sampled_from(list(PARTS)),
)
def test_parts_of_any_moment(moment, zone, part):
    local = moment.replace(tzinfo=datetime.UTC).astimezone(zoneinfo.ZoneInfo(zone))
    clock = Clock("at", part, zone=zone)
    cells, expected = [moment.isoformat() + "+00:00", local.isoformat(), moment.isoformat()], [local, local, moment]
    # zoneinfo writes offsets of early years with seconds, which no text of ISO 8601 has
    if local.utcoffset().total_seconds() % 60:
        cells, expected = cells[::2], expected[::2]
    texts = [str(PARTS[part](each)) for each in expected]
    assert clock.texts(pl.Series(cells)).to_list() == texts
    assert clock.graph(tf.constant(cells)).numpy().tolist() == [text.encode() for text in texts]


@pytest.mark.parametrize("part", ["day", None])
def test_missing_cells_by_text_and_by_moment(part):
    clock = Clock("day", part, "%d.%m.%Y", missing_texts=("NULL", "1970-01-01"))
    cells = ["02.01.1970", "NULL", " ", "1.1.1970", "1970-01-01T00:00", " NULL ", "1970-01-02"]
    expected = "2" if part else "1970-01-02"
    assert clock.texts(pl.Series([*cells, None])).to_list() == [expected, *[None] * 5, expected, None]
    assert [text.decode() for text in clock.graph(tf.constant(cells)).numpy()] == [expected, *[""] * 5, expected]
    days = [datetime.date(1970, 1, 2), datetime.date(1970, 1, 1), None]
    assert clock.texts(pl.Series(days)).to_list() == [expected, None, None]


def test_numbers_that_stand_for_missing_cells():
    clock = Clock("at", "hour", "epoch_seconds", missing_texts=("-1",))
    for cells in (pl.Series([-1.0, 7200.0, None, float("nan")]), pl.Series(["-1", "7200", "", "-1.0"])):
        assert clock.texts(cells).to_list() == [None, "2", None, None]
    assert clock.graph(tf.constant([-1.0, 7200.0, np.nan], tf.float64)).numpy().tolist() == [b"", b"2", b""]


@pytest.mark.parametrize("cell", ["soon", "1717200000", "31.12.2024", "2024-02-30"])
def test_cells_that_are_no_times_are_refused(cell):
    clock = Clock("at", "hour")
    with pytest.raises(
        RowError, match=f"column 'at' must hold times such as 2024-06-20 12:00:00, not '{cell}'"
    ) as caught:
        clock.texts(pl.Series(["2024-06-01", cell, "", cell]))
    assert caught.value.rows.tolist() == [1, 3]
    assert "time_format: '%d.%m.%Y'" in caught.value.advice and f"missing_texts: ['{cell}']" in caught.value.advice
    with pytest.raises(tf.errors.InvalidArgumentError, match="column 'at' must hold times such as"):
        clock.graph(tf.constant(["2024-06-01", cell]))


def test_a_row_without_a_time_is_named_skipped_or_missing(tmp_path):
    lines = "".join(f"{row % 2},2024-06-01 {row % 24:02d}:00\n" for row in range(96))
    (tmp_path / "t.csv").write_text("click,at\n" + lines + "1,soon\n")
    field = {"name": "hour", "column": "at", "part": "hour"}

    def prepared(field, **options):
        schema = {"label": "click", "fields": [field]}
        return prepare_own_table(tmp_path / "data", "t", tmp_path / "t.csv", schema, overwrite=True, **options)

    with pytest.raises(
        ValueError, match="t.csv, row 98: column 'at' must hold times .* not 'soon'. Pass --bad_rows=skip"
    ):
        prepared(field)
    assert prepared(field, bad_rows="skip")["bad_rows"] == 1
    report = prepared({**field, "missing_texts": ["soon"]})
    assert report["bad_rows"] == 0 and report["fields"][0]["missing_share"] > 0
    (tmp_path / "t.csv").write_text("click,at\n" + "0,1.6.2024\n1,2.6.2024\n" * 20)
    with pytest.raises(
        ValueError, match=r"row 2: .* not '1.6.2024'. Say in the schema how they are written, time_format"
    ):
        prepared(field)


@pytest.mark.parametrize(
    ("cells", "part", "message"),
    [
        (
            [1717200000],
            "hour",
            "'at' holds numbers, not times. If they count seconds since 1970, write time_format: epoch",
        ),
        ([1.5], "hour", "'at' holds numbers, not times"),
        ([True], "hour", "'at' holds Boolean, not times"),
        ([datetime.time(12)], "hour", "'at' holds Time, not times"),
        ([datetime.date(2024, 6, 1)], "hour", "'at' holds dates, which have no hour. Take another `part`"),
    ],
)
def test_cells_of_other_types_are_refused(cells, part, message):
    with pytest.raises(ValueError, match=message):
        Clock("at", part).texts(pl.Series(cells))


def test_a_graph_refuses_numbers_without_a_format():
    with pytest.raises(ValueError, match="holds numbers, not times. .* epoch_seconds"):
        Clock("at", "hour").graph(tf.constant([1717200000]))
    with pytest.raises(ValueError, match="float32 does not hold times since 1970 exactly. Pass float64"):
        Clock("at", "hour", "epoch_seconds").graph(tf.constant([1717200000.0]))


def test_columns_without_times_have_no_parts():
    assert Clock("at", "hour").texts(pl.Series([None, None])).to_list() == [None, None]
    assert Clock("at", "hour").texts(pl.Series([], dtype=pl.String)).to_list() == []


@pytest.mark.parametrize("format", ["%d.%m.%Y", "%m/%d/%Y"])
def test_dates_in_any_order_are_the_categories_of_times(format, tmp_path):
    """What pandas reads as times gives the ids of the text."""
    days = [datetime.datetime(2024, 1 + row % 12, 1 + row % 7) for row in range(84)]
    texts = [day.strftime(format) for day in days]
    texts = [text.lstrip("0") if row % 2 else text for row, text in enumerate(texts)]
    path, frame = table_of(tmp_path, texts)
    field = {"name": "at", "type": "time", "time_format": format}
    schema = {"label": "click", "fields": [field], "split": {"train": 1.0, "valid": 0.0, "test": 0.0}}
    prepare_own_table(tmp_path / "data", "t", path, schema)
    encoding = load(tmp_path / "data").encoding
    expected = sorted({f"{day:%Y-%m-%d}" for day in days})
    assert encoding.fields[0].values.to_list() == expected
    ids = [[1 + expected.index(f"{day:%Y-%m-%d}")] for day in days]
    assert encoding.encode(frame)[0].tolist() == ids
    assert encoding.encode(pl.DataFrame({"at": days}))[0].tolist() == ids
    read = pd.DataFrame({"at": pd.to_datetime(pd.Series(texts), format=format), "click": 0})
    assert encoding.encode(pl.from_pandas(read))[0].tolist() == ids
    assert ServingEncoder(encoding)({"at": tf.constant(texts)})["ids"].numpy().tolist() == ids
    encoder = FrameEncoder("click", categorical=["at"], time_format={"at": format})
    encoder.fit(pd.DataFrame({"at": texts, "click": 0}))
    assert encoder.features(read)["ids"].tolist() == ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": "minute"}, "Unknown part 'minute'. Known: hour, weekday, day, month, is_weekend"),
        ({"part": "hour", "kind": "numerical"}, "are for categories without a `transform`"),
        ({"part": "hour", "kind": "multivalued"}, "are for categories without a `transform`"),
        ({"part": "hour", "transform": "quantile"}, "are for categories without a `transform`"),
        ({"part": "hour", "type": "integer"}, "a `part` is a whole number, whatever the `type`. Remove one"),
        ({"time_zone": "UTC"}, "`time_zone` is for fields with a `part`. Add it, or remove `time_zone`"),
        ({"time_format": "%d.%m.%Y"}, "`time_format` is for times. Add `type: time` or a `part`, or remove it"),
        ({"time_format": "%d.%m.%Y", "type": "auto"}, "`time_format` is for times"),
        (
            {"part": "hour", "time_format": "%d.%m.%Y"},
            "the format '%d.%m.%Y' has no hour. Add %H, or take another part.",
        ),
        ({"part": "hour", "time_format": "epoch_s"}, "Unknown format of times 'epoch_s'. Did you mean 'epoch_seconds'"),
        ({"part": "hour", "time_format": "%j"}, "has %j, but only"),
        ({"part": "hour", "time_zone": "Berlin"}, "Unknown time zone 'Berlin'. Did you mean 'Europe/Berlin'"),
        ({"part": 3}, "`part` must be a text, such as hour. Received: 3"),
        ({"part": "hour", "time_zone": 1}, "`time_zone` must be a text, such as Europe/Berlin"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=f"Field 'x': .*{message}"):
        FieldEncoding("x", **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"time_parts": {"at": "hour"}},
            "`time_parts` of 'at' must be a list of parts, such as .'hour'.. Received: 'hour'",
        ),
        ({"time_parts": {"at": ["minute"]}}, "Unknown part 'minute'"),
        ({"categorical": ["at"], "time_zone": "UTC"}, "`time_zone` is for `time_parts`, of which there are none"),
        ({"categorical": ["at"], "time_format": "%d.%m.%Y"}, "`time_format` is for `time_parts`"),
        ({"categorical": ["at"], "time_format": {"ta": "%d.%m.%Y"}}, "Unknown column in `time_format` 'ta'"),
        ({"categorical": ["at_hour"], "time_parts": {"at": ["hour"]}}, "more than once: at_hour"),
    ],
)
def test_arguments_of_an_encoder_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FrameEncoder("click", **arguments)


def test_a_column_of_two_parts_and_itself_is_served():
    days = [datetime.datetime(2024, 6, day, 12 + day) for day in range(1, 8)]
    frame = pd.DataFrame({"at": days, "click": 0})
    encoder = FrameEncoder("click", categorical=["at"], time_parts={"at": ["hour", "weekday"]}, min_count={"at": 1})
    encoder.fit(frame)
    served = ServingEncoder(encoder.encoding)({"at": tf.constant([str(day) for day in days])})
    np.testing.assert_array_equal(served["ids"], encoder.features(frame)["ids"])
    model = models.build("lr", encoder.schema)
    direct = model.predict(encoder.features(frame), verbose=0)
    np.testing.assert_allclose(serving_model(model, encoder).predict(frame, verbose=0), direct, rtol=1e-6)


def test_cells_as_a_graph_reads_them():
    moment = datetime.datetime(2024, 6, 1, 12, tzinfo=BERLIN)
    assert time_cells(pl.Series([moment, None])).to_list() == ["2024-06-01 10:00:00.000000Z", None]
    assert time_cells(pl.Series([moment.replace(tzinfo=None)])).to_list() == ["2024-06-01 12:00:00.000000"]
    assert time_cells(pl.Series([datetime.date(2024, 6, 1)])).to_list() == ["2024-06-01 00:00:00.000000"]
    assert time_cells(pl.Series([1.0, 0.5])).to_list() == ["1", "0.5"]


def test_times_in_utc():
    moment = datetime.datetime(2024, 6, 1, 12, tzinfo=BERLIN)
    expected = [datetime.datetime(2024, 6, 1, 10)]
    for cells, format in (([moment], None), ([moment.isoformat()], None), ([1717236000], "epoch_seconds")):
        assert utc_times(pl.Series(cells), format).to_list() == expected
    assert utc_times(pl.Series(["1.6.2024 12:00 +0200"]), "%d.%m.%Y %H:%M %z").to_list() == expected
