"""Field embeddings and the linear logit from (id, value) slots: one table and one gather for all field kinds."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import ExplainingLayer
from ctrzoo.layers.numerics import lowest_score, penalty
from ctrzoo.layers.tables import TableLayer
from ctrzoo.lookup import look_up
from ctrzoo.schema import Schema
from ctrzoo.types import Config, Features, Initializer, Regularizer, Shape, Tensor


def check_widths(features: Features, schema: Schema) -> None:
    """Check for one column per slot; Keras would broadcast a single column.

    Raises:
        ValueError: If a width is known and differs from the number of slots. The message has the shapes.
    """
    shapes = {name: tuple(features[name].shape) for name in ("ids", "values")}
    if any(shape[-1] not in (None, schema.num_slots) for shape in shapes.values()):
        raise ValueError(
            f"Ids and values must have the shape (batch, {schema.num_slots}), a column for each slot of the schema. "
            f"Received: {shapes}."
        )


def shares_of_events(values: Tensor, schema: Schema, apart: Sequence[str] = ()) -> Tensor:
    """Divide the values of each mean-pooled sequence by the number of its events in the row; they then sum to 1.

    Args:
        values: `(batch, slots)`, 1 for each event of a sequence.
        schema: The `Schema`.
        apart: Names of sequences whose values stay as they are.

    >>> schema = Schema([{"name": "seen", "kind": "sequence", "vocabulary_size": 9, "num_slots": 3}])
    >>> shares_of_events(np.array([[1.0, 1.0, 0.0]]), schema).numpy().tolist()
    [[0.5, 0.5, 0.0]]
    """
    pieces, start, first = [], 0, 0
    for field in schema.fields:
        if field.kind == "sequence" and field.pooling == "mean" and field.num_slots > 1 and field.name not in apart:
            own = values[:, first : first + field.num_slots]
            count = ops.sum(ops.cast(own != 0, values.dtype), axis=1, keepdims=True)
            pieces += [values[:, start:first]] * (start < first) + [own / ops.maximum(count, 1)]
            start = first + field.num_slots
        first += field.num_slots
    if not pieces:
        return values
    return ops.concatenate([*pieces, *[values[:, start:]] * (start < first)], axis=1)


@keras.saving.register_keras_serializable("ctrzoo")
class FieldEmbedding(TableLayer):
    """Embed every field of a row as `sum over its slots of value * table[id]`.

    A categorical field has one slot with value 1. A numerical field has one slot whose value is the number
    (`e = v * x`, GraphFM equation 3). A multi-valued field has several slots with value 1/n (mean pooling, GraphFM
    equation 4). A vector of numbers x has a slot and a row for each of them, so that it embeds to `x @ rows`: a `Dense`
    layer without a bias. A sequence has the value 1 for each event, which is divided by their number for the mean. An
    absent entry is id 0 with value 0 and embeds to zero.

    A field with the pooling `"max"` takes the largest of `value * table[id]` in each dimension instead, over its slots
    whose value is not 0. Slots with an equal largest number share its gradient equally.
    Source: Li et al., 2021, https://arxiv.org/abs/2105.11866.

    Args:
        schema: The `Schema`.
        dim: Size of an embedding vector.
        embeddings_initializer: Initial values of the table; `None` is N(0, 0.01^2), as in the AFM, NFM, AutoInt and
            GraphFM code.
        l2: Strength of the penalty `l2 / 2 * ||table||^2` (TensorFlow 1's and FuxiCTR's convention). It reads and
            updates all rows at every step, also under the row-wise optimizers of `ctrzoo.optimizers`.
        embeddings_regularizer: Another regularizer of the table, in place of `l2`. It reads all rows as well.
        apart: Names of sequences that are not pooled. The embeddings of their events come from the same lookup.

    Input shape: `{"ids": (batch, slots) int, "values": (batch, slots) float}`.
    Output shape: `(batch, fields, dim)`. With `apart` it is a tuple: the other fields `(batch, other fields, dim)`,
    then the events of each sequence in the order of `apart`, `(batch, its slots, dim)`, zero where absent.

    Raises:
        ValueError: If `dim` is below 1, `apart` names a field that is no sequence, or it leaves no other field.

    >>> schema = Schema([{"name": "user", "vocabulary_size": 9}, {"name": "age", "kind": "numerical"}])
    >>> FieldEmbedding(schema, dim=4)({"ids": np.array([[3, 10]]), "values": np.array([[1.0, 0.5]])}).shape
    TensorShape([1, 2, 4])
    """

    def __init__(
        self,
        schema: Schema | Config,
        dim: int,
        embeddings_initializer: Initializer = None,
        l2: float = 0.0,
        embeddings_regularizer: Regularizer = None,
        apart: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema = schema if isinstance(schema, Schema) else Schema.from_dict(schema)
        if dim < 1:
            raise ValueError(f"The embedding size must be at least 1. Received: {dim}.")
        self.dim, self.l2 = dim, l2
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer or keras.initializers.RandomNormal(stddev=0.01)
        )
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.penalty = penalty(l2, self.embeddings_regularizer)
        self.fixed = self.is_fixed = None  # made by `set_rows`
        self.vectors = tuple(index for index, field in enumerate(self.schema.fields) if field.kind == "vector")
        others = [field for field in self.schema.fields if field.kind != "vector"]
        # The fields whose rows are looked up by the ids of the batch.
        self.pooled = Schema(others, self.schema.label) if self.vectors and others else self.schema
        self.apart = tuple(apart)
        self._check_apart()

    def _check_apart(self):
        kinds = {field.name: field.kind for field in self.schema.fields}
        wrong = [name for name in self.apart if kinds.get(name) != "sequence"]
        if wrong or len(set(self.apart)) < len(self.apart):
            sequences = ", ".join(name for name, kind in kinds.items() if kind == "sequence") or "none"
            raise ValueError(
                f"`apart` must name sequences of the schema, each once. Its sequences: {sequences}. "
                f"Received: {', '.join(self.apart)}."
            )
        if len(self.apart) == len(kinds):
            raise ValueError("`apart` must leave a field that is embedded as a whole. Received: all fields.")

    def build(self, input_shape: Any) -> None:
        options = {"initializer": self.embeddings_initializer, "regularizer": self.penalty}
        self.table = self.add_table("table", self.schema.num_ids, self.dim, **options)

    def set_rows(self, ids: np.ndarray, vectors: np.ndarray, trainable: bool = True) -> None:
        """Set rows of the built layer; rows that are not trainable stay as they are, whatever the optimizer does.

        Such rows are held apart from `table`, where they are zero. They are saved with the weights.

        Args:
            ids: Global ids, `(rows,)`.
            vectors: `(rows, dim)`.
            trainable: Whether the rows are trained.
        """
        if not trainable and self.fixed is None:
            self._add_fixed()
        table = np.array(ops.convert_to_numpy(self.table))
        table[ids] = vectors if trainable else 0
        self.table.assign(table)
        if self.fixed is not None and self.is_fixed is not None:
            fixed, is_fixed = (np.array(ops.convert_to_numpy(each)) for each in (self.fixed, self.is_fixed))
            fixed[ids], is_fixed[ids] = (0, 0) if trainable else (vectors, 1)
            self.fixed.assign(fixed)
            self.is_fixed.assign(is_fixed)

    def _add_fixed(self):
        self._tracker.unlock()  # a built layer takes no more weights
        options: Any = {"initializer": "zeros", "trainable": False}
        self.fixed = self.add_table("fixed", self.schema.num_ids, self.dim, **options)
        self.is_fixed = self.add_table("is_fixed", self.schema.num_ids, 1, **options)
        self._tracker.lock()

    def load_own_variables(self, store: Any) -> None:
        """Load weights, also those of a layer with rows that are not trained."""
        if self.fixed is None and len(store.keys()) == 3:
            self._add_fixed()
        super().load_own_variables(store)

    def call(self, features: Features, training: bool | None = None) -> Any:
        check_widths(features, self.schema)
        ids, values = features["ids"], ops.cast(features["values"], self.compute_dtype)
        values = shares_of_events(values, self.schema, self.apart)
        if not self.vectors:
            pooled, events = self._pooled(ids, values, training)
            return (pooled, *events) if self.apart else pooled
        owners, pieces, pooled, events = np.asarray(self.schema.slot_fields), [], None, []
        others = np.flatnonzero(~np.isin(owners, self.vectors))
        if len(others):
            pooled, events = self._pooled(ops.take(ids, others, axis=1), ops.take(values, others, axis=1), training)
        start = 0
        kept = [index for index, field in enumerate(self.schema.fields) if field.name not in self.apart]
        for place, index in enumerate((*map(kept.index, self.vectors), len(kept))):
            if pooled is not None and start < index - place:
                pieces.append(pooled[:, start : index - place])
            start = index - place
            if index < len(kept):
                slots = np.flatnonzero(owners == kept[index])
                # All rows of the batch have the same ids.
                rows = look_up(self.table, self.schema.first_ids[kept[index]] + np.arange(len(slots)), not training)
                vectors = ops.matmul(values[:, slots[0] : slots[-1] + 1], ops.cast(rows, self.compute_dtype))
                pieces.append(ops.expand_dims(vectors, axis=1))
        fields = ops.concatenate(pieces, axis=1)
        return (fields, *events) if self.apart else fields

    def _pooled(self, ids, values, training):
        """Embed the fields that are not vectors, from their slots; return them and the events of `apart`."""
        # Mixed precision casts the rows it looks up, not the whole table.
        embedded = ops.cast(look_up(self.table, ids, exportable=not training), self.compute_dtype)
        if self.fixed is not None:
            fixed = ops.cast(look_up(self.fixed, ids, exportable=not training), self.compute_dtype)
            is_fixed = look_up(self.is_fixed, ids, exportable=not training) > 0
            embedded = ops.where(is_fixed, fixed, embedded)
        values = ops.expand_dims(values, axis=-1)
        embedded = embedded * values
        if not self.apart:
            return self._pool(embedded, values, self.pooled.fields), []
        ends = np.cumsum([field.num_slots for field in self.pooled.fields]).tolist()
        slots = {field.name: (end - field.num_slots, end) for field, end in zip(self.pooled.fields, ends, strict=True)}
        edges = sorted({edge for name in self.apart for edge in slots[name]} - {0, ends[-1]})
        # The gradient of a split joins the pieces. That of a slice fills a tensor of all slots.
        parts, parts_of_values = (
            dict(zip([0, *edges], ops.split(each, edges, axis=1), strict=True)) for each in (embedded, values)
        )
        events = [parts.pop(slots[name][0]) for name in self.apart]
        kept = [field for field in self.pooled.fields if field.name not in self.apart]
        if not kept:
            return None, events
        embedded, values = (
            ops.concatenate(each, axis=1) if len(each) > 1 else each[0]
            for each in (list(parts.values()), [parts_of_values[start] for start in parts])
        )
        return self._pool(embedded, values, kept), events

    def _pool(self, embedded, values, fields):
        """Pool the slots of fields, which are adjacent."""
        sizes = [field.num_slots for field in fields]
        if sum(sizes) == len(fields):
            return embedded
        owners = np.repeat(np.arange(len(fields)), sizes)
        pool = np.arange(len(fields))[:, None] == owners[None, :]
        pooled = ops.matmul(ops.convert_to_tensor(pool, self.compute_dtype), embedded)
        return self._with_maxima(pooled, embedded, values, fields)

    def _with_maxima(self, pooled, embedded, values, fields):
        """Replace the sums of the fields whose pooling is the maximum."""
        pieces, start, first = [], 0, 0
        for index, field in enumerate(fields):
            slots = slice(first, first + field.num_slots)
            first += field.num_slots
            if field.pooling != "max" or field.num_slots == 1:
                continue
            present = values[:, slots] != 0
            # ONNX multiplies the entries that are left out by 0, so they must be finite.
            lowest = lowest_score(self.compute_dtype)
            largest = ops.max(ops.where(present, embedded[:, slots], lowest), axis=1, keepdims=True)
            largest = ops.where(ops.any(present, axis=1, keepdims=True), largest, 0)
            pieces += [pooled[:, start:index]] * (start < index) + [largest]
            start = index + 1
        if not pieces:
            return pooled
        pieces += [pooled[:, start:]] * (start < len(fields))
        return ops.concatenate(pieces, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        batch, fields = input_shape["ids"][0], self.schema.num_fields - len(self.apart)
        if not self.apart:
            return (batch, fields, self.dim)
        slots = {field.name: field.num_slots for field in self.schema.fields}
        return ((batch, fields, self.dim), *((batch, slots[name], self.dim) for name in self.apart))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "schema": self.schema.to_dict(),
            "dim": self.dim,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "l2": self.l2,
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
            "apart": self.apart,
        }

    @classmethod
    def from_config(cls, config: Config) -> "FieldEmbedding":
        """Make the layer that a configuration describes, also one of version 0.1.0, which said `initializer`."""
        renamed = {"initializer": "embeddings_initializer"}
        return super().from_config({renamed.get(key, key): value for key, value in config.items()})


@keras.saving.register_keras_serializable("ctrzoo")
class LinearLogit(ExplainingLayer):
    """The linear part of LR, FM and related models, `b + sum over slots of w[id] * value`.

    A field with the pooling `"max"` adds only its largest `w[id]`, the maximum of its embeddings of one dimension.

    Args:
        schema: The `Schema`.
        use_bias: Whether to add the bias `b`.
        l2: Strength of the penalty `l2 / 2 * ||w||^2`.
        embeddings_initializer: Initial values of `w`.
        embeddings_regularizer: Another regularizer of `w`, in place of `l2`.
        bias_initializer: Initial value of `b`.
        return_explanations: Whether to return the contribution of each field too.

    Input shape: `{"ids": (batch, slots) int, "values": (batch, slots) float}`.
    Output shape: the logit `(batch, 1)`; with `return_explanations` also the contribution of each field to it,
    `(batch, fields)`.

    >>> schema = Schema([{"name": "user", "vocabulary_size": 9}, {"name": "age", "kind": "numerical"}])
    >>> features = {"ids": np.array([[3, 10]]), "values": np.array([[1.0, 0.5]])}
    >>> logit, fields = LinearLogit(schema, embeddings_initializer="ones", return_explanations=True)(features)
    >>> logit.numpy().tolist(), fields.numpy().tolist()
    ([[1.5]], [[1.0, 0.5]])
    """

    def __init__(
        self,
        schema: Schema | Config,
        use_bias: bool = True,
        l2: float = 0.0,
        embeddings_initializer: Initializer = "zeros",
        embeddings_regularizer: Regularizer = None,
        bias_initializer: Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema = schema if isinstance(schema, Schema) else Schema.from_dict(schema)
        self.use_bias, self.l2 = use_bias, l2
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.weights_of_ids = FieldEmbedding(
            self.schema,
            1,
            embeddings_initializer=self.embeddings_initializer,
            l2=l2,
            embeddings_regularizer=self.embeddings_regularizer,
            dtype=self.dtype_policy,
            name="weights",
        )

    def build(self, input_shape: Any) -> None:
        self.weights_of_ids.build(input_shape)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(1,), initializer=self.bias_initializer)

    def call(self, features: Features) -> Tensor:
        terms = ops.squeeze(self.weights_of_ids(features), axis=-1)
        logit = ops.sum(terms, axis=-1, keepdims=True)
        return self.chosen(logit + self.bias if self.use_bias else logit, terms)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        batch = input_shape["ids"][0]
        return self.chosen((batch, 1), (batch, self.schema.num_fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "schema": self.schema.to_dict(),
            "use_bias": self.use_bias,
            "l2": self.l2,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


@keras.saving.register_keras_serializable("ctrzoo")
class NumericalValues(keras.layers.Layer):
    """The numbers of the numerical fields, as `ln(1 + max(x, 0))` by default, for models that do not embed them.

    The transform runs in float32 under mixed precision too, because counts overflow float16.

    Args:
        schema: The `Schema`.
        log: Whether to take logarithms, as DLRM does; numbers below 0 count as 0.

    Input shape: `{"ids": (batch, slots) int, "values": (batch, slots) float}`.
    Output shape: `(batch, numerical fields)`.

    >>> schema = Schema([{"name": "user", "vocabulary_size": 9}, {"name": "age", "kind": "numerical"}])
    >>> values = NumericalValues(schema)({"ids": np.array([[3, 10]]), "values": np.array([[1.0, 0.0]])})
    >>> values.numpy()
    array([[0.]], dtype=float32)
    """

    def __init__(self, schema: Schema | Config, log: bool = True, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.schema = schema if isinstance(schema, Schema) else Schema.from_dict(schema)
        self.log = log
        self.slots = [
            slot for slot, owner in enumerate(self.schema.slot_fields) if self.schema.fields[owner].kind == "numerical"
        ]

    def call(self, features: Features) -> Tensor:
        check_widths(features, self.schema)
        values = ops.take(features["values"], np.asarray(self.slots, "int32"), axis=1)
        values = ops.cast(values, keras.backend.result_type(self.compute_dtype, "float32"))
        # Not `log1p`, which ONNX does not have; the results differ by rounding only.
        return ops.cast(ops.log(1 + ops.maximum(values, 0)) if self.log else values, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (input_shape["ids"][0], len(self.slots))

    def get_config(self) -> Config:
        return {**super().get_config(), "schema": self.schema.to_dict(), "log": self.log}
