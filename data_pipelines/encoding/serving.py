"""The encoding of a prepared data set as part of a TensorFlow graph: raw cells in, probability out."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd
import polars as pl
import tensorflow as tf

from ctrzoo.suggest import unknown

from .cell_types import SPACES, CellType, Decimal
from .cells import BETWEEN_QUOTED, LIST, LIST_ENDS, QUOTES, UNIT, numbers_of, present, written_texts
from .clock import time_cells
from .crossing import graph_joined
from .dense import BETWEEN_NUMBERS, between_numbers, matrix_of, vectors_of
from .features import assemble
from .fields import TableEncoding
from .frame import FrameEncoder, one_column, series_of
from .histories import columns_of_histories
from .specification import rows_of
from .together import alike
from .unknown import unknown_in, warn_of_unknown

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Tensor

PREDICTION_BATCH = 8192
# A number as text, in the format that preparation accepts; the empty text means missing.
NUMBER = r"(?i)([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan))?"


@keras.saving.register_keras_serializable("ctrzoo")
class ServingEncoder(keras.layers.Layer):
    """Turns raw cells into ids and values, with the same results as `TableEncoding.encode` and the prepared data.

    Args:
        encoding: A `TableEncoding`, such as `load(folder).encoding`, or its form in `get_config`.

    Input: `{column: tensor}`, one `(batch,)` or `(batch, 1)` tensor per column. Categorical cells are text or whole
    numbers. Multi-valued cells and sequences are text with separators or a ragged tensor of texts `(batch, None)`.
    Numbers are float64, any other numeric type, or text. Vectors are numbers `(batch, length)`, or text. Missing cells
    are the empty text or NaN, and of a vector NaN in all places.
    Output: `{"ids": int32 (batch, num_slots), "values": float32 (batch, num_slots)}`.

    Raises:
        ValueError: If a column is missing, or a categorical column has fractional numbers.
        InvalidArgumentError: If a text that must be a number is not one, or a number is not finite; TensorFlow raises
            this at run time.

    >>> from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
    >>> encoding = TableEncoding([FieldEncoding("city", values=["Oslo", "Rome"]), FieldEncoding("price", "numerical")])
    >>> features = ServingEncoder(encoding)({"city": tf.constant(["Rome", ""]), "price": tf.constant([2.5, 3.0])})
    >>> features["ids"].numpy().tolist(), features["values"].numpy().tolist()
    ([[2, 3], [0, 3]], [[1.0, 2.5], [0.0, 3.0]])
    """

    def __init__(self, encoding: TableEncoding | str, **kwargs: Any):
        # Numbers stay 64-bit: a time in seconds has more digits than float32.
        super().__init__(autocast=False, **kwargs)
        if not isinstance(encoding, TableEncoding):
            encoding = TableEncoding.from_dict(json.loads(encoding))
        self.encoding = encoding
        self.built = True
        self._groups = alike(encoding.fields)
        together = {place for group in self._groups for place in group}
        self._tables, made = {}, {}
        with tf.init_scope(), tf.device("CPU:0"):
            for place, (field, first) in enumerate(zip(encoding.fields, encoding.schema.first_ids, strict=True)):
                if field.uses_vocabulary:
                    kind = (field.share or field.name, place in together)
                    made[kind] = made.get(kind) or (_global_table(field, first) if place in together else _table(field))
                    self._tables[field.name] = made[kind]

    @property
    def tables(self) -> list[tf.lookup.StaticHashTable]:
        """The lookup tables of the vocabularies, which an exported graph must hold."""
        return list({id(table): table for table in self._tables.values()}.values())

    def input_columns(self) -> dict[str, str]:
        """Return the raw columns and their types as model inputs, `{column: type}`."""
        types = {}
        for field in self.encoding.fields:
            dtype = "float64" if field.reads_numbers or field.holds_numbers else "string"
            for column in field.raw_columns:
                # A column that is read both as numbers and as text must be text.
                types[column] = dtype if types.get(column, dtype) == dtype else "string"
        return types

    def input_widths(self) -> dict[str, int]:
        """Return how many numbers each raw column has per row as a model input: 1, or the length of a vector."""
        types = self.input_columns()
        widths = dict.fromkeys(types, 1)
        for field in self.encoding.fields:
            if field.kind == "vector" and not field.columns and types[field.raw_columns[0]] == "float64":
                widths[field.raw_columns[0]] = field.schema_field().num_slots
        return widths

    def call(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        schema = self.encoding.schema
        cells_of, by_name = {}, {field.name: field for field in self.encoding.fields}
        for field in self.encoding.fields:
            for column in field.raw_columns:
                if column not in inputs:
                    raise ValueError(unknown("column", column, inputs))
            if field.column is not None and field.kind != "vector":
                cells_of[field.name] = inputs[field.column]
        pieces, done, events = [], set(), self._events(cells_of)
        for group in self._groups:
            cells = [tf.convert_to_tensor(cells_of[self.encoding.fields[place].name]) for place in group]
            is_number = self.encoding.fields[group[0]].kind == "numerical"
            if not is_number or all(each.dtype != tf.string for each in cells):
                pieces.append((group, *(self._numbers_of if is_number else self._ids_of)(group, cells)))
                done.update(group)
        for place, (field, first) in enumerate(zip(self.encoding.fields, schema.first_ids, strict=True)):
            ids, numbers = [], []
            if place in done:
                continue
            if field.kind == "vector":
                numbers.append(_vectors(field, [inputs[column] for column in field.raw_columns]))
            elif field.cross:
                parts = [(by_name[part], _part(by_name[part], cells_of[part])) for part in field.cross]
                ids.append(_global(field, self._local_ids(field, graph_joined(parts))[:, None], first))
            elif field.kind == "numerical":
                values = tf.cast(field.transformer.graph(_numbers(field, cells_of[field.name])), tf.float32)
                numbers.append(_zero_if_missing(field, values))
            elif field.kind == "categorical":
                ids.append(_global(field, self._categories(field, cells_of[field.name])[:, None], first))
            elif field.kind == "sequence":
                ids.append(_global(field, events[place], first))
            else:
                local, weights = self._several(field, cells_of[field.name])
                ids.append(_global(field, local, first))
                numbers += weights if field.compositional is None else [weight for weight in weights for _ in range(2)]
            pieces.append(([place], ids, numbers))
        rows = tf.shape([piece for _, ids, numbers in pieces for piece in (*ids, *numbers)][0])[0]
        ids = _joined_columns([(places, ids) for places, ids, _ in pieces], tf.zeros([rows, 0], tf.int32))
        numbers = _joined_columns([(places, numbers) for places, _, numbers in pieces], tf.zeros([rows, 0]))
        return assemble(schema, ids, numbers)

    def _ids_of(self, group, cells):
        """Return the global ids `(batch, fields)` of categories that are read alike, and no numbers."""
        fields, first_ids = [self.encoding.fields[place] for place in group], self.encoding.schema.first_ids
        texts = [_column_of(_as_texts(each)) for each in cells]
        if fields[0].missing_texts or type(fields[0].cell_type) is not CellType:
            # Texts are copied to write all of them by the same operations.
            together = _without_markers(fields[0], tf.concat(texts, axis=0))
            texts = tf.split(fields[0].cell_type.graph(together), len(texts))
        if not fields[0].hash_buckets:
            tables = [self._tables[field.name] for field in fields]
            return [tf.stack([table.lookup(each) for table, each in zip(tables, texts, strict=True)], axis=1)], []
        hashes = [tf.strings.to_hash_bucket_fast(each, fields[0].hash_buckets) for each in texts]
        ids = tf.cast(tf.stack(hashes, axis=1), tf.int32) + [first_ids[place] for place in group]
        may_be_missing = [field.missing != "category" for field in fields]
        return [tf.where(tf.stack([each == "" for each in texts], axis=1) & may_be_missing, 0, ids)], []

    def _numbers_of(self, group, cells):
        """Return no ids, and the numbers `(batch, fields)` of fields that are transformed alike."""
        fields = [self.encoding.fields[place] for place in group]
        field, offsets, scales = fields[0], *(np.array([getattr(e, k) for e in fields]) for k in ("offset", "scale"))
        numbers = _side_by_side([tf.cast(each, tf.float64) for each in cells])
        values = field.transformer.graph_curve(_without_marked_numbers(field, numbers))
        if offsets.any() or (scales != 1).any():
            values = (values - offsets) / scales
        return [], [_zeros_for_missing([each.column for each in fields], tf.cast(values, tf.float32))]

    def compute_output_spec(self, inputs: Mapping[str, Tensor]) -> dict[str, keras.KerasTensor]:
        slots = self.encoding.schema.num_slots
        return {
            "ids": keras.KerasTensor((None, slots), "int32"),
            "values": keras.KerasTensor((None, slots), "float32"),
        }

    def get_config(self) -> Config:
        encoding = self.encoding.to_dict()
        for field in encoding["fields"]:
            field.pop("counts", None)
        # A single text, because Keras would process each of a million values separately.
        return {**super().get_config(), "encoding": json.dumps(encoding)}

    def _categories(self, field, cells):
        if field.makes_ids:
            missing, buckets = _buckets(field, cells)
            return tf.where(missing, field.missing_bucket, tf.cast(buckets, tf.int32))
        return self._local_ids(field, _category_texts(field, cells))

    def _several(self, field, cells):
        """Return local ids `(batch, slots)`, and a list that is empty or holds their weights `(batch, slots)`."""
        tokens = cells
        if not isinstance(cells, tf.RaggedTensor):
            tokens = _split(field, _texts(field, cells))
        tokens = tf.ragged.boolean_mask(tokens, tokens != "")
        texts, weights = tokens.flat_values, None
        if field.is_weighted:
            parts = tf.strings.split(texts, field.weight_separator)
            texts = parts[:, :1].to_tensor("", shape=[None, 1])[:, 0]
            weights = tf.strings.to_number(parts[:, 1:2].to_tensor("1", shape=[None, 1])[:, 0], tf.float64)
            weights = tf.debugging.check_numerics(tf.cast(weights, tf.float32), _must_be_finite(field))
        ids = tokens.with_flat_values(self._local_ids(field, texts, empty_is_missing=False))
        # A marker of missing cells is no value, not even an unknown one.
        is_value = tokens.with_flat_values((_without_markers(field, texts) != "") | (texts == ""))
        known, slots = (ids > 0) & is_value, field.schema_field().values_per_row
        columns = [ids, *([] if weights is None else [tokens.with_flat_values(weights)])]
        columns = [tf.ragged.boolean_mask(column, known) for column in columns]
        if field.keep == "last":
            columns = [column[:, -slots:] for column in columns]
        padded = [column.to_tensor(shape=[None, slots]) for column in columns]
        return padded[0], padded[1:]

    def _events(self, cells_of):
        """Return the local ids of each sequence, `(batch, slots)`, by its place, as `pad_events` does."""
        found = {}
        for places in columns_of_histories(self.encoding.fields).values():
            fields = [self.encoding.fields[place] for place in places]
            tables, lengths = zip(
                *(self._values_of_events(field, cells_of[field.name]) for field in fields), strict=True
            )
            most = tf.reduce_max(tf.stack(lengths), axis=0)
            columns = "', '".join(str(field.column) for field in fields)
            message = f"the columns '{columns}' of a history must have equally many values"
            are_equal = tf.reduce_all([(each == most) | (each == 0) for each in lengths])
            with tf.control_dependencies([tf.debugging.Assert(are_equal, [message])]):
                width = tf.reduce_max([1, *(tf.shape(table)[1] for table in tables)])
            tables = [tf.pad(table, tf.stack([[0, 0], [0, width - tf.shape(table)[1]]])) for table in tables]
            present, slots = tf.reduce_any(tf.stack(tables) > 0, axis=0), fields[0].max_values or 1
            newest = [tf.ragged.boolean_mask(table, present)[:, -slots:] for table in tables]
            found |= {place: each.to_tensor(shape=[None, slots]) for place, each in zip(places, newest, strict=True)}
        return found

    def _values_of_events(self, field, cells):
        """Return the local ids of all values, `(batch, most values)`, and the number of values of each row."""
        tokens = cells if isinstance(cells, tf.RaggedTensor) else _split(field, _texts(field, cells))
        ids = tokens.with_flat_values(self._local_ids(field, tokens.flat_values))
        lengths = tokens.row_lengths()
        is_empty = (lengths == 1) & tf.reduce_all(tokens == "", axis=1)
        return ids.to_tensor(), tf.where(is_empty, tf.zeros_like(lengths), lengths)

    def _local_ids(self, field, texts, empty_is_missing=True):
        texts = _without_markers(field, texts)
        if field.hash_buckets:
            hashed = tf.strings.to_hash_bucket_fast(field.cell_type.graph(texts), field.hash_buckets)
            ids = 1 + (hashed if field.compositional is not None else tf.cast(hashed, tf.int32))
        elif isinstance(field.cell_type, Decimal):
            is_number, numbers = field.cell_type.graph_numbers(texts)
            ids = self._tables[field.name].lookup(tf.bitcast(numbers, tf.int64))
            # The empty text, which is a category of its own in some fields, is the last value of the table.
            ids = tf.where(is_number, ids, tf.where(texts == "", _id_of(field, ""), int(field.has_oov_id)))
        else:
            ids = self._tables[field.name].lookup(field.cell_type.graph(texts))
        if empty_is_missing and field.missing != "category":
            ids = tf.where(texts == "", tf.zeros_like(ids), ids)
        return ids


def serving_model(model: keras.Model, encoder: ServingEncoder | TableEncoding | FrameEncoder) -> ServingModel:
    """Return a model that maps raw cells to the output of `model`; save it in one file or export it.

    Args:
        model: A Keras model whose input is `{"ids", "values"}`.
        encoder: A `ServingEncoder`, or the `TableEncoding` or `FrameEncoder` of the data that the model was trained on.

    Returns:
        A `ServingModel` whose input is `{column: (batch, 1)}`: float64 for numbers, text for everything else. A column
        of vectors is float64 `(batch, length)`.
        `model.save("clicks.keras")` and `model.export("folder")` include the vocabularies. Before
        `keras.models.load_model("clicks.keras")`, run `import ctrzoo.models, ctrzoo.data_pipelines.encoding.serving`;
        it needs no custom objects. The exported model needs only TensorFlow. Its signature uses the column names, with
        an underscore for every character that is not an ASCII letter or digit, `column_` before a leading underscore
        (and before `self`), and `_2` after a name that is taken.

    Raises:
        ValueError: If the model was built for another schema, or the encoder is of another kind.
    """
    if not isinstance(encoder, ServingEncoder):
        encoding = getattr(encoder, "encoding", encoder)
        if not isinstance(encoding, TableEncoding):
            raise ValueError(
                "The encoder must be a `ServingEncoder`, a `TableEncoding`, or a fitted `FrameEncoder`. "
                f"Received: {type(encoder).__name__}."
            )
        encoder = ServingEncoder(encoding, name="encoder")
    if hasattr(model, "schema"):
        differences = model.schema.differences(encoder.encoding.schema)
        if differences:
            raise ValueError(
                f"The model '{model.name}' was built for a schema that differs from the encoding's: "
                f"{'; '.join(differences[:3])} (model and encoding). Use the encoding of the model's training data."
            )
    types, widths = encoder.input_columns(), encoder.input_widths()
    names = input_names(types)
    inputs = {
        column: keras.Input((widths[column],), dtype=dtype, name=names[column]) for column, dtype in types.items()
    }
    return ServingModel(inputs, model(encoder(inputs)), name=f"serving_{model.name}")


@keras.saving.register_keras_serializable("ctrzoo")
class ServingModel(keras.Model):
    """A model that maps raw cells to the output of its inner model; see `serving_model`."""

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> np.ndarray:
        """Predict as `keras.Model.predict` does, but also accept cells as they are in a table.

        Args:
            x: A pandas or polars frame, or `{column: cells}` with lists or arrays of text, numbers, and None or NaN for
                missing cells. Numbers stay 64-bit; Keras would round them to 32. Any other input of Keras is also
                accepted.
            batch_size: Rows computed at once; for cells, `None` means 8,192.
            verbose: As in Keras.
            steps: As in Keras.
            callbacks: As in Keras.

        Raises:
            ValueError: If a column is missing, or a cell that must be a number is not one.

        Warns:
            UserWarning: If values of the first 8,192 rows are not of the type of their field, or fewer than 10 % of at
                least 100 values of a field are known from the training rows.
        """
        if not isinstance(x, (Mapping, pd.DataFrame, pl.DataFrame)):
            return super().predict(x, batch_size, verbose, steps, callbacks)
        encoder: Any = next(layer for layer in self.layers if isinstance(layer, ServingEncoder))
        cells = cells_of(encoder, x)
        lengths = {column: len(column_cells) for column, column_cells in cells.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"All columns must have equally many rows. Received: {lengths}.")
        if not any(lengths.values()):
            raise ValueError("`predict` needs at least one row. Received: none.")
        rows = tf.data.Dataset.from_tensor_slices(cells)  # pyright: ignore[reportArgumentType]
        rows = rows.batch(batch_size or PREDICTION_BATCH)
        return super().predict(rows, None, verbose, steps, callbacks)


def cells_of(encoder: ServingEncoder, table: Any) -> dict[str, Tensor]:
    """Return the cells of a table as a serving model takes them, `{column: (rows, 1)}`, or `(rows, length)` of vectors.

    Args:
        encoder: The encoder.
        table: A pandas or polars frame, or `{column: cells}`.

    Raises:
        ValueError: If a column is missing, or a cell that must be a number is not one.

    Warns:
        UserWarning: As `ServingModel.predict` does.
    """
    fields: dict[Any, Any] = {column: field for field in encoder.encoding.fields for column in field.raw_columns}
    # A column that some field reads as times and another as text is written so that both understand it.
    fields |= {field.column: field for field in encoder.encoding.fields if field.reads_times}
    types = encoder.input_columns()
    columns = {column: _column(table, column, fields[column]) for column in types}
    warn_of_unknown(
        unknown_in(field, columns[field.column].head(PREDICTION_BATCH))
        for field in encoder.encoding.fields
        if field.column and not (field.holds_numbers or field.cross)
    )
    return {column: _cells(columns[column], fields[column], dtype) for column, dtype in types.items()}


def _column(table, column, field):
    """Return a column of a field as a series; cells with several values and vectors may be lists."""
    separator = field.separator if field.holds_several else None
    if column not in table:
        raise ValueError(unknown("column", column, getattr(table, "columns", table)))
    cells = table[column]
    if isinstance(table, pd.DataFrame):
        cells = one_column(cells, column)
    elif tf.is_tensor(cells) and field.kind == "vector":
        cells = cells.numpy()
    if field.kind == "vector" and not field.columns:
        return cells if isinstance(cells, pl.Series) else vectors_of(column, cells)
    if separator is not None and isinstance(cells, (list, tuple)):
        cells = pd.Series(list(cells), dtype=object)  # NumPy would take lists of one length for a matrix
    if not isinstance(cells, (pd.Series, pl.Series)):
        is_text = tf.is_tensor(cells) and cells.dtype == tf.string
        array = np.ravel(np.asarray(cells, "S" if is_text else None))
        cells = pd.Series(np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array)
    if isinstance(cells, pd.Series):
        cells = series_of(column, cells, separator)
    return cells


def _cells(cells, field, dtype):
    """Return a column as a tensor `(rows, 1)`."""
    if field.reads_times:
        return tf.reshape(tf.constant(time_cells(cells).fill_null("").to_list(), dtype), (-1, 1))
    if field.kind == "vector" and not field.columns and dtype == "float64":
        return tf.constant(matrix_of(field, [cells]), dtype)
    cells = present(field, cells)
    if (field.holds_several or field.kind == "vector") and isinstance(cells.dtype, (pl.List, pl.Array)):
        cells = _joined(field, cells)
    values = numbers_of(cells) if dtype == "float64" else written_texts(field, cells).fill_null("").to_list()
    return tf.reshape(tf.constant(values, dtype), (-1, 1))


def _joined(field, lists):
    """Return lists as the texts that the graph splits.

    Raises:
        ValueError: If a value contains the separator: the graph would split it.
    """
    separator = field.separator
    rows = pl.DataFrame({"row": np.arange(len(lists)), "value": lists.cast(pl.List(lists.dtype.inner))})
    values = rows.explode("value")
    texts = written_texts(field, values["value"].alias(lists.name))
    if field.kind == "sequence":  # a missing value keeps its place
        texts = texts.fill_null("")
    wrong = texts.filter(texts.str.contains(separator, literal=True))
    if len(wrong):
        raise ValueError(
            f"Column '{lists.name}': the value {wrong[0]!r} contains the separator {separator!r}. Replace it."
        )
    joined = values.with_columns(texts.alias("value")).group_by("row").agg(pl.col("value").str.join(separator))
    return rows.select("row").join(joined, on="row", how="left", maintain_order="left")["value"].alias(lists.name)


def input_names(columns: Iterable[str]) -> dict[str, str]:
    """Return names that Keras and TensorFlow signatures accept, `{column: name}`.

    >>> input_names(["user id", "user_id", "_id", "größe"])
    {'user id': 'user_id', 'user_id': 'user_id_2', '_id': 'column_id', 'größe': 'gr__e'}
    """
    names = {}
    for column in columns:
        name = re.sub(r"[^0-9A-Za-z_]", "_", column)
        name = f"column_{name.lstrip('_')}" if name.startswith("_") or name == "self" else name
        while name in names.values():
            name += "_2"
        names[column] = name
    return names


def _table(field):
    """Return the lookup of a field's local ids; unseen texts get the OOV id, or 0 if the field has none."""
    default = int(field.has_oov_id)
    known = field.known_values
    texts, ids = known["text"].to_list(), known["id"].to_list()
    if not texts:  # TensorFlow rejects tables without keys
        texts, ids = [""], [default]
    keys = tf.constant(texts, tf.string)
    if isinstance(field.cell_type, Decimal):  # TensorFlow writes numbers in other words, so their bits are looked up
        numbers = np.array([float(text) if text else np.nan for text in texts])
        keys = tf.constant((numbers + 0.0).view(np.int64))
    return _hash_table(keys, ids, default)


