"""All forms of a model, written, read back and compared with it before they get their names."""

from __future__ import annotations

import pathlib
import typing
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ctrzoo.files import write_text

from . import embeddings, litert_file, onnx_file, saved_model
from .differences import TOLERANCE, check_difference, largest_difference
from .pages import checked, page_of_embeddings, page_of_ids, page_of_saved_model
from .rounding import Comparison, compare, worse
from .staging import staged_folders

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel

    from ...data_pipelines.encoding.fields import TableEncoding
    from .rows import CheckedRows

# Protocol buffers and flatbuffers hold less than 2 GiB.
MOST_BYTES = (1 << 31) - (1 << 20)
# TensorFlow Serving looks for versions of a model.
VERSION = "1"


class Task(typing.NamedTuple):
    """What is exported.

    Args:
        model: The model.
        encoding: The encoding of its data; None if it was made without raw cells.
        rows: The rows to check on.
        expected: What the model predicts for them, `(rows,)`.
        tolerance: The largest difference that is allowed.
    """

    model: CTRModel
    encoding: TableEncoding | None
    rows: CheckedRows
    expected: np.ndarray
    tolerance: float = TOLERANCE


def in_float32(model: CTRModel) -> CTRModel:
    """Return a model whose layers compute in float32: the model itself, or a copy of one with another dtype policy."""
    if model.dtype_policy.name == "float32":
        return model
    copy = type(model).from_config({**model.get_config(), "dtype": "float32"})
    copy.set_weights(model.get_weights())
    return copy


def export(
    model: CTRModel,
    encoding: TableEncoding | None,
    rows: CheckedRows,
    forms: Sequence[str],
    output: pathlib.Path,
    tolerance: float = TOLERANCE,
) -> Iterator[str]:
    """Write forms of a model into folders of their names; yield a sentence about each when all are complete.

    Args:
        model: The model.
        encoding: The encoding of its data; None if it was made without raw cells.
        rows: The rows to check on.
        forms: Keys of `FORMS`.
        output: The folder to write into.
        tolerance: The largest difference that is allowed.

    Raises:
        ValueError: If a form differs from the model, or cannot hold it. Then nothing is written.
    """
    exact = in_float32(model)
    expected = exact.predict(rows.features, verbose=0)[:, 0]
    task = Task(exact, encoding, rows, expected, tolerance)
    said = list(rows.notes)
    if exact is not model:
        change = largest_difference(model.predict(rows.features, verbose=0)[:, 0], expected)
        said.append(
            f"The model was trained in {model.dtype_policy.name}. The exports compute in float32, which changes its "
            f"predictions by at most {change:.1e}; they are compared with the model in float32."
        )
    with staged_folders(output, forms) as folders:
        said += [sentence for form in forms for sentence in FORMS[form](task, folders[form])]
    yield from said
    yield f"The exports are in {output}"


def _saved_model(task: Task, folder: pathlib.Path) -> Iterator[str]:
    saved_model.save_model(task.model, task.encoding, folder / VERSION)
    loaded = saved_model.LoadedModel(folder / VERSION)
    by_ids = loaded.predict(task.rows.features, saved_model.IDS)
    compared, cells, found, sequences = _compared(task, by_ids), None, by_ids, {}
    if task.encoding is not None:
        assert task.rows.frame is not None, "the program asks for raw rows"
        cells = saved_model.cells_of_frame(task.encoding, task.rows.frame)
        found = loaded.predict(cells)
        compared, sequences = worse(compared, _compared(task, found)), saved_model.sequence_inputs(task.encoding)
    note = yield from _checked(task, "The SavedModel", compared)
    page = page_of_saved_model(task.model, cells, task.rows.features, found, note, sequences)
    write_text(folder / "README.md", page)


def _onnx(task: Task, folder: pathlib.Path) -> Iterator[str]:
    yield from _file_of_ids(task, folder, "model.onnx", "The ONNX file", onnx_file.save_onnx, onnx_file.run_onnx)


def _litert(task: Task, folder: pathlib.Path) -> Iterator[str]:
    save, run = litert_file.save_litert, litert_file.run_litert
    yield from _file_of_ids(task, folder, "model.tflite", "The LiteRT file", save, run)


def _file_of_ids(
    task: Task, folder: pathlib.Path, name: str, what: str, save: Callable, run: Callable
) -> Iterator[str]:
    size = sum(int(np.prod(weight.shape)) * 4 for weight in task.model.weights)
    if size > MOST_BYTES:
        raise ValueError(
            f"{what} would have {size / 2**30:.1f} GiB, but such files hold less than 2. Export a SavedModel, or train "
            "a model with a smaller embedding_dim or fewer ids."
        )
    save(task.model, folder / name)
    found = run(folder / name, task.rows.features)
    one = run(folder / name, {key: array[:1] for key, array in task.rows.features.items()})
    compared = worse(_compared(task, found), _compared(task, one))
    note = yield from _checked(task, what, compared)
    write_text(folder / "README.md", page_of_ids(task.model, task.encoding, task.rows, found, name, note))
    if task.encoding is not None:
        task.encoding.save(folder)


def _embeddings(task: Task, folder: pathlib.Path) -> Iterator[str]:
    schema, largest, files = task.model.schema, 0.0, []
    for name, layer in embeddings.tables_of(task.model).items():
        path = folder / f"{name}.parquet"
        embeddings.save_embeddings(layer, task.encoding, path)
        own = embeddings.features_of_part(layer.schema, schema, task.rows.features)
        found = embeddings.embed(path, layer.schema, schema, task.rows.features)
        largest = max(largest, largest_difference(found, np.asarray(embeddings.pooling_all(layer)(own))))
        files.append(path.name)
    note = yield from _checked(task, "The embeddings", Comparison(largest, len(task.rows)))
    others = embeddings.other_tables(task.model)
    if others:
        yield f"Left out of the embeddings, because its rows belong to no single value: {', '.join(others)}."
    sharing = [f"`{field.name}` has the rows of `{field.share}`." for field in schema.fields if field.share]
    left_out = [f"The table `{name}` has no rows of single values; it was left out." for name in others]
    notes = [note, *sharing, *left_out]
    write_text(folder / "README.md", page_of_embeddings(files, notes))


def _compared(task, found):
    """Compare an output with that of the model, for all rows or the first ones."""
    features = {name: array[: len(found)] for name, array in task.rows.features.items()}
    return compare(task.model, features, found, task.expected[: len(found)], task.tolerance)


def _checked(task, what, compared):
    """Yield what is to be said of an export; return the same for its page."""
    check_difference(what, compared.difference, task.rows.where, task.tolerance)
    verb = "differ" if what.endswith("s") else "differs"
    yield f"{what} {verb} from the model by at most {compared.difference:.1e} on {task.rows.where}."
    yield from compared.sentences()
    return " ".join([checked(task.model, compared.difference, task.rows.where), *compared.sentences()])


FORMS: dict[str, Callable[[Task, pathlib.Path], Iterator[str]]] = {
    "savedmodel": _saved_model,
    "onnx": _onnx,
    "litert": _litert,
    "embeddings": _embeddings,
}
