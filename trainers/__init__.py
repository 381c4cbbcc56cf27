"""Goodfit's trainers: the registry, the trial's handle, and the built-in models.

Importing this package imports no torch; a built-in trainer imports it when it trains.
"""

from trainers.registry import Trainer, register, resolve
from trainers.trial import Trial

__all__ = ["Trainer", "Trial", "register", "resolve"]