def _global_table(field, first_id):
    """Return the lookup of the global id that a row gets: 0 for a missing cell, unless it is a category."""
    is_category, default = field.missing == "category", first_id if field.has_oov_id else 0
    # Without a category of missing cells, an empty text that was counted has an id that no row gets.
    ids = {text: first_id - 1 + local for text, local in field.known_values.iter_rows() if text or is_category}
    ids |= {} if is_category else {"": 0}
    return _hash_table(tf.constant(list(ids or {"": default})), list(ids.values() or [default]), default)


def _hash_table(keys, ids, default):
    initializer = tf.lookup.KeyValueTensorInitializer(keys, tf.constant(ids, tf.int32))
    return tf.lookup.StaticHashTable(initializer, default_value=default)


def _side_by_side(cells):
    """Return columns of one cell each as `(batch, columns)`."""
    return tf.stack([_column_of(each) for each in cells], axis=1)


def _column_of(cells):
    return cells if cells.shape.rank == 1 else tf.reshape(cells, [-1])


def _joined_columns(pieces, none):
    """Return the columns of pieces `(places of their fields, tensors)` in the order of the fields.

    A piece of one field has all columns of it, one of several fields has one column for each.
    """
    tensors, owners = [none], []
    for places, columns in pieces:
        for tensor in columns:
            tensors.append(tensor)
            owners += places * (tensor.shape[1] if len(places) == 1 else 1)
    order = np.argsort(owners, kind="stable")
    joined = tf.concat(tensors, axis=1)
    return joined if (order == np.arange(len(order))).all() else tf.gather(joined, order, axis=1)


