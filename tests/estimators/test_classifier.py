"""The classifier: the model that the trainer gives by hand, and what scikit-learn's tools do with it."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf
from rich.console import Console
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ctrzoo import models
from ctrzoo.data_pipelines import FrameEncoder
from ctrzoo.estimators import CTRClassifier
from ctrzoo.training import TrainingOptions, set_seed, train
from tests.estimators.tables_of_clicks import COLUMNS, FAST, clicks


class DataByHand:
    """Batches cut by NumPy, in the order that the documentation of the estimator's rows states."""

    def __init__(self, schema, train_rows, valid_rows):
        self.schema, self.label_kind = schema, "binary"
        self._rows = {"train": train_rows, "valid": valid_rows, "test": valid_rows}
        self.num_rows = {split: len(rows[1]) for split, rows in self._rows.items()}

    def dataset(self, split, batch_size, shuffle=None, seed=0, start_epoch=0, skip_batches=0):
        assert skip_batches == 0
        features, *others = self._rows[split]
        order = np.arange(self.num_rows[split])
        if split == "train" and shuffle is None:
            order = np.random.default_rng((seed, start_epoch)).permutation(order)
        rows = ({key: array[order] for key, array in features.items()}, *(array[order] for array in others))
        return tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)


@pytest.fixture
def disabled_determinism():
    """Undo what `set_seed` does to the process."""
    yield
    from tensorflow.python.framework import config

    config.disable_op_determinism()


@pytest.mark.parametrize("weighted, fraction", [(False, 0.25), (True, 0)])
def test_it_is_the_model_trained_by_hand(weighted, fraction, disabled_determinism):
    frame, labels = clicks()
    weights = np.where(np.arange(len(frame)) % 3, 1.0, 2.5).astype("float32") if weighted else None
    hyperparameters = {"embedding_dim": 4, "deep_units": (8,), "deep_dropout": 0.3}
    classifier = CTRClassifier(
        "deepfm", **COLUMNS, hyperparameters=hyperparameters, validation_fraction=fraction, **FAST
    ).fit(frame, np.array(["no", "yes"])[labels], weights)

    seen, held_out = frame.index, frame.index
    if fraction:
        seen, held_out = train_test_split(frame.index, test_size=fraction, random_state=3, stratify=labels)
    together = frame.assign(click=labels, weight=1.0 if weights is None else weights)
    encoder = FrameEncoder("click", **COLUMNS, weight="weight" if weighted else None).fit(together.loc[seen])
    set_seed(3)
    model = models.build("deepfm", encoder.schema, **hyperparameters)
    data = DataByHand(encoder.schema, encoder.encode(together.loc[seen]), encoder.encode(together.loc[held_out]))
    options = TrainingOptions(epochs=2, batch_size=32, learning_rate=0.05, seed=3)
    result = train(model, data, options, console=Console(quiet=True))

    expected = model.predict(encoder.features(frame), verbose=0)[:, 0]
    assert classifier.predict_proba(frame)[:, 1].astype("float32").tobytes() == expected.tobytes()
    np.testing.assert_array_equal(classifier.predict_proba(frame).sum(axis=1), 1)
    losses = [[row["valid_log_loss"] for row in history] for history in (classifier.history_, result["history"])]
    assert losses[0] == losses[1]
    np.testing.assert_array_equal(classifier.predict(frame), np.where(expected > 0.5, "yes", "no"))


@pytest.mark.parametrize("model", ["lr", "fm"])
def test_a_row_of_weight_two_counts_as_two_rows(model):
    frame, labels = clicks(90)
    settings = {"categorical": ["site"], "multivalued": ["tags"], "validation_fraction": 0}
    classifier = CTRClassifier(model, **settings, **{**FAST, "batch_size": 1000, "optimizer": "adam"})
    weights = np.where(np.arange(90) % 4, 1, 2)
    weighted = clone(classifier).fit(frame, labels, weights).predict_proba(frame)
    rows = np.repeat(np.arange(90), weights)
    repeated = clone(classifier).fit(frame.iloc[rows], labels[rows]).predict_proba(frame)
    unweighted = clone(classifier).fit(frame, labels).predict_proba(frame)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)
    assert np.abs(weighted - unweighted).max() > 1e-4


def test_a_row_of_weight_zero_is_left_out():
    frame, labels = clicks()
    classifier = CTRClassifier("lr", **COLUMNS, **FAST)
    weights = np.where(np.arange(120) % 3, 1.5, 0)
    frame.loc[::3, ["site", "price"]] = "d", 1e6
    kept = weights > 0
    expected = clone(classifier).fit(frame[kept], labels[kept], weights[kept])
    fitted = clone(classifier).fit(frame, labels, weights)
    np.testing.assert_array_equal(fitted.predict_proba(frame), expected.predict_proba(frame))
    assert fitted.encoder_.schema == expected.encoder_.schema


@pytest.mark.parametrize("classes", [["no", "yes"], [-1, 1], [False, True], [7, 30]])
def test_labels_of_any_two_values(classes):
    frame, labels = clicks()
    classifier = CTRClassifier("lr", **COLUMNS, **{**FAST, "epochs": 20, "learning_rate": 0.2}).fit(
        frame, np.array(classes)[labels]
    )
    assert classifier.classes_.tolist() == classes
    predicted = classifier.predict(frame) == classes[1]
    assert predicted[frame["site"] == "a"].mean() > 0.8 and predicted[frame["site"] != "a"].mean() < 0.2
    assert classifier.score(frame, np.array(classes)[labels]) > 0.75


