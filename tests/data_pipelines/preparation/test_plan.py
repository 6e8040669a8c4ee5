"""What is to become of a table: its columns, its protocol, what cannot be."""

import pytest

from ctrzoo.data_pipelines import prepare


@pytest.mark.parametrize("name", ["criteo", "avazu", "kdd12", "movielens_1m", "movielens_100k"])
def test_an_unknown_protocol_is_named(name, tmp_path):
    with pytest.raises(ValueError, match="`protocol` must be one of 'reference', 'clean'. Received: 'original'"):
        prepare(name, tmp_path, raw=tmp_path, protocol="original")
