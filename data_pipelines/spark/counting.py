"""The first pass on Spark: executors count the cells of their partitions, Spark adds up, and fields are fitted to it.

Each partition runs the code of the single machine that turns cells into texts and numbers, so a cell means the same.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ..encoding.cell_types import AUTO, CELL_TYPES, types_of
from ..encoding.dense import length_of
from ..encoding.fitting import MOST_SLOTS, counted_texts, fit_numbers, fit_vocabulary, max_values_of
from ..encoding.histories import columns_of_histories
from ..encoding.sharing import sharing
from ..encoding.transforms import SAMPLE_ROWS, Moments, Quantile
from ..preparation.crossed_chunk import CrossedChunk
from .partitions import partition_number

if typing.TYPE_CHECKING:
    from pyspark.sql import DataFrame  # pyright: ignore[reportMissingImports]

    from ctrzoo.types import Config

    from ..encoding.field import FieldEncoding
    from .partitions import PartitionReader, PlacedReader

    Reader = PartitionReader | PlacedReader

COUNTS = pa.schema(
    [
        ("kind", pa.string()),
        ("chunk", pa.int32()),
        ("field", pa.int32()),
        ("text", pa.string()),
        ("count", pa.int64()),
        ("number", pa.float64()),
        ("key", pa.float64()),
        ("labels", pa.binary()),
    ]
)
# The same schema, as Spark writes it.
COLUMNS = "kind string, chunk int, field int, text string, count long, number double, key double, labels binary"
TEXTS = "field int, text string, count long"
# The kinds of rows of the counts.
STATS, TEXT, LENGTH, NUMBER, LABELS = "stats", "text", "length", "number", "labels"


def count_cells(reader: Reader, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what the fields of a plan are fitted to, for the rows of a partition; for `mapInArrow`.

    Args:
        reader: A `PartitionReader` or `PlacedReader`.
        batches: What it reads.

    Returns:
        Rows of `COUNTS`: the stats of each chunk as JSON; for each vocabulary the different texts of each chunk and
        their counts; for each field of several values without `max_values` how many rows have so many; for quantiles at
        most 262,144 numbers, drawn at random, with the keys of the draw; and all labels, if the split needs them.
    """
    fields = reader.plan.fields
    samples = {index: _Sample(index) for index, field in enumerate(fields) if isinstance(field.transformer, Quantile)}
    together = _together(fields)
    for chunk in reader.chunks(batches):
        number = chunk.place[0]
        stats: Config = {**chunk.stats, "place": chunk.place, "moments": {}}
        stats["types"] = [_types(field, chunk, index) for index, field in enumerate(fields)]
        for index, field in enumerate(fields):
            if field.cross:
                continue
            if index in samples:
                samples[index].add(_learned(reader, chunk, index))
            elif field.holds_numbers and field.transformer.is_fitted:
                moments = Moments.of_part(_learned(reader, chunk, index))
                stats["moments"][index] = [float(value) for value in dataclasses.astuple(moments)]
            elif field.uses_vocabulary:
                texts, counts = chunk.dictionary(index)
                yield _rows(TEXT, number, index, text=texts.to_arrow(), count=counts).filter(pa.array(counts > 0))
            if field.holds_several and field.max_values is None:
                values = np.maximum.reduce([chunk.content[f"lengths_{place}"] for place in together[index]])
                lengths, cells = np.unique(values, return_counts=True)
                yield _rows(LENGTH, number, index, number=lengths, count=cells)
        yield _rows(STATS, number, -1, text=pa.array([json.dumps(stats)]))
        if reader.plan.split.needs_all_labels:
            yield _rows(LABELS, number, -1, labels=pa.array([chunk.content["label"].astype(np.uint8).tobytes()]))
    for index, sample in samples.items():
        yield _rows(NUMBER, -1, index, number=sample.numbers, key=sample.keys)


def _together(fields):
    """Return for each field the positions of the fields of its history; its own if it is not one of a history."""
    together = {index: [index] for index in range(len(fields))}
    for places in columns_of_histories(fields).values():
        together |= dict.fromkeys(places, places)
    return together


def _types(field, chunk, index):
    """Return the types that all texts of a field are of; None if the type is not decided by them."""
    return types_of(chunk.dictionary(index)[0]) if field.type == AUTO else None


def _learned(reader, chunk, index):
    """Return the numbers of the rows of the fit that are not missing."""
    numbers = chunk.content[f"numbers_{index}"].astype(np.float64)
    if reader.plan.fit_on == "train":
        numbers = numbers[chunk.content["split"] == 0]
    return numbers[~np.isnan(numbers)]