def test_columns_are_inferred_and_told_of():
    frame, labels = clicks()
    frame["row"], frame["age"] = np.arange(len(frame)), ["NULL", *map(str, np.random.default_rng(0).random(119))]
    with pytest.warns(UserWarning, match=r"1 of 5 columns are no fields: 'row' \(it numbers the rows\)"):
        classifier = CTRClassifier("lr", **FAST).fit(frame, labels)
    assert classifier.encoder_.categorical == ["site"]
    assert classifier.encoder_.numerical == ["price", "age"]
    assert classifier.encoder_.multivalued == ["tags"]
    assert classifier.columns_.missing == {"age": ("NULL",)}
    values = classifier.encoder_.features(frame.assign(age=None))["values"]
    first = classifier.encoder_.features(frame.assign(age=[None, *frame["age"][1:]]))["values"][0]
    np.testing.assert_array_equal(first, values[0])
    changed = frame.assign(age=[None, *frame["age"][1:]])
    np.testing.assert_array_equal(classifier.predict_proba(frame), classifier.predict_proba(changed))


def test_frames_of_polars_and_arrays():
    frame, labels = clicks()
    classifier = CTRClassifier("fm", **COLUMNS, **FAST).fit(frame, labels)
    expected = classifier.predict_proba(frame)
    table = pl.from_pandas(frame)
    again = clone(classifier).fit(table, pl.Series(labels))
    np.testing.assert_array_equal(again.predict_proba(table), expected)
    assert again.feature_names_in_.tolist() == ["site", "price", "tags"] and again.n_features_in_ == 3
    named = {"categorical": ["x0"], "numerical": ["x1"], "multivalued": ["x2"]}
    by_array = CTRClassifier("fm", **named, **FAST).fit(frame.to_numpy(), labels)
    np.testing.assert_array_equal(by_array.predict_proba(frame.to_numpy()), expected)
    assert not hasattr(by_array, "feature_names_in_")


def test_unknown_values_warn():
    frame, labels = clicks(200)
    classifier = CTRClassifier("lr", **COLUMNS, **FAST).fit(frame, labels)
    with pytest.warns(UserWarning, match="200 of the 200 values of field 'site' are not known"):
        classifier.predict(frame.assign(site="new"))


def test_a_copy_and_a_pickle_predict_the_same():
    frame, labels = clicks()
    classifier = CTRClassifier("deepfm", **COLUMNS, hyperparameters={"deep_units": (4,)}, **FAST).fit(frame, labels)
    expected = classifier.predict_proba(frame)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(classifier)).predict_proba(frame), expected)
    np.testing.assert_array_equal(clone(classifier).fit(frame, labels).predict_proba(frame), expected)
    other = clone(classifier).set_params(random_state=4).fit(frame, labels)
    assert np.abs(other.predict_proba(frame) - expected).max() > 1e-3


def test_the_tools_of_scikit_learn():
    frame, labels = clicks()
    classifier = CTRClassifier("fm", **COLUMNS, **FAST)
    pipeline = Pipeline([("frame", FunctionTransformer(pd.DataFrame.copy)), ("classifier", classifier)])
    assert cross_val_score(pipeline, frame, labels, cv=2, scoring="roc_auc").shape == (2,)
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(frame, labels)
    np.testing.assert_allclose(calibrated.predict_proba(frame).sum(axis=1), 1)
    grid = [
        {"hyperparameters": [{"embedding_dim": 2}], "learning_rate": [1e-9]},  # it hardly changes the initial weights
        {"hyperparameters": [{"embedding_dim": 3}], "learning_rate": np.array([0.1])},
    ]
    search = GridSearchCV(classifier, grid, scoring="neg_log_loss", cv=2).fit(frame, labels)
    assert search.best_params_ == {"hyperparameters": {"embedding_dim": 3}, "learning_rate": 0.1}
    assert {weight.shape[-1] for weight in search.best_estimator_.model_.get_layer("embedding").weights} == {3}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"model": "depfm"}, "Did you mean 'deepfm'"),
        ({"model": "fm", "hyperparameters": {"embeding_dim": 2}}, "Did you mean 'embedding_dim'"),
        ({"hyperparameters": {"task": "regression"}}, "`hyperparameters` cannot set 'task'"),
        ({"encoding": {"min_counts": 2}}, "Did you mean 'min_count'"),
        ({"encoding": {"label": "click"}}, "Unknown key in `encoding` 'label'"),
        ({"categorical": ["sites"]}, "Did you mean 'site'"),
        ({"validation_fraction": 1}, "`validation_fraction` must be at least 0 and below 1"),
        ({"epochs": 0}, "'epochs' must be a whole number of at least 1"),
        ({"random_state": -1}, "Seed must be between 0"),
    ],
)
def test_wrong_settings_are_refused_by_fit(settings, message):
    frame, labels = clicks()
    with pytest.raises(ValueError, match=message):
        CTRClassifier(**{"model": "lr", **COLUMNS, **FAST, **settings}).fit(frame, labels)


def test_wrong_labels_are_refused():
    frame, labels = clicks()
    for wrong, message in [
        (np.arange(120) % 3, "Only binary classification is supported"),
        (np.ones(120), "needs two classes of a weight above 0. Received 1 class"),
        (np.arange(120) == 7, "two of each class of a classifier. Received: n_samples=120"),
        (labels[1:], "one value for each of the 120 rows. Received: 119"),
    ]:
        with pytest.raises(ValueError, match=message):
            CTRClassifier("lr", **COLUMNS, **FAST).fit(frame, wrong)
