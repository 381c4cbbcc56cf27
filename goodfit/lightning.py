"""LightningModules as trainers: `fit(trial, module, data)` inside a function `train(trial)`."""

from goodfit.trainers.integrations.lightning import fit

__all__ = ["fit"]
