"""Import checkpoints of GraphCTR, the code released by GraphFM's authors.

GraphCTR is TensorFlow 1 graph code. Its variables have names such as `w_blocks0/w_b0_f3/kernel`; unnamed vectors are
`Variable`, `Variable_1`, ... in order of creation.
"""

import os
import re
from collections.abc import Mapping

import numpy as np

from ctrzoo.model import CTRModel
from ctrzoo.types import Path

from .autoint import AutoInt
from .fignn import FiGNN
from .graphfm import GraphFM
from .hoafm import HoAFM
from .interhat import InterHAt


def load_graphctr(model: CTRModel, checkpoint: Mapping[str, np.ndarray] | Path, rows: int | None = None) -> None:
    """Copy a checkpoint of the released code into a model with the same sizes.

    A checkpoint does not record the number of attention heads: build the model with the original number.

    Args:
        model: A model of the zoo in its `"reference"` formulation.
        checkpoint: A mapping of the original's variable names to arrays, or the path of a TensorFlow
            checkpoint that the original saved.
        rows: For each id of the model's schema, its row in the original's embedding table; `None` if both number
            their ids alike.

    Raises:
        ValueError: If the model has no counterpart in GraphCTR, a variable is missing or differs in shape from the
            model's weight, or the checkpoint has layers that the model lacks.
    """
    variables = checkpoint if isinstance(checkpoint, Mapping) else _read(checkpoint)
    arrays = graphctr_arrays(model, variables, rows)
    weights = {weight.path: weight for weight in model.weights}
    for path, array in arrays.items():
        if array.shape != tuple(weights[path].shape):
            raise ValueError(
                f"Weight '{path}' has shape {tuple(weights[path].shape)}, the checkpoint's {array.shape}. "
                "Build the model with the sizes of the checkpoint."
            )
    for path, array in arrays.items():
        weights[path].assign(array)


def graphctr_arrays(
    model: CTRModel, variables: Mapping[str, np.ndarray], rows: int | None = None
) -> dict[str, np.ndarray]:
    """Rearrange variables of the released code (or their gradients) into a model's weights.

    Args:
        model: A model of the zoo in its `"reference"` formulation.
        variables: A mapping of the original's variable names to arrays.
        rows: As in `load_graphctr`.

    Returns:
        A dictionary from the path of each of the model's weights to its array.

    Raises:
        ValueError: If the model has no counterpart in GraphCTR, a variable is missing, or layers are left over.
    """
    converter = CONVERTERS.get(type(model))
    if converter is None or model.formulation != "reference":
        known = ", ".join(sorted(kind.__name__ for kind in CONVERTERS))
        raise ValueError(f"GraphCTR checkpoints fit the reference formulation of {known}. Received: {model.name}.")
    kept = _Variables(variables)
    table = kept["feature_embeddings"]
    arrays = {"embedding/table": table if rows is None else table[np.asarray(rows)], **converter(model, kept)}
    left = kept.left_layers()
    if left:
        raise ValueError(
            f"The checkpoint has layers that the model '{model.name}' lacks: {', '.join(left)}. "
            "Build the model with the layers of the checkpoint."
        )
    return arrays


class _Variables:
    """The original's variables by name, without uninformative scopes."""

    def __init__(self, variables):
        self._arrays = {re.sub(r"^\w+_blocks\d+/", "", name): np.asarray(array) for name, array in variables.items()}
        names = [name for name in self._arrays if re.fullmatch(r"Variable(_\d+)?", name)]
        self._unnamed = sorted(names, key=lambda name: int(name.partition("_")[2] or 0))
        self._read = set()

    def left_layers(self):
        """Return the variables of layers that were not read, by name; unused ones of the original do not count."""
        return sorted(name for name in set(self._arrays) - self._read if LAYERS.match(name))

    def __getitem__(self, name):
        if name not in self._arrays:
            raise ValueError(
                f"The checkpoint has no variable '{name}', which a model of this configuration needs. "
                f"It has: {', '.join(sorted(self._arrays))}."
            )
        self._read.add(name)
        return self._arrays[name]

    def __contains__(self, name):
        return name in self._arrays

    def unnamed(self, first, last):
        """Return the unnamed variables from `first` up to, but not including, `last`, in order of creation."""
        if last > len(self._unnamed):
            raise ValueError(f"The checkpoint has {len(self._unnamed)} unnamed variables, the model needs {last}.")
        return [self[name] for name in self._unnamed[first:last]]


