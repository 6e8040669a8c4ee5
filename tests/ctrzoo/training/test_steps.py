"""The step of each backend, and what it refuses."""

import pytest

from ctrzoo import models
from ctrzoo.schema import Field, Schema
from ctrzoo.training.steps import num_replicas_of, step_of
from ctrzoo.training.strategy import ReplicatedStep
from tests.ctrzoo.on_jax import needs_jax, run_on_jax

ON_JAX = """
from ctrzoo import models
from ctrzoo.schema import Field, Schema
from ctrzoo.training import TrainingOptions, train
from ctrzoo.training.steps import num_replicas_of, step_of
from ctrzoo.training.strategy import make_strategy
from tests.small_data import SmallData
model = models.build("lr", Schema([Field("user", vocabulary_size=3)]))
model.compile("sgd")
print(type(step_of(model)).__name__)
for options in ({"jit_compile": True}, {"cpu_replicas": 2}):
    try:
        step_of(model, **options)
    except ValueError as error:
        print(error)
with make_strategy("model_parallel").scope():
    divided = models.build("lr", model.schema)
print(num_replicas_of(model), num_replicas_of(divided))
try:
    train(divided, SmallData(model.schema), TrainingOptions(batch_size=15))
except ValueError as error:
    print(error)
"""


def test_tensorflow_takes_all_options():
    model = models.build("lr", Schema([Field("user", vocabulary_size=3)]))
    model.compile("sgd")
    assert isinstance(step_of(model, cpu_replicas=2), ReplicatedStep)
    assert num_replicas_of(model) == 1
    with pytest.raises(TypeError):
        step_of(model, replicas=2)


@needs_jax
def test_jax_refuses_what_it_would_ignore_and_batches_that_its_devices_cannot_divide():
    name, of_xla, of_replicas, numbers, of_batch = run_on_jax(ON_JAX, num_devices=2)
    assert name == "JaxStep"
    assert of_xla == "JAX always compiles the training step, so `jit_compile` has no effect. Leave it out."
    assert of_replicas.endswith("Received: 2; set cpu_replicas=1.")
    assert numbers == "1 2"
    assert of_batch == "The batch size must be a multiple of the 2 devices. Received: 15."
