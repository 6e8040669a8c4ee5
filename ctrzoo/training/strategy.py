"""Where a model is trained: on one device, on the devices of a host, or on several hosts.

A step is the same everywhere: each replica computes an equal part of the global batch, gradients are summed, and every
replica makes the same update. If a batch cannot be divided, such as the last of an epoch, every replica computes all of
it and only one result counts. No row is lost or counted twice.

On one device, a step may be divided into CPU replicas, which compute in parallel. Otherwise TensorFlow splits each
small operation among all cores and waits for the slowest core each time.
"""

import contextlib
import os
from typing import Any

import keras
import tensorflow as tf

from ctrzoo.cluster import named_hosts
from ctrzoo.lookup import for_this_process
from ctrzoo.model import CTRModel
from ctrzoo.tasks import task_of
from ctrzoo.training.options import LEARNING_RATE_SCALING
from ctrzoo.types import Features, Tensor

STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "model_parallel")


def make_strategy(name: str = "auto", num_devices: int | None = None, cpu_replicas: int = 1) -> Any:
    """Return a `tf.distribute.Strategy`, or on JAX its counterpart. Call it before anything else uses TensorFlow.

    Args:
        name: `"one_device"`; `"mirrored"`, all GPUs of this host, or its CPU divided into logical devices;
            `"multi_worker"`, the hosts listed in the environment variable TF_CONFIG; or `"auto"`: several hosts if
            TF_CONFIG is set, all GPUs if the host has several, otherwise one device. With JAX `"one_device"`,
            `"model_parallel"` or `"auto"`, see `ctrzoo.training.jax_devices.make_jax_strategy`.
        num_devices: Number of devices of `"mirrored"`; None for all GPUs. With JAX of `"model_parallel"`.
        cpu_replicas: Number of parts of a batch to compute in parallel (see `ReplicatedStep`); they share the cores.
            The environment variable TF_NUM_INTRAOP_THREADS takes precedence.

    Raises:
        ValueError: If the name is unknown or needs another backend, or the host has fewer devices.
    """
    if name not in STRATEGIES:
        raise ValueError(f"The strategy must be one of {', '.join(STRATEGIES)}. Received: {name!r}.")
    if keras.backend.backend() == "jax":
        from ctrzoo.training.jax_devices import make_jax_strategy

        with contextlib.suppress(RuntimeError):  # TensorFlow is in use already
            tf.config.set_visible_devices([], "GPU")  # it only reads data, and must leave the memory to JAX
        return make_jax_strategy(name, num_devices)
    if name == "model_parallel":
        raise ValueError(
            "The strategy 'model_parallel' divides tables over devices, which needs JAX. Pass --backend=jax, or set "
            "KERAS_BACKEND=jax before Keras is imported."
        )
    tf.get_logger().setLevel("ERROR")  # otherwise it logs every sum over devices
    gpus = tf.config.list_physical_devices("GPU")
    if name == "auto":
        several = (num_devices or len(gpus)) > 1
        name = "multi_worker" if _has_cluster() else "mirrored" if several else "one_device"
        num_devices = num_devices if several else None
    if num_devices is not None and name != "mirrored":
        raise ValueError(f"`num_devices` is for the strategy 'mirrored'. Received: {num_devices} with '{name}'.")
    if name == "one_device":
        strategy = tf.distribute.get_strategy()
        _divide_cores(usable_cpu_replicas(cpu_replicas, strategy))
        return strategy
    if name == "multi_worker":
        if not _has_cluster():
            raise ValueError("The strategy 'multi_worker' needs the environment variable TF_CONFIG on every host.")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if gpus and num_devices and num_devices > len(gpus):
        raise ValueError(f"`num_devices` is {num_devices}, but this host has {len(gpus)} GPUs.")
    if gpus:
        return tf.distribute.MirroredStrategy([f"GPU:{index}" for index in range(num_devices or len(gpus))])
    if not num_devices:
        raise ValueError("This host has no GPU. Use the strategy 'one_device', or set `num_devices` to divide the CPU.")
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices)
    except RuntimeError:
        raise ValueError("TensorFlow is in use, so the CPU cannot be divided. Call `make_strategy` first.") from None
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(num_devices)])


def usable_cpu_replicas(cpu_replicas: int, strategy: Any) -> int:
    """Return the number of CPU replicas that a strategy can use: `cpu_replicas` on one CPU, otherwise 1; on JAX 1.

    Args:
        cpu_replicas: The requested number.
        strategy: What `make_strategy` returned.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    on_cpu = strategy.num_replicas_in_sync == 1 and not tf.config.list_physical_devices("GPU")
    return cpu_replicas if on_cpu else 1


def device_kind() -> str:
    """Return the name of the computing device: the first GPU's as its driver reports it, or `"CPU"`."""
    if keras.backend.backend() == "jax":
        from ctrzoo.training.jax_devices import jax_device_kind

        return jax_device_kind()
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "CPU"


