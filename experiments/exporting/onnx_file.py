"""An ONNX file from ids and values, run by ONNX Runtime."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import pathlib
import typing
import warnings

import numpy as np

from ctrzoo.model import output_name

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel

NEEDED = ("tf2onnx", "onnx", "onnxruntime")


def check_onnx_is_installed() -> None:
    """Refuse to start without the libraries that write and run ONNX.

    Raises:
        ValueError: If one is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f'ONNX needs {" and ".join(missing)}. Install them by `pip install "ctrzoo[onnx]"`.')


def save_onnx(model: CTRModel, path: pathlib.Path) -> None:
    """Write an ONNX file with the inputs `ids` and `values`, `(rows, slots)`, and one output, `(rows, 1)`.

    Args:
        model: The model.
        path: The file to write.
    """
    onnx = importlib.import_module("onnx")  # an extra, which may not be installed

    with _quiet():
        model.export(path, format="onnx", verbose=False)
    written = onnx.load(path)
    _rename(written.graph, written.graph.output[0].name, output_name(model.task))
    for each in (*written.graph.input, *written.graph.output):
        each.type.tensor_type.shape.dim[0].dim_param = "rows"
    onnx.checker.check_model(written, full_check=True)
    onnx.save(written, path)


def run_onnx(path: pathlib.Path, features: dict[str, np.ndarray]) -> np.ndarray:
    """Return the output of an ONNX file, `(rows,)`.

    Args:
        path: The file.
        features: `{"ids", "values"}`, each `(rows, slots)`.
    """
    return np.asarray(session_of(path).run(None, features)[0])[:, 0]


def session_of(path: pathlib.Path, threads: int = 0) -> typing.Any:
    """Return a session of ONNX Runtime on the CPU.

    Args:
        path: The file.
        threads: How many threads it may use; 0 is one for each core.
    """
    onnxruntime = importlib.import_module("onnxruntime")  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _rename(graph, before, after):
    """Call a tensor of a graph by another name."""
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == before:
                    names[place] = after
    graph.output[0].name = after


@contextlib.contextmanager
def _quiet():
    """Hide what tf2onnx prints and logs on its way; errors are raised."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
