"""The pairwise loss against numbers by hand."""

import keras
import numpy as np
import pytest

from ctrzoo.losses import PairwiseLogisticLoss


def loss_of(labels, scores):
    return float(PairwiseLogisticLoss()(np.array(labels, "float32")[:, None], np.array(scores, "float32")[:, None]))


def test_a_pair_in_order_and_a_pair_out_of_order():
    assert loss_of([1, 0], [np.log(3), 0]) == pytest.approx(np.log(4 / 3), rel=1e-6)
    assert loss_of([1, 0], [0, np.log(3)]) == pytest.approx(np.log(4), rel=1e-6)


def test_the_mean_runs_over_pairs():
    # Positives 0 and ln 3, negatives 0: the first pair costs ln 2, the second ln 4/3.
    assert loss_of([1, 0, 1], [0, 0, np.log(3)]) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2, rel=1e-6)


def test_only_differences_of_scores_matter():
    labels, scores = [1, 0, 0, 1], np.array([0.3, -1.0, 2.0, 0.5])
    assert loss_of(labels, scores) == pytest.approx(loss_of(labels, scores + 5), rel=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_a_batch_of_one_class_costs_nothing(label):
    assert loss_of([label] * 3, [1.0, -2.0, 100.0]) == 0


def test_large_differences_stay_finite():
    assert loss_of([1, 0], [-1e4, 1e4]) == pytest.approx(2e4)


def test_the_gradient_pulls_each_pair_apart():
    import tensorflow as tf

    scores = tf.Variable([[0.0], [0.0], [0.0]])
    with tf.GradientTape() as tape:
        loss = PairwiseLogisticLoss()(np.array([[1.0], [0.0], [0.0]]), scores)
    # Two pairs of weight 1/2, each with slope -sigmoid(0) = -1/2 for its positive.
    np.testing.assert_allclose(tape.gradient(loss, scores), [[-0.5], [0.25], [0.25]], rtol=1e-6)


def test_a_pair_weighs_the_product_of_its_rows():
    labels, scores = np.array([[1.0], [0.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [-1.0], [2.0]])
    weights = [2.0, 3.0, 0.0, 0.5]
    expected = sum(
        weights[i] * weights[j] * np.log1p(np.exp(scores[j, 0] - scores[i, 0])) for i in (0, 3) for j in (1, 2)
    )
    loss = PairwiseLogisticLoss()
    assert float(loss(labels, scores, weights)) == pytest.approx(expected / 4, rel=1e-6)
    assert float(loss(labels, scores, np.ones((4, 1)))) == pytest.approx(float(loss(labels, scores)), rel=1e-6)


def test_class_weights_of_both_classes_act_in_fit():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", PairwiseLogisticLoss())
    rows = np.array([[0.0], [1.0], [-1.0], [2.0]]), np.array([1.0, 0.0, 0.0, 1.0])
    plain = model.evaluate(*rows, verbose=0)
    weights = np.where(rows[1] == 0, 3.0, 2.0)
    assert model.evaluate(*rows, sample_weight=weights, verbose=0) == pytest.approx(6 * plain, rel=1e-5)
    fitted = model.fit(*rows, class_weight={0: 3.0, 1: 2.0}, batch_size=4, verbose=0)
    assert fitted.history["loss"][0] == pytest.approx(6 * plain, rel=1e-5)


def test_it_survives_serialisation():
    twin = keras.losses.deserialize(keras.losses.serialize(PairwiseLogisticLoss(name="ranking")))
    assert isinstance(twin, PairwiseLogisticLoss) and twin.name == "ranking"
