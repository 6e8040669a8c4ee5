"""The suites of measurements."""

import pytest

from ctrzoo.experiments.benchmarks import suites
from ctrzoo.experiments.benchmarks.options import Options


def test_more_cores_than_there_are_are_refused():
    with pytest.raises(ValueError, match="--cores requests 9999 cores"):
        next(suites.train(Options(models=("lr",), shapes=("tiny",), cores=(9999,))))
