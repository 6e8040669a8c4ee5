"""The base of all models: a functional Keras model that knows its schema and can explain itself."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

import ctrzoo
from ctrzoo.idle import idle_allowed
from ctrzoo.layers import MLP, NegativeSamplingCorrection
from ctrzoo.lookup import for_this_process
from ctrzoo.losses import loss_of
from ctrzoo.schema import Schema
from ctrzoo.suggest import unknown
from ctrzoo.tasks import LOG_LINK_LOSSES, loss_name
from ctrzoo.types import Config, DType, Features, Path, Tensor
from ctrzoo.validation import check_ids

if keras.backend.backend() == "tensorflow":
    import ctrzoo.optimizers  # noqa: F401  (so that saved models find theirs)

FORMULATIONS = ("reference", "paper")
PREDICTION_BATCH = 8192


def feature_inputs(schema: Schema) -> dict[str, Any]:
    """Return the symbolic inputs of a model, `{"ids": (batch, slots), "values": (batch, slots)}`."""
    return {
        "ids": keras.Input((schema.num_slots,), dtype="int32", name="ids"),
        "values": keras.Input((schema.num_slots,), dtype="float32", name="values"),
    }


def features_of(schema: Schema, features: Features, names: Sequence[str]) -> tuple[Schema, Features]:
    """Return some fields as a schema, and their features with the ids of that schema, for a table of their own.

    Fields keep the order of the schema. One that shares the ids of a field that is left out has ids of its own, or
    those of the first such field; a cross becomes a plain field.

    Args:
        schema: The schema of all fields.
        features: The features of all fields, as arrays or symbols.
        names: Names of the fields, at least one.
    """
    kept = [index for index, name in enumerate(schema.names) if name in names]
    if len(kept) == schema.num_fields:
        return schema, features
    fields, owners = [], {}
    for index in kept:
        field = schema.fields[index]
        owner = owners.setdefault(field.share or field.name, field.name)
        fields.append(dataclasses.replace(field, share=None if owner == field.name else owner, cross=()))
    chosen = Schema(fields, schema.label)
    slots = np.flatnonzero(np.isin(schema.slot_fields, kept))
    lower = np.asarray(schema.first_ids)[kept] - np.asarray(chosen.first_ids)
    lower = lower[np.asarray(chosen.slot_fields)].astype("int32")
    ids = keras.ops.maximum(keras.ops.take(features["ids"], slots, axis=1) - lower, 0)  # an absent one stays 0
    return chosen, {"ids": ids, "values": keras.ops.take(features["values"], slots, axis=1)}


def deep_logit(
    embedded: Tensor,
    units: Sequence[int],
    dropout: float = 0.0,
    batch_norm: bool = False,
    l2: float = 0.0,
    batch_norm_momentum: float = 0.9,
    dtype: DType = None,
) -> Tensor:
    """Return the logit `(batch, 1)` of an MLP on the flattened field embeddings, or 0 without units.

    Add it to the logit of any model to train the two jointly, as AutoInt+ and GraphFM's released code do.
    """
    if not units:
        return 0.0
    flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
    options = {"dropout": dropout, "batch_norm": batch_norm, "batch_norm_momentum": batch_norm_momentum, "l2": l2}
    return MLP(units, output_dim=1, dtype=dtype, name="deep", **options)(flat)


def predict_slices(model: CTRModel, features: Features, batch_size: int) -> np.ndarray:
    """Return the outputs of a Keras model with one output for arrays, slice by slice, without a data pipeline.

    Args:
        model: The model.
        features: Arrays by name, all of the same number of rows, at least one.
        batch_size: Rows of a slice.
    """
    starts = range(0, len(next(iter(features.values()))), batch_size)
    slices = ({name: array[start : start + batch_size] for name, array in features.items()} for start in starts)
    return np.concatenate([model.predict_on_batch(batch) for batch in slices])


def output_name(task: str) -> str:
    """Return what the output of a model is called: `"probability"` only where it is one.

    >>> output_name("classification"), output_name("ranking")
    ('probability', 'prediction')
    """
    return "probability" if task == "classification" else "prediction"


def check_formulation(formulation: str) -> None:
    """Refuse a formulation other than the released code and the paper.

    Raises:
        ValueError: If the formulation is unknown.
    """
    if formulation not in FORMULATIONS:
        raise ValueError(f"The formulation must be one of {', '.join(FORMULATIONS)}. Received: {formulation!r}.")


def _arguments(kind):
    """Return the names of the arguments that a class's `__init__` lists."""
    items = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return [item.name for item in items if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]


