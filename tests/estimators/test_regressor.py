"""The regressor: what it learns and refuses."""

import numpy as np
import pytest

from ctrzoo.estimators import CTRRegressor
from tests.estimators.tables_of_clicks import COLUMNS, FAST, clicks


def test_it_learns_the_mean_of_each_category():
    frame, _ = clicks(300)
    numbers = frame["site"].map({"a": 2.0, "b": -1.0, "c": 0.5}).to_numpy()
    settings = {**FAST, "epochs": 60, "learning_rate": 0.1}
    fitted = CTRRegressor("lr", categorical=["site"], validation_fraction=0, optimizer="adam", **settings)
    predicted = fitted.fit(frame, numbers).predict(frame)
    assert predicted.dtype == np.float32 and predicted.shape == (300,)
    np.testing.assert_allclose(predicted, numbers, atol=0.05)
    assert fitted.score(frame, numbers) > 0.99


@pytest.mark.parametrize(
    "wrong, message",
    [(np.nan, "no missing values"), (np.inf, "finite|infinity"), (1e39, "float32"), ("many", "numbers")],
)
def test_wrong_numbers_are_refused(wrong, message):
    frame, labels = clicks()
    numbers = labels.astype(object)
    numbers[7] = wrong
    with pytest.raises(ValueError, match=message):
        CTRRegressor("lr", **COLUMNS, **FAST).fit(frame, numbers)
