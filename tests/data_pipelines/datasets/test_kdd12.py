"""KDD Cup 2012: a join with the profiles of users."""

import pathlib

import numpy as np
import pytest

from ctrzoo.data_pipelines import load, prepare


def test_kdd12_joins_the_profile_and_takes_user_0_for_unknown(tmp_path):
    rows = [[row % 3 // 2 * row, 2, "url", row % 5, "adv", 1, 9, "q", "k", "t", "d", row % 4] for row in range(120)]
    (tmp_path / "training.txt").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    (tmp_path / "userid_profile.txt").write_text("1\t1\t5\n2\t2\t3\n")
    data = load(prepare("kdd12", tmp_path / "data", raw=pathlib.Path(tmp_path)))
    assert data.schema.num_fields == 13 and sum(data.num_positives.values()) == 40
    features, _ = data.arrays("train")
    values = dict(zip(data.schema.names, features["values"].T, strict=True))
    assert set(values["impression"]) == {2.0} and set(values["position"]) == {4.0}  # floor(ln(9)^2) = 4
    np.testing.assert_array_equal(values["gender"], values["age"])
    # Users 0 (missing) and 3 (no profile) are half of the rows; user 3 is known, user 0 is not.
    assert 0.4 < values["gender"].mean() < 0.6 and 0.65 < values["user_id"].mean() < 0.85
    own_ids = {field.name: field.values.to_list() for field in data.encoding.fields}
    assert own_ids["gender"] == ["1", "2"] and own_ids["ad_id"] == ["0", "1", "2", "3", "4"]
    clean = load(prepare("kdd12", tmp_path / "data", raw=tmp_path, protocol="clean"))
    assert "impression" not in clean.schema.names and clean.schema.num_fields == 12


def test_profiles_that_are_no_numbers_are_named(tmp_path):
    (tmp_path / "training.txt").write_text("1\t" * 11 + "1\n")
    (tmp_path / "userid_profile.txt").write_text("1\t1\t5\nuser\t2\t3\n")
    with pytest.raises(ValueError, match="userid_profile.txt is damaged or of another kind") as caught:
        prepare("kdd12", tmp_path / "data", raw=tmp_path)
    assert "\n" not in str(caught.value)
