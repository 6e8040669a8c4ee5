"""Gradients on JAX: those of rows equal JAX's own dense gradients, and a table that is read otherwise is found."""

from tests.ctrzoo.on_jax import needs_jax, run_on_jax

SCRIPT = """
import jax, keras, numpy as np
from jax import numpy as jnp
import ctrzoo.models as models
from ctrzoo.layers import FieldEmbedding
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.optimizers import LazyAdam
from ctrzoo.optimizers.row_gradient import RowGradient
from ctrzoo.schema import Field, Schema
from ctrzoo.training.jax_gradients import Gradients

schema = Schema([Field("a", vocabulary_size=5), Field("m", kind="multivalued", vocabulary_size=6, num_slots=3),
                 Field("n", kind="numerical"), Field("c", vocabulary_size=4)])
random = np.random.default_rng(0)
ids = np.zeros((16, schema.num_slots), "int32")
for slot, owner in enumerate(schema.slot_fields):
    ids[:, slot] = schema.first_ids[owner] + random.integers(0, schema.fields[owner].vocabulary_size, 16)
batch = ({"ids": ids, "values": random.random(ids.shape).astype("float32")},
         random.integers(0, 2, (16, 1)).astype("float32"), random.random(16).astype("float32"))

def compare(name, model, optimizer):
    model.compile(optimizer)
    optimizer.build(model.trainable_variables)
    trainable = [each.value for each in model.trainable_variables]
    others = [each.value for each in model.non_trainable_variables]

    def plain(trainable):  # Keras' own calls, and JAX's dense gradients
        outputs, _, losses = model.stateless_call(trainable, others, batch[0], training=True, return_losses=True)
        losses = sum(losses) if losses else 0.0
        return model.loss(batch[1], outputs, sample_weight=batch[2]) + losses

    expected_loss, expected = jax.jit(jax.value_and_grad(plain))(trainable)
    gradients = Gradients(model, trainable, others, batch)

    @jax.jit
    def parts(trainable):
        loss, _, found = gradients(trainable, others, batch)
        return loss, [(each.indices, each.values) if isinstance(each, RowGradient) else each for each in found]

    loss, found = parts(trainable)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    kinds = []
    for variable, mine, wanted in zip(model.trainable_variables, found, expected, strict=True):
        if isinstance(mine, tuple):
            kinds.append("rows")
            summed = np.zeros(variable.shape)
            np.add.at(summed, *map(np.asarray, mine))
            mine = summed
        elif variable.path.endswith("table"):
            kinds.append("dense")
        assert abs(np.asarray(wanted)).max() > 0 or not variable.path.endswith("table"), variable.path
        np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-7)
    print(name, *kinds)

for name in ("deepfm", "dcn_v2", "ffm", "poly2"):
    keras.utils.set_random_seed(0)
    compare(name, models.build(name, schema), LazyAdam())
compare("penalty", models.build("deepfm", schema, embedding_l2=0.1), LazyAdam())
compare("all_rows", models.build("deepfm", schema), LazyAdam(lazy=False))
compare("keras", models.build("deepfm", schema), keras.optimizers.Adam())

class Tied(CTRModel):
    def __init__(self, schema, **kwargs):
        features = feature_inputs(schema)
        layer = FieldEmbedding(schema, 4, name="embedding")
        embedded = keras.layers.Flatten()(layer(features))

        class Again(keras.layers.Layer):
            def call(self, inputs):
                return inputs + keras.ops.sum(layer.table)

        super().__init__(schema, features, keras.layers.Dense(1)(Again()(embedded)), **kwargs)

compare("tied", Tied(schema), LazyAdam())
"""


@needs_jax
def test_they_equal_dense_gradients():
    found = {name: kinds for name, *kinds in (line.split() for line in run_on_jax(SCRIPT))}
    assert sorted(found.pop("penalty")) == ["dense", "rows"]  # the linear table has no penalty
    assert found.pop("all_rows") == found.pop("keras") == ["dense", "dense"]
    assert found.pop("tied") == ["dense"]  # something but a lookup reads the table
    assert len(found) == 4 and all(set(kinds) == {"rows"} for kinds in found.values()), found