def _rows(kind, chunk, field, **columns):
    size = len(next(iter(columns.values())))
    places = {"chunk": chunk, "field": field}
    arrays = {name: pa.repeat(pa.scalar(number, pa.int32()), size) for name, number in places.items()}
    arrays |= {"kind": pa.repeat(kind, size)}
    arrays |= {name: pa.array(column).cast(COUNTS.field(name).type) for name, column in columns.items()}
    missing = {name: pa.nulls(size, COUNTS.field(name).type) for name in COUNTS.names if name not in arrays}
    return pa.record_batch([{**arrays, **missing}[name] for name in COUNTS.names], schema=COUNTS)


class _Sample:
    """The numbers of a field with the smallest of random keys, at most `SAMPLE_ROWS`."""

    def __init__(self, field):
        self._random = np.random.default_rng((field, partition_number()))
        self.numbers, self.keys = np.empty(0), np.empty(0)

    def add(self, numbers):
        self.numbers = np.append(self.numbers, numbers)
        self.keys = np.append(self.keys, self._random.random(len(numbers)))
        if len(self.keys) > SAMPLE_ROWS:
            kept = np.argpartition(self.keys, SAMPLE_ROWS)[:SAMPLE_ROWS]
            self.numbers, self.keys = self.numbers[kept], self.keys[kept]


