"""The losses of groups against slow loops and numbers by hand."""

import json

import keras
import numpy as np
import pytest

from ctrzoo.losses import BPRLoss, FusedLoss, GroupSoftmaxLoss, PairwiseLogisticLoss, loss_of, with_groups
from ctrzoo.tasks import TASKS

GROUP_LOSSES = [PairwiseLogisticLoss, BPRLoss, GroupSoftmaxLoss]


def loss_of_pairs(labels, scores):
    return float(PairwiseLogisticLoss()(np.array(labels, "float32")[:, None], np.array(scores, "float32")[:, None]))


def slow(kind, labels, scores, groups, weights):
    """The loss by its definition, one group at a time."""
    totals, numbers = 0.0, 0.0
    for group in set(groups):
        rows = [row for row in range(len(labels)) if groups[row] == group]
        if kind is GroupSoftmaxLoss:
            relevant = sum(weights[i] * labels[i] for i in rows)
            if relevant > 0:
                total = sum(weights[j] * np.exp(scores[j]) for j in rows)
                shares = [(weights[i] * labels[i] / relevant, np.exp(scores[i]) / total) for i in rows]
                totals -= sum(share * np.log(probability) for share, probability in shares if share)
                numbers += 1
            continue
        for i in rows:
            pairs = [(weights[j], np.log1p(np.exp(scores[j] - scores[i]))) for j in rows if labels[i] > labels[j]]
            below = sum(weight for weight, _ in pairs)
            cost = sum(weight * loss for weight, loss in pairs)
            if kind is PairwiseLogisticLoss:
                totals, numbers = totals + weights[i] * cost, numbers + weights[i] * below
            elif below:
                totals, numbers = totals + weights[i] * cost / below, numbers + weights[i]
    return totals / numbers if numbers else 0.0


def random_rows(seed, graded):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4 if graded else 2, 40).astype("float32")
    groups = random.integers(0, 6, 40)
    labels[groups == 2] = 0
    return labels, random.normal(size=40).astype("float32") * 3, groups, random.integers(0, 3, 40).astype("float32")


@pytest.mark.parametrize("kind", GROUP_LOSSES)
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_losses_equal_a_slow_loop_over_groups(kind, graded, seed):
    labels, scores, groups, weights = random_rows(seed, graded)
    for own_weights in (np.ones(40, "float32"), weights):
        found = float(kind()(with_groups(labels, groups), scores[:, None], own_weights))
        assert found == pytest.approx(slow(kind, labels, scores, groups, own_weights), rel=1e-5)
    assert float(kind()(with_groups(labels, groups), scores[:, None])) == pytest.approx(
        slow(kind, labels, scores, groups, np.ones(40)), rel=1e-5
    )
    one_group = float(kind()(labels[:, None], scores[:, None]))  # without groups, all rows are one
    assert one_group == pytest.approx(slow(kind, labels, scores, np.zeros(40), np.ones(40)), rel=1e-5)


@pytest.mark.parametrize("kind", GROUP_LOSSES)
def test_a_row_of_weight_two_counts_as_two_rows_also_in_gradients(kind):
    import tensorflow as tf

    labels, scores, groups, weights = random_rows(7, True)
    weights = weights.astype(int)
    targets, owner = with_groups(labels, groups), np.repeat(np.arange(40), weights)
    variable = tf.Variable(scores[:, None])
    with tf.GradientTape(persistent=True) as tape:
        weighted = kind()(targets, variable, weights)
        repeated = kind()(targets[owner], tf.gather(variable, owner))
    assert float(weighted) == pytest.approx(float(repeated), rel=1e-5)
    gradients = [tf.convert_to_tensor(tape.gradient(loss, variable)) for loss in (weighted, repeated)]
    np.testing.assert_allclose(*gradients, atol=1e-6)


@pytest.mark.parametrize("kind", GROUP_LOSSES)
def test_extreme_scores_and_empty_batches_give_finite_losses_and_gradients(kind):
    import tensorflow as tf

    for labels, scores, weights in (
        ([1, 0, 0], [-1e4, 1e4, 0], [1, 1, 1]),
        ([1, 0, 0], [0, 1e4, 0], [1, 0, 1]),
        ([0, 0, 0], [1, 2, 3], [1, 1, 1]),
        ([1, 1, 1], [1, 2, 3], [0, 0, 0]),
    ):
        variable = tf.Variable(np.array(scores, "float32")[:, None])
        with tf.GradientTape() as tape:
            loss = kind()(with_groups(labels, [0, 0, 1]), variable, np.array(weights, "float32"))
        assert np.isfinite(float(loss)) and np.isfinite(tape.gradient(loss, variable)).all()


def test_bpr_counts_positives_alike_and_ranknet_pairs():
    # A pair of cost ln 2 in one group; four of cost ln 4/3 in another.
    targets = with_groups([1, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1])
    scores = np.array([0, 0, np.log(3), np.log(3), 0, 0])[:, None]
    assert float(BPRLoss()(targets, scores)) == pytest.approx((np.log(2) + 2 * np.log(4 / 3)) / 3, rel=1e-6)
    expected = (np.log(2) + 4 * np.log(4 / 3)) / 5
    assert float(PairwiseLogisticLoss()(targets, scores)) == pytest.approx(expected, rel=1e-6)


def test_a_pair_in_order_and_a_pair_out_of_order():
    assert loss_of_pairs([1, 0], [np.log(3), 0]) == pytest.approx(np.log(4 / 3), rel=1e-6)
    assert loss_of_pairs([1, 0], [0, np.log(3)]) == pytest.approx(np.log(4), rel=1e-6)


