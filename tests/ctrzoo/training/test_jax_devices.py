"""Where a model is trained on JAX."""

from tests.ctrzoo.on_jax import needs_jax, run_on_jax

SCRIPT = """
from ctrzoo.training.jax_devices import jax_device_kind, make_jax_strategy
found = [make_jax_strategy(), make_jax_strategy("one_device"), make_jax_strategy("model_parallel")]
found += [make_jax_strategy("auto", 2), make_jax_strategy("model_parallel", 3)]
print([(type(each).__name__, each.num_replicas_in_sync) for each in found])
print(jax_device_kind())
for arguments in (("mirrored",), ("one_device", 2), ("model_parallel", 5)):
    try:
        make_jax_strategy(*arguments)
    except ValueError as error:
        print(error)
"""


@needs_jax
def test_a_divided_cpu():
    found, kind, of_name, of_one, of_many = run_on_jax(SCRIPT, num_devices=4)
    one, parallel = ("OneDevice", 1), "ModelParallel"
    assert found == str([one, one, (parallel, 4), (parallel, 2), (parallel, 3)])
    assert kind == "CPU"
    assert of_name == "The strategy 'mirrored' needs TensorFlow. With JAX, choose model_parallel or one_device."
    assert of_one == "`num_devices` is for the strategy 'model_parallel'. Received: 2."
    assert of_many.startswith("`num_devices` is 5, but JAX has 4") and "device_count=5" in of_many
