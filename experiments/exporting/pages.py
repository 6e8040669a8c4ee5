"""The pages next to an export: what a client sends, a worked example, and how the export was checked."""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ctrzoo import __version__
from ctrzoo.model import output_name

from .field_rules import events_in_words, rule_of

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel

    from ...data_pipelines.encoding.fields import FieldEncoding, TableEncoding
    from .rows import CheckedRows


# As in `serving/Dockerfile`.
IMAGE = "tensorflow/serving:2.19.1"


def checked(model: CTRModel, difference: float, where: str) -> str:
    """Return the sentence that says how an export was checked."""
    return (
        f"Written by ctrzoo {__version__} from the model `{model.name}`. Its largest difference from the model, over "
        f"{where}, is {difference:.1e}."
    )


def page_of_ids(
    model: CTRModel, encoding: TableEncoding | None, rows: CheckedRows, predictions: np.ndarray, file: str, note: str
) -> str:
    """Return the page of a file that takes ids and values.

    Args:
        model: The model.
        encoding: The encoding of its data, or None.
        rows: The rows that were checked; one with the fewest missing cells is the example.
        predictions: What the file returns for them, `(rows,)`.
        file: The name of the file.
        note: What `checked` returned.
    """
    schema, output = model.schema, output_name(model.task)
    lines = [f"# {file}", note, "", "## Inputs and output", "| name | type | shape | what |", "|---|---|---|---|"]
    lines += [f"| `ids` | int32 | (rows, {schema.num_slots}) | the id of each slot, 0 where a slot is empty |"]
    lines += [f"| `values` | float32 | (rows, {schema.num_slots}) | the value of each slot, 0 where a slot is empty |"]
    lines += [f"| `{output}` | float32 | (rows, 1) | the output of the model |"]
    lines += ["", "## Slots", "| slots | field | kind | cells | ids | values |", "|---|---|---|---|---|---|"]
    lines += [_row_of(model, encoding, index) for index in range(schema.num_fields)]
    if encoding is not None:
        lines += ["", _RULES]
    row = int(np.argmax(np.count_nonzero(rows.features["ids"], axis=1)))
    features = {name: array[row] for name, array in rows.features.items()}
    lines += ["", "## Example", *_cells_of_example(rows, row), "```", *_numbers(features), "```", ""]
    lines += [f"`{output}` is {float(predictions[row])!r}."]
    return "\n".join(lines) + "\n"


_RULES = (
    "`encoding.json` has the fields in this order, with all that was fitted. `vocabulary.parquet` has the columns "
    "`field`, `value`, `id` and `count`. A categorical cell has spaces removed and numbers in their shortest writing "
    "(8, not 8.0 or +8), unless its type is text. The empty cell and the texts in `missing_texts` are missing. In a "
    "cross, a `\\` stands before each `\\` and `&` of a part, decimals are written as C's `%.17e` does, and quantiles "
    "as the number of their bucket, from 1. `ctrzoo.data_pipelines.encoding.fields.TableEncoding` "
    "does all of this: `TableEncoding.load(folder).features(frame)`."
)


def _row_of(model, encoding, index):
    schema = model.schema
    field, first = schema.fields[index], schema.first_ids[index]
    slots = [slot for slot, owner in enumerate(schema.slot_fields) if owner == index]
    where = str(slots[0]) if len(slots) == 1 else f"{slots[0]} to {slots[-1]}"
    if encoding is None:
        last = first + field.vocabulary_size - 1
        values = "the number" if field.holds_numbers else "1, or 1/n of n ids"
        ids = f"{first} to {last}"
        if field.kind == "sequence":
            ids, values = f"{ids}: those of the newest events, the oldest first, then 0", "1; 0 where the id is 0"
        rule = ("–", ids, values)
    else:
        rule = rule_of(encoding.fields[index], field, first)
    cells = " | ".join(text.replace("|", "\\|") for text in (field.name, field.kind, *rule))
    return f"| {where} | {cells} |"


def _cells_of_example(rows, row):
    if rows.frame is None:
        return ["The inputs of a row that was checked are"]
    cells = {name: _plain(value) for name, value in rows.frame.row(row, named=True).items()}
    return ["A row that was checked has these cells,", *_json_block(cells), "so its inputs are"]


def _numbers(features):
    return [f"{name}: {json.dumps(array.tolist())}" for name, array in features.items()]