def test_the_mean_runs_over_pairs():
    # Positives 0 and ln 3, negatives 0: the first pair costs ln 2, the second ln 4/3.
    assert loss_of_pairs([1, 0, 1], [0, 0, np.log(3)]) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2, rel=1e-6)


def test_only_differences_of_scores_matter():
    labels, scores = [1, 0, 0, 1], np.array([0.3, -1.0, 2.0, 0.5])
    assert loss_of_pairs(labels, scores) == pytest.approx(loss_of_pairs(labels, scores + 5), rel=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_a_batch_of_one_class_costs_nothing(label):
    assert loss_of_pairs([label] * 3, [1.0, -2.0, 100.0]) == 0


def test_large_differences_stay_finite():
    assert loss_of_pairs([1, 0], [-1e4, 1e4]) == pytest.approx(2e4)


def test_the_gradient_pulls_each_pair_apart():
    import tensorflow as tf

    scores = tf.Variable([[0.0], [0.0], [0.0]])
    with tf.GradientTape() as tape:
        loss = PairwiseLogisticLoss()(np.array([[1.0], [0.0], [0.0]]), scores)
    # Two pairs of weight 1/2, each with slope -sigmoid(0) = -1/2 for its positive.
    np.testing.assert_allclose(tape.gradient(loss, scores), [[-0.5], [0.25], [0.25]], rtol=1e-6)


def test_class_weights_do_not_change_the_mean_over_pairs():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", PairwiseLogisticLoss())
    rows = np.array([[0.0], [1.0], [-1.0], [2.0]]), np.array([1.0, 0.0, 0.0, 1.0])
    plain = model.evaluate(*rows, verbose=0)
    weights = np.where(rows[1] == 0, 3.0, 2.0)
    assert model.evaluate(*rows, sample_weight=weights, verbose=0) == pytest.approx(plain, rel=1e-5)
    fitted = model.fit(*rows, class_weight={0: 3.0, 1: 2.0}, batch_size=4, verbose=0)
    assert fitted.history["loss"][0] == pytest.approx(plain, rel=1e-5)


def test_groups_act_in_fit():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", BPRLoss())
    labels, scores, groups, weights = random_rows(4, False)
    found = model.evaluate(scores, with_groups(labels, groups), sample_weight=weights, batch_size=40, verbose=0)
    assert found == pytest.approx(slow(BPRLoss, labels, scores, groups, weights), rel=1e-5)


@pytest.mark.parametrize("kind", GROUP_LOSSES)
def test_they_survive_serialisation(kind):
    twin = keras.losses.deserialize(keras.losses.serialize(kind(name="ranking")))
    assert isinstance(twin, kind) and twin.name == "ranking" and twin.reduction == "mean_with_sample_weight"


@pytest.mark.parametrize("name", [name for task in TASKS.values() if not task.by_group for name in task.losses])
def test_losses_of_rows_are_weighted_means(name):
    random = np.random.default_rng(1)
    labels, outputs = random.integers(0, 2, (9, 1)), random.uniform(0.1, 0.9, (9, 1))
    weights = random.integers(0, 3, 9)
    rows = np.repeat(np.arange(9), weights)
    expected = {
        "log_loss": -labels * np.log(outputs) - (1 - labels) * np.log(1 - outputs),
        "mean_squared_error": (labels - outputs) ** 2,
        "mean_absolute_error": np.abs(labels - outputs),
        "poisson": outputs - labels * np.log(outputs),
    }[name]
    loss = loss_of(name)
    assert float(loss(labels, outputs, weights)) == pytest.approx(expected[rows].mean(), rel=1e-5)
    assert float(loss(labels[rows], outputs[rows])) == pytest.approx(expected[rows].mean(), rel=1e-5)


def cross_entropy(labels, probabilities, weights):
    """The weighted mean log loss, row by row."""
    rows = zip(labels, probabilities, weights, strict=True)
    return sum(-w * np.log(p if y else 1 - p) for y, p, w in rows) / sum(weights)


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 3.0]])
def test_networks_count_by_how_far_their_loss_exceeds_that_of_the_prediction(weights):
    labels, predictions = [1, 0, 1], np.array([[0.6, 0.3, 0.8], [0.5, 0.4, 0.4], [0.7, 0.2, 0.9]])
    own = [cross_entropy(labels, predictions[:, index], weights or [1.0] * 3) for index in range(3)]
    assert own[1] > own[0] > own[2]  # so that the second network does not count
    expected = own[0] + own[1] * (own[1] - own[0])
    loss = FusedLoss(loss_of("log_loss"))
    given = (np.array(labels, "float32")[:, None], predictions.astype("float32"))
    found = loss(*given, None if weights is None else np.array(weights))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    again = FusedLoss.from_config(json.loads(json.dumps(loss.get_config())))
    np.testing.assert_allclose(again(*given, None if weights is None else np.array(weights)), expected, rtol=1e-5)
    plain = loss_of("log_loss")(given[0], given[1][:, :1], weights)
    np.testing.assert_allclose(loss(given[0], given[1][:, :1], weights), plain, rtol=1e-6)


def test_a_fused_loss_of_rows_without_weight_is_0():
    loss = FusedLoss(loss_of("mean_squared_error"))
    assert float(loss(np.ones((2, 1)), np.zeros((2, 3)), np.zeros(2))) == 0
