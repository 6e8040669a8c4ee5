"""A model that goes on with a grown vocabulary predicts, bit for bit, as before, whatever the model and optimizer."""

import keras
import numpy as np
import polars as pl
import pytest

from ctrzoo import models, optimizers
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.pretrained import load_pretrained
from ctrzoo.warm_start import warm_start
from tests.models.cases import CASES, EACH, randomize

CITIES, TAGS = ["Bonn", "Oslo", "Rome"], ["x", "y"]


def encoding_of(cities, tags, users=("u", "v", "w", "z"), room=0):
    """A table of all kinds of fields; only the vocabularies are given."""
    city = {"min_count": 2, "values": cities, "unused_ids": room}
    return TableEncoding(
        [
            FieldEncoding("city", **city),
            FieldEncoding("price", "numerical", offset=1.0, scale=2.0),
            FieldEncoding("tags", "multivalued", values=tags, max_values=3),
            FieldEncoding("home", share="city", **city),
            FieldEncoding("page", hash_buckets=5),
            FieldEncoding("user", values=list(users), compositional=2),
            FieldEncoding("size", transform="quantile", num_buckets=3, boundaries=(0.0, 1.0)),
            FieldEncoding("both", cross=("city", "page"), values=["Bonn & p", "Rome & q"]),
            FieldEncoding("seen", "sequence", share="city", max_values=3, **city),
        ]
    )


BEFORE = encoding_of(CITIES, TAGS)
# Oslo is dropped and its id is used again, values are new, and nearly all global ids move.
AFTER = encoding_of(["Bonn", "Kiel", "Rome", "Ulm"], [*TAGS, "z"], ("u", "v", "w", "z", "q"))
# Cells of values that both know, rare ones and missing ones among them.
ROWS = pl.DataFrame(
    {
        "city": ["Bonn", "Rome", "nowhere", None, "Rome"],
        "price": [1.0, 2.5, None, -1.0, 3.0],
        "tags": ["x", "x|y", "y|other", None, "y"],
        "home": ["Rome", None, "Bonn", "Rome", "nowhere"],
        "page": ["p", "q", "p", "r", None],
        "user": ["u", "v", "w", None, "z"],
        "size": [-1.0, 0.5, 2.0, None, 0.0],
        "seen": ["Rome|Bonn", "nowhere", "Bonn|Rome|Bonn", None, "Rome"],
    }
)


def features_of(encoding, rows=ROWS):
    return encoding.features(rows)


def trained(case, encoding, optimizer="lazy_adam", steps=3):
    """A model that has made a few steps from random weights, so that weights and states are no zeros.

    It computes eagerly, as the new one does: tracing graphs would take longer than these few batches.
    """
    keras.utils.set_random_seed(4)
    model = case.new(encoding.schema)
    randomize(model)
    model.compile(optimizers.build(optimizer, 0.01), run_eagerly=True)
    labels = np.array([[1], [0], [1], [0], [1]], np.float32)
    for _ in range(steps):
        model.train_on_batch(features_of(encoding), labels)
    return model


