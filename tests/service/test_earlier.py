"""What a study takes over from earlier ones: looked up once, when it is made, here and on a server."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from goodfit.service import app
from goodfit.service.app.earlier import _fronts, _order, study_source, warm_started
from goodfit.service.client.upload import packed, submission_of
from goodfit.service.errors import InputError, StudyFileError
from goodfit.service.objective import Constraint, Objective
from goodfit.service.records import Failure, Study, Trial, TrialState
from goodfit.service.sampler.optuna_storage import optuna_source
from goodfit.service.spec import StudySpec
from goodfit.service.stored_spec import search_of
from tests.serving import KINDS, NOW, Place, body, of, place, spec_of


@pytest.fixture
def at(tmp_path: Path) -> Place:
    """A home with a study whose trials ended in every way."""
    made = place(tmp_path)
    base = Trial(0, {}, 7, attempts=1, started=NOW, ended=NOW, epochs=3)
    ends: list[dict[str, Any]] = [
        {"state": TrialState.COMPLETE, "value": 0.8},
        {"state": TrialState.PRUNED, "epochs": 1, "value": 0.99, "last_value": 0.5},
        {"state": TrialState.PRUNED, "epochs": 2, "value": 0.3, "last_value": 0.3},
        {"state": TrialState.FAILED, "failure": Failure.NAN, "epochs": 1},
        {"state": TrialState.FAILED, "failure": Failure.ERROR},
        {"state": TrialState.COMPLETE, "value": 0.9},
        {"state": TrialState.COMPLETE, "value": 0.95, "confirms": 5},
    ]
    trials = [
        replace(base, number=number, params={"learning_rate": 0.001 * (number + 1)}, **end)
        for number, end in enumerate(ends)
    ]
    made.write(made.study("old"), trials, [])
    return made


def numbers(starts: Any) -> list[int]:
    return [round(one.params["learning_rate"] / 0.001) - 1 for start in starts for one in start.trials]


def test_trials_are_ranked_by_how_far_they_came_and_what_they_reached(at: Place) -> None:
    source = study_source(at.store, "old")
    assert [round(params["learning_rate"] / 0.001) - 1 for _, params in source.trials] == [5, 0, 2, 1, 3]
    assert source.searched == {"learning_rate"}


def test_of_several_objectives_the_front_comes_first_and_broken_constraints_last() -> None:
    objective = Objective(
        "val/loss", "minimize", (Objective("epoch_seconds", "minimize"),), (Constraint.of("params_millions <= 2"),)
    )
    values = [(1.0, 9.0, 1.0), (2.0, 8.0, 1.0), (2.5, 9.5, 1.0), (0.5, 1.0, 3.0)]
    trials = [
        Trial(
            number, {}, 0, state=TrialState.COMPLETE, epochs=3, value=loss,
            measured={"epoch_seconds": seconds, "params_millions": size},
        )
        for number, (loss, seconds, size) in enumerate(values)
    ]  # fmt: skip
    fronts = _fronts(trials[:3], objective)
    assert fronts == {0: 0, 1: 0, 2: 1}
    order = sorted(trials, key=lambda trial: (_order(trial, objective, fronts) or (9, 0, 0), trial.number))
    assert [trial.number for trial in order] == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_earlier_study_brought_stays_with_the_study(at: Place, kind: str) -> None:
    studies = of(kind, at)
    studies.submit({**json.loads(body()["spec"]), "name": "new", "search": {"method": "random", "warm_start": ["old"]}})
    kept = StudySpec.from_dict(at.store.study("new").spec)
    assert numbers(kept.search.warm_start) == [5, 0, 2, 1, 3]
    assert StudySpec.from_dict(at.store.study("new").spec) == kept


def test_the_same_file_goes_on_with_what_is_kept_though_the_source_is_gone(at: Place) -> None:
    spec = spec_of("new", search={"method": "random", "warm_start": ["old"]})
    made = app.new_study(at.settings, spec, at.store, NOW)
    old = at.store.study("old")
    lease = at.store.acquire(old.id, "test:1:1", NOW, 30.0, lambda _: True)
    at.store.remove(lease, "test")
    assert app.new_study(at.settings, spec, at.store, NOW) == made
    again = warm_started(spec, at.store)
    assert numbers(again.search.warm_start) == [5, 0, 2, 1, 3]
    with pytest.raises(StudyFileError, match="there is no study 'old'"):
        warm_started(spec, at.store, fresh=True)


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("odl", "there is no study 'odl'"),
        ("empty", "empty has no trial with a value"),
        ("optuna+sqlite:///nowhere.db", "there is no file nowhere.db"),
    ],
)
def test_a_source_that_is_not_there_or_brings_nothing_is_refused(at: Place, start: str, text: str) -> None:
    at.study("empty")
    spec = spec_of("new", search={"method": "random", "warm_start": ["old", start]})
    with pytest.raises(StudyFileError, match=f"search.warm_start.1: {text}"):
        app.new_study(at.settings, spec, at.store, NOW)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """Of an Optuna study of six trials, and another one."""
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="tuned", storage=url, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True), n_trials=6)
    optuna.create_study(study_name="other", storage=url)
    return url


def test_an_optuna_storage_is_an_earlier_study(at: Place, storage: str) -> None:
    spec = spec_of("new", search={"method": "random", "warm_start": [f"optuna+{storage}#tuned"]})
    (start,) = StudySpec.from_dict(app.new_study(at.settings, spec, at.store, NOW).spec).search.warm_start
    rates = [one.params["learning_rate"] for one in start.trials]
    assert start.of == 6
    assert rates == sorted(rates)
    assert all(rate >= 1e-3 for rate in rates), "the space begins there"


def test_a_storage_with_several_studies_needs_a_name(storage: str) -> None:
    with pytest.raises(InputError, match="has 2 studies; name one of them after a #: "):
        optuna_source(storage)
    with pytest.raises(InputError, match="has no study tune; did you mean tuned"):
        optuna_source(f"{storage}#tune")


def test_what_is_no_optuna_storage_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, and long enough to be read as one" * 9)
    with sqlite3.connect(tmp_path / "mine.db") as mine:
        mine.execute("CREATE TABLE studies (id INTEGER)")
    mine.close()
    for name, text in (("text.db", "is not an Optuna storage"), ("mine.db", "is a database, and not one of Optuna's")):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(InputError, match=text):
            optuna_source(f"sqlite:///{tmp_path / name}")
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(InputError, match="cannot be read as an Optuna storage"):
        optuna_source("nonsense://x")


def test_what_lies_here_is_sent_with_the_study(at: Place, storage: str, tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("name: old\n")
    text = json.loads(body()["spec"])
    file = tmp_path / "study.yaml"
    file.write_text(
        json.dumps({**text, "name": "new", "search": {"warm_start": ["old.yaml", f"optuna+{storage}#tuned"]}})
    )
    sent = packed(submission_of(file))
    answer = at.http(role="submitter").post("/v1/studies", json={"spec": sent.spec, "set": list(sent.overrides)})
    assert answer.status_code == 201, answer.text
    one, other = StudySpec.from_dict(at.store.study("new").spec).search.warm_start
    assert (one.study, len(one.trials)) == ("old", 5)
    assert (other.of, [trial.rank for trial in other.trials]) == (6, sorted(trial.rank for trial in other.trials))


@pytest.mark.parametrize("start", ["optuna+sqlite:////etc/passwd", "/etc/study.yaml", {"study": "optuna+mysql://db/x"}])
def test_a_server_follows_no_path_or_address_of_a_study(at: Place, start: object) -> None:
    given = body(name="new", search={"warm_start": [start]})
    answer = at.http(role="submitter").post("/v1/studies", json=given)
    assert answer.status_code == 422
    assert "is not read on a server" in answer.text


def test_a_run_uses_what_is_kept(at: Place) -> None:
    from goodfit.service.app.run import _as_kept

    spec = spec_of("new", search={"method": "random", "warm_start": ["old"]})
    made: Study = app.new_study(at.settings, spec, at.store, NOW)
    checked = app.Checked(spec, None)  # type: ignore[arg-type] - no trainer is needed
    assert numbers(_as_kept(checked, made).spec.search.warm_start) == [5, 0, 2, 1, 3]


def test_a_journal_is_a_storage_too(tmp_path: Path) -> None:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = tmp_path / "trials.log"
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))))
    study.optimize(lambda trial: -trial.suggest_int("depth", 1, 9), n_trials=3)
    source = optuna_source(f"journal://{path}")
    depths = [params["depth"] for _, params in source.trials]
    assert depths == sorted(depths, reverse=True)
    with pytest.raises(InputError, match="there is no file"):
        optuna_source("journal:///nowhere.log")


def test_a_password_is_neither_kept_nor_shown() -> None:
    start = {"study": "optuna+postgresql://ann:secret@db:5432/tuning#mine"}
    assert search_of({"search": {"warm_start": [start]}})["warm_start"] == [
        "optuna+postgresql://ann@db:5432/tuning#mine"
    ]
    with pytest.raises(InputError) as error:
        optuna_source("postgresql://ann:secret@localhost:1/tuning")
    assert "secret" not in str(error.value)
