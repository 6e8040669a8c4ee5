"""MovieLens-100K, with the fields of MovieLens-1M."""

import pytest

from ctrzoo.data_pipelines import load, prepare


def test_movielens_100k_has_the_fields_of_1m(real_data, tmp_path):
    if not (real_data / "ml-100k.zip").is_file():
        pytest.skip("needs ml-100k.zip")
    data = load(prepare("movielens_100k", tmp_path, raw=real_data / "ml-100k.zip"))
    # 100,000 ratings, of which 27,145 are 3; GroupLens' README counts 21 occupations and 19 genres.
    assert sum(data.num_rows.values()) == 72_855 and sum(data.num_positives.values()) == 55_375
    assert [field.vocabulary_size for field in data.schema.fields] == [2, 7, 21, 795, 34, 1, 19]