class CTRModel(keras.Model):
    """A model from the features of a row to a click probability.

    A subclass builds its tensors in `__init__`, gives `dtype` to every layer, and passes both to `super().__init__`.
    Its `get_config` adds its own arguments to those of the class above, as in any Keras layer. A copy with new weights
    is `type(model).from_config(model.get_config())`; `keras.models.clone_model` returns a plain model.

    Args:
        schema: The `Schema` of the data.
        features: What `feature_inputs(schema)` returned.
        logit: The tensor `(batch, 1)` before the link function.
        explanations: Tensors by name that explain an output: `(batch, fields)` for single fields,
            `(batch, fields, fields)` for pairs, `(batch, heads, fields, fields)` for attention.
        task: `"classification"` ends in a sigmoid; `"regression"` and `"ranking"` in the logit itself, for
            ranking a score of which only the order counts.
        loss: A loss of the task by name, see `ctrzoo.tasks`; `None` takes the first. With `"poisson"`, the prediction
            is the exponential of the logit.
        negative_rate: The share of the negative rows that training sees, such as `PreparedData.negative_rate`. The
            training loss uses the probabilities of these rows; every other output is that of all rows, see
            `ctrzoo.layers.NegativeSamplingCorrection`.
        dtype: Dtype policy of the layers, such as `"mixed_bfloat16"`; `None` takes the global one. The output is
            float32 at least.
        **kwargs: `name` and `trainable`, as in Keras.

    Raises:
        ValueError: If the task or an argument is unknown, or the rate is not above 0 and at most 1, or is for another
            task than classification.
    """

    def __init__(
        self,
        schema: Schema,
        features: Features,
        logit: Tensor,
        explanations: Mapping[str, Tensor] | None = None,
        task: str = "classification",
        dtype: DType = None,
        loss: str | None = None,
        negative_rate: float = 1.0,
        **kwargs: Any,
    ) -> None:
        chosen = loss_name(task, loss)
        if negative_rate != 1 and task != "classification":
            raise ValueError(f"`negative_rate` corrects probabilities, which the task '{task}' has not. Leave it out.")
        self._check_arguments(kwargs)
        wide = keras.backend.result_type(logit.dtype, "float32")  # mixed precision ends here
        logit = keras.layers.Activation("linear", dtype=wide, name="logit")(logit)
        if negative_rate != 1:
            logit = NegativeSamplingCorrection(negative_rate, dtype=wide, name="negative_sampling")(logit)
        link = "sigmoid" if task == "classification" else "exponential" if chosen in LOG_LINK_LOSSES else "linear"
        output = keras.layers.Activation(link, dtype=wide, name=output_name(task))(logit)
        super().__init__(inputs=features, outputs=output, **kwargs)
        self.schema, self.task, self.loss_name, self.negative_rate = schema, task, loss, negative_rate
        self.dtype_policy = dtype or keras.config.dtype_policy()
        self._warn_of_layers_with_another_policy()
        self._named_tensors = {"logit": logit, **(explanations or {})}

    def _warn_of_layers_with_another_policy(self):
        """Warn of layers with the global policy in a model that was given another one: they were not passed `dtype`."""
        policy, ours = self.dtype_policy, keras.config.dtype_policy()
        strays = [layer.name for layer in self.layers if layer.weights and layer.dtype_policy == ours != policy]
        if strays:
            warnings.warn(
                f"{type(self).__name__} has dtype '{policy.name}', but its layer '{strays[0]}' has the global policy, "
                f"'{ours.name}'. Pass `dtype` to every layer in `__init__`.",
                stacklevel=4,
            )

    def _check_arguments(self, others):
        """Refuse what no class took, which Keras would ignore."""
        kinds = type(self).__mro__[: type(self).__mro__.index(CTRModel) + 1]
        known = ["name", "trainable", *(argument for kind in kinds for argument in _arguments(kind))]
        for argument in others:
            if argument not in known:
                raise ValueError(f"{type(self).__name__}: {unknown('argument', argument, known)}")

    @property
    def default_loss(self) -> keras.losses.Loss:
        """The loss of the model's task: its mean over rows, in which a row of weight 2 counts as two rows."""
        return loss_of(loss_name(self.task, self.loss_name))

    @property
    def needs_whole_batches(self) -> bool:
        """Whether training must not divide a batch among devices, such as for a loss that compares means over it."""
        return False

    @property
    def pair_terms(self) -> Mapping[str, str] | None:
        """The layers whose sum, with a linear part, is the logit, an interaction by its embedding; None in general.

        With it, `ctrzoo.ranking` scores all pairs of queries and candidates as inner products.
        """
        return None

    @property
    def pairs_add_up(self) -> bool:
        """Whether the explanation `pairs`, if any, is what each pair adds to the logit, not a mere strength."""
        return True

    @property
    def explanation_names(self) -> list[str]:
        """Names of the tensors that explain an output."""
        return [name for name in self._named_tensors if name != "logit"]

    def explainer(self) -> keras.Model:
        """Return a model from the same features to `{"probability", "logit", and each explanation}`.

        The output of regression and ranking is called `"prediction"`. The explainer shares weights and layers with
        this model, so it explains what this model computes.
        """
        return keras.Model(
            self.input, {output_name(self.task): self.output, **self._named_tensors}, name=f"{self.name}_explainer"
        )

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str = "adam",
        loss: keras.losses.Loss | str | None = None,
        *,
        jit_compile: bool | str = False,
        **kwargs: Any,
    ) -> None:
        """Configure training as `keras.Model.compile` does, with three other defaults.

        Args:
            optimizer: As in Keras, but Adam by default.
            loss: As in Keras; `None` takes the loss that fits the task.
            jit_compile: As in Keras, but off: on a CPU XLA makes LR and others that are mostly tables faster, most of
                all after `ctrzoo.startup.keep_loops_rolled()`, and the rest slower.
            **kwargs: All other arguments of `keras.Model.compile`.
        """
        super().compile(optimizer=optimizer, loss=loss or self.default_loss, jit_compile=jit_compile, **kwargs)
        if keras.backend.backend() == "jax" and self.optimizer is not None:  # JAX may divide tables
            from ctrzoo.optimizers.owners import store_by_rows

            store_by_rows(self.optimizer)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any | None = None,
    ) -> np.ndarray:
        """Return the probabilities `(rows, 1)` as `keras.Model.predict` does, faster for arrays.

        Args:
            x: `{"ids": (rows, slots), "values": (rows, slots)}`, or whatever else Keras takes.
            batch_size: Rows computed at once; `None` takes 8,192 for arrays, not Keras' 32.
            verbose: As in Keras. With `0`, arrays are cut into batches without a data pipeline: it would take as
                long as a linear model itself.
            steps: As in Keras.
            callbacks: As in Keras.

        Raises:
            ValueError: If the arrays differ in their numbers of rows, there is no row, or an id is outside the table.
        """
        arrays = isinstance(x, dict) and x and all(isinstance(array, np.ndarray) for array in x.values())
        if not arrays:
            return super().predict(x, batch_size, verbose, steps, callbacks)
        lengths = {name: len(array) for name, array in x.items()}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            raise ValueError(f"All features need the same number of rows, at least one. Received: {lengths}.")
        check_ids(x, self.schema)
        batch_size = batch_size or PREDICTION_BATCH
        strategy = getattr(self, "distribute_strategy", None)  # TensorFlow's models have one
        if verbose or steps or callbacks or getattr(strategy, "num_replicas_in_sync", 1) > 1:
            return super().predict(x, batch_size, verbose, steps, callbacks)
        return predict_slices(self, x, batch_size)

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        with for_this_process():
            return super().test_step(*args, **kwargs)

    def predict_step(self, *args: Any, **kwargs: Any) -> Any:
        with for_this_process():
            return super().predict_step(*args, **kwargs)

    def export(
        self,
        filepath: Path,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the model for serving as `keras.Model.export` does, also if it was never called.

        Args:
            filepath: The file or folder to write.
            format: As in Keras, such as `"tf_saved_model"`, `"litert"` and `"onnx"`.
            verbose: As in Keras.
            input_signature: As in Keras; `None` takes the inputs of this model, with any number of rows. Keras would
                ask for a call first where the format is ONNX.
            **kwargs: Options of the format, as in Keras; but the `opset_version` of ONNX is 18 by default, the first
                that can hash as Poly2 does.
        """
        if format == "onnx":
            kwargs.setdefault("opset_version", 18)
        if input_signature is None:
            inputs: Any = self.input
            input_signature = [
                {name: keras.InputSpec(shape=x.shape, dtype=x.dtype, name=name) for name, x in inputs.items()}
            ]
        super().export(filepath, format, verbose, input_signature, **kwargs)

    def compile_from_config(self, config: Config) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            try:
                self.optimizer.build(self.trainable_variables)
            except ValueError as error:  # such as of AutoFIS' gates, frozen after the search
                warnings.warn(
                    f"The optimizer of '{self.name}' was not restored: {error} Compile it anew.", stacklevel=2
                )

    def get_config(self) -> Config:
        """Return what makes this model anew: the arguments of this class, and which layers are frozen.

        Raises:
            NotImplementedError: If a subclass has an `__init__` of its own, but no `get_config`.
            ValueError: If the model is quantized.
        """
        own = next(kind for kind in type(self).__mro__ if {"__init__", "get_config"} & set(vars(kind)))
        if "get_config" not in vars(own):
            raise NotImplementedError(
                f"{own.__name__} has an `__init__` of its own, so it needs a `get_config` that returns the arguments "
                "of that `__init__`: those of `super().get_config()`, without the ones it sets itself, and its own."
            )
        quantized = [layer.name for layer in self._flatten_layers() if getattr(layer, "quantization_mode", None)]
        if quantized:
            raise ValueError(
                f"A quantized model cannot be stored so that it loads again. Received: {self.name} with quantized "
                f"{', '.join(quantized)}. Save it before you call `quantize`, or write it by `export` for serving."
            )
        # By position: Keras numbers unnamed layers by what else the process has made.
        frozen = [index for index, layer in enumerate(self.layers) if layer.weights and not layer.trainable]
        return {
            "schema": self.schema.to_dict(),
            "task": self.task,
            "loss": self.loss_name,
            "negative_rate": self.negative_rate,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "frozen": frozen,
            "ctrzoo_version": ctrzoo.__version__,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> CTRModel:
        config = dict(config)
        trainable, frozen = config.pop("trainable", True), config.pop("frozen", ())
        version = config.pop("ctrzoo_version", "0.1.0")
        dtype = config.pop("dtype", None)
        dtype = config.pop("precision", dtype)  # as version 0.1.0 called it
        try:
            schema = Schema.from_dict(config.pop("schema"))
            with idle_allowed():
                model = cls(schema, dtype=keras.dtype_policies.get(dtype), **config)
        except (ValueError, TypeError) as error:
            if version == ctrzoo.__version__:
                raise
            raise ValueError(
                f"{error} The model was written by ctrzoo {version}, this is {ctrzoo.__version__}: install the version "
                "that wrote it."
            ) from error
        for layer in frozen:  # older files name layers
            (model.get_layer(layer) if isinstance(layer, str) else model.layers[layer]).trainable = False
        if not trainable:
            model.trainable = False
        return model
