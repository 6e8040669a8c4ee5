"""Rows of a table that is divided over devices, on the JAX backend: looked up for a batch, read and written in place.

XLA's partitioner finds how to compute everything else. For lookups it would copy the rows to every device, and for
updates it would copy the rows of the table and of each moment. Here, each device receives only the rows of its part of
the batch, and each device updates its own rows without asking others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from ctrzoo.types import Tensor

if TYPE_CHECKING or keras.backend.backend() == "jax":
    import jax
    from jax.sharding import PartitionSpec


def division_of(variable: keras.Variable) -> Any:
    """Return the `jax.sharding.NamedSharding` by which the rows of a variable are divided over devices, or None.

    Args:
        variable: A table, or the state of an optimizer for it.
    """
    sharding = getattr(variable._value, "sharding", None)  # while JAX traces, `value` has none
    rows = next(iter(getattr(sharding, "spec", ())), None)
    return None if rows is None else sharding


def look_up_divided(table: Tensor, ids: Tensor, division: Any) -> Tensor:
    """Return rows of a divided table by id, each on the device that has the id.

    If the number of ids can be divided by the number of devices, the first axis of the result is divided over them,
    otherwise every device has all rows. The gradient by the table is divided as the table is.

    Args:
        table: `(rows, ...)`.
        ids: Integers from 0 to `rows - 1`, of any shape. Others read zeros.
        division: The table's, as `division_of` returns it.

    Returns:
        A tensor with the shape of `ids` followed by the shape of a row.
    """
    axis = division.spec[0]
    is_divided = ids.ndim > 0 and ids.shape[0] % division.mesh.size == 0
    of_batch = PartitionSpec(division.mesh.axis_names) if is_divided else PartitionSpec()

    def own(part, ids):  # on each device, with its part of the table
        ids = jax.lax.all_gather(ids, axis, tiled=True) if is_divided else ids
        rows = part.at[_places(part, ids, axis)].get(mode="fill", fill_value=0, wrap_negative_indices=False)
        # All devices but one add zeros.
        return jax.lax.psum_scatter(rows, axis, tiled=True) if is_divided else jax.lax.psum(rows, axis)

    return _on_each(own, division, (division.spec, of_batch), of_batch)(table, ids)


def read_divided(table: Tensor, ids: Tensor, division: Any) -> Tensor:
    """Return what each device has of some rows, `(devices, ids, ...)`; zeros for rows of other devices.

    Args:
        table: `(rows, ...)`.
        ids: `(ids,)`, the same on all devices.
        division: The table's, as `division_of` returns it.
    """

    def own(part, ids):
        places = _places(part, ids, division.spec[0])
        return part.at[places].get(mode="fill", fill_value=0, wrap_negative_indices=False)[None]

    return _on_each(own, division, (division.spec, PartitionSpec()), _of_devices(division))(table, ids)


def write_divided(table: Tensor, rows: Tensor, ids: Tensor, division: Any) -> Tensor:
    """Return a divided table with other rows; each device writes only rows of its own part.

    Args:
        table: `(rows, ...)`.
        rows: `(devices, ids, ...)`, as `read_divided` returns them.
        ids: `(ids,)`, sorted and different. Those beyond the table are left out.
        division: The table's, as `division_of` returns it.
    """

    def own(part, rows, ids):
        options: Any = {"mode": "drop", "unique_indices": True, "indices_are_sorted": True}
        places = _places(part, ids, division.spec[0])
        return part.at[places].set(rows[0], wrap_negative_indices=False, **options)

    places = (division.spec, _of_devices(division), PartitionSpec())
    return _on_each(own, division, places, division.spec)(table, rows, ids)


def _on_each(function, division, taken, returned):
    return jax.shard_map(function, mesh=division.mesh, in_specs=taken, out_specs=returned)


def _places(part, ids, axis):
    """Return the rows of ids in a device's part; those of other devices are outside it."""
    return ids - jax.lax.axis_index(axis) * len(part)


def _of_devices(division):
    return PartitionSpec(division.spec[0])