def _divide_cores(cpu_replicas: int) -> None:
    if cpu_replicas == 1 or "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(RuntimeError):  # TensorFlow is already in use: same result, only later
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // cpu_replicas))


def strategy_of(model: CTRModel) -> tf.distribute.Strategy:
    """Return the strategy in whose scope a model was built; on other backends than TensorFlow, that of one device."""
    return getattr(model, "distribute_strategy", None) or tf.distribute.get_strategy()


def is_chief(strategy: Any) -> bool:
    """Return whether this process writes the files of the run: the first worker, or the only process."""
    if keras.backend.backend() == "jax":
        from ctrzoo.training.jax_devices import is_first_process

        return is_first_process()
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return resolver.task_type == first and resolver.task_id == 0


def scaled_learning_rate(learning_rate: float, scaling: str, num_replicas: int) -> float:
    """Return the learning rate for a batch size that grows with the number of devices.

    Args:
        learning_rate: Learning rate tuned for one device and its part of the batch.
        scaling: `"none"`, `"sqrt"` (by the square root of the number of devices) or `"linear"`.
        num_replicas: Number of devices.

    Raises:
        ValueError: If the scaling is unknown.

    >>> scaled_learning_rate(0.001, "linear", 8), scaled_learning_rate(0.001, "sqrt", 4)
    (0.008, 0.002)
    """
    if scaling not in LEARNING_RATE_SCALING:
        choices = ", ".join(LEARNING_RATE_SCALING)
        raise ValueError(f"The learning rate scaling must be one of {choices}. Received: {scaling!r}.")
    return learning_rate * {"none": 1, "sqrt": num_replicas**0.5, "linear": num_replicas}[scaling]


