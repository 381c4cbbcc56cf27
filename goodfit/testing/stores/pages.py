"""What every store must do for lists: pages, filters, the best, counts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from goodfit.service.objective import Objective
from goodfit.service.ports import Store, Tally
from goodfit.service.records import Batch, Failure, Lease, Study, StudyState, Trial, TrialState, Verdict, ranked
from goodfit.testing.stores.opening import Opened

COMPLETE, RUNNING, QUEUED, FAILED = TrialState.COMPLETE, TrialState.RUNNING, TrialState.QUEUED, TrialState.FAILED


def a_study(store: Store, name: str, created: float = 1.0, **more: Any) -> Study:
    return store.add_study(Study(name, {}, "f", created, **more))


def filled(store: Store, *trials: Trial, name: str = "digits") -> Lease:
    lease = store.acquire(a_study(store, name).id, "a", 0.0, 30.0, lambda _: False)
    store.apply(lease, Batch(trials={trial.number: trial for trial in trials}))
    return lease


def trial(number: int, state: TrialState = COMPLETE, **more: Any) -> Trial:
    return Trial(number, {}, 1, state, **more)


def page(store: Store, **how: Any) -> list[str]:
    return [study.name for study in store.page_of_studies(**how)]


def numbers(trials: list[Trial]) -> list[int]:
    return [one.number for one in trials]


class PagesContract(Opened):
    """Pages, filters, the best trials, counts."""

    def test_studies_come_in_pages_newest_first(self, store: Store) -> None:
        for number in range(5):
            a_study(store, f"s{number}", created=float(number // 2))  # some came at the same moment
        assert page(store) == ["s4", "s3", "s2", "s1", "s0"]
        assert page(store, limit=2) == ["s4", "s3"]
        assert page(store, limit=2, offset=2) == ["s2", "s1"]
        assert page(store, limit=2, offset=4) == ["s0"]
        assert page(store, offset=9) == []
        assert page(store, limit=0) == []

    def test_studies_are_chosen_by_state_and_submitter(self, store: Store) -> None:
        for name, state, who in (
            ("one", StudyState.DONE, "ana"),
            ("two", StudyState.RUNNING, "ana"),
            ("three", StudyState.DONE, "bo"),
            ("four", StudyState.QUEUED, None),
        ):
            a_study(store, name, state=state, submitter=who)
        assert page(store, states=[StudyState.DONE]) == ["three", "one"]
        assert page(store, states=[StudyState.DONE, StudyState.QUEUED]) == ["four", "three", "one"]
        assert page(store, submitter="ana") == ["two", "one"]
        assert page(store, states=[StudyState.DONE], submitter="ana") == ["one"]
        assert page(store, submitter="'; DROP TABLE studies; --") == []

    def test_one_trial_is_found_by_its_number(self, store: Store) -> None:
        kept = trial(3, value=0.5, verdict=Verdict.GOOD_FIT)
        lease = filled(store, kept, trial(4, confirms=3))
        assert store.trial(lease.study_id, 3) == kept
        assert store.trial(lease.study_id, 4) == trial(4, confirms=3)
        assert store.trial(lease.study_id, 5) is None
        assert store.trial(lease.study_id + 1, 3) is None

    def test_trials_come_in_pages_by_number_after_a_mark(self, store: Store) -> None:
        lease = filled(store, *(trial(number) for number in (7, 0, 2, 5)))
        assert numbers(store.page_of_trials(lease.study_id)) == [0, 2, 5, 7]
        assert numbers(store.page_of_trials(lease.study_id, limit=2)) == [0, 2]
        assert numbers(store.page_of_trials(lease.study_id, after=2, limit=2)) == [5, 7]
        assert store.page_of_trials(lease.study_id, after=7) == []

    def test_trials_are_chosen_by_label_and_verdict_and_confirmations_are_left_out(self, store: Store) -> None:
        lease = filled(
            store,
            trial(0, verdict=Verdict.GOOD_FIT),
            trial(1, FAILED, failure=Failure.NAN),
            trial(2, FAILED, failure=Failure.OOM),
            trial(3, verdict=Verdict.OVERFIT),
            trial(4, verdict=Verdict.GOOD_FIT, confirms=0),
        )

        def chosen(**how: Any) -> list[int]:
            return numbers(store.page_of_trials(lease.study_id, **how))

        assert chosen() == [0, 1, 2, 3]
        assert chosen(labels=["FAILED(nan)"]) == [1]
        assert chosen(labels=["FAILED(nan)", "COMPLETE"]) == [0, 1, 3]
        assert chosen(labels=["FAILED"]) == []
        assert chosen(verdict=Verdict.GOOD_FIT) == [0]
        assert chosen(labels=["COMPLETE"], verdict=Verdict.OVERFIT, after=3) == []

    @pytest.mark.parametrize("direction", ["minimize", "maximize"])
    def test_the_best_come_first_and_among_equals_the_earlier(self, store: Store, direction: str) -> None:
        trials = [
            *(trial(number, value=value) for number, value in enumerate([0.5, 0.1, 0.9, 0.1, 0.9])),
            trial(5),  # without a value
            trial(6, TrialState.PRUNED, value=0.0),
            trial(7, value=99.0, confirms=2),
            trial(8, value=-99.0, confirms=2),
        ]
        lease = filled(store, *trials)
        objective = Objective("val/loss", direction)
        expected = numbers(ranked(trials, objective))
        assert expected == ([1, 3, 0, 2, 4] if direction == "minimize" else [2, 4, 0, 1, 3])
        for k in (0, 1, 3, 99):
            assert numbers(store.top(lease.study_id, objective, k)) == expected[:k]

    @pytest.mark.parametrize("direction", ["minimize", "maximize"])
    def test_infinities_have_their_places_among_the_best(self, store: Store, direction: str) -> None:
        trials = [trial(number, value=value) for number, value in enumerate([math.inf, 1.0, -math.inf])]
        lease = filled(store, *trials)
        objective = Objective("val/loss", direction)
        assert numbers(store.top(lease.study_id, objective, 9)) == numbers(ranked(trials, objective))

    def test_what_breaks_a_constraint_is_not_among_the_best(self, store: Store) -> None:
        violations = [0.5, 0.0, math.inf, None]
        trials = [
            trial(number, value=number / 10, measured={"size": math.nan}, violation=violation)
            for number, violation in enumerate(violations)
        ]
        lease = filled(store, *trials)
        found = store.top(lease.study_id, Objective("val/loss", "minimize"), 9)
        assert numbers(found) == numbers(ranked(trials, Objective("val/loss", "minimize"))) == [1, 3]
        kept = store.trials(lease.study_id)
        assert [one.violation for one in kept] == violations
        assert all(math.isnan((one.measured or {})["size"]) for one in kept)

    def test_of_several_objectives_the_front_comes_first(self, store: Store) -> None:
        objective = Objective("val/loss", "minimize", (Objective("val/accuracy", "maximize"),))
        values = [(0.5, 0.9), (0.4, 0.3), (0.3, 0.5), (0.6, 0.9)]
        trials = [
            trial(number, value=loss, measured={"val/accuracy": score}) for number, (loss, score) in enumerate(values)
        ]
        lease = filled(store, *trials)
        for k, expected in ((1, [2]), (2, [2, 0]), (9, [2, 0, 1, 3])):
            assert numbers(store.top(lease.study_id, objective, k)) == expected

    def test_confirmations_come_with_what_they_confirm(self, store: Store) -> None:
        lease = filled(store, *(trial(number) for number in range(4)), trial(4, confirms=2), trial(5, confirms=2))
        assert numbers(store.confirming(lease.study_id)) == [2, 4, 5]
        other = filled(store, trial(0), name="other")
        assert store.confirming(other.study_id) == []

    def test_trials_are_counted_by_label_and_by_verdict(self, store: Store) -> None:
        lease = filled(
            store,
            trial(0, verdict=Verdict.GOOD_FIT),
            trial(1, verdict=Verdict.OVERFIT),
            trial(2, FAILED, failure=Failure.NAN, verdict=Verdict.DIVERGED),
            trial(3, RUNNING),
            trial(4, verdict=Verdict.GOOD_FIT),
            trial(5, QUEUED, confirms=0),
        )
        states = {"COMPLETE": 3, "FAILED(nan)": 1, "RUNNING": 1}
        assert store.tally(lease.study_id) == Tally(states, {"good_fit": 2, "overfit": 1, "diverged": 1})
        assert store.tally(lease.study_id + 1) == Tally()
        assert store.counts() == {lease.study_id: states}

    def test_counts_follow_what_becomes_of_a_trial(self, store: Store) -> None:
        lease = filled(store, trial(0, RUNNING))
        store.apply(lease, Batch(trials={0: trial(0, FAILED, failure=Failure.OOM)}))
        assert store.counts() == {lease.study_id: {"FAILED(oom)": 1}}

    def test_counts_can_be_asked_for_some_studies_alone(self, store: Store) -> None:
        one, two, three = (filled(store, trial(0), name=name) for name in ("one", "two", "three"))
        assert store.counts([one.study_id, three.study_id]) == {
            one.study_id: {"COMPLETE": 1},
            three.study_id: {"COMPLETE": 1},
        }
        assert store.counts([]) == {}
        assert set(store.counts()) == {one.study_id, two.study_id, three.study_id}

    def test_the_share_that_a_trial_takes_is_kept(self, store: Store) -> None:
        lease = filled(store, trial(0, QUEUED), trial(1, QUEUED, share=2.0))
        assert [one.share for one in store.trials(lease.study_id)] == [1.0, 2.0]
        store.apply(lease, Batch(trials={0: replace(trial(0, QUEUED), share=2.0)}))
        assert store.trial(lease.study_id, 0) == trial(0, QUEUED, share=2.0)
