"""A LiteRT file from ids and values, with LiteRT's own operations only."""

from __future__ import annotations

import contextlib
import io
import pathlib
import typing
import warnings

import numpy as np
import tensorflow as tf

from ctrzoo.startup import silent_stderr

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel


def save_litert(model: CTRModel, path: pathlib.Path) -> None:
    """Write a LiteRT file whose only signature takes `ids` and `values`, `(rows, slots)`.

    Args:
        model: The model.
        path: The file to write; its name ends in `.tflite`.
    """
    built_in = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}  # an operation of TensorFlow is an error
    with silent_stderr(), contextlib.redirect_stdout(io.StringIO()):
        model.export(path, format="litert", verbose=False, target_spec=built_in)


def run_litert(path: pathlib.Path, features: dict[str, np.ndarray]) -> np.ndarray:
    """Return the output of a LiteRT file, `(rows,)`.

    Args:
        path: The file.
        features: `{"ids", "values"}`, each `(rows, slots)`.
    """
    with warnings.catch_warnings(), silent_stderr():
        warnings.filterwarnings("ignore", message=r"(.|\n)*tf.lite.Interpreter is deprecated")
        runner = tf.lite.Interpreter(model_path=str(path)).get_signature_runner()
        (output,) = runner(**features).values()
    return output[:, 0]