class ReplicatedStep:
    """The training step and the prediction of a compiled model, on the strategy in whose scope it was built.

    Args:
        model: A compiled `CTRModel`.
        jit_compile: Whether XLA compiles the training step. On one CPU it compiles the whole step; elsewhere, and with
            CPU replicas, it compiles loss and gradient but not the update.
        cpu_replicas: On one device, the number of parts of a batch to compute in parallel, each as its own graph. A
            batch that cannot be divided is one part. Some losses, such as those of groups, need whole batches.
        positive_weight: Multiplies the weight of rows with a label above 0 in training.

    Raises:
        ValueError: If the model or its optimizer uses something that several devices or CPU replicas would compute
            differently.
    """

    def __init__(
        self, model: CTRModel, jit_compile: bool = False, cpu_replicas: int = 1, positive_weight: float = 1.0
    ) -> None:
        self._whole_batches = task_of(model.task).by_group or model.needs_whole_batches
        self._positive_weight = float(positive_weight)
        self._model, self._strategy = model, model.distribute_strategy
        self.num_replicas, self._cpu_replicas = self._strategy.num_replicas_in_sync, cpu_replicas
        self._num_parts = self.num_replicas * cpu_replicas
        layers = model._flatten_layers() if self._num_parts > 1 else ()
        self._batch_norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
        for layer in self._batch_norms:
            layer.num_replicas = self.num_replicas  # Dice counts the rows of all devices
        if cpu_replicas > 1 and self.num_replicas > 1:
            raise ValueError(f"`cpu_replicas` needs one device. Received: {self.num_replicas}; set cpu_replicas=1.")
        if cpu_replicas > 1 and self._batch_norms:
            raise ValueError(
                "Batch normalization needs the whole batch, but CPU replicas divide it. Set cpu_replicas=1."
            )
        if self.num_replicas > 1:
            _check_optimizer(model.optimizer)
            if jit_compile and self._batch_norms:
                raise ValueError(
                    "XLA cannot compile batch normalization over several devices, because it exchanges sums. "
                    "Leave out jit_compile, or train without batch normalization."
                )
        # Loss scaling must check the sum; otherwise the other replicas would apply one replica's overflow.
        self._sum_first = self.num_replicas > 1 and isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        whole = self._num_parts == 1 and not tf.config.list_physical_devices("GPU")
        if jit_compile and whole:
            self._train_replica = tf.function(self._train_replica, jit_compile=True, autograph=False)
        elif jit_compile:
            self._loss_and_gradients = tf.function(self._loss_and_gradients, jit_compile=True, autograph=False)
        self._steps, self._added_losses = {}, {}

    def train(self, batch: tuple[Any, ...]) -> Tensor:
        """Train on a global batch of host tensors; return its loss, a tensor on the device.

        Args:
            batch: `(features, labels)`, or `(features, labels, weights)`: a row of weight 2 counts as two rows.
        """
        return self._call(self._train_all, batch, not self._whole_batches)

    def predict(self, features: Features) -> Tensor:
        """Return the probabilities `(rows, 1)` of a global batch of host tensors."""
        return self._call(self._predict_all, (features,))[: len(features["ids"])]

    def _call(self, step, batch, divisible=True):
        divided = divisible and self._num_parts > 1 and len(batch[0]["ids"]) % self._num_parts == 0
        if (step, divided) not in self._steps:
            specification = tf.nest.map_structure(
                lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), batch
            )
            # No condition in a step depends on tensors, so AutoGraph need not rewrite the source of its functions.
            self._steps[step, divided] = tf.function(
                lambda *batch: step(batch, divided), input_signature=specification, autograph=False
            )
        for layer in self._batch_norms:  # statistics of the global batch, not of each part
            layer.synchronized = divided
        try:
            return self._steps[step, divided](*batch)
        finally:
            for layer in self._batch_norms:
                layer.synchronized = False

    def _train_all(self, batch, divided):
        batch, self._added_losses = self._weighted(batch), {}
        losses = self._strategy.run(self._train_replica, args=(batch, divided))
        return self._strategy.reduce("SUM", losses, axis=None)

    def _weighted(self, batch):
        """Return a batch whose weights have the mean 1, so that each part knows its share of them."""
        features, labels, *weights = batch
        if self._positive_weight != 1:
            own = tf.where(labels[:, 0] > 0, self._positive_weight, 1.0)
            weights = [own * weights[0] if weights else own]
        return features, labels, *(tf.math.divide_no_nan(part, tf.reduce_mean(part)) for part in weights)

    def _predict_all(self, batch, divided):
        probabilities = self._strategy.run(self._predict_replica, args=(batch, divided))
        return self._strategy.gather(probabilities, axis=0) if self.num_replicas > 1 else probabilities

    def _train_replica(self, batch, divided):
        weight, parts = 1.0, [batch]
        if divided:
            parts, weight = self._own_parts(batch), 1 / self._cpu_replicas
        elif self.num_replicas > 1:  # all compute the same gradient, so only the first one counts
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            weight = self.num_replicas * tf.cast(tf.equal(index, 0), tf.float32)
        # The loss is a weighted mean, so each part counts by the sum of its weights.
        shares = [weight * tf.reduce_mean(part[2]) if divided and len(part) > 2 else weight for part in parts]
        found = [self._loss_and_gradients(*part, weight=share) for part, share in zip(parts, shares, strict=True)]
        loss, gradients = found[0]
        for other_loss, others in found[1:]:
            loss, gradients = loss + other_loss, list(map(_sum, gradients, others))
        if self._sum_first:
            gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
            gradients = [_divided(gradient, self.num_replicas) for gradient in gradients]  # the optimizer sums again
        self._model.optimizer.apply(gradients, self._model.trainable_variables)
        return loss

    def _predict_replica(self, batch, divided):
        parts = self._own_parts(batch) if divided else [batch]
        with for_this_process():
            predictions = [self._model(features, training=False) for (features,) in parts]
        return predictions[0] if len(parts) == 1 else tf.concat(predictions, axis=0)

    def _own_parts(self, batch):
        """Cut the replica's part out of a batch in host memory, one piece per CPU replica."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.device("CPU:0"):
            rows = tf.shape(batch[0]["ids"])[0] // self._num_parts
            firsts = [(replica * self._cpu_replicas + branch) * rows for branch in range(self._cpu_replicas)]
            return [tf.nest.map_structure(lambda tensor, i=i: tensor[i : i + rows], batch) for i in firsts]

    def _loss_and_gradients(self, features, labels, sample_weight=None, *, weight):
        with tf.GradientTape() as tape:
            probabilities = self._model(features, training=True)
            self._check_added_losses()
            # Keras divides the loss by the number of replicas, so their sum is the mean over the batch.
            loss = self._model.compute_loss(features, labels, probabilities, sample_weight, training=True) * weight
            scaled = self._model.optimizer.scale_loss(loss)
        return loss, tape.gradient(scaled, self._model.trainable_variables)

    def _check_added_losses(self):
        """Raise an error if another replica has called the model in between, as batch normalization allows."""
        added = {id(loss): loss for layer in self._model._flatten_layers() for loss in layer._losses}
        if self._batch_norms and added.keys() & self._added_losses.keys():
            raise ValueError(
                "With batch normalization on several devices, the losses that layers add are those of one device only. "
                f"Let {type(self._model).__name__}.needs_whole_batches return True, or use one device."
            )
        self._added_losses |= added


def _sum(gradient, other):
    if isinstance(gradient, tf.IndexedSlices):
        values = tf.concat([gradient.values, other.values], axis=0)
        return tf.IndexedSlices(values, tf.concat([gradient.indices, other.indices], axis=0), gradient.dense_shape)
    return None if gradient is None else gradient + other


def _divided(gradient, number):
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values / number, gradient.indices, gradient.dense_shape)
    return None if gradient is None else gradient / number


def _check_optimizer(optimizer):
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    for setting in ("clipnorm", "global_clipnorm", "clipvalue", "gradient_accumulation_steps"):
        if getattr(optimizer, setting, None):
            raise ValueError(
                f"On several devices, Keras applies the optimizer's `{setting}` to each device's gradients before "
                "summing them, so training differs from one device. Leave it out, or use one device."
            )


def _has_cluster():
    return named_hosts() is not None
