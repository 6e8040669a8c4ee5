"""Results of a sweep: a row per run, means and deviations over seeds."""

import pytest

from ctrzoo.experiments.sweeps.results import rows_of, summary_of, write_results
from tests.experiments.sweeps.fake_training import fake_workers


def test_means_and_sample_deviations_over_seeds(fake):
    workers = fake_workers([1, 2])
    workers.work()
    (group,) = summary_of(rows_of(workers.runs))
    assert group["test_auc"] == pytest.approx(0.715) and group["test_auc_deviation"] == pytest.approx(0.01 / 2**0.5)
    write_results(rows_of(workers.runs), fake)
    assert "| synthetic | lr |  | 2/2 | 0.7150 ± 0.0071 | 0.5000 ± 0.0000 |" in (fake / "results.md").read_text()
