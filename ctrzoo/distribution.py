"""Tables larger than a device: the rows of every embedding table divided over the devices, on the JAX backend.

A model that is built while such a distribution is current has its tables divided; nothing else about it changes. The
rows of a table become a multiple of the number of devices, because JAX divides only equally. The rows that are added
at the end are never looked up, and files do not hold them: models and checkpoints do not depend on the number of
devices.
"""

from __future__ import annotations

import types
from typing import Any

import keras
import numpy as np

from ctrzoo.divided_rows import look_up_divided
from ctrzoo.types import Tensor

AXIS = "rows"
GATHERED_BYTES = 2**24
TABLES = r"(.*/)?(table|fixed|is_fixed)"  # the paths of the tables of `FieldEmbedding` and `HashedPairs`


def table_mesh(devices: list[str] | None = None) -> keras.distribution.DeviceMesh:
    """Return the devices as a mesh of shape `(1, devices)`, on whose second axis tables are divided.

    Args:
        devices: Names such as `"cpu:0"`; by default all of `keras.distribution.list_devices()`.

    Raises:
        ValueError: If the backend is not JAX.
    """
    _check_backend()
    devices = devices or keras.distribution.list_devices()
    return keras.distribution.DeviceMesh((1, len(devices)), ("batch", AXIS), devices)


def table_layout(mesh: keras.distribution.DeviceMesh) -> keras.distribution.LayoutMap:
    """Return the layout for `keras.distribution.ModelParallel`: the rows of all tables divided over a mesh's last axis.

    All other weights are on every device. So is the batch, unless the mesh has a first axis of more than one device.

    Args:
        mesh: The devices, such as `table_mesh()`.

    Raises:
        ValueError: If the backend is not JAX.

    Example:
        distribution = keras.distribution.ModelParallel(layout_map=table_layout(table_mesh()))
        with distribution.scope():
            model = ctrzoo.models.build("deepfm", schema)
    """
    _check_backend()
    layout = keras.distribution.LayoutMap(mesh)
    layout[TABLES] = (mesh.axis_names[-1], None)
    return layout


def padded_rows(num_rows: int, path: str) -> int:
    """Return how many rows a table has under the current distribution: a multiple of the parts it is divided into.

    Args:
        num_rows: The rows that are looked up.
        path: The path of the table's variable.

    >>> padded_rows(7, "embedding/table")  # without a distribution
    7
    """
    distribution: Any = keras.distribution.distribution()
    if distribution is None:
        return num_rows
    layout = distribution.get_variable_layout(types.SimpleNamespace(path=path, shape=(num_rows, 1)))
    axis = layout.axes[0]
    if axis is None:
        return num_rows
    mesh = layout.device_mesh
    parts = mesh.shape[mesh.axis_names.index(axis)]
    return -(-num_rows // parts) * parts


def mark_rows(table: keras.Variable, num_rows: int) -> None:
    """Say how many rows of a table are looked up; the others are padding."""
    if table.shape[0] != num_rows:
        table.rows_in_use = num_rows  # pyright: ignore[reportAttributeAccessIssue]


def stored(variable: keras.Variable, owner: keras.Variable | None = None) -> np.ndarray:
    """Return what a file holds of a variable: its array without padding.

    If its rows are divided over several hosts, all of them must call this at the same point.

    Args:
        variable: The variable.
        owner: The table whose state the variable is, if it is that of an optimizer.
    """
    num_rows = _rows_in_use(variable if owner is None else owner)
    array = _gathered(variable.value) if is_on_several_hosts(variable) else keras.ops.convert_to_numpy(variable)
    return array if num_rows is None else array[:num_rows]


def stored_shape(variable: keras.Variable, owner: keras.Variable | None = None) -> tuple[int, ...]:
    """Return the shape of `stored`."""
    num_rows = _rows_in_use(variable if owner is None else owner)
    return tuple(variable.shape) if num_rows is None else (num_rows, *variable.shape[1:])


def restore(variable: keras.Variable, array: Tensor, owner: keras.Variable | None = None) -> None:
    """Give a variable what `stored` returned; padding becomes zero.

    Of a variable whose rows are divided, each device gets its own rows only, and the whole is not copied.
    """
    num_rows, shape = _rows_in_use(variable if owner is None else owner), tuple(variable.shape)
    if _is_divided(variable) and tuple(array.shape) in (shape, stored_shape(variable, owner)):
        array = _divided(np.asarray(array), variable.value)
    elif num_rows is not None and len(array) == num_rows:
        array = _padded(np.asarray(array), shape[0])
    variable.assign(array)


def is_on_several_hosts(variable: keras.Variable) -> bool:
    """Return whether the rows of a variable are divided over several processes, on the JAX backend."""
    value = variable.value
    return not getattr(value, "is_fully_addressable", True) and not value.is_fully_replicated


def _is_divided(variable):
    sharding = getattr(variable.value, "sharding", None)
    return sharding is not None and not sharding.is_fully_replicated


def _divided(array, like):
    """Return an array with the division of another one, and with zeros for the rows that it lacks."""
    import jax

    def part(index):
        rows = range(*index[0].indices(len(like)))
        return _padded(array[(slice(rows.start, rows.stop), *index[1:])], len(rows)).astype(like.dtype, copy=False)

    return jax.make_array_from_callback(like.shape, like.sharding, part)


def _padded(array, num_rows):
    missing = num_rows - len(array)
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)]) if missing else array


def _gathered(value):
    """Return an array whose rows are divided over several processes, some rows at a time: devices may lack memory."""
    import jax

    division = value.sharding
    everywhere = jax.sharding.NamedSharding(division.mesh, jax.sharding.PartitionSpec())
    size = min(len(value), max(1, GATHERED_BYTES // (value.nbytes // max(len(value), 1) or 1)))

    def rows_from(value, first):  # XLA would copy the whole table to each device for `dynamic_slice`
        return look_up_divided(value, first + jax.numpy.arange(size, dtype="int32"), division)

    cut = jax.jit(rows_from, out_shardings=everywhere)
    found = np.empty(value.shape, value.dtype)
    for first in range(0, len(value), size):
        first = min(first, len(value) - size)
        found[first : first + size] = np.asarray(cut(value, np.int32(first)))
    return found


def _rows_in_use(table):
    return getattr(table, "rows_in_use", None)


def _check_backend():
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"Tables are divided over devices by JAX only, but the backend is {keras.backend.backend()}. Set "
            "KERAS_BACKEND=jax before Keras is imported, or pass --backend=jax to ctrzoo-train."
        )