def _id_of(field, text):
    """Return the local id of a text, or that of an unseen one."""
    found = field.values.index_of(text)
    return int(field.has_oov_id) if found is None else 1 + int(field.has_oov_id) + found


def _part(field, cells):
    """Return the text of each cell of a part of a cross, as its cell type writes it."""
    return field.cell_type.graph(_without_markers(field, _category_texts(field, cells)))


def _category_texts(field, cells):
    """Return the categories of cells as texts `(batch,)`, empty where one is missing."""
    if field.reads_times:
        return field.clock.graph(tf.reshape(tf.convert_to_tensor(cells), [-1]))
    if field.transform is None:
        return _texts(field, cells)
    missing, buckets = _buckets(field, cells)
    return tf.where(missing, "", tf.strings.as_string(tf.cast(buckets, tf.int64)))


def _buckets(field, cells):
    """Return which cells are missing, and the bucket of each number; both are `(batch,)`."""
    numbers = _numbers(field, cells)[:, 0]
    missing = tf.math.is_nan(numbers)
    return missing, field.transformer.graph(tf.where(missing, tf.zeros_like(numbers), numbers))


def _texts(field, cells):
    """Return cells as texts `(batch,)`, empty where one is missing; whole numbers have no decimal point."""
    return _without_markers(field, _as_texts(tf.reshape(tf.convert_to_tensor(cells), [-1])))


