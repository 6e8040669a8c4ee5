"""scikit-learn's own checks of estimators, and what a fit leaves unchanged."""

import random
import subprocess
import sys

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from ctrzoo.estimators import CTRClassifier, CTRRegressor
from tests.architecture import CHECKOUT
from tests.estimators.tables_of_clicks import COLUMNS, FAST, clicks

SETTINGS = {"model": "lr", "epochs": 5, "batch_size": 32, "learning_rate": 0.2}
ROUNDING = "a float32 row is rounded differently at another place of a batch, by 1e-7 of its size"
NOT_PASSED = {
    "check_sample_weight_equivalence_on_dense_data": "scalings, the rows held out and the batches do not know weights; "
    "without them a row of weight 2 is two rows, which test_classifier.py shows",
    "check_methods_sample_order_invariance": ROUNDING,
    "check_methods_subset_invariance": ROUNDING,
}


def checks_of(estimator):
    """scikit-learn's checks of an estimator; those that cannot pass are marked."""
    return estimator_checks_generator(estimator, expected_failed_checks=NOT_PASSED, mark="xfail")


def name_of(check):
    """The function of a check, which may have a mark and arguments of its own."""
    check = getattr(check, "values", check)[1]
    return getattr(check, "func", check).__name__


def checks():
    """All checks of a classifier, and those of a regressor that are others or of what it does differently: targets."""
    classifier = list(checks_of(CTRClassifier(**SETTINGS)))
    both = {name for name in map(name_of, classifier) if "weight" not in name and "y" not in name.split("_")}
    return [*classifier, *(check for check in checks_of(CTRRegressor(**SETTINGS)) if name_of(check) not in both)]


@pytest.mark.parametrize(
    "estimator, check", checks(), ids=lambda part: None if hasattr(part, "fit") else name_of((0, part))
)
@pytest.mark.filterwarnings("ignore:.* columns are no fields", "ignore::DeprecationWarning")
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_without_scikit_learn_the_import_names_the_extra():
    code = "import sys; sys.modules['sklearn'] = None; import ctrzoo.estimators"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, timeout=120)
    assert run.stderr.splitlines()[-1] == (
        'ModuleNotFoundError: ctrzoo.estimators needs scikit-learn. Install it by `pip install "ctrzoo[sklearn]"`.'
    )


@pytest.mark.parametrize("kind", [CTRClassifier, CTRRegressor])
def test_rows_are_scored_alike_in_any_order(kind):
    frame, labels = clicks()
    fitted = kind("lr", **COLUMNS, **FAST).fit(frame, labels)
    outputs = fitted._outputs(frame)
    np.testing.assert_allclose(fitted._outputs(frame[::-1])[::-1], outputs, rtol=1e-6)
    np.testing.assert_allclose(np.concatenate([fitted._outputs(frame[i : i + 40]) for i in (0, 40, 80)]), outputs, 1e-6)


def test_a_fit_leaves_the_process_as_it_was():
    from tensorflow.python.framework import config

    frame, labels = clicks()
    states = random.getstate(), np.random.get_state()[1].tolist()
    was_fixed = config.is_op_determinism_enabled()
    CTRClassifier("deepfm", **COLUMNS, hyperparameters={"deep_units": (4,), "deep_dropout": 0.5}, **FAST).fit(
        frame, labels
    )
    assert states == (random.getstate(), np.random.get_state()[1].tolist())
    assert config.is_op_determinism_enabled() == was_fixed


def test_a_mapping_of_column_kinds_leaves_other_columns_unused():
    frame, labels = clicks()
    fitted = CTRClassifier("lr", categorical=["site"], encoding={"min_count": 3}, **FAST).fit(frame, labels)
    assert list(fitted.encoder_.schema.names) == ["site"] and fitted.encoder_.min_count == 3
    changed = frame.assign(price="no number")
    np.testing.assert_array_equal(fitted.predict_proba(changed), fitted.predict_proba(frame))
