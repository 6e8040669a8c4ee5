"""Read golden cases of models after DCN-v2, which FuxiCTR computed in PyTorch, and compare models with them.

The arrays are described in `tests/golden/modern/README.md`.
"""

import json
import pathlib

import keras
import numpy as np

from ctrzoo.idle import idle_allowed
from ctrzoo.schema import Field, Schema

FOLDER = pathlib.Path(__file__).parent.parent / "golden" / "modern"


def mlp_sources(prefix, layer, num_hidden, batch_norm=False, output=True):
    """Where the weights of our `MLP` come from: the original numbers the steps of its network."""
    stride, sources = 3 if batch_norm else 2, {}
    for index in range(num_hidden):
        for kind, name in (("kernel", "weight"), ("bias", "bias")):
            sources[f"{layer}/hidden_{index}/{kind}"] = f"{prefix}.{stride * index}.{name}"
        if batch_norm:
            sources |= batch_norm_sources(f"{prefix}.{stride * index + 1}", f"{layer}/batch_norm_{index}")
    if output:
        sources[f"{layer}/output/kernel"] = f"{prefix}.{stride * num_hidden}.weight"
        sources[f"{layer}/output/bias"] = f"{prefix}.{stride * num_hidden}.bias"
    return sources


def batch_norm_sources(prefix, layer):
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    return {f"{layer}/{ours}": f"{prefix}.{theirs}" for ours, theirs in names.items()}


def _ours(name, array):
    """Convert a variable: our tables have a first row for absent entries, our kernels are transposed."""
    if name.endswith("table"):
        return np.concatenate([np.zeros((1, array.shape[1]), array.dtype), array])
    return array.T if name.endswith(".weight") else array


