"""The numbers of a model: by hand, and those of the zoo's models as Keras counts them."""

import pytest

from ctrzoo import models, optimizers
from ctrzoo.experiments.scale.workload import Table, Workload, deepfm, workload_of
from ctrzoo.schema import Field, Schema


def test_by_hand():
    """A table of 5 rows of 3 numbers, read twice per row, and one of 2 rows of 1 number, read once; 4 rows."""
    found = Workload((Table(5, 3, 2), Table(2, 1, 1)), dense_weights=6, flops=10, batch_size=4)
    assert found.table_bytes == 4 * (15 + 2)
    assert found.dense_bytes == 24
    assert found.ids == 4 * 3
    assert found.id_bytes == 4 * 4 * 2  # the second table reads one of the same ids
    assert found.looked_up_bytes == 4 * 4 * (2 * 3 + 1)
    assert found.with_batch(8).looked_up_bytes == 2 * found.looked_up_bytes
    assert found.with_batch(8).table_bytes == found.table_bytes


@pytest.mark.parametrize("width, units", [(4, (8,)), (6, (5, 3))])
def test_deepfm_is_the_model_of_the_zoo(width, units):
    """Its weights and moments have the bytes that the variables of model and optimizer have."""
    schema = Schema([Field("site", vocabulary_size=7), Field("age", "numerical"), Field("ad", vocabulary_size=11)])
    model = models.build("deepfm", schema, embedding_dim=width, deep_units=units)
    optimizer = optimizers.build("lazy_adam", 0.001)
    optimizer.build(model.trainable_variables)
    found = deepfm(schema.num_ids, schema.num_slots, width, units, batch_size=32)
    assert found == workload_of(model, found.flops, batch_size=32)
    state = [variable for variable in optimizer.variables if len(variable.shape)]
    numbers = sum(int(variable.value.shape.num_elements()) for variable in [*model.trainable_variables, *state])
    assert 3 * (found.table_bytes + found.dense_bytes) == 4 * numbers
    kernels = sum(int(weight.value.shape.num_elements()) for weight in model.weights if weight.name == "kernel")
    assert found.flops == 6 * kernels


def test_sgd_has_no_moments():
    schema = Schema([Field("site", vocabulary_size=7)])
    model = models.build("lr", schema)
    assert workload_of(model, 0, 8, moments=0) == Workload((Table(schema.num_ids, 1, 1),), 1, 0, 8, moments=0)
