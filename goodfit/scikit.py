"""Estimators of scikit-learn: `fit` and `grow` inside a function `train(trial)`; `load` for the best one."""

from goodfit.trainers.integrations.scikit import fit, grow, load

__all__ = ["fit", "grow", "load"]
