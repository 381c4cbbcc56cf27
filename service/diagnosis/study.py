"""The diagnosis of a whole study: the winner and how sure it is, what drives score and gap, and its problems.

Pure: records in, one frozen record out. The checks are in health/, the winner's choice in choice.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from goodfit.search_spaces.space import Space
from goodfit.service.diagnosis.choice import Candidate, Choice, choose
from goodfit.service.diagnosis.health.controls import (
    no_better_than_chance,
    no_better_than_defaults,
    no_better_than_random,
)
from goodfit.service.diagnosis.health.early import EarlyScores, compare_early_scores, pruning_trust
from goodfit.service.diagnosis.health.effects import without_effect
from goodfit.service.diagnosis.health.finding import Finding, Severity
from goodfit.service.diagnosis.health.fit import cut_short, overfit_trials
from goodfit.service.diagnosis.health.noise import Noise, measure_noise, noise_hides_effect
from goodfit.service.diagnosis.health.progress import search_progress
from goodfit.service.diagnosis.health.range_ends import at_the_edge
from goodfit.service.diagnosis.health.table import Facts, Table
from goodfit.service.diagnosis.health.wasted_budget import lost_trials
from goodfit.service.diagnosis.importance import Direction, Interaction, directions, strongest_interaction
from goodfit.service.diagnosis.optimism import (
    Optimism,
    confirmed_against_defaults,
    few_complete,
    measure_optimism,
    too_good,
)
from goodfit.service.objective import Objective
from goodfit.service.records import Report, Trial, TrialState, ranked

_ORDER = (Severity.SERIOUS, Severity.WARNING, Severity.INFO)


@dataclass(frozen=True, slots=True)
class StudyDiagnosis:
    """What is known of a study.

    Attributes:
        trials: ended ones; complete: those of them that were trained to their end, with a score, and keep the
            constraints.
        verdicts: how many trials have each.
        best: the best complete trial by validation alone; None where there is none.
        equal: how many other complete trials have the same score as the best.
        winner: the choice among the confirmed; None where nothing was confirmed.
        optimism: how much too good the best score is.
        noise: how far scores can be trusted.
        early: how early a trial's final rank is known.
        importances: by target ("value", "gap"), then by parameter.
        directions: which way each parameter drives score and gap.
        interaction: the two parameters that act together most; None where none do beyond chance.
        findings: which problems there are, the most severe first.
    """

    objective: Objective
    trials: int
    complete: int
    verdicts: Mapping[str, int]
    best: int | None
    equal: int
    winner: Choice | None
    optimism: Optimism | None
    noise: Noise | None
    early: EarlyScores | None
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    directions: tuple[Direction, ...] = ()
    interaction: Interaction | None = None
    findings: tuple[Finding, ...] = ()

    def with_findings(self, more: Iterable[Finding]) -> StudyDiagnosis:
        """The same with findings that take more than its own trials, the most severe first."""
        return replace(self, findings=_in_order([*more, *self.findings]))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        numbers = {name: getattr(self, name) for name in ("trials", "complete", "best", "equal")}
        parts = {name: getattr(self, name) for name in ("winner", "optimism", "noise", "early", "interaction")}
        return {
            **self.objective.to_dict(),
            **numbers,
            "verdicts": dict(self.verdicts),
            **{name: part.to_dict() if part is not None else None for name, part in parts.items()},
            "importances": {target: dict(values) for target, values in self.importances.items()},
            "directions": [direction.to_dict() for direction in self.directions],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def diagnose_study(
    trials: Sequence[Trial],
    reports: Iterable[Report],
    space: Space,
    facts: Facts,
    *,
    importances: Mapping[str, Mapping[str, float]] | None = None,
    confirmed: Sequence[Candidate] = (),
    tests: Mapping[int, float] | None = None,
) -> StudyDiagnosis:
    """Diagnose a study from its records; trials that have not ended, were cancelled, or confirm others are left out.

    Args:
        trials: all of the study.
        reports: their curves; only the objective is read.
        space: that was searched.
        facts: what else is known.
        importances: of the parameters, by target "value" and "gap" (ped_anova.py).
        confirmed: the configurations that were retrained on fresh seeds.
        tests: test scores of further trials, for overtuning.
    """
    table = Table.of(trials, reports, space, facts)
    noise, early = measure_noise(table), compare_early_scores(table)
    winner = choose(confirmed, facts.objective, facts.noise) if confirmed else None
    complete = np.flatnonzero(table.complete & table.feasible)
    scores = [(table.trials[index].number, table.sign * float(table.loss[index])) for index in complete]
    optimism = measure_optimism(scores, facts.objective, noise, confirmed, tests)
    values = [score for _, score in scores]
    findings = [
        *_health(table, noise, early, importances or {}),
        *too_good(optimism, values, facts),
        *_defaults(table, noise, winner),
        *few_complete(winner, len(table.trials), len(complete), _pruned(table), facts),
    ]
    return StudyDiagnosis(
        objective=facts.objective,
        trials=len(table.trials),
        complete=len(complete),
        verdicts=Counter(str(trial.verdict) for trial in table.trials if trial.verdict is not None),
        best=_best(trials, facts.objective, optimism),
        equal=values.count(optimism.validation) - 1 if optimism else 0,
        winner=winner,
        optimism=optimism,
        noise=noise,
        early=early,
        importances=importances or {},
        directions=directions(table),
        interaction=strongest_interaction(table),
        findings=_in_order(findings),
    )


def _best(trials: Sequence[Trial], objective: Objective, optimism: Optimism | None) -> int | None:
    """The best trial: by its score, or of several objectives the first of the front."""
    if objective.others:
        return next((trial.number for trial in ranked(trials, objective)), None)
    return optimism.trial if optimism else None


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def _health(
    table: Table, noise: Noise | None, early: EarlyScores | None, importances: Mapping[str, Mapping[str, float]]
) -> Iterator[Finding]:
    yield from no_better_than_chance(table)
    yield from lost_trials(table)
    yield from noise_hides_effect(noise, table.facts)
    yield from no_better_than_random(table)
    yield from overfit_trials(table)
    yield from cut_short(table)
    yield from pruning_trust(early, table)
    yield from at_the_edge(table)
    yield from search_progress(table, noise)
    yield from without_effect(table, dict(importances.get("value", {})))


def _pruned(table: Table) -> int:
    return sum(trial.state is TrialState.PRUNED for trial in table.trials)


def _defaults(table: Table, noise: Noise | None, winner: Choice | None) -> Iterator[Finding]:
    """By fresh seeds where the defaults were confirmed, too; else by the noise."""
    confirmed = {standing.trial for standing in winner.standings} if winner else set()
    facts = table.facts
    if facts.tried_defaults and facts.default_trial in confirmed:
        yield from confirmed_against_defaults(winner, facts.objective, facts.default_trial, int(np.sum(table.complete)))
    else:
        yield from no_better_than_defaults(table, noise)
