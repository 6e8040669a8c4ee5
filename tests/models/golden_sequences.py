"""Read the golden cases of the models of histories: numbers that FuxiCTR computed, in the layout of our weights."""

import functools
import json
import pathlib
import re

import keras
import numpy as np

from ctrzoo.idle import idle_allowed
from ctrzoo.layers import Dice
from ctrzoo.models import build
from ctrzoo.schema import Field, Schema

FOLDER = pathlib.Path(__file__).parent.parent / "golden" / "sequences"
CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
FIELDS = ("c1", "c2", "c3", "item_id", "cate_id")
HISTORIES = {"item_hist": "item_id", "cate_hist": "cate_id"}


class Case:
    """One golden case, its model built, its arrays in the layout of the model's weights."""

    def __init__(self, name):
        with np.load(FOLDER / f"{name}.npz") as arrays:
            self.arrays = dict(arrays)
        self.name, self.config = name, json.loads(str(self.arrays["config"]))
        self.training = self.config["mode"] == "train"
        with idle_allowed():  # the originals name all options of all variants
            self.model = build(*self._model(), **self._hyperparameters())
        self.explainer = self.model.explainer()
        for layer in self.model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.99 if layer.name == "moments" else 0.9
                layer.epsilon = 1e-9 if layer.name == "moments" else 1e-5
        self.dice = [layer.moments for layer in self.model._flatten_layers() if isinstance(layer, Dice)]

    def _model(self):
        arguments = self.config["args"]
        apart = isinstance(arguments.get("din_sequence_field", [[]])[0], str)
        pooling = "sum" if "Sum" in str(self.config.get("encoder")) else "mean"
        tables = {name: len(self.arrays[f"var/{self._table_of(name)}"]) for name in FIELDS}
        fields = [Field(name, vocabulary_size=tables[name] - 1) for name in FIELDS]
        for name, share in HISTORIES.items():
            options = {"share": share, "events": None if apart else "history", "pooling": pooling}
            fields.append(Field(name, "sequence", tables[share] - 1, self.config["L"], **options))
        name = {"DNN": "pooled", "DIN": "din", "DIEN": "dien", "BST": "bst"}[self.config["model"]]
        return name, Schema(fields)

    def _table_of(self, name):
        wrapper = "embedding_layer." if self.config["model"] == "DNN" else ""
        return f"{wrapper}embedding_layer.embedding_layers.{name}.weight"

    def _hyperparameters(self):
        arguments, model = self.config["args"], self.config["model"]
        shared = {
            "embedding_dim": self.config["dim"],
            "deep_units": tuple(arguments.get("dnn_hidden_units", arguments.get("hidden_units"))),
            "deep_activation": arguments.get("dnn_activations", "relu").lower(),
            "deep_batch_norm": arguments.get("batch_norm", False),
        }
        if model == "DNN":
            return {**shared, "candidate_product": False}
        if model == "DIN":
            return {
                **shared,
                "attention_units": tuple(arguments["attention_hidden_units"]),
                "attention_activation": arguments["attention_hidden_activations"].lower(),
                "use_softmax": arguments["din_use_softmax"],
            }
        if model == "DIEN":
            kind = arguments["attention_type"].removesuffix("_attention")
            return {
                **shared,
                "gru": arguments["gru_type"].lower(),
                "attention": {"din": "network"}.get(kind, kind),
                "attention_units": tuple(arguments["attention_hidden_units"]),
                "attention_activation": arguments["attention_activation"].lower(),
                "use_softmax": arguments["use_attention_softmax"],
                "sum_pooling": arguments.get("enable_sum_pooling", False),
            }
        order = "oldest" if self.config["padding"] == "post" else "newest"
        return {
            **shared,
            "num_blocks": arguments["stacked_transformer_layers"],
            "num_heads": arguments["num_heads"],
            "positions": order if arguments["use_position_emb"] else "none",
            "pooling": arguments["seq_pooling_type"],
            "use_norm": arguments["layer_norm"],
            "use_residual": arguments["use_residual"],
            "causal": arguments["use_causal_mask"],
        }

    def load(self):
        """Set the weights and statistics of the original before anything ran."""
        for weight, array in self.ours("var").items():
            self._weights[weight].assign(array)
        for weight, array in self.buffers("buffer").items():
            self._weights[weight].assign(array)

    @functools.cached_property
    def _weights(self):
        return {weight.path: weight for weight in self.model.weights}

    @functools.cached_property
    def batch(self):
        """The features, whose events we move to the first slots, and the labels."""
        schema, columns = self.model.schema, []
        for name, first in zip(schema.names, schema.first_ids, strict=True):
            ids = self.arrays[f"in/{name}"].reshape(self.config["B"], -1)
            if name in HISTORIES:
                ids = np.stack([np.concatenate([row[row > 0], row[row == 0]]) for row in ids])
            columns.append(np.where(ids > 0, ids + first - 1, 0))
        ids = np.concatenate(columns, axis=1).astype("int32")
        return {"ids": ids, "values": (ids > 0).astype("float32")}, self.arrays["in/label"].reshape(-1, 1)

    def section(self, prefix):
        """Golden arrays by the names of the original."""
        prefix += "/"
        return {name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)}

    def ours(self, prefix):
        """Golden variables, their gradients or what became of them, by the path of our weight."""
        given, found = self.section(prefix), {}
        tables = [given[self._table_of(name)] for name in FIELDS]
        zero = np.zeros((1, tables[0].shape[1]), "float32")
        found["embedding/table"] = np.concatenate([zero, *(table[1:] for table in tables)])
        self._network(
            found, given, "mlp.mlp." if self.config["model"] == "DNN" else "dnn.mlp.", self.model.get_layer("deep")
        )
        getattr(self, f"_{self.config['model'].lower()}")(found, given)
        return found

    def _network(self, found, given, prefix, network):
        groups = {}
        for name in given:
            if name.startswith(prefix):
                number, key = name.removeprefix(prefix).split(".", 1)
                groups.setdefault(int(number), {})[key] = given[name]
        steps = [step for step in network.steps if step.weights]
        for number, step in zip(sorted(groups), steps, strict=True):
            group = groups[number]
            if isinstance(step, keras.layers.Dense):
                found[step.kernel.path], found[step.bias.path] = group["weight"].T, group["bias"]
            elif isinstance(step, keras.layers.BatchNormalization):
                found[step.gamma.path], found[step.beta.path] = group["weight"], group["bias"]
            else:
                found[step.alpha.path] = group["alpha" if isinstance(step, Dice) else "weight"]

    def _dnn(self, found, given):
        pass

    def _din(self, found, given):
        for number in {int(name.split(".")[1]) for name in given if name.startswith("attention_layers.")}:
            network = self.model.get_layer(f"attention_{number + 1}").network
            self._network(found, given, f"attention_layers.{number}.attention_layer.mlp.", network)

    def _dien(self, found, given):
        size = 2 * self.config["dim"]
        first = self.model.get_layer("deep").steps[0].kernel
        # The original puts what comes from the history first.
        parts = 3 * size if self.config["args"].get("enable_sum_pooling") else size
        found[first.path] = np.roll(found[first.path], -parts, axis=0)
        self._gru(found, given, "extraction_modules.0.", "interests_1")
        self._gru(found, given, "evolving_modules.0.", "evolution_1")
        if self.model.gru != "gru":
            attention = self.model.get_layer("attention_1")
            if attention.score == "bilinear":
                found[attention.kernel.path] = given["attention_modules.0.W_kernel"]
            elif attention.score == "network":
                self._network(found, given, "attention_modules.0.attn_mlp.mlp.", attention.network)

    def _gru(self, found, given, prefix, name):
        layer = self.model.get_layer(name)
        if f"{prefix}weight_ih_l0" in given:
            names, order = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), "r-n"
        else:
            names, order = (
                ("gru_cell.x2h.weight", "gru_cell.h2h.weight", "gru_cell.x2h.bias", "gru_cell.h2h.bias"),
                "urn",
            )
        weights = (layer.kernel, layer.recurrent_kernel, layer.bias, layer.recurrent_bias)
        for key, weight in zip(names, weights, strict=True):
            gates = dict(zip(order, np.split(given[prefix + key], 3), strict=True))
            # PyTorch's update gate is the weight of the old state: sigmoid(-x) = 1 - sigmoid(x).
            parts = [gates["r"], gates["n"], gates["u"] if "u" in gates else -gates["-"]]
            found[weight.path] = np.concatenate(parts[: 3 if layer.use_update_gate else 2]).T

    def _bst(self, found, given):
        prefix = "transformer_encoders.0."
        if self.model.positions != "none":
            found[self.model.get_layer("positions_1").positions.path] = given[f"{prefix}position_emb"]
        for number in range(self.model.num_blocks):
            block, own = self.model.get_layer(f"block_1_{number + 1}"), f"{prefix}transformer_blocks.{number}."
            found[block.projection_kernel.path] = given[f"{own}attention.in_proj_weight"].T
            found[block.projection_bias.path] = given[f"{own}attention.in_proj_bias"]
            pairs = [(block.join_heads, "attention.out_proj"), (block.hidden, "ffn.0"), (block.output_layer, "ffn.2")]
            for dense, name in pairs:
                found[dense.kernel.path] = given[f"{own}{name}.weight"].T
                found[dense.bias.path] = given[f"{own}{name}.bias"]
            for norm, name in ((block.attention_norm, "layer_norm1"), (block.output_norm, "layer_norm2")):
                if norm is not None:
                    found[norm.gamma.path] = given[f"{own}{name}.weight"]
                    found[norm.beta.path] = given[f"{own}{name}.bias"]

    def buffers(self, prefix):
        """Golden statistics by the path of our weight."""
        given, found = self.section(prefix), {}
        for name, array in given.items():
            module, _, key = name.rpartition(".")
            network, number = re.fullmatch(r"(.*mlp)\.(\d+)(?:\.bn)?", module).groups()
            ours = self.model.get_layer("deep") if network == "dnn.mlp" else self.model.get_layer("attention_1").network
            numbers = sorted(
                {int(other.removeprefix(f"{network}.").split(".")[0]) for other in given if other.startswith(network)}
            )
            norms = [step for step in ours.steps if isinstance(step, (Dice, keras.layers.BatchNormalization))]
            step = norms[numbers.index(int(number))]
            norm = step.moments if isinstance(step, Dice) else step
            found[(norm.moving_mean if key == "running_mean" else norm.moving_variance).path] = array
        return found

    def without_gradient(self):
        """Say by path which entries have a gradient of 0 but for rounding, of which Adam makes a full step.

        These are biases before a batch normalization, one added to all scores of a softmax, and those of keys, which
        add the same to all scores of a query.
        """
        found = {weight.path: np.zeros(weight.shape, bool) for weight in self.model.trainable_weights}
        for path, entries in found.items():
            if (
                self.training
                and self.model.deep_batch_norm
                and path.startswith("deep/hidden")
                and path.endswith("bias")
            ):
                entries[:] = True
            if path.startswith("attention_") and path.endswith("output/bias") and self.model.use_softmax:
                entries[:] = True
            if path.endswith("projection_bias"):
                np.split(entries, 3)[1][:] = True
        return found

    def gradients(self):
        """Return the loss and the gradients, dense, by path."""
        import tensorflow as tf

        features, labels = self.batch
        with tf.GradientTape() as tape:
            logits = self.explainer(features, training=self.training)["logit"]
            loss = keras.ops.mean(keras.ops.softplus((1 - 2 * labels) * logits))
        weights = self.model.trainable_weights
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        dense = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
        return float(loss), dict(zip([weight.path for weight in weights], dense, strict=True))