def _autoint(model, variables):
    arrays = _output(variables) | _deep(model, variables)
    step = 4 if model.use_residual else 3
    for block in range(len(model.units)):
        unnamed = 2 * len(model.deep_units) + 2 * block
        arrays |= _attention(f"attention_{block + 1}", variables, range(step * block, step * (block + 1)), unnamed)
    return arrays


def _fignn(model, variables):
    steps, fields = range(model.num_steps), range(model.schema.num_fields)
    matrices = {}
    for ours, theirs in {"sending": "output", "receiving": "input"}.items():
        of_steps = [
            np.stack([variables[f"gnn/{theirs}_layer{step}_field{field}/kernel"] for field in fields]) for step in steps
        ]
        if len(set(model.message_units or ())) > 1:
            matrices |= {f"graph/{ours}_kernel_{step + 1}": of_steps[step] for step in steps}
        elif len({of_step.shape for of_step in of_steps}) > 1:
            widths = tuple(variables[f"gnn/output_layer{step}_field0/kernel"].shape[1] for step in steps)
            raise ValueError(
                f"The messages of the checkpoint's steps have the sizes {widths}. Build the model with "
                f"message_units={widths}."
            )
        else:
            matrices[f"graph/{ours}_kernel"] = np.stack(of_steps)
    return {
        **_output(variables),
        **_deep(model, variables),
        **_attention("attention", variables, range(4 if model.use_residual else 3), 2 * len(model.deep_units)),
        **matrices,
        **{
            f"graph/{ours}_{part}": variables[f"gnn/gru_cell/{theirs}/{part}"]
            for ours, theirs in {"gate": "gates", "candidate": "candidate"}.items()
            for part in ("kernel", "bias")
        },
    }


def _interhat(model, variables):
    projections = range(4 if model.use_residual else 3)
    arrays = _output(variables) | _deep(model, variables)
    arrays |= _attention("attention", variables, projections, 2 * len(model.deep_units))
    first = len(projections)
    for order in range(model.num_orders):
        last = first + 2 * model.schema.num_fields
        kernels = [variables[f"{_dense(number)}/kernel"] for number in range(first, last)]
        arrays[f"order_{order + 1}/hidden_kernel"] = np.stack(kernels[0::2])
        arrays[f"order_{order + 1}/score_kernel"] = np.stack(kernels[1::2])
        first = last
    return arrays


def _hoafm(model, variables):
    layers, fields = range(model.num_layers), range(model.schema.num_fields)
    weights = [[variables[f"field_weight_layer{layer}_slice{field}"] for field in fields] for layer in layers]
    return {
        **_deep(model, variables),
        "cross/kernel": np.asarray(weights),
        "cross/output_kernel": variables[f"comp_weight_{layers[-1]}"].T,
    }