def count_crosses(
    reader: Reader, fields: Sequence[FieldEncoding], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield the texts of crosses and their counts, for the rows of a partition; for `mapInArrow`.

    Args:
        reader: A `PartitionReader` or `PlacedReader`.
        fields: The fields; those that are no crosses are fitted.
        batches: What it reads.
    """
    for chunk in reader.chunks(batches):
        crossed = CrossedChunk(chunk, fields)
        for index, field in enumerate(fields):
            if field.cross and field.uses_vocabulary:
                yield _values(index, field, *crossed.dictionary(index))


def write_alike(
    fields: Sequence[FieldEncoding], owners: Sequence[int], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield counted texts as the one text of each value, for `mapInArrow`.

    Args:
        fields: The fields, whose types are decided.
        owners: For each field, the position of the field whose ids it has.
        batches: Fields, texts and counts.
    """
    for batch in batches:
        frame = pl.DataFrame(pl.from_arrow(batch))
        for (index,), part in frame.partition_by("field", as_dict=True).items():
            field = fields[typing.cast(int, index)]
            yield _values(owners[typing.cast(int, index)], field, part["text"], part["count"].to_numpy())


def _values(index, field, texts, counts):
    values = counted_texts(field, texts, counts)
    columns = [pa.repeat(pa.scalar(index, pa.int32()), len(values)), values["text"].to_arrow().cast(pa.string())]
    return pa.record_batch([*columns, values["count"].to_arrow()], names=["field", "text", "count"])


def stats_of(counts: DataFrame) -> list[Config]:
    """Return the stats of all chunks, in the order of partitions."""
    rows = counts.filter(counts.kind == STATS).select("text").toArrow()
    return sorted((json.loads(text) for text in rows["text"].to_pylist()), key=lambda stats: stats["place"])


def fitted_fields(counts: DataFrame, stats: Sequence[Config], fields: Sequence[FieldEncoding]) -> list[FieldEncoding]:
    """Return the fields, fitted to counts; crosses stay as they are.

    Args:
        counts: What `count_cells` counted.
        stats: What `stats_of` returned.
        fields: The fields of the plan.

    Raises:
        ValueError: If vectors differ in their length, or none is there.
    """
    fitted = [_decided(counts, stats, fields, index) for index in range(len(fields))]
    counted = [index for index, field in enumerate(fitted) if field.uses_vocabulary and not field.cross]
    if counted:
        owners = [sharing(fields, index)[0] for index in range(len(fields))]
        alike = counts.filter(counts.kind == TEXT).select("field", "text", "count")
        alike = alike.mapInArrow(functools.partial(write_alike, fitted, owners), TEXTS)
        found = _added_up(alike, fitted)
        for index in counted:
            fitted[index] = fit_vocabulary(fitted[index], [_of(found, owners[index])])
    for index, field in enumerate(fitted):
        if isinstance(field.transformer, Quantile):
            drawn = counts.filter((counts.kind == NUMBER) & (counts.field == index)).orderBy("key").limit(SAMPLE_ROWS)
            numbers = drawn.select("number").toArrow()["number"].to_numpy()
            fitted[index] = fit_numbers(field, [numbers], seed=index)
    return fitted


def labels_of(counts: DataFrame) -> list[np.ndarray]:
    """Return the labels of each chunk, uint8, in the order of chunks."""
    rows = counts.filter(counts.kind == LABELS).select("chunk", "labels").toArrow().sort_by("chunk")
    return [np.frombuffer(labels, np.uint8) for labels in rows["labels"].to_pylist()]


def early_values(counts: DataFrame, fields: Sequence[FieldEncoding]) -> DataFrame | None:
    """Return where values occur for the first times, for fields with `assign_ids_online`.

    Args:
        counts: What `count_cells` counted in chunks that have places.
        fields: The fields, fitted.

    Returns:
        The columns `chunk`, `field`, `text` and `before`: how often the value occurs in earlier chunks, where that is
        less than `min_count - 1`. Values without an id are left out; None if no field has `assign_ids_online`.
    """
    from pyspark.sql import Window, functions  # pyright: ignore[reportMissingImports]

    online = [index for index, field in enumerate(fields) if field.assign_ids_online]
    if not online:
        return None
    least = functions.array(*(functions.lit(field.min_count) for field in fields))[functions.col("field")]
    of_value = Window.partitionBy("field", "text")
    earlier = of_value.orderBy("chunk").rowsBetween(Window.unboundedPreceding, -1)
    text = functions.coalesce(counts.text, functions.lit("")).alias("text")
    found = counts.filter((counts.kind == TEXT) & counts.field.isin(online)).select("field", text, "chunk", "count")
    found = found.withColumn("total", functions.sum("count").over(of_value)).filter(functions.col("total") >= least)
    before = functions.coalesce(functions.sum("count").over(earlier), functions.lit(0))
    found = found.withColumn("before", before).filter(functions.col("before") < least - 1)
    return found.select("chunk", "field", "text", "before")


def fitted_crosses(counts: DataFrame, fields: Sequence[FieldEncoding]) -> list[FieldEncoding]:
    """Return the fields, crosses fitted to what `count_crosses` counted."""
    found = _added_up(counts, fields)
    return [
        fit_vocabulary(field, [_of(found, index)]) if field.cross and field.uses_vocabulary else field
        for index, field in enumerate(fields)
    ]


def _added_up(counts, fields):
    """Return the values of all fields that are counted often enough; only these come to the driver."""
    from pyspark.sql import functions  # pyright: ignore[reportMissingImports]

    least = functions.array(*(functions.lit(field.min_count) for field in fields))
    total = counts.groupBy("field", "text").agg(functions.sum("count").alias("count"))
    return pl.DataFrame(pl.from_arrow(total.filter(total["count"] >= least[total["field"]]).toArrow()))


def _of(found, index):
    values = found.filter(pl.col("field") == index)
    return values["text"], values["count"].to_numpy()


def _decided(counts, stats, fields, index):
    """Return a field with what all its cells decide, but its vocabulary and boundaries."""
    field, changes = fields[index], {}
    if field.holds_several and field.max_values is None:
        changes["max_values"] = _most_values(counts, stats, index, _together(fields)[index])
    if field.kind == "vector" and not field.columns:
        changes["length"] = length_of(field, [chunk["vectors"][index][0] for chunk in stats])
    if field.type == AUTO:
        changes["type"] = _type(stats, sharing(fields, index))
    if field.holds_numbers and field.transformer.is_fitted:
        moments = Moments()
        for chunk in stats:
            rows, *others = chunk["moments"][str(index)]
            moments.merge(Moments(int(rows), *others))
        changes |= field.transformer.fit_moments(moments)
    return dataclasses.replace(field, **changes)


def _type(stats, indices):
    """Return the type that fits all texts of fields with the same ids; a field without texts holds text."""
    found = [chunk["types"][index] for chunk in stats for index in indices if chunk["types"][index] is not None]
    fitting = set(CELL_TYPES).intersection(*found)
    if fitting == set(CELL_TYPES):
        return "text"
    return next(name for name in CELL_TYPES if name in fitting)


def _most_values(counts, stats, index, together):
    longest = max(1, *(chunk["longest"][place] for chunk in stats for place in together))
    if longest <= MOST_SLOTS:
        return longest
    lengths = counts.filter((counts.kind == LENGTH) & (counts.field == index)).groupBy("number").sum("count").toArrow()
    pairs = zip(lengths["number"].to_pylist(), lengths["sum(count)"].to_pylist(), strict=True)
    return max_values_of(np.full(cells, int(length)) for length, cells in pairs)
