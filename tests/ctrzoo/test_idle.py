"""Options without effect are refused by every model, and do not stop saved models from loading."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.idle import refuse_idle_hidden
from tests.ctrzoo.explanation.planted_history import SCHEMA

# Models that need a hidden layer, or in which these options belong to other layers too.
NEEDS_LAYERS, OTHERS_TOO = ("dnn", "fnn", "pnn"), ("nfm", "dlrm")
WITH_HIDDEN_LAYERS = [name for name in models.MODELS if "deep_units" in models.hyperparameters_of(name)]


@pytest.mark.parametrize("name", WITH_HIDDEN_LAYERS)
def test_momentum_without_batch_normalization(name):
    options = {"deep_units": (4,), "deep_batch_norm": False, "deep_batch_norm_momentum": 0.5}
    extra = {"attention_activation": "relu"} if name == "din" else {}
    with pytest.raises(ValueError, match="`deep_batch_norm_momentum` has no effect without batch normalization. Rec"):
        models.build(name, SCHEMA, **options, **extra)
    options["deep_batch_norm"] = True
    assert models.build(name, SCHEMA, **options, **extra).deep_batch_norm_momentum == 0.5


@pytest.mark.parametrize("name", [name for name in WITH_HIDDEN_LAYERS if name not in (*NEEDS_LAYERS, *OTHERS_TOO)])
def test_options_of_hidden_layers_without_any(name):
    with pytest.raises(ValueError, match=r"`deep_dropout` has no effect without hidden layers. Received: 0.5. Remove"):
        models.build(name, SCHEMA, deep_units=(), deep_dropout=0.5)
    models.build(name, SCHEMA, deep_units=())  # the defaults are no one's wish


UNUSED = [
    ("afn", {"hidden_units": (), "hidden_l2": 1e-3}, "`hidden_l2` has no effect without hidden layers"),
    ("bst", {"pooling": "target", "causal": True}, "`causal` has no effect on the candidate, which is the newest"),
    ("bst", {"deep_units": (), "deep_activation": "dice"}, "`deep_activation` has no effect without hidden layers"),
    (
        "dien",
        {"gru": "gru", "attention": "dot"},
        "`attention` has no effect on a GRU without attention. Received: 'dot'",
    ),
    ("dien", {"gru": "gru", "use_softmax": False}, "`use_softmax` has no effect on a GRU without attention"),
    ("dien", {"attention": "dot", "attention_units": (8,)}, r"`attention_units` has no effect on dot attention"),
    ("dien", {"attention_dropout": 0.1}, "`attention_dropout` has no effect on bilinear attention"),
    ("dien", {"attention": "network", "attention_units": (), "attention_activation": "relu"}, "without hidden layers"),
    ("dien", {"auxiliary_units": (8,)}, "`auxiliary_units` has no effect without the auxiliary loss"),
    (
        "din",
        {"attention_units": (), "attention_dropout": 0.1},
        "`attention_dropout` has no effect without hidden layers",
    ),
    ("din", {"attention_units": (), "deep_units": (), "deep_l2": 0.1}, "`deep_l2` has no effect without hidden layers"),
    ("eulernet", {"units": (3,), "layer_norm": False}, None),
    ("fcn", {"use_linear": False, "num_linear_layers": 2}, "`num_linear_layers` has no effect without the linear net"),
    ("fcn", {"batch_norm_momentum": 0.5}, "`batch_norm_momentum` has no effect without batch normalization"),
    ("finalmlp", {"use_gates": False, "gate_units": (8,)}, "`gate_units` has no effect without gates"),
    ("finalmlp", {"second_batch_norm_momentum": 0.5}, "`second_batch_norm_momentum` has no effect without batch"),
    ("finalnet", {"num_blocks": 1, "distillation": 0.5}, "`distillation` has no effect with one block"),
    (
        "finalnet",
        {"batch_norm": False, "batch_norm_momentum": 0.5},
        "`batch_norm_momentum` has no effect without batch",
    ),
    ("gdcn", {"deep_units": (), "structure": "parallel"}, "`structure` has no effect without hidden layers"),
    ("wukong", {"fm_units": (), "fm_dropout": 0.1}, "`fm_dropout` has no effect without such layers"),
    ("dien", {"attention": "network", "attention_units": (8,), "attention_dropout": 0.1}, None),
    ("dien", {"deep_batch_norm": False, "attention": "network", "deep_batch_norm_momentum": 0.5}, None),
    ("din", {"attention_units": (), "deep_l2": 0.1}, None),
    ("bst", {"pooling": "target", "causal": True, "num_blocks": 2}, None),
]


@pytest.mark.parametrize(("name", "options", "message"), UNUSED)
def test_options_without_effect(name, options, message):
    if message is None:
        models.build(name, SCHEMA, **options)
        return
    with pytest.raises(ValueError, match=message):
        models.build(name, SCHEMA, **options)


@pytest.mark.parametrize(("name", "options", "message"), [case for case in UNUSED if case[2]])
def test_what_is_refused_truly_has_no_effect_and_still_loads(name, options, message):
    """A saved configuration with the option gives the same outputs and penalties as one without it."""
    del message
    *variant, last = options
    without = models.build(name, SCHEMA, **{key: options[key] for key in variant})
    model = type(without).from_config({**without.get_config(), last: options[last]})
    assert [weight.shape for weight in model.weights] == [weight.shape for weight in without.weights]
    model.set_weights(without.get_weights())
    random = np.random.default_rng(0)
    first, sizes = np.array(SCHEMA.first_ids), [field.vocabulary_size for field in SCHEMA.fields]
    owners = np.array(SCHEMA.slot_fields)
    ids = (first[owners] + random.integers(0, np.array(sizes)[owners], (6, len(owners)))).astype("int32")
    features = {"ids": ids, "values": np.ones(ids.shape, "float32")}
    np.testing.assert_allclose(model(features), without(features), rtol=1e-6)
    np.testing.assert_allclose(sum(model.losses, 0.0), sum(without.losses, 0.0), rtol=1e-6)


def test_lists_and_tuples_of_the_same_sizes_are_equal():
    class Model:
        def __init__(self, deep_units=(), deep_activation="relu", deep_dropout=0.0): ...

    refuse_idle_hidden(Model, {"deep_units": [], "deep_activation": "relu", "deep_dropout": 0.0})
    with pytest.raises(ValueError, match="Model: `deep_dropout` has no effect"):
        refuse_idle_hidden(Model, {"deep_units": [], "deep_activation": "relu", "deep_dropout": 0.1})
