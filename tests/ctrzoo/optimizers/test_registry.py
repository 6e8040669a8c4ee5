"""Optimizers by name."""

import pytest

from ctrzoo import optimizers


def test_an_unknown_name_is_refused_with_the_near_one():
    with pytest.raises(ValueError, match="Unknown optimizer 'adams'. Did you mean 'adam'?"):
        optimizers.build("adams", 0.1)
