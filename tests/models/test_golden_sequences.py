"""The models of histories equal FuxiCTR's, number for number."""

import collections

import numpy as np
import pytest

from tests.models.golden_sequences import CASES, Case


@pytest.fixture(params=CASES, scope="module")
def built(request):
    return Case(request.param)


@pytest.fixture
def case(built):
    built.load()
    return built


def test_there_are_cases():
    assert collections.Counter(case.split("_")[0] for case in CASES) == {"pool": 2, "din": 10, "dien": 7, "bst": 7}


def test_logits_in_both_modes(case):
    features, _ = case.batch
    other = "train" if case.config["mode"] == "eval" else "eval"
    for training, name in ((case.training, "out/logits"), (not case.training, f"out/logits_{other}")):
        if (case.name, name) == ("dien_augru_din", "out/logits_train"):
            continue  # FuxiCTR leaves the row without events out of the statistics of Dice, we do not
        case.load()
        logits = case.explainer(features, training=training)["logit"]
        np.testing.assert_allclose(logits, case.arrays[name], atol=1e-5)


def test_weights_of_events(case):
    """DIN's raw scores, DIEN's weights and BST's attention of the candidate, from the newest event on."""
    outputs = case.explainer(case.batch[0], training=case.training)
    mask = case.arrays["in/mask"]
    for name in case.model.explanation_names:
        number = int(name.removeprefix("events_")) - 1
        if case.config["model"] == "DIN":
            expected = case.arrays[f"out/scores_raw_{number}"]
            if case.model.use_softmax:
                expected = np.exp(expected) * mask
                expected = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-30)
        elif case.config["model"] == "DIEN":
            expected = case.arrays[f"out/att_weights_{number}"]
        else:
            expected = case.arrays[f"out/att_{number}_{case.model.num_blocks - 1}"][:, -1, :-1]
        for row in range(case.config["B"]):
            newest_first = expected[row][mask[row]][::-1]
            ours = np.asarray(outputs[name][row])
            np.testing.assert_allclose(ours[: len(newest_first)], newest_first, atol=1e-5)
            assert not ours[len(newest_first) :].any()


def test_loss_and_gradients(case):
    loss, gradients = case.gradients()
    np.testing.assert_allclose(loss, case.arrays["out/loss"], rtol=1e-5)
    expected = case.ours("grad")
    assert set(expected) == set(gradients)
    for path, gradient in gradients.items():
        noise = case.without_gradient()[path]
        assert np.all(np.abs(gradient[noise]) < 1e-7) and np.all(np.abs(expected[path][noise]) < 1e-7)
        atol = 1e-5 * np.abs(expected[path]).max()
        np.testing.assert_allclose(gradient[~noise], expected[path][~noise], rtol=1e-4, atol=atol, err_msg=path)


def test_steps_of_gradient_descent(case):
    weights = {weight.path: weight for weight in case.model.trainable_weights}
    losses = []
    for step in range(1, 6):
        loss, gradients = case.gradients()
        losses.append(loss)
        for path, gradient in gradients.items():
            weights[path].assign_sub(0.1 * gradient)
        if step in (1, 5):
            check_weights(weights, case.ours(f"sgd{step}"), {})
    check_statistics(case, "buffer_sgd5", 5)
    np.testing.assert_allclose([*losses, case.gradients()[0]], case.arrays["losses_sgd"], rtol=1e-5, atol=1e-6)


def test_steps_of_adam(case):
    """PyTorch's Adam adds its epsilon to the corrected root, Keras' to the plain one, so it is written out here."""
    weights = {weight.path: weight for weight in case.model.trainable_weights}
    moments = {path: (np.zeros(weight.shape), np.zeros(weight.shape)) for path, weight in weights.items()}
    noise = case.without_gradient()
    for step in range(1, 6):
        _, gradients = case.gradients()
        for path, gradient in gradients.items():
            noise[path] |= (gradient != 0) & (np.abs(gradient) < 1e-5 * np.abs(gradient).max())
            first, second = moments[path]
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            moments[path] = first, second
            root = np.sqrt(second / (1 - 0.999**step)) + 1e-8
            weights[path].assign_sub(1e-3 * first / (1 - 0.9**step) / root)
        if step in (1, 5):
            check_weights(weights, case.ours(f"adam{step}"), noise)
    # With tables of 1e-4, the gradients of the attention unit are smaller than the rounding errors of others.
    share = np.mean(np.concatenate([mask.ravel() for mask in noise.values()]))
    assert share < (0.06 if case.name == "din_init" else 0.05)
    check_statistics(case, "buffer_adam5", 5)


def check_weights(weights, expected, noise):
    for path, weight in weights.items():
        sure = ~noise[path] if path in noise else np.ones(weight.shape, bool)
        np.testing.assert_allclose(np.asarray(weight)[sure], expected[path][sure], atol=1e-5, err_msg=path)


def test_running_statistics(case):
    case.explainer(case.batch[0], training=True)
    check_statistics(case, "buffer_after_forward", 1)


def check_statistics(case, section, num_batches):
    """Dice has FuxiCTR's running variance. Keras' batch normalization keeps the biased one, 7 / 8 of it here.

    Its means hold the biases before it, of which Adam makes steps of rounding errors.
    """
    expected, start = case.buffers(section), case.buffers("buffer")
    weights = {weight.path: weight for weight in case.model.non_trainable_weights}
    of_dice = {weight.path for layer in case.dice for weight in layer.weights}
    for path, array in expected.items():
        found = np.asarray(weights[path])
        if path in of_dice:
            np.testing.assert_allclose(found, array, atol=1e-5, err_msg=path)
        elif not (section == "buffer_adam5" and path.endswith("mean")):
            kept = 0.9**num_batches * start[path]
            scale = 8 / 7 if path.endswith("variance") else 1
            np.testing.assert_allclose((found - kept) * scale, array - kept, atol=1e-5, err_msg=path)
