"""Drives samplers as a study does, and keeps the records that a store would have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Space
from goodfit.service.objective import Objective
from goodfit.service.ports import Sampler
from goodfit.service.records import Failure, Report, Trial, TrialState
from goodfit.service.sampler import OptunaSampler

METRIC = "val/loss"
EPOCHS = 9

FLAT = Space((Float("learning_rate", 1e-4, 1e-1, log=True), Int("depth", 1, 4), Choice("activation", ("relu", "gelu"))))
CONDITIONAL = Space(
    (
        Fixed("batch_size", 64),
        Choice("optimizer", ("sgd", "adam")),
        Float("momentum", 0.5, 0.9, step=0.1, when={"optimizer": "sgd"}),
        Choice("nesterov", (True, False), when={"optimizer": "sgd"}),
        Int("warmup", 1, 100, log=True, when={"nesterov": True}),
        Float("dropout", 0.0, 0.5),
        Fixed("clip", 1.0, when={"optimizer": "adam"}),
    )
)
FINITE = Space((Int("depth", 1, 3), Choice("bias", (True, 1, "1")), Float("dropout", 0.0, 0.2, step=0.1)))


@dataclass(frozen=True)
class Pruning:
    """The part of a study file that the sampler reads."""

    method: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)


def a_sampler(
    space: Space = FLAT,
    method: str = "random",
    pruning: str = "none",
    options: Mapping[str, Any] | None = None,
    *,
    direction: str = "minimize",
    **more: Any,
) -> OptunaSampler:
    """Goodfit's own sampler of a small study."""
    given: dict[str, Any] = {
        "name": "digits",
        "seed": 7,
        "try_defaults": False,
        "defaults": {},
        "objective": Objective(METRIC, direction),
        "epochs": EPOCHS,
        "repeats": True,  # of long plays in a small space
    }
    return OptunaSampler(space=space, method=method, pruning=Pruning(pruning, options or {}), **{**given, **more})


class Recorder:
    """Makes the same calls of one or more samplers, and keeps the trials and curves."""

    def __init__(self, *samplers: Sampler, direction: str = "minimize") -> None:
        self.samplers = list(samplers)
        self.direction = direction
        self.trials: dict[int, Trial] = {}
        self.reports: list[Report] = []

    @property
    def unfinished(self) -> list[int]:
        return [n for n, trial in self.trials.items() if trial.state in (TrialState.QUEUED, TrialState.RUNNING)]

    def ask(self) -> dict[str, Any] | None:
        """Ask for the next trial; all samplers must answer alike."""
        number = len(self.trials)
        answers = [sampler.ask(number) for sampler in self.samplers]
        assert all(answer == answers[0] for answer in answers), f"trial {number} is proposed in two ways: {answers}"
        if answers[0] is not None:
            self.trials[number] = Trial(number, answers[0], seed=number, state=TrialState.RUNNING)
        return answers[0]

    def report(self, number: int, value: float) -> bool:
        """Report the trial's next epoch; all samplers must judge alike, however often they are asked."""
        trial = self.trials[number]
        epoch = trial.epochs + 1
        metrics = {"train/loss": 0.0, METRIC: value}
        for sampler in self.samplers:
            sampler.report(number, epoch, value, metrics)
        judgements = [sampler.should_prune(number) for sampler in self.samplers for _ in range(2)]
        assert all(judgement == judgements[0] for judgement in judgements), f"trial {number} is judged in two ways"
        improved = trial.value is None or Objective(METRIC, self.direction).better(value, trial.value)
        best: dict[str, Any] = {"value": value, "best_epoch": epoch} if improved and value == value else {}
        self.trials[number] = replace(trial, epochs=epoch, last_value=value, **best)
        self.reports.append(Report(number, epoch, metrics, at=float(epoch)))
        return judgements[0]

    def end(self, number: int, state: TrialState, failure: Failure | None = None) -> None:
        self.trials[number] = self.trials[number].to(state, failure=failure)
        for sampler in self.samplers:
            sampler.tell(self.trials[number])

    def stored(self) -> list[Trial]:
        """The trials as they come back from a store: their parameters through JSON."""
        return [replace(trial, params=json.loads(json.dumps(trial.params))) for trial in self.trials.values()]

    def play(self, moves: Sequence[tuple[int, float]], slots: int = 4) -> None:
        """Make moves as a runner could: each is a choice of what to do, and a value to report."""
        for choice, value in moves:
            if not self.unfinished or (choice % 3 == 0 and len(self.unfinished) < slots):
                self.ask()
            else:
                self._work(self.unfinished[choice % len(self.unfinished)], choice, value)

    def _work(self, number: int, choice: int, value: float) -> None:
        if choice % 23 == 0:
            self.end(number, (TrialState.CANCELLED, TrialState.FAILED)[choice % 2])
            return
        prune = self.report(number, value)
        if value != value:
            self.end(number, TrialState.FAILED, Failure.NAN)
        elif self.trials[number].epochs == EPOCHS:
            self.end(number, TrialState.COMPLETE)  # whatever the pruner says of the last epoch
        elif prune:
            self.trials[number] = replace(self.trials[number], prune_at=self.trials[number].epochs)
            self.end(number, TrialState.PRUNED)