def _as_texts(cells):
    """Return texts as they are, and whole numbers as texts."""
    if cells.dtype.is_floating:
        raise ValueError(f"Categories must be texts or whole numbers. Received: {cells.dtype.name}.")
    return cells if cells.dtype == tf.string else tf.strings.as_string(cells)


def _split(field, texts):
    """Split cells into values, as `split_texts` does."""
    if field.type is None:
        return tf.strings.split(texts, field.separator)
    inside = tf.strings.regex_replace(texts, LIST_ENDS, "")
    quoted = tf.strings.regex_replace(tf.strings.regex_replace(inside, BETWEEN_QUOTED, UNIT), QUOTES, "")
    has_quotes = tf.strings.regex_full_match(inside, "(?s).*['\"].*")
    listed = tf.where(has_quotes, quoted, tf.strings.regex_replace(inside, ",", UNIT))
    separated = tf.strings.regex_replace(texts, re.escape(field.separator), UNIT)
    tokens = tf.strings.split(tf.where(tf.strings.regex_full_match(texts, LIST), listed, separated), UNIT)
    return tokens.with_flat_values(tf.strings.regex_replace(tokens.flat_values, SPACES, ""))


def _without_markers(field, texts):
    """Return texts with the empty one for each that stands for a missing cell, in whatever way it is written.

    Times and numbers become other texts, such as an hour; their markers have been looked for in the cells.
    """
    if not field.missing_texts or field.reads_times or field.reads_numbers:
        return texts
    written, kind = field.cell_type.graph(texts), field.cell_type
    markers = kind.hash_texts(kind.canonical(pl.Series(field.missing_texts, dtype=pl.String)))
    for marker in {*field.missing_texts, *markers}:
        texts = tf.where((written == marker) | (texts == marker), "", texts)
    return texts


