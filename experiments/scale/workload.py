"""What a model asks of the devices in a step, as numbers: its tables, its other weights, its arithmetic."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from collections.abc import Sequence

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel

NUMBER_BYTES = 4  # float32, and int32 of ids


@dataclasses.dataclass(frozen=True)
class Table:
    """An embedding table.

    Attributes:
        rows: Its rows.
        width: Numbers in a row.
        lookups: How many of its rows a row of the batch reads.
    """

    rows: int
    width: int
    lookups: int


@dataclasses.dataclass(frozen=True)
class Workload:
    """A model, its optimizer and its batch.

    Attributes:
        tables: The tables.
        dense_weights: How many weights are in no table.
        flops: Floating point operations per row of the batch, forward and backward.
        batch_size: Rows of a step, over all devices.
        moments: Numbers that the optimizer keeps per weight: 2 for Adam, 1 for Adagrad, 0 for SGD.
    """

    tables: tuple[Table, ...]
    dense_weights: int
    flops: float
    batch_size: int
    moments: int = 2

    @property
    def table_bytes(self) -> int:
        """Bytes of all tables, without moments."""
        return NUMBER_BYTES * sum(table.rows * table.width for table in self.tables)

    @property
    def dense_bytes(self) -> int:
        """Bytes of the other weights, without moments."""
        return NUMBER_BYTES * self.dense_weights

    @property
    def ids(self) -> int:
        """How many rows of tables the batch looks up, repeated ones included."""
        return self.batch_size * sum(table.lookups for table in self.tables)

    @property
    def id_bytes(self) -> int:
        """Bytes of the ids of the batch, which all tables read; `ids` counts them for each table."""
        return NUMBER_BYTES * self.batch_size * max(table.lookups for table in self.tables)

    @property
    def looked_up_bytes(self) -> int:
        """Bytes of the looked-up rows."""
        return NUMBER_BYTES * self.batch_size * sum(table.lookups * table.width for table in self.tables)

    def with_batch(self, batch_size: int) -> Workload:
        """Return the same model with another batch."""
        return dataclasses.replace(self, batch_size=batch_size)


def deepfm(num_ids: int, num_slots: int, width: int, units: Sequence[int], batch_size: int) -> Workload:
    """Return the workload of DeepFM with Adam: a table of embeddings, one of linear weights, and an MLP.

    Its arithmetic is that of the MLP's matrix products, 6 operations per weight and row: 2 forward, 4 backward.

    Args:
        num_ids: Rows of each table.
        num_slots: Ids of a row of the batch.
        width: Width of an embedding.
        units: Widths of the hidden layers.
        batch_size: Rows of a step.

    >>> found = deepfm(num_ids=100, num_slots=2, width=4, units=(8,), batch_size=10)
    >>> found.table_bytes, found.dense_weights, found.flops, found.ids, found.id_bytes, found.looked_up_bytes
    (2000, 81, 432, 40, 80, 400)
    """
    sizes = [num_slots * width, *units, 1]
    kernels = sum(inputs * outputs for inputs, outputs in itertools.pairwise(sizes))
    tables = (Table(num_ids, width, num_slots), Table(num_ids, 1, num_slots))
    return Workload(tables, kernels + sum(sizes[1:]), 6 * kernels, batch_size)


def workload_of(model: CTRModel, flops: float, batch_size: int, moments: int = 2) -> Workload:
    """Return the workload of a built model of the zoo.

    Args:
        model: The model. Each of its tables is looked up once per slot of the schema.
        flops: Floating point operations per row, forward and backward.
        batch_size: Rows of a step.
        moments: Numbers that the optimizer keeps per weight.
    """
    weights = model.trainable_variables
    tables = [weight for weight in weights if weight.path.endswith("/table")]
    found = [Table(table.shape[0], table.shape[1], model.schema.num_slots) for table in tables]
    numbers = sum(table.rows * table.width for table in found)
    return Workload(tuple(found), model.count_params() - numbers, flops, batch_size, moments)
