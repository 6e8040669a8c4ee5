"""What is said of a name that is unknown."""

import pytest

from ctrzoo.suggest import unknown


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("graphfn", ["fm", "graphfm"], "Unknown model 'graphfn'. Did you mean 'graphfm'?"),
        ("xyz", ["fm", "graphfm"], "Unknown model 'xyz'. Known: fm, graphfm."),
        ("xyz", [], "Unknown model 'xyz'. Known: none."),
        (3, [12, 30], "Unknown model '3'. Did you mean '30'?"),
        ("fm", {"afm": 1, "ffm": 2}, "Unknown model 'fm'. Did you mean 'ffm'?"),
    ],
)
def test_the_nearest_name_is_suggested_or_all_are_listed(name, known, message):
    assert unknown("model", name, known) == message