def _numbers(field, cells):
    """Return cells as float64 `(batch, 1)`; missing cells are NaN."""
    cells = tf.reshape(tf.convert_to_tensor(cells), [-1, 1])
    if cells.dtype == tf.string:
        for marker in field.missing_texts:
            cells = tf.where(cells == marker, "", cells)
        cells = tf.strings.regex_replace(cells, r"^[\s\p{Z}]+|[\s\p{Z}]+$", "")
        numbers = _parsed(field, cells)
    else:
        numbers = tf.cast(cells, tf.float64)
    numbers = _without_marked_numbers(field, numbers)
    return tf.where(tf.math.is_nan(numbers), numbers, _zero_if_missing(field, numbers))


def _without_marked_numbers(field, numbers):
    """Return numbers with NaN for those that stand for a missing cell."""
    for marker in pl.Series(field.missing_texts, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls():
        numbers = tf.where(numbers == marker, np.float64(np.nan), numbers)
    return numbers


def _parsed(field, texts, may_be_empty=True):
    """Return texts as numbers, float64; the empty text is NaN, or an error."""
    # TensorFlow would also parse hexadecimal numbers, which nobody intends.
    are_numbers = tf.reduce_all(tf.strings.regex_full_match(texts, NUMBER) & (may_be_empty | (texts != "")))
    with tf.control_dependencies([tf.debugging.Assert(are_numbers, [_must_be_finite(field)])]):
        return tf.strings.to_number(tf.where(texts == "", "nan", texts), tf.float64)


def _vectors(field, columns):
    """Return the numbers of vectors as float32 `(batch, length)`, zeros where a cell is missing."""
    length = field.schema_field().num_slots
    if field.columns:
        numbers = tf.concat([_numbers(field, cells) for cells in columns], axis=1)
    else:
        numbers = _vector_numbers(field, columns[0], length)
    is_missing = tf.reduce_all(tf.math.is_nan(numbers), axis=1, keepdims=True)
    numbers = tf.cast(tf.where(is_missing, tf.zeros_like(numbers), numbers), tf.float32)
    return tf.ensure_shape(tf.debugging.check_numerics(numbers, _must_be_finite(field)), [None, length])


def _vector_numbers(field, cells, length):
    """Return a column of lists or texts as float64 `(batch, length)`; rows of missing cells are NaN."""
    if not isinstance(cells, tf.RaggedTensor) and tf.convert_to_tensor(cells).dtype == tf.string:
        texts = tf.reshape(tf.convert_to_tensor(cells), [-1])
        texts = tf.strings.regex_replace(_without_markers(field, texts), SPACES, "")
        listed = tf.strings.regex_replace(tf.strings.regex_replace(texts, LIST_ENDS, ""), BETWEEN_NUMBERS, UNIT)
        separated = tf.strings.regex_replace(texts, between_numbers(field.separator), UNIT)
        texts = tf.where(tf.strings.regex_full_match(texts, LIST), listed, separated)
        cells = tf.strings.split(texts, UNIT)
        # The empty text, a missing cell, would be one number.
        is_there = tf.repeat(texts != "", cells.row_lengths())
        cells = tf.ragged.boolean_mask(cells, cells.with_flat_values(is_there))
        cells = cells.with_flat_values(_parsed(field, cells.flat_values, may_be_empty=False))
    if not isinstance(cells, tf.RaggedTensor):
        numbers = tf.cast(cells, tf.float64)
        numbers = numbers[:, None] if numbers.shape.rank == 1 else numbers
        if numbers.shape[-1] not in (None, length):
            raise ValueError(
                f"Column '{field.column}' must hold vectors of {length} numbers. Received: {numbers.shape}."
            )
        return numbers
    numbers = tf.debugging.check_numerics(tf.cast(cells.flat_values, tf.float64), _must_be_finite(field))
    lengths = cells.row_lengths()
    are_equal = tf.reduce_all((lengths == length) | (lengths == 0))
    message = f"column '{field.column}' must hold vectors of {length} numbers"
    with tf.control_dependencies([tf.debugging.Assert(are_equal, [message])]):
        return cells.with_flat_values(numbers).to_tensor(np.float64(np.nan), shape=[None, length])


def _zero_if_missing(field, numbers):
    """Replace NaN by 0; infinite numbers are errors."""
    present = tf.where(tf.math.is_nan(numbers), tf.zeros_like(numbers), numbers)
    return tf.debugging.check_numerics(present, _must_be_finite(field))


def _zeros_for_missing(columns, numbers):
    """Replace NaN by 0 in `(batch, columns)`; infinite numbers are errors that name their columns."""
    present = tf.where(tf.math.is_nan(numbers), tf.zeros_like(numbers), numbers)
    infinite = tf.reduce_any(tf.math.is_inf(present), axis=0)
    names = tf.strings.reduce_join(tf.boolean_mask(tf.constant(columns), infinite), separator="', '")
    message = tf.strings.join(["column '", names, "' must hold finite numbers"])
    with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(infinite), [message])]):
        return tf.identity(present)


def _must_be_finite(field):
    return f"column '{field.column}' must hold finite numbers"


def _global(field, local, first_id):
    """Return global ids `(batch, slots)` of local ones `(batch, values)`."""
    if field.compositional is None:
        return tf.where(local > 0, local + (first_id - 1), 0)
    quotients, remainders = rows_of(field.num_values, field.compositional)
    numbers = tf.cast(local, tf.int64) - 1
    pairs = tf.concat([numbers // remainders, quotients + numbers % remainders], axis=1) + first_id
    return tf.where(tf.tile(local > 0, [1, 2]), tf.cast(pairs, tf.int32), 0)
