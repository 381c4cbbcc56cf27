"""The names of the metrics of groups, without numpy: a study file is read by them."""

from __future__ import annotations

SUMMARY = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalized_odds_difference",
    "worst_group_accuracy",
    "calibration_gap",
)
BY_GROUP = ("count", "base_rate", "selection_rate", "accuracy", "tpr", "fpr", "calibration_error")
MORE_IS_BETTER = ("demographic_parity_ratio", "worst_group_accuracy")  # of SUMMARY; less of the others
