"""Optuna's NSGA-II without a memory: a trial's generation follows from its number, its parents from the trials.

Optuna keeps both in its storage, as they were when they were first needed. A study that is resumed has no such storage:
so trial n is of generation n // population, and the parents of a generation are the elite of the complete trials
before it, found anew for each proposal.
"""

from __future__ import annotations

import optuna
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial, TrialState

POPULATION = 50  # Optuna's own default


class Nsga(NSGAIISampler):
    """NSGA-II (Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II").

    Args:
        seed: of this proposal.
        population: trials of a generation.
    """

    def __init__(self, *, seed: int, population: int = POPULATION) -> None:
        super().__init__(seed=seed, population_size=population)
        self._population = population

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:  # noqa: ARG002 - as Optuna's own
        """By the trial's number."""
        return trial.number // self._population

    def get_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """The complete trials of a generation."""
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [trial for trial in complete if trial.number // self._population == generation]

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """The elite of the generations before this one."""
        return self.select_parent(study, generation) if generation else []
