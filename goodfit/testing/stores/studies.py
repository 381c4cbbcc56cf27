"""What every store must do for studies, trials, curves and batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from goodfit.service.errors import Fenced, GoodfitError, NameTaken, UnknownStudy
from goodfit.service.ports import Store
from goodfit.service.records import (
    Batch,
    Decision,
    Failure,
    Lease,
    Report,
    Seen,
    Study,
    StudyState,
    Trial,
    TrialState,
    Verdict,
)
from goodfit.testing.stores.opening import Opened, OpenStore, remove


def a_study(name: str = "digits", created: float = 100.0, **more: Any) -> Study:
    return Study(name, {"trainer": "mlp", "budget": {"trials": 4}}, "abc", created, **more)


def held(store: Store, name: str = "digits", **more: Any) -> tuple[Study, Lease]:
    study = store.add_study(a_study(name, **more))
    return study, store.acquire(study.id, "here:1:1", 0.0, 30.0, lambda owner: False)


def a_report(trial: int, epoch: int, loss: float = 0.5) -> Report:
    return Report(trial, epoch, {"train/loss": loss / 2, "val/loss": loss}, 1000.0 + epoch)


class Unkept(Mapping[str, float]):
    """Metrics that cannot be read: the batch fails after its trials were written."""

    def __getitem__(self, key: str) -> float:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise TypeError("no metrics here")

    def __len__(self) -> int:
        return 1


class StudiesContract(Opened):
    """Studies, trials, curves and batches."""

    def test_a_space_that_is_learned_takes_the_place_of_the_specs_in_the_same_transaction(self, store: Store) -> None:
        study, lease = held(store)
        space = [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}]
        trial = Trial(0, {"x": 0.5}, 1, proposed={"x": 0.5, "unasked": [1, None]})
        store.apply(lease, Batch(trials={0: trial}, space=space))
        assert store.study("digits").spec == {**study.spec, "space": space}
        assert store.trial(study.id, 0) == trial
        with pytest.raises(Fenced):
            store.apply(replace(lease, fence=lease.fence - 1), Batch(space=[]))
        assert store.study("digits").spec["space"] == space

    def test_a_study_comes_back_as_it_was_with_an_id(self, store: Store) -> None:
        given = Study(
            name="größe-数字",
            spec={"space": {"learning_rate": {"low": 1e-4, "log": True}}, "fixed": {"batch_size": 64}, "none": None},
            fingerprint="f" * 64,
            created=1700000000.123456,
            state=StudyState.RUNNING,
            message="läuft",
            started=1700000001.5,
            ended=None,
            seconds=12.25,
            stop_asked=True,
            mlflow_experiment_id="7",
            mlflow_run_id="r",
            model_uri="models:/x/1",
            champion=3,
        )
        kept = store.add_study(given)
        assert kept.id > 0
        assert kept == replace(given, id=kept.id)
        assert store.study("größe-数字") == kept
        assert isinstance(kept.stop_asked, bool)

    def test_notes_and_tags_are_added_kept_from_the_runner_and_removed_by_empty_ones(self, store: Store) -> None:
        study, lease = held(store)
        assert store.annotate(study.id, "größe\n\ud83d", {"paper": "v2", "team": "a=b"}).tags == {
            "paper": "v2",
            "team": "a=b",
        }
        store.apply(lease, Batch(study=replace(study, seconds=3.0)))
        kept = store.annotate(study.id, None, {"paper": "", "new": "1", "none": ""})
        assert kept == store.study("digits")
        assert (kept.note, kept.tags, kept.seconds) == ("größe\n\\ud83d", {"team": "a=b", "new": "1"}, 3.0)
        bare = store.annotate(study.id, "", {"team": "", "new": ""})
        assert (bare.note, bare.tags) == (None, None)

    def test_a_name_is_given_once_and_the_first_study_stays(self, store: Store) -> None:
        first = store.add_study(a_study())
        with pytest.raises(NameTaken, match=r"'digits'.*another name.*goodfit resume digits"):
            store.add_study(replace(a_study(), fingerprint="other"))
        assert store.studies() == [first]

    def test_an_unknown_name_is_answered_with_the_nearest(self, store: Store) -> None:
        store.add_study(a_study("digits-cnn"))
        store.add_study(a_study("wine-mlp"))
        with pytest.raises(UnknownStudy, match=r"'digit-cnn'.*did you mean digits-cnn.*wine-mlp"):
            store.study("digit-cnn")

    def test_an_unknown_name_among_many_is_answered_with_few(self, store: Store) -> None:
        for number in range(30):
            store.add_study(a_study(f"study-{number:02d}"))
        with pytest.raises(UnknownStudy, match="did you mean study-07") as caught:
            store.study("studi-07")
        assert str(caught.value).count("study-") < 15

    def test_an_unknown_name_in_an_empty_store_says_how_to_begin(self, store: Store) -> None:
        with pytest.raises(UnknownStudy, match=r"'x'.*goodfit run FILE"):
            store.study("x")

    @pytest.mark.parametrize("name", ["nul\x00", "\udcff", "'; DROP TABLE studies; --"])
    def test_an_odd_name_is_only_unknown(self, store: Store, name: str) -> None:
        with pytest.raises(UnknownStudy):
            store.study(name)

    def test_studies_come_newest_first(self, store: Store) -> None:
        for name, created in (("old", 1.0), ("new", 3.0), ("middle", 2.0), ("also-new", 3.0)):
            store.add_study(a_study(name, created))
        assert [study.name for study in store.studies()] == ["also-new", "new", "middle", "old"]

    def test_a_trial_comes_back_as_it_was(self, store: Store) -> None:
        study, lease = held(store)
        given = Trial(
            number=3,
            params={"learning_rate": 0.1 + 0.2, "depth": 3, "nesterov": True, "activation": "gelü", "momentum": None},
            seed=2**31 - 1,
            state=TrialState.FAILED,
            failure=Failure.NAN,
            message="val/loss is nan at epoch 4",
            attempts=2,
            worker_deaths=1,
            epochs=4,
            prune_at=5,
            value=0.1 + 0.7,
            best_epoch=2,
            last_value=5e-324,
            verdict=Verdict.DIVERGED,
            gap=-0.25,
            diagnosis={"advice": ["lower learning_rate"], "gap": {"loss": math.inf}},
            started=1700000000.000001,
            ended=1700000060.999999,
            notes={"about": "größe\n\x00\udcff", "rows": 7, "auc": math.inf, "calibrated": True},
        )
        store.apply(lease, Batch(trials={3: given}))
        (kept,) = store.trials(study.id)
        assert kept == given
        assert [type(value) for value in kept.params.values()] == [float, int, bool, str, type(None)]
        assert list(kept.params) == list(given.params)
        assert isinstance(kept.state, TrialState)
        assert isinstance(kept.failure, Failure)
        assert isinstance(kept.verdict, Verdict)

    def test_trials_come_in_the_order_of_their_numbers(self, store: Store) -> None:
        study, lease = held(store)
        store.apply(lease, Batch(trials={n: Trial(n, {}, n) for n in (10, 2, 0)}))
        store.apply(lease, Batch(trials={1: Trial(1, {}, 1)}))
        assert [trial.number for trial in store.trials(study.id)] == [0, 1, 2, 10]

    @pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
    def test_nan_and_infinities_are_kept_everywhere(self, store: Store, odd: float) -> None:
        study, lease = held(store)
        trial = Trial(0, {"clip_norm": odd}, 1, value=odd, last_value=odd, gap=odd, diagnosis={"best": [odd]})
        store.apply(lease, Batch(trials={0: trial}, reports=[a_report(0, 1, odd)]))
        (kept,) = store.trials(study.id)
        (report,) = store.reports(study.id)
        assert kept.diagnosis is not None
        found = [kept.params["clip_norm"], kept.value, kept.last_value, kept.gap, kept.diagnosis["best"][0]]
        assert [repr(value) for value in (*found, report.metrics["val/loss"])] == [repr(odd)] * 6

    def test_floats_come_back_to_the_last_bit(self, store: Store) -> None:
        study, lease = held(store)
        values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 1e-4, 123456789.123456789]
        trials = {n: Trial(n, {"x": value}, n, value=value) for n, value in enumerate(values)}
        store.apply(lease, Batch(trials=trials, reports=[Report(n, 1, {"m": v}, v) for n, v in enumerate(values)]))
        assert [trial.params["x"] for trial in store.trials(study.id)] == values
        assert [trial.value for trial in store.trials(study.id)] == values
        assert [(report.metrics["m"], report.at) for report in store.reports(study.id)] == [(v, v) for v in values]

    def test_a_message_may_hold_anything(self, store: Store) -> None:
        study, lease = held(store)
        store.apply(
            lease, Batch(trials={0: Trial(0, {"path": "a\x00\udcffb"}, 1, message="bad byte \x00 in \udcff 🙂")})
        )
        (kept,) = store.trials(study.id)
        assert kept.message == "bad byte \\x00 in \\udcff 🙂"
        assert kept.params == {"path": "a\x00\udcffb"}

    def test_a_spec_and_metrics_may_hold_anything(self, store: Store) -> None:
        study = store.add_study(replace(a_study(), spec={"choice\ud800": ["nul\x00", "\x1b[31m", "\u202e"]}))
        lease = store.acquire(study.id, "here:1:1", 0.0, 30.0, lambda owner: False)
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}, reports=[Report(0, 1, {"val/\ud800\x00": 0.5}, 1.0)]))
        assert store.study(study.name).spec == {"choice\ud800": ["nul\x00", "\x1b[31m", "\u202e"]}
        assert [report.metrics for report in store.reports(study.id)] == [{"val/\ud800\x00": 0.5}]

    def test_a_batch_replaces_trials_and_adds_reports(self, store: Store) -> None:
        study, lease = held(store)
        store.apply(lease, Batch(trials={0: Trial(0, {"a": 1}, 9, TrialState.RUNNING, attempts=1)}))
        store.apply(
            lease, Batch(trials={0: Trial(0, {"a": 1}, 9, TrialState.COMPLETE, epochs=1)}, reports=[a_report(0, 1)])
        )
        assert store.trials(study.id) == [Trial(0, {"a": 1}, 9, TrialState.COMPLETE, epochs=1)]
        assert store.reports(study.id) == [a_report(0, 1)]

    def test_a_curve_takes_the_place_of_the_one_that_was_there(self, store: Store) -> None:
        study, lease = held(store)
        given = Trial(1, {}, 1, schedule=[{"epoch": 1, "trial": 0, "params": {"x": 0.5}}])
        before = [a_report(trial, epoch, 0.5) for trial in (0, 1) for epoch in (1, 2, 3)]
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1), 1: given}, reports=before))
        curve = [a_report(1, epoch, 0.1) for epoch in (1, 2)]
        store.apply(lease, Batch(curves={1: curve}, reports=[a_report(1, 2, 0.7), a_report(1, 3, 0.2)]))
        assert store.reports(study.id, 1) == [*curve, a_report(1, 3, 0.2)]
        assert store.reports(study.id, 0) == before[:3]
        assert store.trials(study.id)[1] == given
        store.apply(lease, Batch(curves={1: []}))
        assert store.reports(study.id, 1) == []

    def test_a_report_that_is_there_stays_as_it_was(self, store: Store) -> None:
        study, lease = held(store)
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}, reports=[a_report(0, 1, 0.5), a_report(0, 1, 0.6)]))
        store.apply(lease, Batch(reports=[a_report(0, 1, 0.7), a_report(0, 2, 0.4)]))
        assert store.reports(study.id) == [a_report(0, 1, 0.5), a_report(0, 2, 0.4)]

    def test_curves_are_ordered_and_can_be_read_one_by_one(self, store: Store) -> None:
        study, lease = held(store)
        trials = {n: Trial(n, {}, n) for n in (0, 1)}
        store.apply(
            lease, Batch(trials=trials, reports=[a_report(1, 2), a_report(0, 10), a_report(1, 1), a_report(0, 9)])
        )
        assert [(r.trial, r.epoch) for r in store.reports(study.id)] == [(0, 9), (0, 10), (1, 1), (1, 2)]
        assert [(r.trial, r.epoch) for r in store.reports(study.id, 1)] == [(1, 1), (1, 2)]
        assert store.reports(study.id, 7) == []

    def test_curves_are_read_in_pages_of_trials(self, store: Store) -> None:
        study, lease = held(store)
        trials = {n: Trial(n, {}, n) for n in range(5)}
        store.apply(lease, Batch(trials=trials, reports=[a_report(n, epoch) for n in (0, 1, 3, 4) for epoch in (1, 2)]))
        assert [(r.trial, r.epoch) for r in store.page_of_reports(study.id, trials=2)] == [
            (0, 1),
            (0, 2),
            (1, 1),
            (1, 2),
        ]
        assert [(r.trial, r.epoch) for r in store.page_of_reports(study.id, after=1, trials=2)] == [(3, 1), (3, 2)]
        assert store.page_of_reports(study.id, after=4) == []

    def test_decisions_come_back_as_they_were_and_in_pages(self, store: Store) -> None:
        study, lease = held(store)
        made = [
            Decision(0, 0, True, 2, 8, (), {"by": "ranks", "score": 0.1 + 0.2}),
            Decision(1, 1, True, None, 8, (Seen(0, 2, 1.5, "target"),), {"by": "model", "forecast": [0.1, 0.2, 0.3]}),
            Decision(2, 0, False, 4, 7, (Seen(1, 8, None, "complete"),), {}),
        ]
        store.apply(lease, Batch(trials={n: Trial(n, {}, n) for n in range(2)}, decisions=made[:2]))
        store.apply(lease, Batch(decisions=made[2:]))
        assert store.decisions(study.id) == made
        assert store.page_of_decisions(study.id, limit=2) == made[:2]
        assert store.page_of_decisions(study.id, after=1) == made[2:]
        assert store.page_of_decisions(study.id, after=2) == []

    def test_a_census_counts_studies_by_state(self, store: Store) -> None:
        assert store.census() == {}
        store.add_study(a_study("one"))
        store.add_study(a_study("two"))
        assert store.census() == {StudyState.QUEUED: 2}

    def test_a_batch_changes_the_study_but_not_what_is_others(self, store: Store) -> None:
        study, lease = held(store)
        store.ask_stop(study.id, True)
        store.note_study_mirrored(study.id, mlflow_experiment_id="4", mlflow_run_id="r", model_uri="m", champion=2)
        changed = study.to(StudyState.RUNNING, started=5.0, seconds=2.5, message="hm")
        store.apply(lease, Batch(study=replace(changed, mlflow_run_id="stale", champion=9)))
        assert store.study("digits") == replace(
            changed, stop_asked=True, mlflow_experiment_id="4", mlflow_run_id="r", model_uri="m", champion=2
        )

    def test_a_lease_cannot_write_another_study(self, store: Store) -> None:
        study, _ = held(store, "one")
        _, lease = held(store, "two")
        with pytest.raises(ValueError, match=f"cannot write study {study.id}"):
            store.apply(lease, Batch(study=study))

    def test_studies_do_not_see_each_others_trials(self, store: Store) -> None:
        one, lease_one = held(store, "one")
        two, lease_two = held(store, "two")
        store.apply(lease_one, Batch(trials={0: Trial(0, {"a": 1}, 1)}, reports=[a_report(0, 1, 0.1)]))
        store.apply(lease_two, Batch(trials={0: Trial(0, {"a": 2}, 2)}, reports=[a_report(0, 1, 0.2)]))
        assert [trial.params for trial in store.trials(one.id)] == [{"a": 1}]
        assert [report.metrics["val/loss"] for report in store.reports(two.id)] == [0.2]

    @pytest.mark.parametrize(
        "bad",
        [Report(99, 1, {"m": 1.0}, 0.0), Report(0, 2, Unkept(), 0.0), Report(0, 2, {"m": object()}, 0.0)],  # type: ignore[dict-item]
        ids=["of a trial that is not there", "unreadable metrics", "metrics that are no numbers"],
    )
    def test_a_batch_is_written_whole_or_not_at_all(self, store: Store, bad: Report) -> None:
        study, lease = held(store)
        before = Trial(0, {}, 1, TrialState.RUNNING)
        store.apply(lease, Batch(trials={0: before}))
        batch = Batch(
            trials={0: before.to(TrialState.COMPLETE), 1: Trial(1, {}, 2)},
            reports=[a_report(0, 1), bad],
            study=study.to(StudyState.RUNNING),
        )
        with pytest.raises(GoodfitError, match="nothing of it was kept"):
            store.apply(lease, batch)
        assert store.trials(study.id) == [before]
        assert store.reports(study.id) == []
        assert store.study("digits").state == StudyState.QUEUED
        store.apply(lease, replace(batch, reports=[a_report(0, 1)]))
        assert len(store.trials(study.id)) == 2

    def test_read_only_mappings_are_kept_as_plain_values(self, store: Store) -> None:
        study, lease = held(store)
        inner = MappingProxyType({"b": (1, 2)})
        store.apply(lease, Batch(trials={0: Trial(0, MappingProxyType({"a": inner}), 1)}))
        assert store.trials(study.id)[0].params == {"a": {"b": [1, 2]}}

    def test_counts_go_by_label(self, store: Store) -> None:
        one, lease = held(store, "one")
        two, _ = held(store, "two")
        failed = Trial(2, {}, 1, TrialState.FAILED, Failure.OOM)
        trials = [Trial(0, {}, 1), Trial(1, {}, 1), failed, replace(failed, number=3, failure=Failure.NAN)]
        store.apply(lease, Batch(trials={trial.number: trial for trial in trials}))
        store.apply(lease, Batch(trials={1: replace(trials[1], state=TrialState.RUNNING)}))
        counts = store.counts()
        assert counts.get(one.id) == {"QUEUED": 1, "RUNNING": 1, "FAILED(oom)": 1, "FAILED(nan)": 1}
        assert counts.get(two.id, {}) == {}

    def test_a_removed_study_is_gone_with_all_it_had(self, store: Store) -> None:
        study, lease = held(store)
        other, other_lease = held(store, "other")
        for one in (lease, other_lease):
            store.apply(one, Batch(trials={0: Trial(0, {}, 1)}, reports=[a_report(0, 1)]))
        remove(store, "digits")
        assert store.studies() == [other]
        assert store.trials(study.id) == []
        assert store.reports(study.id) == []
        assert store.holder(study.id) is None
        assert list(store.counts()) == [other.id]
        assert len(store.reports(other.id)) == 1

    def test_a_study_is_removed_by_its_lease_and_not_by_its_name(self, store: Store) -> None:
        study, lease = held(store)
        newer = store.acquire(study.id, "newer:1:1", 0.0, 30.0, lambda _: True)
        with pytest.raises(Fenced):
            store.remove(lease)
        assert store.study_by_id(study.id).name == "digits"
        store.remove(newer)
        again = store.add_study(a_study())
        for late in (lease, newer):
            with pytest.raises(Fenced):
                store.remove(late)
        assert store.study("digits") == store.study_by_id(again.id) == again
        with pytest.raises(UnknownStudy, match="has been removed"):
            store.study_by_id(study.id)

    def test_the_id_of_a_removed_study_does_not_come_back(self, store: Store) -> None:
        study, _ = held(store)
        remove(store, "digits")
        assert store.add_study(a_study()).id != study.id

    def test_what_one_wrote_another_reads(self, store: Store, open_store: OpenStore) -> None:
        study, lease = held(store)
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}, reports=[a_report(0, 1)]))
        other = open_store()
        try:
            assert other.study("digits") == study
            assert other.trials(study.id) == store.trials(study.id)
            assert other.reports(study.id) == [a_report(0, 1)]
        finally:
            other.close()
