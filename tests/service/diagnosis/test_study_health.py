"""The health of a search: healthy studies are left alone, and each illness is found and named."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from goodfit.search_spaces.parse import from_list, to_list
from goodfit.search_spaces.space import Choice, Float, Int, Space
from goodfit.service.diagnosis.health import Edit, Facts, Finding, Severity
from goodfit.service.diagnosis.study import StudyDiagnosis, diagnose_study
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Trial, TrialState, Verdict
from goodfit.service.spec.overrides import override
from tests.service.diagnosis.made_studies import (
    ACCURACY,
    FACTS,
    LOSS,
    SPACE,
    Made,
    Units,
    healthy_loss,
    make_study,
    prune,
)

SEEDS = range(6)


def diagnosed(made: Made, **more: Any) -> StudyDiagnosis:
    return diagnose_study(*made.given, **more)


def found(made: Made, code: str, parameter: str | None = None) -> Finding | None:
    findings = diagnosed(made).findings
    return next((item for item in findings if item.code == code and parameter in (None, item.parameter)), None)


def often(made: list[Made], code: str, parameter: str | None = None) -> list[Finding]:
    return [item for one in made if (item := found(one, code, parameter)) is not None]


def better_beyond(units: Units) -> float:
    """Like a healthy one, but for a learning rate whose best lies above its range."""
    rate = units["learning_rate"]
    return healthy_loss(units) + 4 * ((rate - 1.2) ** 2 - (rate - 0.55) ** 2)


def no_decay(units: Units) -> float:
    return healthy_loss({**units, "weight_decay": 0.45})


def never(_: Units) -> bool:
    return False


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("count", [30, 100])
def test_a_healthy_study_is_left_alone(learns: bool, count: int) -> None:
    facts = replace(FACTS, controls=frozenset(range(5, count, 10)) if learns else frozenset(), baseline=2.3)
    studies = [make_study(seed, count, learns=learns, facts=facts) for seed in range(10)]
    told = [item for made in studies for item in diagnosed(made).findings if item.severity is not Severity.INFO]
    assert len(told) <= 1, [item.text for item in told]


def test_a_healthy_pruned_study_is_left_alone() -> None:
    studies = [prune(make_study(seed, 60, learns=False), seed) for seed in range(10)]
    assert any(trial.state is TrialState.PRUNED for trial in studies[0].trials)
    assert len([item for made in studies for item in diagnosed(made).findings if item.code != "no_effect"]) <= 1


def test_a_best_at_the_edge_is_found_and_the_range_widened() -> None:
    told = often([make_study(seed, 120, loss=better_beyond, breaks=never) for seed in SEEDS], "edge", "learning_rate")
    assert len(told) == len(SEEDS)
    edit = told[0].edit
    assert edit is not None
    assert edit.sets == ("space.learning_rate.high=1",)
    assert "upper end of learning_rate" in told[0].text


def test_a_range_that_ends_where_training_breaks_is_not_too_narrow() -> None:
    def breaks(units: Units) -> bool:
        return units["learning_rate"] > 0.85

    studies = [make_study(seed, 120, loss=better_beyond, breaks=breaks, learns=False) for seed in SEEDS]
    assert not often(studies, "edge", "learning_rate")


def test_a_range_is_not_widened_beyond_what_its_parameter_can_mean() -> None:
    def less_dropout(units: Units) -> float:
        return healthy_loss(units) + 3 * ((units["dropout"] + 0.2) ** 2 - (units["dropout"] - 0.4) ** 2)

    assert not often([make_study(seed, 120, loss=less_dropout) for seed in SEEDS], "edge", "dropout")

    def more_momentum(units: Units) -> float:
        moment = units.get("momentum", 0.0)
        return healthy_loss({**units, "optimizer": 0.0}) - 3 * (units["optimizer"] * moment)

    told = often([make_study(seed, 200, loss=more_momentum) for seed in SEEDS], "edge", "momentum")
    assert told
    assert all(item.numbers and 0.99 < item.numbers["proposed"] < 1 for item in told)


def test_a_parameter_without_effect_is_found_and_fixed_at_the_best_value() -> None:
    studies = [make_study(seed, 200, loss=no_decay, learns=False) for seed in SEEDS]
    told = often(studies, "no_effect", "weight_decay")
    assert len(told) >= 4
    assert told[0].edit is not None
    assert told[0].edit.sets[0].startswith("fixed.weight_decay=")
    assert told[0].numbers
    assert told[0].numbers["most"] <= 0.1


def test_a_few_trials_never_show_that_a_parameter_has_no_effect() -> None:
    assert not often([make_study(seed, 20, loss=no_decay, learns=False) for seed in SEEDS], "no_effect")


def test_a_parameter_that_matters_through_another_is_not_without_effect() -> None:
    def crossed(units: Units) -> float:
        return 1 + 4 * (units["weight_decay"] - 0.5) * (units["dropout"] - 0.5)

    studies = [make_study(seed, 120, loss=crossed, noise=0.05, learns=False) for seed in SEEDS]
    assert not [item for item in often(studies, "no_effect") if item.parameter in ("weight_decay", "dropout")]
    pair = diagnosed(studies[0]).interaction
    assert pair is not None
    assert set(pair.parameters) == {"weight_decay", "dropout"}


def test_importance_by_the_sampler_speaks_for_a_parameter() -> None:
    studies = [make_study(seed, 200, loss=no_decay, learns=False) for seed in SEEDS]
    made = next(made for made in studies if found(made, "no_effect", "weight_decay"))
    told = diagnosed(made, importances={"value": {"weight_decay": 0.4}})
    assert not [item for item in told.findings if item.parameter == "weight_decay"]


def test_the_part_of_the_space_where_training_diverges_is_named() -> None:
    def breaks(units: Units) -> bool:
        return units["learning_rate"] > 0.7  # 0.0126

    told = often([make_study(seed, 60, breaks=breaks, learns=False) for seed in SEEDS], "lost_trials")
    assert len(told) >= 5
    assert all(item.parameter == "learning_rate" and "learning_rate above 0.01" in item.text for item in told)
    high = told[0].edit.changes["space.learning_rate.high"] if told[0].edit else math.nan
    assert 0.005 < high < 0.03


def test_a_choice_that_breaks_training_is_taken_out() -> None:
    told = often(
        [make_study(seed, 60, breaks=lambda units: units["optimizer"] == 1.0) for seed in SEEDS], "lost_trials"
    )
    assert told
    assert told[0].edit is not None
    assert told[0].edit.sets == ("space.optimizer=[adamw]",)


def test_failures_all_over_the_space_are_counted_by_kind_with_their_message() -> None:
    made = make_study(0, 40, learns=False)
    kinds = {5: Failure.OOM, 6: Failure.ERROR}
    trials = [
        replace(trial, state=TrialState.FAILED, failure=kinds.get(trial.number % 7, Failure.ERROR), message="no file x")
        if trial.number % 3 == 0
        else trial
        for trial in made.trials
    ]
    told = found(replace(made, trials=trials), "lost_trials")
    assert told is not None
    assert "raised an error" in told.text
    assert "ran out of memory" in told.text
    if "Where" not in told.text:
        assert told.text.endswith("no file x")


def test_overfit_best_trials_are_found() -> None:
    def overfit(made: Made, verdict: Verdict) -> Made:
        return replace(made, trials=[replace(trial, verdict=verdict) for trial in made.trials])

    told = found(overfit(make_study(0, 40), Verdict.OVERFIT), "overfit")
    assert told is not None
    assert told.severity is Severity.WARNING
    assert "of the best 5" in told.text
    assert "the winner" not in told.text  # which may have been confirmed, and be another
    assert found(overfit(make_study(0, 40), Verdict.GOOD_FIT), "overfit") is None


def test_best_trials_that_were_still_improving_ask_for_more_epochs() -> None:
    made = make_study(0, 40)
    trials = [replace(trial, verdict=Verdict.UNFINISHED) for trial in made.trials]
    told = found(replace(made, trials=trials), "cut_short")
    assert told is not None
    assert told.edit is not None
    assert told.edit.sets == ("training.epochs=24",)


def test_noise_that_drowns_the_effect_is_found_and_ties_are_counted() -> None:
    facts = replace(FACTS, noise=3.0)
    told = often([make_study(seed, 40, noise=3.0, facts=facts) for seed in SEEDS], "noise")
    assert len(told) == len(SEEDS)
    assert all(item.numbers and item.numbers["tied"] >= 10 for item in told)
    quiet = diagnosed(make_study(0, 40, noise=0.02)).noise
    assert quiet is not None
    assert quiet.source == "late epochs"
    assert quiet.reliability > 0.9


def test_early_scores_that_mislead_are_found_by_trials_that_are_never_pruned() -> None:
    spare = range(0, 120, 4)
    facts = replace(FACTS, unpruned=frozenset(spare))
    studies = [prune(make_study(seed, 120, crossing=0.5, facts=facts), seed, spare=spare) for seed in SEEDS]
    told = often(studies, "early_scores_mislead")
    assert len(told) >= 5
    assert all(item.numbers and item.numbers["biased"] is False for item in told)
    early = diagnosed(studies[0]).early
    assert early is not None
    assert early.epochs[-1].tau > 0.7 > 0.4 > early.at(3).tau


def test_ranks_among_survivors_of_pruning_are_called_biased() -> None:
    early = diagnosed(prune(make_study(0, 80), 0)).early
    assert early is not None
    assert early.biased
    assert early.pruned_from == 3


def test_pruning_is_proposed_where_early_ranks_last() -> None:
    told = found(make_study(0, 60), "could_prune")
    assert told is not None
    assert told.edit is not None
    assert told.edit.sets[0].startswith("pruning={method: median, n_warmup_steps: ")


def test_a_search_that_still_improves_is_found() -> None:
    made = make_study(0, 40, learns=False, breaks=never)
    order = sorted(made.trials, key=lambda trial: -(trial.value or 0) + 0.3 * math.sin(37 * trial.number))
    trials = [replace(trial, number=number) for number, trial in enumerate(order)]
    facts = replace(made.facts, tried_defaults=False, budget=40)
    told = found(replace(made, trials=trials, reports=[], facts=facts), "still_improving")
    assert told is not None
    assert told.edit is not None
    assert told.edit.sets == ("budget.trials=80",)


def test_a_search_that_was_over_long_before_its_end_is_found() -> None:
    def two_levels(units: Units) -> float:
        return 0.3 if units["learning_rate"] < 0.6 else 1.0

    facts = replace(FACTS, noise=0.5)
    studies = [make_study(seed, 120, loss=two_levels, noise=0.5, facts=facts) for seed in SEEDS]
    assert len(often(studies, "saturated")) >= 4


def test_a_search_no_better_than_random_is_found() -> None:
    facts = replace(FACTS, controls=frozenset(range(3, 200, 5)))
    assert (
        len(often([make_study(seed, 200, learns=False, facts=facts) for seed in SEEDS], "no_better_than_random")) >= 5
    )
    assert not often([make_study(seed, 200, learns=True, facts=facts) for seed in SEEDS], "no_better_than_random")


def test_labels_that_mean_nothing_are_no_better_than_chance() -> None:
    facts = replace(FACTS, objective=ACCURACY, baseline=0.1, rows=360)
    values = [0.1 + 0.016 * math.sin(91.7 * number) + 0.02 for number in range(40)]
    trials = [Trial(number, {}, 0, TrialState.COMPLETE, value=value) for number, value in enumerate(values)]
    told = diagnose_study(trials, [], Space(()), facts).findings[0]
    assert (told.code, told.severity) == ("no_better_than_chance", Severity.SERIOUS)
    learned = [replace(trial, value=0.1 + 0.02 * trial.number) for trial in trials]
    codes = [item.code for item in diagnose_study(learned, [], Space(()), facts).findings]
    assert "no_better_than_chance" not in codes


def test_luck_ends_at_an_accuracy_of_one_and_a_perfect_model_needs_none() -> None:
    facts = replace(FACTS, objective=ACCURACY, baseline=0.9, rows=80)
    values = [0.9 + number / 80 for number in (0, 1, 0, 2, 1, 0, 3, 1)]
    trials = [Trial(number, {}, 0, TrialState.COMPLETE, value=value) for number, value in enumerate(values)]
    curves = [Report(number, epoch, {"val/accuracy": 0.9}, 0.0) for number in range(8) for epoch in range(1, 21)]
    told = diagnose_study(trials, curves, Space(()), facts).findings[0]
    assert told.code == "no_better_than_chance"
    assert told.numbers is not None
    assert told.numbers["baseline"] + told.numbers["luck"] <= 1
    perfect = [*trials[:-1], replace(trials[-1], value=1.0)]
    codes = [item.code for item in diagnose_study(perfect, curves, Space(()), facts).findings]
    assert "no_better_than_chance" not in codes


def test_tuning_that_won_nothing_over_the_defaults_is_found() -> None:
    facts = replace(FACTS, noise=0.02)
    studies = [make_study(seed, 40, loss=lambda units: 2.3, noise=0.02, facts=facts) for seed in SEEDS]
    assert len(often(studies, "no_better_than_defaults")) >= 5
    assert not often([make_study(seed, 40) for seed in SEEDS], "no_better_than_defaults")


def test_edits_are_what_the_command_line_takes() -> None:
    edit = Edit({"space.optimizer": ["adamw", "yes"], "pruning": {"method": "none"}, "fixed.bias": True, "a.b": 3e-4})
    problems: list[Any] = []
    values, _ = override({}, edit.sets, problems)
    assert not problems
    assert values == {
        "space": {"optimizer": ["adamw", "yes"]},
        "pruning": {"method": "none"},
        "fixed": {"bias": True},
        "a": {"b": 3e-4},
    }
    assert edit.yaml.splitlines()[1] == "pruning: {method: none}"
    reaching = Edit({"space.augment.rotate.high": 30, "fixed.prepare.scale": "none"})
    assert reaching.yaml == "space: {augment.rotate: {high: 30}}\nfixed: {prepare.scale: none}"
    assert override({}, reaching.sets, problems)[0]["space"] == {"augment.rotate": {"high": 30}}


def test_trials_that_confirm_others_are_no_part_of_the_search() -> None:
    made = make_study(0, 40)
    again = [replace(trial, number=40 + trial.number, confirms=trial.number, value=-9.0) for trial in made.trials[1:4]]
    assert diagnosed(replace(made, trials=[*made.trials, *again])).to_dict() == diagnosed(made).to_dict()


@pytest.mark.parametrize(
    ("item", "name", "ends"),
    [
        (Float("x", 1e-4, 1e-1, log=True), "high", 1.0),
        (Float("x", 0.0, 0.5), "high", 0.75),
        (Float("x", 0.2, 0.8, step=0.2), "low", None),
        (Int("x", 2, 5), "high", 6),
        (Int("x", 1, 5), "low", None),
        (Int("x", 16, 64, log=True), "low", 6),
        (Int("x", 8, 32, step=8), "high", 40),
        (Float("x", 0.0, 1.0), "high", None),
        (Float("x", -1.0, 1.0), "low", -2.0),
    ],
)
def test_widened_ranges_are_ranges(item: Any, name: str, ends: float | None) -> None:
    from goodfit.service.diagnosis.health.range_ends import _beyond

    end = _beyond(item, name == "high")
    if ends is not None:
        assert end == pytest.approx(ends)
    if end is not None:
        written = to_list(Space((item,)))[0] | {name: end}
        assert from_list([written])["x"] != item
        assert (end > item.high) if name == "high" else (end < item.low)


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [Trial(0, {"learning_rate": 0.01}, 0, TrialState.COMPLETE, value=0.3, verdict=Verdict.GOOD_FIT)],
        [Trial(n, {"learning_rate": 0.01}, 0, TrialState.FAILED, Failure.NAN) for n in range(20)],
        [Trial(n, {"learning_rate": 0.001 * (n + 1)}, 0, TrialState.COMPLETE, value=0.5) for n in range(30)],
        [Trial(n, {"learning_rate": 0.001 * (n + 1)}, 0, TrialState.COMPLETE, value=math.nan) for n in range(30)],
        [Trial(n, {"learning_rate": 0.001 * (n + 1)}, 0, TrialState.COMPLETE, value=None) for n in range(30)],
        [Trial(n, {"learning_rate": 7.0, "other": n}, 0, TrialState.COMPLETE, value=0.1 * n) for n in range(30)],
        [Trial(n, {}, 0, TrialState.RUNNING) for n in range(3)] + [Trial(3, {}, 0, TrialState.CANCELLED, value=0.2)],
    ],
    ids=["none", "one", "all failed", "constant", "all NaN", "no values", "outside the space", "running"],
)
def test_poor_studies_have_a_diagnosis(trials: list[Trial]) -> None:
    import json

    told = diagnose_study(trials, [], SPACE, Facts(objective=LOSS, epochs=5, baseline=1.0))
    json.dumps(told.to_dict(), allow_nan=False)
    assert told.best is None or told.complete
    assert not [item for item in told.findings if item.code in ("edge", "no_effect")]


def test_all_failed_is_serious() -> None:
    trials = [Trial(n, {"learning_rate": 0.01}, 0, TrialState.FAILED, Failure.NAN) for n in range(20)]
    (told,) = diagnose_study(trials, [], SPACE, FACTS).findings
    assert (told.code, told.severity) == ("lost_trials", Severity.SERIOUS)


def test_a_metric_that_goes_up_gives_the_same_findings() -> None:
    down = make_study(2, 120, loss=better_beyond, breaks=never)
    trials = [replace(trial, value=-trial.value if trial.value is not None else None) for trial in down.trials]
    reports = [replace(report, metrics={"val/loss": -report.metrics["val/loss"]}) for report in down.reports]
    up = replace(
        down, trials=trials, reports=reports, facts=replace(down.facts, objective=Objective("val/loss", "maximize"))
    )
    assert [item.code for item in diagnosed(up).findings] == [item.code for item in diagnosed(down).findings]


def test_folds_have_no_early_and_late() -> None:
    made = make_study(0, 60)
    told = diagnosed(replace(made, facts=replace(made.facts, folds=True)))
    assert told.early is None
    assert told.noise is None


def test_directions_of_score_and_gap_are_told() -> None:
    told = {(item.target, item.parameter): item for item in diagnosed(make_study(0, 120, learns=False)).directions}
    assert told["gap", "dropout"].shape == "higher"
    assert told["gap", "dropout"].text == "higher dropout: smaller gap"
    assert told["gap", "depth"].shape == "unclear"
    assert told["score", "learning_rate"].shape == "middle"
    beyond = {
        item.parameter: item for item in diagnosed(make_study(0, 120, loss=better_beyond, breaks=never)).directions
    }
    assert beyond["learning_rate"].target == "gap" or beyond["learning_rate"].shape in ("higher", "middle")


def test_the_best_choice_is_told() -> None:
    def by_optimizer(units: Units) -> float:
        return 1.0 + units["optimizer"]

    made = make_study(0, 60, loss=by_optimizer, learns=False)
    told = next(item for item in diagnosed(made).directions if item.parameter == "optimizer" and item.target == "score")
    assert (told.shape, told.best) == ("choice", "adamw")
    assert isinstance(made.space["optimizer"], Choice)
