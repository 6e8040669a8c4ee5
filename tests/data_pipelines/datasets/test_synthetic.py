import json

import numpy as np
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.datasets.synthetic import BLOCK_ROWS, LOGIT_DEVIATIONS, PAIRS, SCHEMA, TRIPLE, ClickModel


@pytest.fixture(scope="module")
def model():
    return ClickModel(data_seed=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return load(prepare("synthetic", tmp_path_factory.mktemp("data"), num_rows=60_000, data_seed=5))


def stored(data, split):
    """Stored ids and numbers, and labels, of a split."""
    features, labels = data.arrays(split)
    numbers = [SCHEMA.fields[field].kind == "numerical" for field in SCHEMA.slot_fields]
    return features["ids"][:, ~np.array(numbers)], features["values"][:, numbers], labels[:, 0]


def slow_logit(model, ids, numbers):
    """The logit of one row from the factor vectors, field by field."""
    ids, numbers = iter(ids), iter(numbers)
    row = {
        field.name: [next(numbers)] if field.kind == "numerical" else [next(ids) for _ in range(field.num_slots)]
        for field in SCHEMA.fields
    }
    logit = model.bias
    for factors in model.factors.values():
        product = 1
        for name, vectors in factors.items():
            index = SCHEMA.names.index(name)
            if SCHEMA.fields[index].kind == "numerical":
                product = product * vectors[:, 0] * row[name][0]
            else:
                present = [vectors[:, value - SCHEMA.first_ids[index]] for value in row[name] if value]
                product = product * (np.mean(present, axis=0) if present else 0)
        logit += np.sum(product)
    return logit


def pairwise_auc(labels, scores):
    """AUC by comparing every positive with every negative."""
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    return (difference > 0).mean() + (difference == 0).mean() / 2


def test_logits_are_the_planted_effects(model):
    block = model.block("valid", 3)
    expected = [slow_logit(model, block.ids[row], block.numerical[row]) for row in range(200)]
    np.testing.assert_allclose(model.logits(block.ids, block.numerical)[:200], expected, rtol=1e-4, atol=1e-4)


def test_the_orders_have_the_stated_deviations_and_pairs_tell_nothing_alone(model):
    block = model.block("test", 0)
    effects = {effect: model._effect(effect, block.ids, block.numerical) for effect in model.factors}
    for order, deviation in enumerate(LOGIT_DEVIATIONS.values(), start=1):
        total = sum(logit for effect, logit in effects.items() if len(effect) == order)
        assert total.std() == pytest.approx(deviation, rel=0.05)
    assert [effect for effect in effects if len(effect) > 1] == [*PAIRS, TRIPLE]
    device = block.ids[:, 1]
    means = [effects["device", "site"][device == value].mean() for value in np.unique(device)]
    assert np.abs(means).max() < 0.05


def test_a_row_depends_on_seed_split_and_number_alone(model):
    again, other = ClickModel(5), ClickModel(6)
    for split, index in (("train", 0), ("train", 7), ("test", 0)):
        blocks = (model.block(split, index)[:3] for model in (model, again, other))
        for array, same, different in zip(*blocks, strict=True):
            np.testing.assert_array_equal(array, same)
            assert (array != different).any()
    assert (model.block("train", 0).ids != model.block("train", 1).ids).any()
    assert (model.block("train", 0).ids != model.block("test", 0).ids).any()


def test_more_rows_begin_with_the_same_rows(tmp_path, data):
    longer = load(prepare("synthetic", tmp_path, num_rows=80_000, data_seed=5))
    for part, whole in zip(stored(data, "test"), stored(longer, "test"), strict=True):
        assert (len(part), len(whole)) == (6000, 8000)
        np.testing.assert_array_equal(part, whole[:6000])


def test_features_fit_the_schema(data):
    features, _ = data.arrays("train")
    for slot, index in enumerate(SCHEMA.slot_fields):
        field, first = SCHEMA.fields[index], SCHEMA.first_ids[index]
        ids = features["ids"][:, slot]
        present = ids[ids > 0]
        assert present.min() >= first and present.max() < first + field.vocabulary_size
        assert field.kind == "multivalued" or len(present) == len(ids)
    interests = np.sort(features["ids"][:, -5:], axis=1)
    assert not ((interests[:, 1:] == interests[:, :-1]) & (interests[:, 1:] > 0)).any()
    assert (interests.max(axis=1) == 0).any() and (interests.min(axis=1) > 0).any()
    assert data.num_positives["train"] / data.num_rows["train"] == pytest.approx(0.25, abs=0.01)


def test_bayes_numbers_are_those_of_the_rows(model, data):
    ids, numbers, labels = stored(data, "valid")
    probabilities = model.probabilities(ids, numbers).astype(np.float64)
    bayes = data.truth["bayes"]["valid"]
    assert bayes["rows"] == len(labels) == 6000
    assert bayes["auc"] == pytest.approx(pairwise_auc(labels, probabilities), abs=1e-9)
    losses = np.where(labels == 1, -np.log(probabilities), -np.log1p(-probabilities))
    assert bayes["log_loss"] == pytest.approx(losses.mean(), rel=1e-6)
    entropy = -probabilities * np.log(probabilities) - (1 - probabilities) * np.log1p(-probabilities)
    assert bayes["expected_log_loss"] == pytest.approx(entropy.mean(), rel=1e-6)
    random = np.random.default_rng(0)
    drawn = [pairwise_auc(random.random(6000) < probabilities, probabilities) for _ in range(20)]
    assert bayes["expected_auc"] == pytest.approx(np.mean(drawn), abs=0.005)
    noise = random.permutation(probabilities)
    assert bayes["auc"] > 0.75 > 0.55 > pairwise_auc(labels, noise)


def test_each_order_adds_to_what_can_be_known(model):
    block = model.block("valid", 0)
    aucs, logit = [], 0
    for order in (1, 2, 3):
        logit = logit + sum(model._effect(e, block.ids, block.numerical) for e in model.factors if len(e) == order)
        aucs.append(pairwise_auc(block.labels[:8000], logit[:8000]))
    assert aucs[0] < 0.69 and aucs[1] > aucs[0] + 0.07 and aucs[2] > aucs[1] + 0.005


def test_labels_follow_the_probabilities(model):
    block = model.block("train", 2)
    probabilities = model.probabilities(block.ids, block.numerical)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1)):
        inside = (probabilities >= low) & (probabilities < high)
        error = np.sqrt(0.25 / inside.sum())
        assert block.labels[inside].mean() == pytest.approx(probabilities[inside].mean(), abs=4 * error)


def test_the_truth_lies_beside_the_rows(data):
    truth = json.loads((data.folder / "truth.json").read_text())
    assert truth == data.truth
    assert [tuple(pair) for pair in truth["pairs"]] == list(PAIRS) and tuple(truth["triple"]) == TRIPLE
    assert all(name in SCHEMA.names for effect in (*PAIRS, TRIPLE) for name in effect)
    assert data.num_rows == {"train": 48_000, "valid": 6_000, "test": 6_000} and BLOCK_ROWS < 48_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"raw": "clicks.csv"}, "generated"), ({"num_rows": 9}, "`num_rows`"), ({"data_seed": -1}, "`data_seed`")],
)
def test_wrong_arguments_are_named(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        prepare("synthetic", tmp_path, **arguments)