def page_of_saved_model(
    model: CTRModel,
    cells: dict[str, np.ndarray] | None,
    features: dict[str, np.ndarray],
    predictions: Any,
    note: str,
    sequences: Mapping[str, FieldEncoding] | None = None,
) -> str:
    """Return the page of a SavedModel, with a request of TensorFlow Serving and a program that computes it.

    Args:
        model: The model.
        cells: The inputs of the signature `cells` by name, or None.
        features: `{"ids", "values"}`, each `(rows, slots)`.
        predictions: What the default signature returns, `(rows,)`.
        note: What `checked` returned.
        sequences: The inputs that list events, with their fields.
    """
    name, inputs = output_name(model.task), features if cells is None else cells
    lines = ["# SavedModel", note, "", "## Inputs and output", "| input | type | shape |", "|---|---|---|"]
    lines += [f"| `{key}` | {_type_of(array)} | ({_shape(array)}) |" for key, array in inputs.items()]
    lines += ["", f"The output is `{name}`, float32 (rows)."]
    lines += [f"`{key}` is text: {events_in_words(field)}." for key, field in (sequences or {}).items()]
    if cells is not None:
        lines += [
            "A missing text is empty, a missing number is NaN, and so are all numbers of a missing vector. The "
            "signature `ids` takes `ids` and `values` instead, "
            "for rows that are encoded already."
        ]
    request = request_of(inputs, 2)
    lines += ["", "## Request", "```bash"]
    lines += ["docker run -p 8501:8501 -v $PWD:/models/ctr -e MODEL_NAME=ctr tensorflow/serving:2.19.0"]
    lines += ["curl http://localhost:8501/v1/models/ctr:predict -d @request.json", "```"]
    lines += ["where `request.json` is", *_json_block(request), "The answer is"]
    lines += _json_block({"predictions": [float(each) for each in predictions[:2]]})
    return "\n".join([*lines, "", _IN_PYTHON]) + "\n"


_IN_PYTHON = """## In Python
These lines need TensorFlow only, and compute the same rows:
```python
import json

import tensorflow as tf

predict = tf.saved_model.load("1").signatures["serving_default"]
with open("request.json", encoding="utf-8") as file:
    rows = json.load(file)["instances"]
inputs = predict.structured_input_signature[1]
print(predict(**{name: tf.constant([row[name] for row in rows], spec.dtype) for name, spec in inputs.items()}))
```"""


def request_of(inputs: dict[str, np.ndarray], count: int) -> dict[str, list[dict[str, Any]]]:
    """Return the body of a request for the first rows, in the row format of TensorFlow Serving.

    Args:
        inputs: The inputs of a signature by name.
        count: How many rows.

    >>> request_of({"site": np.array([b"a"]), "price": np.array([0.5])}, 1)
    {'instances': [{'site': 'a', 'price': 0.5}]}
    """
    rows = zip(*(array[:count].tolist() for array in inputs.values()), strict=True)
    return {"instances": [dict(zip(inputs, map(_plain, row), strict=True)) for row in rows]}


def page_of_embeddings(files: Sequence[str], notes: Sequence[str]) -> str:
    """Return the page of embedding tables.

    Args:
        files: The names of the files.
        notes: What is to be said of the tables.
    """
    lines = ["# Embeddings", *notes, "", "| file | what |", "|---|---|"]
    lines += [f"| `{file}` | {_what(file)} |" for file in files]
    return "\n".join([*lines, "", _COLUMNS]) + "\n"


_COLUMNS = """Columns: `field`, `kind`, `value`, `id` (the id in the data) and `vector`.

| kind | what |
|---|---|
| `value` | a value of a vocabulary |
| `rare` | all values that are in no vocabulary |
| `bucket` | a hash or a quantile; `value` counts them from 1 |
| `unused` | an id that no value has yet |
| `number` | a field of numbers: its embedding is the scaled number times the vector |
| `component` | a number of a vector: the embedding of the field is the sum of the numbers times these vectors |
| `quotient`, `remainder` | rows of a compositional field, counted from 0; the vector of a `value` is the sum of two |

A missing cell has the vector zero. The embedding of several values is the mean, the sum or the maximum of theirs."""


def _what(file):
    return "one weight for each value, the linear part" if file.startswith("linear") else "the embeddings"


def _json_block(content):
    return ["```json", json.dumps(content, indent=1, ensure_ascii=False), "```"]


def _plain(value):
    """Return a value as JSON has it; a missing number is NaN, which TensorFlow Serving reads."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    return value if isinstance(value, (str, int, float, list, type(None))) else str(value)


def _type_of(array):
    return "text" if array.dtype.kind in "OS" else array.dtype.name


def _shape(array):
    return ", ".join(["rows", *map(str, array.shape[1:])])
