"""Tables as pandas frames with named columns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from ctrzoo.estimators import CTRClassifier
from ctrzoo.estimators.tables import frame_of, targets_of, weights_of


def test_frames_and_arrays():
    estimator = CTRClassifier()
    table = pl.DataFrame({"user": [2**60 + 1, None], "site": ["a", None], "tags": [["x"], ["x", "y"]]})
    frame = frame_of(estimator, table, fitting=True)
    assert frame["user"][0] == 2**60 + 1 and frame["user"].isna().tolist() == [False, True]
    assert frame["site"].isna().tolist() == [False, True] and list(frame["tags"][1]) == ["x", "y"]
    assert estimator.feature_names_in_.tolist() == ["user", "site", "tags"]
    shuffled = pd.DataFrame({"a": [1, 2]}, index=[7, 3])
    assert frame_of(CTRClassifier(), shuffled, fitting=True).index.tolist() == [0, 1]
    numbered = frame_of(CTRClassifier(), pd.DataFrame([[1, "a"], [2, "b"]]), fitting=True)
    assert list(numbered.columns) == ["x0", "x1"]
    array = frame_of(CTRClassifier(), np.array([[1.5, "a"], [None, "b"]], object), fitting=True)
    assert array["x0"].dtype == float and array["x1"].tolist() == ["a", "b"]


def test_wrong_tables_are_refused():
    estimator = CTRClassifier()
    frame_of(estimator, pd.DataFrame({"a": [1], "b": [2]}), fitting=True)
    with pytest.raises(ValueError, match="should match those that were passed during fit"):
        frame_of(estimator, pd.DataFrame({"a": [1], "c": [2]}), fitting=False)
    with pytest.raises(ValueError, match=r"Found 0 sample\(s\)"):
        frame_of(estimator, pd.DataFrame({"a": [], "b": []}), fitting=False)
    with pytest.raises(TypeError, match="[Ss]parse"):
        frame_of(estimator, scipy.sparse.csr_matrix(np.eye(2)), fitting=True)


def test_weights_and_targets():
    assert weights_of(None, 3) is None
    assert weights_of([1, 0, 2.5], 3).tolist() == [1, 0, 2.5]
    for wrong, message in [
        ([1, 2], "shape"),
        ([1, -1, 1], "at least 0"),
        ([1, np.nan, 1], "finite"),
        ([0] * 3, "zero"),
    ]:
        with pytest.raises(ValueError, match=message):
            weights_of(wrong, 3)
    assert targets_of(CTRClassifier(), pd.Series([3, 4], index=[9, 8]), 2).tolist() == [3, 4]
    for wrong in ([1, None, "a", None], pl.Series([1, None, None, 0]), np.array([1, np.nan, np.nan, 0])):
        with pytest.raises(ValueError, match="but 2 are missing"):
            targets_of(CTRClassifier(), wrong, 4)
    with pytest.raises(ValueError, match="requires y to be passed"):
        targets_of(CTRClassifier(), None, 2)
