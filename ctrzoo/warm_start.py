"""Go on with an earlier model where new rows have a grown vocabulary: weights and optimizer state, by field and value.

A row of a table belongs to a value of a field. The rows of values that the earlier model knew are copied bit for bit,
to whatever id these values have now. All other rows stay as the new model initialized them, and their optimizer state
is that of a row that was never updated. Everything that is no row of a table is copied as a whole, among it the number
of steps.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers import FieldEmbedding, HashedPairs
from ctrzoo.optimizers import GRDA
from ctrzoo.optimizers.owners import owners_of, parts_of

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel
    from ctrzoo.schema import Schema

# What a new model may have otherwise: its vocabulary, its name, and the share of the negative rows that it sees.
FREE = ("schema", "name", "ctrzoo_version", "negative_rate")


class WarmStart(typing.NamedTuple):
    """What `warm_start` did.

    Args:
        kept: Number of ids whose rows were copied, id 0 among them.
        new: Number of ids whose rows are new.
        dropped: Number of ids of the earlier model whose rows were left behind.
        steps: Number of optimizer steps that the state comes from; 0 if the optimizer starts anew.
    """

    kept: int
    new: int
    dropped: int
    steps: int


def warm_start(
    model: CTRModel, earlier: CTRModel, encoding: Any = None, earlier_encoding: Any = None, optimizer: bool = True
) -> WarmStart:
    """Give a new model the weights of an earlier one, and its optimizer the state of the earlier optimizer.

    Call it after `compile` and before training. The predictions for rows of known values are then, bit for bit, those
    of the earlier model.

    Args:
        model: The new model, compiled. It differs from the earlier one in its vocabulary only.
        earlier: The earlier model, such as `keras.models.load_model("runs/mine/model.keras")`.
        encoding: The `TableEncoding` of the new data, such as `load(folder).encoding`, or a fitted `FrameEncoder`.
        earlier_encoding: That of the earlier data. Without both, ids must mean the same, and the schemas be equal.
        optimizer: Whether to carry over the state of the optimizer too. Otherwise it starts anew.

    Returns:
        The numbers of rows that were kept, are new and were dropped, and of steps.

    Raises:
        ValueError: If the models differ in more than their vocabularies, an encoding is of another schema, a model has
            no optimizer, or weights depend on ids that have moved. The new model then stays as it was.

    >>> from ctrzoo import models
    >>> from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
    >>> before = TableEncoding([FieldEncoding("city", values=["Oslo", "Rome"])])
    >>> after = TableEncoding([FieldEncoding("city", values=["Oslo", "Rome", "Bonn"])])
    >>> earlier, model = (models.build("fm", each.schema, embedding_dim=2) for each in (before, after))
    >>> warm_start(model, earlier, after, before, optimizer=False)
    WarmStart(kept=3, new=1, dropped=0, steps=0)
    """
    sources = _sources(model, earlier, encoding, earlier_encoding)
    _check_same(model, earlier)
    rows = dict(_rows_of_variables(model, earlier, sources))
    _check_variables(model, earlier, rows)
    states = list(_optimizer_states(model, earlier, rows)) if optimizer else []
    for mine, other in zip(model.variables, earlier.variables, strict=True):
        _copy(mine, other, rows.get(id(mine)))
    for mine, other, owner in states:
        _copy(mine, other, None if owner is None else rows.get(id(owner)))
    if optimizer:
        _start_new_rows(model.optimizer, rows)
    # Graphs that were traced before do not read rows that are not trained.
    model.train_function = model.test_function = model.predict_function = None
    source = _global_rows(model.schema, earlier.schema, sources)
    kept = int((source >= 0).sum())
    steps = int(ops.convert_to_numpy(model.optimizer.iterations)) if optimizer else 0
    return WarmStart(kept, len(source) - kept, earlier.schema.num_ids - kept, steps)


def _sources(model, earlier, encoding, earlier_encoding):
    """Return the earlier local ids of each field's ids; None if all ids are the same."""
    if (encoding is None) != (earlier_encoding is None):
        raise ValueError("Pass the encodings of both models, or of none if their ids mean the same.")
    if encoding is None:
        differences = earlier.schema.differences(model.schema)
        if differences:
            raise ValueError(
                f"Without encodings, ids must mean the same, but {differences[0]} (earlier and now). Pass both."
            )
        return None
    encoding, earlier_encoding = (getattr(each, "encoding", each) for each in (encoding, earlier_encoding))
    for each, of, which in ((model, encoding, "new"), (earlier, earlier_encoding, "earlier")):
        differences = each.schema.differences(of.schema)
        if differences:
            raise ValueError(
                f"The {which} model was built for a schema that differs from its encoding's: {differences[0]} (model "
                "and encoding). Use the encoding of the model's training data."
            )
    return encoding.same_ids(earlier_encoding)


def _check_same(model, earlier):
    """Raise an error if the models differ in more than the vocabulary."""
    if type(model) is not type(earlier):
        raise ValueError(
            f"The earlier model is a {type(earlier).__name__}, the new one a {type(model).__name__}. Only a model "
            "of the same kind goes on: train the other one from scratch."
        )
    before, now = (_config(each) for each in (earlier, model))
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise ValueError(
                f"The earlier model has {key}={before.get(key)!r}, the new one {key}={now.get(key)!r}. A model goes on "
                "with the same hyperparameters: set the earlier ones, or train from scratch."
            )


def _config(model):
    return {key: value for key, value in model.get_config().items() if key not in FREE}