class Case:
    """One golden case with its model.

    Args:
        name: Name of the file.
        build: A function `(schema, config) -> model`.
        find_sources: A function `(config) -> sources`. Sources give for the path of each weight the name of the
            original's variable, a list of the names of several that are stacked, or a pair of a name and a function
            that converts its array.

    Attributes:
        per_row: How many numbers of a row a batch normalization averages, by the path of its layer, if not one.
    """

    def __init__(self, name, build, find_sources):
        self.arrays = dict(np.load(FOLDER / f"{name}.npz"))
        self.config = json.loads(str(self.arrays["config"]))
        self.training = self.config["mode"] == "train"
        numbers = self.config["numeric"]
        sizes = enumerate(self.config["vocab"])
        kinds = [{"kind": "numerical"} if index in numbers else {"vocabulary_size": size} for index, size in sizes]
        self.schema = Schema([Field(f"field_{index}", **kind) for index, kind in enumerate(kinds)])
        with idle_allowed():  # the originals name all options of all variants
            self.model = build(self.schema, self.config)
        for layer in self.model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.epsilon = 1e-5
                assert layer.momentum == 0.9
        self.explainer = self.model.explainer()
        self.sources, self.per_row = find_sources(self.config), {}
        self.features = {
            "ids": (1 + self.arrays["in/index"]).astype("int32"),
            "values": self.arrays["in/values"].astype("float32"),
        }
        self.labels = self.arrays["in/label"].astype("float32")

    def section(self, prefix):
        """The original's arrays under a prefix, by name."""
        start = f"{prefix}/"
        return {key.removeprefix(start): array for key, array in self.arrays.items() if key.startswith(start)}

    def ours(self, prefix):
        """The original's arrays under a prefix as those of our weights, by path."""
        arrays, found = self.section(prefix), {}
        for weight in self.model.weights:
            source = self.sources.get(weight.path)
            name, convert = source if isinstance(source, tuple) else (source, None)
            if isinstance(name, list):
                if name[0] in arrays:
                    found[weight.path] = np.stack([arrays[each] for each in name])
            elif name in arrays:
                array = convert(arrays[name]) if convert else _ours(name, arrays[name])
                found[weight.path] = array.reshape(weight.shape)
        return found

    def load(self):
        """Set all weights to those of the original at the start."""
        start = self.ours("var") | self.ours("stat")
        weights = {weight.path: weight for weight in self.model.weights if "seed_generator" not in weight.path}
        assert set(start) == set(weights)
        for path, weight in weights.items():
            assert start[path].shape == tuple(weight.shape), path
            weight.assign(start[path])

    def gradients(self):
        """Return the loss and its gradients, in the mode of the case."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            logits = self.explainer(self.features, training=self.training)["logit"]
            loss = keras.ops.mean(keras.ops.binary_crossentropy(self.labels, logits, from_logits=True))
        gradients = tape.gradient(loss, [weight.value for weight in self.model.trainable_weights])
        return float(loss), [tf.convert_to_tensor(gradient) for gradient in gradients]

    def is_zero(self, path):
        """Return whether the gradient of a weight is zero but for rounding."""
        zero = self.arrays["var_names"][self.arrays["var_zero_grad"].astype(bool)]
        source = self.sources[path]
        return isinstance(source, str) and source in list(zero)


def check_outputs(case):
    logits = case.explainer(case.features, training=False)["logit"] if not case.training else None
    if case.training:
        if "out/logits_eval" in case.arrays:
            evaluated = case.explainer(case.features, training=False)["logit"]
            np.testing.assert_allclose(evaluated, case.arrays["out/logits_eval"], rtol=0, atol=1e-5)
        logits = case.explainer(case.features, training=True)["logit"]
    np.testing.assert_allclose(logits, case.arrays["out/logits"], rtol=0, atol=1e-5)
    assert np.ptp(case.arrays["out/logits"]) > 0.1


def check_gradients(case):
    loss, gradients = case.gradients()
    np.testing.assert_allclose(loss, case.arrays["out/loss"], rtol=1e-5)
    expected = case.ours("grad")
    assert set(expected) == {weight.path for weight in case.model.trainable_weights}
    for weight, gradient in zip(case.model.trainable_weights, gradients, strict=True):
        wanted = expected[weight.path]
        # The gradient of AFN's shift of logarithms, which the next normalization all but cancels, is 1e-6 in all.
        atol = 1e-6 if case.is_zero(weight.path) else max(1e-5 * np.abs(wanted).max(), 1e-7)
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=atol, err_msg=weight.path)


def check_steps(case, name):
    """Five steps of `"sgd"` or `"adam"`.

    Adam divides a gradient by its own size, so that rounding decides where a gradient is nearly zero. Left out are
    entries below both 1e-4 and 1e-3 of the weight's largest, and weights whose largest is below 2e-6: AFN's bias in the
    logarithm's batch norm has no effect, so its gradient is rounding. PyTorch adds epsilon after the correction of the
    second moment, Keras before it.
    """
    adam = case.config["adam"]
    if name == "sgd":
        optimizer = keras.optimizers.SGD(case.config["sgd_lr"])
    else:
        optimizer = keras.optimizers.Adam(adam["lr"], adam["b1"], adam["b2"])
    optimizer.build(case.model.trainable_variables)
    sure = {}
    for path, gradient in case.ours("grad").items():
        size = np.abs(gradient)
        sure[path] = (size > min(1e-4, 1e-3 * size.max())) | (size == 0)
        sure[path] &= not 0 < size.max() < 2e-6
        sure[path] &= not case.is_zero(path)
        sure[path] |= name == "sgd"
    compared = np.concatenate([each.ravel() for each in sure.values()])
    assert compared.mean() > 0.75  # so that the comparison means something
    for step in range(1, 6):
        loss, gradients = case.gradients()
        np.testing.assert_allclose(loss, case.arrays[f"{name}/losses"][step - 1], rtol=2e-5)
        optimizer.epsilon = adam["eps"] * np.sqrt(1 - adam["b2"] ** step)
        optimizer.apply_gradients(zip(gradients, case.model.trainable_variables, strict=True))
        if step in (1, 5):
            expected = case.ours(f"{name}{step}")
            for weight in case.model.trainable_weights:
                found, wanted = np.asarray(weight)[sure[weight.path]], expected[weight.path][sure[weight.path]]
                np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5, err_msg=f"{weight.path}, step {step}")
            if case.training:
                _check_statistics(case, f"{name}{step}_stat", step)
    loss, _ = case.gradients()
    np.testing.assert_allclose(loss, case.arrays[f"{name}/losses"][5], rtol=2e-5)


def _check_statistics(case, prefix, num_batches):
    """PyTorch's running variance is that of a sample (n - 1), Keras' that of the batch (n).

    A running mean holds the biases before it, of which Adam makes steps of rounding: up to its learning rate each.
    """
    start, expected, kept = case.ours("stat"), case.ours(prefix), 0.9**num_batches
    for weight in case.model.non_trainable_weights:
        if weight.path in expected:
            layer = weight.path.rpartition("/")[0]
            count = len(case.labels) * case.per_row.get(layer, 1)
            correction = count / (count - 1) if weight.path.endswith("variance") else 1
            ours = (np.asarray(weight) - kept * start[weight.path]) * correction
            theirs = expected[weight.path] - kept * start[weight.path]
            noise = 5e-3 if prefix.startswith("adam") and weight.path.endswith("mean") else 1e-5
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=noise, err_msg=weight.path)