def fresh(case, encoding, optimizer="lazy_adam"):
    keras.utils.set_random_seed(9)
    model = case.new(encoding.schema)
    model.compile(optimizers.build(optimizer, 0.01), run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    return model


def array_of(variable):
    return keras.ops.convert_to_numpy(variable).copy()


HASHED = [case for case in CASES if "num_buckets" in models.hyperparameters_of(case.name)]


@pytest.mark.parametrize("case", [param for param in EACH if param.values[0] not in HASHED])
def test_known_values_are_predicted_bit_for_bit_as_before(case):
    earlier, model = trained(case, BEFORE), fresh(case, AFTER)
    before = earlier.predict_on_batch(features_of(BEFORE))
    assert not np.array_equal(model.predict_on_batch(features_of(AFTER)), before)
    done = warm_start(model, earlier, AFTER, BEFORE)
    np.testing.assert_array_equal(model.predict_on_batch(features_of(AFTER)), before)
    assert done.steps == 3
    # Oslo is left behind; Kiel, Ulm, z and the quotient of q are new.
    assert (done.dropped, done.new, done.kept) == (1, 4, AFTER.schema.num_ids - 4)


@pytest.mark.parametrize("case", HASHED, ids=repr)
def test_a_model_that_hashes_ids_goes_on_only_where_they_stay(case):
    earlier = trained(case, BEFORE)
    if case.name == "poly2":
        with pytest.raises(ValueError, match="'hashed_pairs' hashes pairs of ids, and some ids have moved"):
            warm_start(fresh(case, AFTER), earlier, AFTER, BEFORE)
    roomy, used = encoding_of(CITIES, TAGS, room=2), encoding_of([*CITIES, "Ulm"], TAGS, room=1)
    earlier, model = trained(case, roomy), fresh(case, used)
    warm_start(model, earlier, used, roomy)
    np.testing.assert_array_equal(
        model.predict_on_batch(features_of(used)), earlier.predict_on_batch(features_of(roomy))
    )
    reused = encoding_of(["Bonn", "Ulm", "Rome"], TAGS, room=2)
    if case.name == "poly2":
        with pytest.raises(ValueError, match="stand for other values"):
            warm_start(fresh(case, reused), earlier, reused, roomy)


def rows_by_value(encoding):
    """The global row of each value, found by encoding the value itself."""
    rows = {}
    for place, (field, first) in enumerate(zip(encoding.fields, encoding.schema.first_ids, strict=True)):
        for number, text in enumerate(field.values):
            if field.compositional is None:
                rows[encoding.schema.names[place], text] = first + field.has_oov_id + number
    return rows


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_the_state_of_each_optimizer_moves_with_its_rows(name):
    case = next(case for case in CASES if case.name == "deepfm")
    earlier, model = trained(case, BEFORE, name), fresh(case, AFTER, name)
    initial = {variable.path: array_of(variable) for variable in model.variables}
    states = [array_of(variable) for variable in model.optimizer.variables]
    warm_start(model, earlier, AFTER, BEFORE)
    before, after = rows_by_value(BEFORE), rows_by_value(AFTER)
    sizes = BEFORE.schema.num_ids, AFTER.schema.num_ids
    tables = 0
    pairs = [
        *((mine, other, initial[mine.path]) for mine, other in zip(model.variables, earlier.variables, strict=True)),
        *zip(model.optimizer.variables, earlier.optimizer.variables, states, strict=True),
    ]
    for mine, other, first in pairs:
        mine_now, theirs = array_of(mine), array_of(other)
        if "learning_rate" in mine.path:
            continue
        if mine.ndim == 0 or mine.shape[0] != sizes[1]:
            np.testing.assert_array_equal(mine_now, theirs)
            continue
        tables += 1
        for value, row in after.items():
            if value in before:
                np.testing.assert_array_equal(mine_now[row], theirs[before[value]])
            elif name == "grda" and "accumulator" in mine.path:  # it begins at the weight
                table = next(each for each in model.variables if each.path.replace("/", "_") in mine.path)
                np.testing.assert_array_equal(mine_now[row], array_of(table)[row])
            else:
                np.testing.assert_array_equal(mine_now[row], first[row])
    assert tables >= 2
    assert int(model.optimizer.iterations) == 3


def test_new_rows_of_grda_begin_at_their_weights():
    case = next(case for case in CASES if case.name == "fm")
    earlier, model = trained(case, BEFORE, "grda"), fresh(case, AFTER, "grda")
    warm_start(model, earlier, AFTER, BEFORE)
    row = rows_by_value(AFTER)["city", "Ulm"]
    table = next(variable for variable in model.trainable_variables if variable.path.endswith("embedding/table"))
    weights = array_of(table)[row]
    # Without a gradient, v stays w_0, and the threshold of step 4 is subtracted.
    model.optimizer.apply([keras.ops.zeros_like(variable) for variable in model.trainable_variables])
    threshold = 0.005 * 0.01 ** (0.5 + 0.6) * 4**0.6
    expected = np.sign(weights) * np.maximum(np.abs(weights) - threshold, 0)
    np.testing.assert_allclose(array_of(table)[row], expected, rtol=1e-5)
    assert np.abs(expected).max() > 0


def test_an_unchanged_vocabulary_goes_on_as_if_it_had_not_stopped():
    case = next(case for case in CASES if case.name == "fm")
    labels = np.array([[0], [1], [0], [1], [1]], np.float32)
    for name in optimizers.OPTIMIZERS:
        once, earlier, model = trained(case, BEFORE, name), trained(case, BEFORE, name), fresh(case, BEFORE, name)
        warm_start(model, earlier, BEFORE, BEFORE)
        for each in (once, model):
            for _ in range(2):
                each.train_on_batch(features_of(BEFORE), labels)
        for mine, other in zip(model.weights, once.weights, strict=True):
            np.testing.assert_array_equal(array_of(mine), array_of(other))


def test_rows_that_are_not_trained_stay_so():
    case = next(case for case in CASES if case.name == "fm")
    earlier = trained(case, BEFORE)
    load_pretrained(earlier, BEFORE, "city", {"Rome": [1, 2, 3, 4], "Oslo": [5, 6, 7, 8]}, trainable=False)
    model = fresh(case, AFTER)
    warm_start(model, earlier, AFTER, BEFORE)
    layer, rows = model.get_layer("embedding"), rows_by_value(AFTER)
    assert np.flatnonzero(array_of(layer.is_fixed)).tolist() == [rows["city", "Rome"]]
    np.testing.assert_array_equal(array_of(layer.fixed)[rows["city", "Rome"]], [1, 2, 3, 4])
    np.testing.assert_array_equal(
        model.predict_on_batch(features_of(AFTER)), earlier.predict_on_batch(features_of(BEFORE))
    )


def test_what_does_not_fit_is_refused_and_leaves_the_model_as_it_was():
    case = next(case for case in CASES if case.name == "deepfm")
    earlier, model = trained(case, BEFORE), fresh(case, AFTER)
    weights = model.get_weights()
    wide = models.build("deepfm", AFTER.schema, embedding_dim=8, deep_units=(8, 8))
    other = models.build("fm", AFTER.schema)
    scaled = TableEncoding([*AFTER.fields[:1], FieldEncoding("price", "numerical", offset=3.0), *AFTER.fields[2:]])
    sgd = fresh(case, AFTER, "sgd")
    bare = case.new(AFTER.schema)
    for arguments, message in (
        ((wide, earlier, AFTER, BEFORE), "The earlier model has .*embedding_dim=4, the new one embedding_dim=8"),
        ((other, earlier, AFTER, BEFORE), "is a DeepFM, the new one a FM"),
        (
            (model, earlier, scaled, BEFORE),
            "Field 'price' is read in another way than before: `offset` was 1.0, is 3.0",
        ),
        ((model, earlier, BEFORE, BEFORE), "The new model was built for a schema that differs"),
        ((model, earlier), "Without encodings, ids must mean the same"),
        ((model, earlier, AFTER), "Pass the encodings of both models, or of none"),
        ((sgd, earlier, AFTER, BEFORE), r"The earlier optimizer was LazyAdam\(.*, the new one is SGD\("),
        ((bare, earlier, AFTER, BEFORE), "The new model has no optimizer"),
    ):
        with pytest.raises(ValueError, match=message):
            warm_start(*arguments)
    for mine, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, before)
    assert warm_start(bare, earlier, AFTER, BEFORE, optimizer=False).steps == 0


