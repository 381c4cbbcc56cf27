"""Keras 3 models on torch as trainers: `fit(trial, model, x, y)` inside a function `train(trial)`; `load` for the best.

Import it before keras: it chooses torch as the backend, unless KERAS_BACKEND says otherwise.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from goodfit.trainers.integrations.keras import fit, load

__all__ = ["fit", "load"]