def _graphfm(model, variables):
    if not (model.use_selection and model.use_interaction):
        raise ValueError("GraphCTR's GraphFM needs use_selection=True and use_interaction=True. Received: False.")
    if (model.selection, model.edge_metric) != ("top_k", "mlp"):
        raise ValueError(
            "GraphCTR's GraphFM needs selection='top_k' and edge_metric='mlp'. Received: "
            f"{model.selection!r} and {model.edge_metric!r}."
        )
    arrays = _output(variables) | _deep(model, variables)
    fields = range(model.schema.num_fields)
    first = 2 * len(model.deep_units)
    for block in range(len(model.units)):
        layer, last = f"graph_{block + 1}", first + 2 * len(fields)
        shifts_and_scales = variables.unnamed(first, last)
        selector = f"b{block}" if f"gsl_1_b{block}/kernel" in variables else f"b{block}_f0"
        arrays |= {
            f"{layer}/attention_kernel": variables[f"att_b{block}_f0/kernel"],
            f"{layer}/attention_bias": variables[f"att_b{block}_f0/bias"],
            f"{layer}/selector_hidden_kernel": variables[f"gsl_1_{selector}/kernel"],
            f"{layer}/selector_hidden_bias": variables[f"gsl_1_{selector}/bias"],
            f"{layer}/selector_kernel": variables[f"gsl_2_{selector}/kernel"],
            f"{layer}/selector_bias": variables[f"gsl_2_{selector}/bias"],
            f"{layer}/kernel": np.stack([variables[f"w_b{block}_f{field}/kernel"] for field in fields]),
            f"{layer}/shift": np.stack(shifts_and_scales[0::2])[:, None],
            f"{layer}/scale": np.stack(shifts_and_scales[1::2])[:, None],
        }
        if model.use_residual:
            residuals = [f"res_b{block}_f{field}" for field in fields]
            arrays[f"{layer}/residual_kernel"] = np.stack([variables[f"{name}/kernel"] for name in residuals])
            arrays[f"{layer}/residual_bias"] = np.stack([variables[f"{name}/bias"] for name in residuals])[:, None]
        first = last
    return arrays


def _attention(layer, variables, projections, unnamed):
    """Rearrange a self-attention layer: numbered dense layers, then two unnamed vectors (shift and scale)."""
    shift, scale = variables.unnamed(unnamed, unnamed + 2)
    return {
        f"{layer}/norm/beta": shift,
        f"{layer}/norm/gamma": scale,
        **{
            f"{layer}/{part}": np.concatenate([variables[f"{_dense(number)}/{part}"] for number in projections], -1)
            for part in ("kernel", "bias")
        },
    }


def _dense(number):
    return f"dense_{number}" if number else "dense"


def _output(variables):
    return {
        "output/kernel": variables["prediction"],
        "output/bias": np.reshape(variables["prediction_bias"], (1,)),
    }


def _deep(model, variables):
    """Rearrange the jointly trained MLP, which all of the original's models share."""
    arrays = {}
    unnamed = variables.unnamed(0, 2 * len(model.deep_units))
    for index in range(len(model.deep_units)):
        arrays[f"deep/hidden_{index}/kernel"] = unnamed[2 * index]
        arrays[f"deep/hidden_{index}/bias"] = np.ravel(unnamed[2 * index + 1])
        if model.deep_batch_norm:
            for name in ("gamma", "beta", "moving_mean", "moving_variance"):
                # Gradients have no moving averages.
                if not name.startswith("moving") or f"bn_{index}/{name}" in variables:
                    arrays[f"deep/batch_norm_{index}/{name}"] = variables[f"bn_{index}/{name}"]
    if model.deep_units:
        arrays["deep/output/kernel"] = variables["prediction_dense"]
        arrays["deep/output/bias"] = np.reshape(variables["prediction_bias_dense"], (1,))
    return arrays


def _read(path):
    import tensorflow as tf

    if not os.path.exists(path) and not os.path.exists(f"{path}.index"):
        raise ValueError(f"No checkpoint exists at {path}. Pass the path without '.index' or '.data-...'.")
    reader = tf.train.load_checkpoint(path)
    slots = re.compile(r"/(Adam(_1)?|Adagrad)$|^beta\d_power$")
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if not slots.search(name)}


# Names of variables that the models read. The original makes others for each field and uses those of the first field.
LAYERS = re.compile(r"(dense|Variable)(_\d+)?(/|$)|field_weight_layer|(w|res)_b\d|bn_\d|gnn/")
CONVERTERS = {AutoInt: _autoint, FiGNN: _fignn, InterHAt: _interhat, HoAFM: _hoafm, GraphFM: _graphfm}