def test_an_optimizer_whose_state_is_no_number_for_each_weight_is_refused():
    case = next(case for case in CASES if case.name == "fm")
    earlier, model = case.new(BEFORE.schema), case.new(AFTER.schema)
    for each in (earlier, model):
        each.compile(keras.optimizers.Adafactor(0.01))
        each.optimizer.build(each.trainable_variables)
    with pytest.raises(ValueError, match="The optimizer Adafactor keeps .*, which is not a number for each weight"):
        warm_start(model, earlier, AFTER, BEFORE)


def test_the_new_learning_rate_stays_and_averages_of_new_rows_begin_at_them():
    case = next(case for case in CASES if case.name == "fm")
    earlier, model = case.new(BEFORE.schema), case.new(AFTER.schema)
    for each, rate in ((earlier, 0.5), (model, 0.25)):
        each.compile(optimizers.LazyAdam(rate, use_ema=True))
        each.optimizer.build(each.trainable_variables)
    warm_start(model, earlier, AFTER, BEFORE)
    assert float(model.optimizer.learning_rate) == 0.25
    row = rows_by_value(AFTER)["city", "Ulm"]
    for average, weight in zip(model.optimizer._model_variables_moving_average, model.trainable_variables, strict=True):
        if weight.shape[0] == AFTER.schema.num_ids:
            np.testing.assert_array_equal(array_of(average)[row], array_of(weight)[row])
