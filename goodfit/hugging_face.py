"""Trainers of Hugging Face: `arguments(trial)` and `fit(trial, trainer)` inside a function `train(trial)`."""

from goodfit.trainers.integrations.hugging_face import arguments, fit

__all__ = ["arguments", "fit"]
