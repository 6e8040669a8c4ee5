"""Options of the benchmarks."""

import pytest

from ctrzoo.experiments.benchmarks.options import Options


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"models": ("deepfn",)}, "Unknown model 'deepfn'. Did you mean 'deepfm'"),
        ({"shapes": ("criteoo",)}, "Did you mean 'criteo'"),
        ({"baselines": ("fuxi",)}, "Did you mean 'fuxictr'"),
        ({"rounds": 0}, "must be at least 1"),
    ],
)
def test_wrong_options_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Options(**wrong)
