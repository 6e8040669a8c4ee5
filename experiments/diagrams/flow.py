"""What a built model consists of: the layers of a diagram, what each receives from which, shapes and weights.

Everything is read from the functional model. A layout only says where a layer stands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras

INPUT = "row"  # the key of the model's inputs, which count as one


@dataclasses.dataclass(frozen=True)
class Part:
    """A layer or operation of a model in a diagram.

    Attributes:
        kind: Its class.
        shape: The shape of its (first) output, without the batch.
        weights: Number of its weights.
        parents: Keys of the parts whose outputs it receives, through operations that the diagram leaves out.
    """

    kind: str
    shape: tuple[int, ...]
    weights: int
    parents: tuple[str, ...]


def keys_of(model: keras.Model) -> dict[str, keras.Operation]:
    """Return the operations of a functional model, in their order, by what a layout calls them.

    A layer has its name. Other operations have their class and a number, such as `"Add 1"`, because Keras counts their
    names over all models of a process.
    """
    found, counts = {}, {}
    for operation in model.operations:
        kind = type(operation).__name__
        if isinstance(operation, keras.layers.Layer):
            found[operation.name] = operation
        else:
            counts[kind] = counts.get(kind, 0) + 1
            found[f"{kind} {counts[kind]}"] = operation
    return found


def parts_of(model: keras.Model, shown: Sequence[str]) -> dict[str, Part]:
    """Return the parts of a diagram.

    Args:
        model: A functional model.
        shown: The keys of the operations to show, see `keys_of`, and `"row"` for the inputs.

    Returns:
        The parts by key, in the order of `shown`.

    Raises:
        ValueError: If the model has no such operation, or the diagram would leave out a layer with weights.
    """
    keys = keys_of(model)
    unknown = [key for key in shown if key not in (*keys, INPUT)]
    if unknown:
        raise ValueError(f"{model.name} has no {', '.join(unknown)}. It has {', '.join(keys)}. Correct the layout.")
    missing = [key for key, each in keys.items() if key not in shown and _weights(each)]
    if missing:
        raise ValueError(f"The layout of {model.name} leaves out {', '.join(missing)}, which have weights. Add them.")
    names = {id(operation): key for key, operation in keys.items()}

    def parents(operation):
        found = []
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                source = tensor._keras_history.operation
                key = INPUT if isinstance(source, keras.layers.InputLayer) else names.get(id(source))
                found += [key] if key in shown else [] if key == INPUT or key is None else parents(source)
        return list(dict.fromkeys(found))

    parts = {}
    for key in shown:
        if key == INPUT:
            parts[key] = Part("Input", tuple(model.inputs[0].shape[1:]), 0, ())
        else:
            operation = keys[key]
            parts[key] = Part(
                type(operation).__name__, _shape(operation), _weights(operation), tuple(parents(operation))
            )
    return parts


def _weights(operation):
    return operation.count_params() if isinstance(operation, keras.layers.Layer) else 0


def _shape(operation):
    output = operation.output
    first = output[0] if isinstance(output, (list, tuple)) else output
    return tuple(first.shape[1:])