def _layers(model, kind):
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def _rows_of_variables(model, earlier, sources) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, by the id of the variable, from which earlier row each row of a table comes; below 0 if it is new."""
    pairs = zip(_layers(model, FieldEmbedding), _layers(earlier, FieldEmbedding), strict=True)
    for layer, before in pairs:
        if before.fixed is not None and layer.fixed is None:  # rows that are not trained stay so
            layer._add_fixed()
        source = _global_rows(layer.schema, before.schema, sources)
        for variable in (layer.table, layer.fixed, layer.is_fixed):
            if variable is not None:  # rows beyond the ids only make a table divisible
                yield id(variable), np.pad(source, (0, variable.shape[0] - len(source)), constant_values=-1)
    for layer, before in zip(_layers(model, HashedPairs), _layers(earlier, HashedPairs), strict=True):
        source = _global_rows(layer.schema, before.schema, sources)
        if (source < -1).any() or ((source >= 0) & (source != np.arange(len(source)))).any():
            raise ValueError(
                f"The layer '{layer.name}' hashes pairs of ids, and some ids have moved or stand for other values, so "
                "its weights would be those of other pairs. Give each field room by `unused_ids` in the first "
                "preparation and extend it without --expire, or train from scratch."
            )


def _global_rows(schema: Schema, earlier: Schema, sources: Mapping[str, np.ndarray] | None) -> np.ndarray:
    """Return the earlier global id of each global id, `(num_ids,)`; below 0 if it is new, as in `same_ids`."""
    if sources is None:
        return np.arange(schema.num_ids)
    rows = np.full(schema.num_ids, -1)
    rows[0] = 0  # absent
    first_before = dict(zip(earlier.names, earlier.first_ids, strict=True))
    sizes = {field.name: (field.vocabulary_size, field.compositional) for field in earlier.fields}
    for field, first in zip(schema.fields, schema.first_ids, strict=True):
        size, remainders = sizes[field.name]
        if field.holds_numbers:
            local = np.arange(field.vocabulary_size)
        elif field.compositional is not None and remainders is not None:  # quotients first, then remainders
            quotients, before = field.vocabulary_size - field.compositional, size - remainders
            above = np.where(np.arange(quotients) < before, np.arange(quotients), -1)
            local = np.concatenate([above, before + np.arange(remainders)])
        else:
            source = sources[field.name]
            local = np.where(source > 0, source - 1, source)
        rows[first : first + field.vocabulary_size] = np.where(local >= 0, local + first_before[field.name], local)
    return rows


def _check_variables(model, earlier, rows):
    """Raise an error if a variable fits neither as a whole nor by rows."""
    mine, others = model.variables, earlier.variables
    fits = len(mine) == len(others) and all(
        variable.shape[1:] == other.shape[1:] and (id(variable) in rows or variable.shape == other.shape)
        for variable, other in zip(mine, others, strict=True)
    )
    if not fits:
        raise ValueError(
            f"The weights of the model '{model.name}' do not fit those of the earlier one. Build it with the same "
            "hyperparameters, or train from scratch."
        )


def _copy(variable, other, source):
    """Copy a variable, or the rows of it that have a source."""
    values = ops.convert_to_numpy(other)
    if source is not None:
        mine = np.array(ops.convert_to_numpy(variable))
        mine[source >= 0] = values[source[source >= 0]]
        values = mine
    variable.assign(values)


def _optimizer_states(model, earlier, rows):
    """Yield each variable of the optimizer, the earlier one, and the weight it belongs to, None if to none."""
    for each, which in ((model, "new"), (earlier, "earlier")):
        if getattr(each, "optimizer", None) is None:
            raise ValueError(
                f"The {which} model has no optimizer, so its state cannot go on. Compile the model, or pass "
                "`optimizer=False` to start the optimizer anew."
            )
        if not each.optimizer.built:
            each.optimizer.build(each.trainable_variables)
    before, now = (_optimizer_config(each.optimizer) for each in (earlier, model))
    if before != now:
        raise ValueError(
            f"The earlier optimizer was {_short(before)}, the new one is {_short(now)}. Set the earlier one, or pass "
            "`optimizer=False` to start anew."
        )
    owners = owners_of(model.optimizer)
    rates = [id(part._learning_rate) for part in parts_of(model.optimizer)]  # which the new one sets
    moved = any(not np.array_equal(source, np.arange(len(source))) for source in rows.values())
    for mine, other in zip(model.optimizer.variables, earlier.optimizer.variables, strict=True):
        if id(mine) in rates:
            continue
        owner = owners.get(id(mine))
        if owner is None and len(mine.shape) and (moved or mine.shape != other.shape):
            raise ValueError(
                f"The optimizer {type(model.optimizer).__name__} keeps '{mine.path}', which is not a number for each "
                "weight, so it cannot go on with other rows. Pass `optimizer=False` to start anew."
            )
        yield mine, other, owner


def _start_new_rows(optimizer, rows):
    """Begin the state of new rows where it does not begin at a constant, but at the weight itself."""
    for part in parts_of(optimizer):
        states = list(part.accumulators) if isinstance(part, GRDA) else []
        averages = list(part._model_variables_moving_average) if part.use_ema else []
        for state, weight in (*_paired(states, part), *_paired(averages, part)):
            source = rows.get(id(weight))
            if source is not None:
                values = np.array(ops.convert_to_numpy(state))
                values[source < 0] = ops.convert_to_numpy(weight)[source < 0]
                state.assign(values)


def _paired(states, part):
    return zip(states, part._trainable_variables, strict=True) if states else ()


def _optimizer_config(optimizer):
    """Return the class and the arguments of an optimizer, without its learning rate and names."""

    def plain(config):
        if not isinstance(config, dict):
            return config
        return {key: plain(value) for key, value in config.items() if key not in ("learning_rate", "name")}

    return plain(keras.optimizers.serialize(optimizer))


def _short(config):
    arguments = ", ".join(f"{key}={value}" for key, value in config["config"].items() if value not in (None, False))
    return f"{config['class_name']}({arguments})"
