"""DeepCTR (TensorFlow with Keras 2): its models, compiled and trained as its users do with `fit`.

DeepCTR feeds numerical fields to the deep part as plain numbers, without embedding them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from deepctr import feature_column, models

from ctrzoo.schema import Schema

from ..hyperparameters import EMBEDDING_DIM
from ..shapes import by_field, random_rows

if TYPE_CHECKING:
    from ..work import Work


BATCHES_IN_MEMORY = 16
DEEP = {"dnn_hidden_units": (400, 400)}
NO_PENALTY = {"l2_reg_linear": 0, "l2_reg_embedding": 0}
MODELS = {
    "lr": (models.WDL, {"dnn_hidden_units": ()}),
    "afm": (models.AFM, {"attention_factor": 16, "l2_reg_att": 0}),
    "nfm": (models.NFM, {"dnn_hidden_units": (200,)}),
    "fnn": (models.FNN, DEEP),
    "pnn": (models.PNN, DEEP),
    "wide_deep": (models.WDL, DEEP),
    "deepfm": (models.DeepFM, DEEP),
    "cross_net": (models.DCN, {"cross_num": 3, "l2_reg_cross": 0, "dnn_hidden_units": ()}),
    "dcn": (models.DCN, {"cross_num": 3, "l2_reg_cross": 0, **DEEP}),
    "dcn_v2": (models.DCN, {"cross_num": 3, "cross_parameterization": "matrix", "l2_reg_cross": 0, **DEEP}),
    "cin": (
        models.xDeepFM,
        {"cin_layer_size": (200, 200, 200), "cin_split_half": False, "l2_reg_cin": 0, "dnn_hidden_units": ()},
    ),
    "autoint": (
        models.AutoInt,
        {"att_layer_num": 3, "att_embedding_size": 32, "att_head_num": 2, "dnn_hidden_units": ()},
    ),
}


def columns_of(schema: Schema) -> list[Any]:
    """Describe the fields in DeepCTR's format."""
    columns = []
    for field in schema.fields:
        if field.kind == "numerical":
            columns.append(feature_column.DenseFeat(field.name))
            continue
        column = feature_column.SparseFeat(field.name, field.vocabulary_size + 1, EMBEDDING_DIM)
        if field.kind == "multivalued":
            column = feature_column.VarLenSparseFeat(column, maxlen=field.num_slots, combiner="mean")
        columns.append(column)
    return columns


def build(name: str, schema: Schema) -> tf.keras.Model:
    """Build one of DeepCTR's models, without penalties."""
    if name not in MODELS:
        raise NotImplementedError(f"DeepCTR has no model like '{name}'")
    make, sizes = MODELS[name]
    columns = columns_of(schema)
    if name == "pnn":
        return make(columns, l2_reg_embedding=0, **sizes)
    embedded = [column for column in columns if name != "afm" or not isinstance(column, feature_column.DenseFeat)]
    return make(columns, embedded, **sizes, **NO_PENALTY)


def prepare(work: Work) -> Callable[[int], object]:
    """Return the function to time: the compiled training step, or `predict`."""
    tf.config.threading.set_intra_op_parallelism_threads(len(work.cores))
    tf.config.threading.set_inter_op_parallelism_threads(len(work.cores))
    schema = work.make_schema()
    model = build(work.model, schema)
    num_rows = work.num_rows if work.mode == "predict" else BATCHES_IN_MEMORY * work.batch_size
    features, labels = random_rows(schema, num_rows)
    inputs = {name: np.ascontiguousarray(column) for name, column in by_field(schema, features).items()}
    if work.mode == "predict":
        return lambda count: [model.predict(inputs, work.batch_size, verbose=0) for _ in range(count)]
    model.compile("adam", "binary_crossentropy")
    batches = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(work.batch_size, drop_remainder=True)
    iterator, step = iter(batches.cache().repeat()), model.make_train_function()

    def call(count):
        for _ in range(count):
            logs = step(iterator)
        float(logs["loss"])

    return call
