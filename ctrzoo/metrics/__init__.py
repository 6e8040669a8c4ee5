"""Exact metrics over a whole split, weighted: of clicks, of numbers, of the order within groups; how sure they are."""

from ctrzoo.metrics.binary import auc, log_loss, normalized_entropy, pr_auc
from ctrzoo.metrics.calibration import CalibrationCurve, calibration, calibration_curve, expected_calibration_error
from ctrzoo.metrics.delong import AucCovariance, delong
from ctrzoo.metrics.ranking import GroupedMetrics, grouped_auc, grouped_metrics
from ctrzoo.metrics.registry import (
    METRICS,
    Metric,
    Scored,
    cell_of,
    evaluate_scores,
    main_metrics,
    metric_of,
    metrics_of_row,
)
from ctrzoo.metrics.regression import mae, mse, rmse
from ctrzoo.metrics.resampling import bootstrap
from ctrzoo.metrics.significance import bootstrap_p_value, holm, percentile_interval

__all__ = [
    "METRICS",
    "AucCovariance",
    "CalibrationCurve",
    "GroupedMetrics",
    "Metric",
    "Scored",
    "auc",
    "bootstrap",
    "bootstrap_p_value",
    "calibration",
    "calibration_curve",
    "cell_of",
    "delong",
    "evaluate_scores",
    "expected_calibration_error",
    "grouped_auc",
    "grouped_metrics",
    "holm",
    "log_loss",
    "mae",
    "main_metrics",
    "metric_of",
    "metrics_of_row",
    "mse",
    "normalized_entropy",
    "percentile_interval",
    "pr_auc",
    "rmse",
]
