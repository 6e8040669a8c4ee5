"""A TensorFlow SavedModel from raw cells, which TensorFlow Serving loads; it needs neither Keras nor ctrzoo."""

from __future__ import annotations

import pathlib
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ctrzoo.model import output_name

from ...data_pipelines.encoding.serving import ServingEncoder, cells_of, input_names

if typing.TYPE_CHECKING:
    import polars as pl

    from ctrzoo.model import CTRModel

    from ...data_pipelines.encoding.fields import FieldEncoding, TableEncoding

# The signature of raw cells is also the default one.
CELLS, IDS, DEFAULT = "cells", "ids", "serving_default"


def save_model(model: CTRModel, encoding: TableEncoding | None, folder: pathlib.Path) -> None:
    """Write a SavedModel with the signatures `cells`, the default one, and `ids`.

    `cells` takes one tensor for each raw column, `(rows,)`: texts, or float64 for numbers. A vector in one column is
    `(rows, length)`. `ids` takes `ids` and `values`, `(rows, slots)`. Both return `probability`, `(rows,)`, which is
    called `prediction` for other tasks than classification.

    Args:
        model: The model.
        encoding: The encoding of its data; None leaves out the signature `cells`.
        folder: The folder to write.
    """
    name, signatures = output_name(model.task), {}
    module: Any = tf.Module()  # holds what the graphs use

    def predict(features):
        return {name: tf.reshape(model(features, training=False), [-1])}

    slots = model.schema.num_slots
    inputs = {"ids": tf.TensorSpec((None, slots), tf.int32, "ids")}
    inputs["values"] = tf.TensorSpec((None, slots), tf.float32, "values")
    signatures[IDS] = tf.function(lambda ids, values: predict({"ids": ids, "values": values})).get_concrete_function(
        **inputs
    )
    if encoding is not None:
        encoder = ServingEncoder(encoding)
        columns = {short: column for column, short in input_names(encoder.input_columns()).items()}
        signatures[CELLS] = tf.function(
            lambda **cells: predict(encoder({columns[short]: tensor for short, tensor in cells.items()}))
        ).get_concrete_function(**cell_signature(encoder))
        module.tables = encoder.tables
    signatures[DEFAULT] = signatures.get(CELLS, signatures[IDS])
    # Keras would write each weight twice, once as part of a layer.
    module.weights = [variable.value for variable in model.variables]
    tf.saved_model.save(module, str(folder), signatures=signatures)


def cell_signature(encoder: ServingEncoder) -> dict[str, tf.TensorSpec]:
    """Return the inputs of the signature of raw cells, by their names in it.

    Args:
        encoder: The encoder.
    """
    types, widths = encoder.input_columns(), encoder.input_widths()
    shapes = {column: (None,) if width == 1 else (None, width) for column, width in widths.items()}
    return {short: tf.TensorSpec(shapes[column], types[column], short) for column, short in input_names(types).items()}


def cells_of_frame(encoding: TableEncoding, frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return raw cells as the signature `cells` takes them, by their names in it.

    Args:
        encoding: The encoding.
        frame: The raw cells.
    """
    encoder = ServingEncoder(encoding)
    cells, names = cells_of(encoder, frame), input_names(encoder.input_columns())
    widths = encoder.input_widths()
    return {
        short: np.asarray(cells[column]) if widths[column] > 1 else np.asarray(cells[column])[:, 0]
        for column, short in names.items()
    }


def sequence_inputs(encoding: TableEncoding) -> dict[str, FieldEncoding]:
    """Return the inputs of the signature of raw cells that list events, with their fields.

    Args:
        encoding: The encoding.
    """
    names = input_names(ServingEncoder(encoding).input_columns())
    return {names[str(field.column)]: field for field in encoding.fields if field.kind == "sequence"}


class LoadedModel:
    """A SavedModel that was read back.

    Args:
        folder: Its folder.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._loaded: Any = tf.saved_model.load(str(folder))  # holds the weights

    def predict(self, inputs: dict[str, np.ndarray], signature: str = DEFAULT) -> np.ndarray:
        """Return the output of a signature, `(rows,)`.

        Args:
            inputs: Its inputs by name.
            signature: Its name.
        """
        return self.caller(inputs, signature)().numpy()

    def caller(self, inputs: dict[str, np.ndarray], signature: str = DEFAULT) -> Callable[[], tf.Tensor]:
        """Return a function that computes the output of a signature, `(rows,)`, for inputs that are tensors already.

        Args:
            inputs: Its inputs by name.
            signature: Its name.
        """
        function = self._loaded.signatures[signature]
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        (name,) = function.structured_outputs
        return lambda: function(**tensors)[name]
