"""A free weight for each pair of features, kept in a table of hash buckets."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import ExplainingLayer
from ctrzoo.layers.embedding import check_widths, shares_of_events
from ctrzoo.layers.numerics import penalty
from ctrzoo.layers.tables import TableLayer
from ctrzoo.lookup import look_up
from ctrzoo.schema import Schema
from ctrzoo.types import Config, Features, Initializer, Regularizer, Shape, Tensor


def hash_pairs(first: Tensor, second: Tensor, salt: np.ndarray, num_buckets: int) -> Tensor:
    """Assign pairs of ids to buckets: `mix(mix(mix(salt) ^ first) + second) mod num_buckets`.

    The arithmetic is that of unsigned 32-bit integers. `mix` is the last step of MurmurHash3, a bijection in which
    every input bit affects every output bit. A pair has the same bucket in every process and on every backend and
    device.

    Args:
        first: Tensor of integer ids.
        second: Tensor of integer ids of the same shape.
        salt: NumPy array of whole numbers that broadcasts against the ids.
        num_buckets: Number of buckets.

    Returns:
        Tensor of bucket numbers, int32.

    >>> hash_pairs(np.array([1, 2, 1]), np.array([2, 1, 2]), np.array([1, 1, 2]), 1000).numpy()
    array([124, 747, 396], dtype=int32)
    """
    first, second = ops.cast(first, "uint32"), ops.cast(second, "uint32")
    salt = _mix(ops.convert_to_tensor(np.asarray(salt, "uint32")))
    mixed = _mix(_mix(ops.bitwise_xor(salt, first)) + second)
    return _remainder(mixed, num_buckets)


def _mix(number):
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        number = ops.bitwise_xor(number, ops.right_shift(number, np.uint32(shift))) * np.uint32(factor)
    return ops.bitwise_xor(number, ops.right_shift(number, np.uint32(16)))


def _remainder(number, divisor):
    """Return `number mod divisor` as int32. LiteRT has no remainder of unsigned numbers."""
    if divisor & (divisor - 1) == 0:  # a power of two: leave the lowest bits
        above = ops.right_shift(number, np.uint32(divisor.bit_length() - 1)) * np.uint32(divisor)
        return ops.cast(ops.bitwise_xor(number, above), "int32")
    half = ops.right_shift(number, np.uint32(1))
    odd = ops.cast(ops.bitwise_xor(number, half * np.uint32(2)), "int32")
    rest = ops.mod(ops.cast(half, "int32"), np.int32(divisor))
    rest = rest - (np.int32(divisor) - rest) + odd  # 2 * rest + odd - divisor, without overflow
    return ops.where(rest < 0, rest + np.int32(divisor), rest)


@keras.saving.register_keras_serializable("ctrzoo")
class HashedPairs(TableLayer, ExplainingLayer):
    """The pair term of Poly2, `sum over i < j of w[h(id_i, id_j)] * value_i * value_j`.

    Each pair of fields has its own salt, which is its number among all pairs i < j in the order of the schema. A
    multi-valued field or a sequence pairs each of its members, weighted by its value, with the other fields, but not
    with each other.
    Weights start at 0, so a pair that training never saw adds nothing.
    Source: Chang et al., JMLR 11, 2010, section 2; hashed as in Juan et al., RecSys 2016, section 2,
    with another hash function, https://doi.org/10.1145/2959100.2959134.

    Args:
        schema: The `Schema`.
        num_buckets: Rows of the table that all pairs share.
        pairs: Pairs of field names, in either order; `None` takes every pair.
        l2: Strength of the penalty `l2 / 2 * ||table||^2`.
        embeddings_initializer: Initial values of the table.
        embeddings_regularizer: Another regularizer of the table, in place of `l2`.
        return_explanations: Whether to return the contribution of each pair too.

    Input shape: `{"ids": (batch, slots) int, "values": (batch, slots) float}`.
    Output shape: the pair term `(batch, 1)`. With `return_explanations` also the contribution of each pair,
    `(batch, fields, fields)`, symmetric with a zero diagonal.

    Raises:
        ValueError: If `num_buckets` is out of range, a pair is not one of two different fields, or a field has the
            pooling `"max"`: a sum over pairs of members has no maximum of a field.

    >>> schema = Schema([{"name": "user", "vocabulary_size": 9}, {"name": "age", "kind": "numerical"}])
    >>> HashedPairs(schema, num_buckets=100)({"ids": np.array([[3, 10]]), "values": np.array([[1.0, 0.5]])}).shape
    TensorShape([1, 1])
    """

    def __init__(
        self,
        schema: Schema | Config,
        num_buckets: int = 2**20,
        pairs: Sequence[Sequence[Any]] | None = None,
        l2: float = 0.0,
        embeddings_initializer: Initializer = "zeros",
        embeddings_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema = schema if isinstance(schema, Schema) else Schema.from_dict(schema)
        if not 1 <= num_buckets < 2**31:
            raise ValueError(f"`num_buckets` must lie between 1 and 2**31 - 1. Received: {num_buckets}.")
        maxima = [field.name for field in self.schema.fields if field.pooling == "max" and field.num_slots > 1]
        if maxima:
            raise ValueError(
                f"Pairs of members are summed, so the pooling 'max' of the field '{maxima[0]}' has no effect. "
                "Use pooling='mean' or 'sum', or a model of embeddings."
            )
        self.num_buckets, self.l2 = num_buckets, l2
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.penalty = penalty(l2, self.embeddings_regularizer)
        self.pairs = None if pairs is None else [list(pair) for pair in pairs]
        self.first, self.second, self.salt = self._slot_pairs()

    def _slot_pairs(self):
        """Return the slots of all pairs, and the number of each pair of fields."""
        fields = range(self.schema.num_fields)
        numbers = np.zeros((len(fields), len(fields)), int)
        numbers[np.triu_indices(len(fields), 1)] = 1 + np.arange(len(fields) * (len(fields) - 1) // 2)
        if self.pairs is not None:
            wanted = np.zeros_like(numbers)
            for pair in self.pairs:
                if len(set(pair)) != 2 or len(pair) != 2 or not set(pair) <= set(self.schema.names):
                    raise ValueError(
                        f"A pair must name two different fields of {', '.join(self.schema.names)}. Received: {pair}."
                    )
                wanted[tuple(sorted(map(self.schema.names.index, pair)))] = 1
            numbers *= wanted
        owners = np.asarray(self.schema.slot_fields)
        of_slots = numbers[owners[:, None], owners[None, :]]
        first, second = np.nonzero(of_slots)
        return first, second, of_slots[first, second]

    def build(self, input_shape: Any) -> None:
        options = {"initializer": self.embeddings_initializer, "regularizer": self.penalty}
        self.table = self.add_table("table", self.num_buckets, 1, **options)

    def call(self, features: Features, training: bool | None = None) -> Tensor:
        check_widths(features, self.schema)
        ids = ops.transpose(features["ids"])  # slots first: whole rows of the batch are gathered
        values = shares_of_events(ops.cast(features["values"], self.compute_dtype), self.schema)
        values = ops.transpose(values)
        first, second = ops.take(ids, self.first, axis=0), ops.take(ids, self.second, axis=0)
        buckets = hash_pairs(first, second, self.salt[:, None], self.num_buckets)
        weights = look_up(self.table, buckets, exportable=not training)
        weights = ops.cast(ops.squeeze(weights, axis=-1), self.compute_dtype)
        terms = weights * ops.take(values, self.first, axis=0) * ops.take(values, self.second, axis=0)
        return self.chosen(ops.sum(terms, axis=0)[:, None], self._by_field(terms))

    def _by_field(self, terms):
        """Sum terms of slots `(slot pairs, batch)` to a symmetric matrix `(batch, fields, fields)`."""
        num_slots, num_fields = self.schema.num_slots, self.schema.num_fields
        indices = np.full((num_slots, num_slots), len(self.first), "int32")  # no pair: the zero row
        indices[self.first, self.second] = indices[self.second, self.first] = np.arange(len(self.first))
        slots = ops.take(ops.pad(terms, [[0, 1], [0, 0]]), indices.ravel(), axis=0)
        slots = ops.transpose(ops.reshape(slots, (num_slots, num_slots, -1)), (2, 0, 1))
        if num_slots == num_fields:
            return slots
        pool = np.arange(num_fields)[:, None] == np.asarray(self.schema.slot_fields)[None, :]
        pool = ops.convert_to_tensor(pool, self.compute_dtype)
        return ops.matmul(ops.matmul(pool, slots), ops.transpose(pool))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        batch, fields = input_shape["ids"][0], self.schema.num_fields
        return self.chosen((batch, 1), (batch, fields, fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "schema": self.schema.to_dict(),
            "num_buckets": self.num_buckets,
            "pairs": self.pairs,
            "l2": self.l2,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
        }
