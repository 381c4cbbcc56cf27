"""The trial's loop turned inside out, for frameworks that own their loop over epochs.

A trainer of our own says `for epoch in trial.epochs()`. Lightning and Hugging Face run their loops
themselves and call back; their adapters take the epochs one by one from here. No framework here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.trainers.trial import Trial


class Epochs:
    """The epochs of a trial, begun and ended by callbacks.

    Example:
        epochs = Epochs(trial)
        if epochs.begin():  # False: a resumed trial that was over already
            framework.fit(...)  # its callback says, after each epoch: if not epochs.end(train, val): stop
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._epochs = trial.epochs()

    def begin(self) -> bool:
        """Begin the next epoch: seed its generators. False: there is none, and the framework must stop."""
        return next(self._epochs, None) is not None

    def end(self, train: Mapping[str, Any] | None, val: Mapping[str, Any] | None) -> bool:
        """Report the epoch, and begin the next; False as for `begin`.

        The last state is saved here, before the framework takes down what it consists of.
        """
        self._trial.report(train=train, val=val)
        if self.begin():
            return True
        self._trial.save()
        return False
