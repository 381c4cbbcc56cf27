"""Optuna's storages: studies out of them, and studies into them, again and again."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState as State

from goodfit.search_spaces.parse import from_list
from goodfit.service.errors import InputError
from goodfit.service.exchange import optuna_export
from goodfit.service.exchange.exporting import export_to
from goodfit.service.exchange.importing import import_from
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Study, Trial, TrialState
from goodfit.service.sampler import to_optuna_study

SPACE = from_list(
    [
        {"name": "lr", "type": "float", "low": 1e-4, "high": 0.1, "log": True},
        {"name": "opt", "type": "choice", "choices": ["sgd", "adam"]},
        {"name": "momentum", "type": "float", "low": 0.1, "high": 0.9, "when": {"opt": "sgd"}},
    ]
)
STUDY = Study("digits", {"objective": {"metric": "val/loss", "direction": "minimize"}}, "abc", 100.0)
OURS = {"study": "digits", "created": 100.0, "fingerprint": "abc"}


@pytest.fixture(autouse=True)
def quiet() -> Any:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(level)


def records() -> tuple[list[Trial], list[Report]]:
    ended = {"started": 10.0, "ended": 20.0, "epochs": 2}
    trials = [
        Trial(0, {"lr": 0.01, "opt": "sgd", "momentum": 0.5}, 1, TrialState.COMPLETE, value=0.5, best_epoch=2, **ended),
        Trial(1, {"lr": 0.02, "opt": "adam"}, 1, TrialState.PRUNED, value=0.9, **ended),
        Trial(2, {"lr": 0.03, "opt": "adam"}, 1, TrialState.FAILED, failure=Failure.ERROR, message="=boom", **ended),
        Trial(3, {"lr": 0.04, "opt": "adam"}, 1, TrialState.RUNNING, epochs=1, started=10.0),
    ]
    reports = [Report(trial, epoch, {"val/loss": 1.0 / epoch}, 15.0) for trial in (0, 1) for epoch in (1, 2)]
    return trials, reports


def exported(target: str, trials: list[Trial], reports: list[Report], **more: Any) -> str:
    return export_to(
        target, STUDY, trials,
        lambda: to_optuna_study("digits", SPACE, Objective("val/loss", "minimize"), trials, reports), **more,
    )  # fmt: skip


def test_an_export_is_a_study_of_optuna_and_repeated_it_adds_nothing_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    trials, reports = records()
    assert exported(f"optuna+{url}", trials, reports) == "4 trials written"
    study = optuna.load_study(study_name="digits", storage=url)
    assert [trial.state for trial in study.trials] == [State.COMPLETE, State.PRUNED, State.FAIL, State.RUNNING]
    assert study.trials[0].intermediate_values == {1: 1.0, 2: 0.5}
    assert study.trials[0].params == {"lr": 0.01, "opt": "sgd", "momentum": 0.5}
    assert set(study.trials[1].distributions) == {"lr", "opt"}
    assert study.trials[0].distributions["lr"] == FloatDistribution(1e-4, 0.1, log=True)
    assert study.trials[0].user_attrs["number"] == 0
    assert study.metric_names == ["val/loss"]
    assert study.best_trial.number == 0
    assert exported(url, trials, reports) == "0 trials written; 4 were there already"
    trials[3] = replace(trials[3], state=TrialState.COMPLETE, value=0.1, ended=30.0)
    trials.append(Trial(4, {"lr": 0.05, "opt": "adam"}, 1, TrialState.COMPLETE, value=0.4, started=1.0, ended=2.0))
    exported(url, trials, reports)
    exported(url, trials, reports)
    again = optuna.load_study(study_name="digits", storage=url)
    assert [trial.number for trial in again.trials] == [0, 1, 2, 3, 4]
    assert again.best_trial.number == 3


def test_a_foreign_study_or_file_is_not_overwritten(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    optuna.create_study(study_name="digits", storage=url).add_trial(optuna.trial.create_trial(value=1.0))
    trials, reports = records()
    with pytest.raises(InputError, match="has a study digits that does not come from this one; name another storage"):
        exported(url, trials, reports)
    assert len(optuna.load_study(study_name="digits", storage=url).trials) == 1
    exported(url, trials, reports, force=True)
    assert len(optuna.load_study(study_name="digits", storage=url).trials) == 4
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other, other:
        other.execute("CREATE TABLE studies (id INTEGER)")
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at by SQLite\n" * 20)
    for name, why in (("other.db", "is no Optuna storage: it lacks its tables"), ("text.db", "is no SQLite database")):
        for call in (lambda target: exported(target, trials, reports), import_from):
            with pytest.raises(InputError, match=why):
                call(f"sqlite:///{tmp_path / name}")
    with pytest.raises(InputError, match="there is no folder"):
        exported(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}", trials, reports)
    with pytest.raises(InputError, match="there is no such kind of target"):
        exported(str(tmp_path / "x.xlsx"), trials, reports)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_replaced_by_the_next_export_of_its_study_alone(tmp_path: Path, suffix: str) -> None:
    trials, reports = records()
    file = tmp_path / f"t.{suffix}"
    for count in (3, 4):
        exported(str(file), trials[:count], reports)
        frame = pd.read_csv(file) if suffix == "csv" else pd.read_parquet(file)
        assert list(frame["trial"]) == list(range(count))
        assert list(frame.columns[:3]) == ["study", "trial", "state"]
        assert list(frame["params.opt"])[:2] == ["sgd", "adam"]
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is there and is no export of study digits; name another file"):
        exported(str(file), trials, reports)
    exported(str(file), trials, reports, force=True)


def test_each_of_several_objectives_is_exported_with_its_name_direction_and_values(tmp_path: Path) -> None:
    several = Objective.of(Objective("val/loss", "minimize"), [Objective("params_millions", "minimize")])
    trials, reports = records()
    trials = [replace(trials[0], measured={"params_millions": 0.25}), *trials[1:]]
    for target in (f"sqlite:///{tmp_path / 'x.db'}", f"{tmp_path / 't.csv'}", f"{tmp_path / 't.parquet'}"):
        export_to(target, STUDY, trials, lambda: to_optuna_study("digits", SPACE, several, trials, reports))
    study = optuna.load_study(study_name="digits", storage=f"sqlite:///{tmp_path / 'x.db'}")
    assert study.metric_names == ["val/loss", "params_millions"]
    assert [trial.values for trial in study.best_trials] == [[0.5, 0.25]]
    for frame in (pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")):
        assert frame["metrics.params_millions"].dropna().to_list() == [0.25]
        assert frame["value"].to_list()[:2] == [0.5, 0.9]


def a_study(url: str, name: str = "mine") -> optuna.Study:
    study = optuna.create_study(study_name=name, storage=url, direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        x = trial.suggest_float("x-y", 0.01, 1.0, log=True)
        for step in range(3):
            trial.report(x, step)
        if kind == "a":
            trial.suggest_int("n", 2, 8, step=2)
        return x

    study.optimize(objective, n_trials=12)
    return study


def test_a_study_of_optuna_becomes_a_study_file_and_a_warm_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    study = a_study(url)
    draft = import_from(url)
    assert draft.space == {
        "kind": {"type": "choice", "choices": ["a", "b"]},
        "x_y": {"type": "float", "low": 0.01, "high": 1.0, "log": True},
        "n": {"type": "int", "low": 2, "high": 8, "step": 2, "when": {"kind": "a"}},
    }
    assert (draft.name, draft.sections["training"]) == ("mine", {"epochs": 3})
    assert [one.direction for one in draft.objectives] == ["maximize"]
    assert draft.sections["search"]["start_from"][0]["x_y"] == study.best_params["x-y"]
    a_study(url, "other")
    with pytest.raises(InputError, match="has 2 studies: name one by --study: mine, other"):
        import_from(url)
    assert import_from(url, study="other").name == import_from(f"{url}#other").name == "other"
    with pytest.raises(InputError, match="has no study 'othr'; did you mean other"):
        import_from(url, study="othr")


def test_other_ranges_in_other_trials_become_the_widest(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    study = optuna.create_study(study_name="s", storage=url)
    for low, high in ((0.1, 0.5), (0.2, 0.9)):
        distributions = {"x": FloatDistribution(low, high), "one": CategoricalDistribution([3])}
        study.add_trial(optuna.trial.create_trial(value=1.0, params={"x": 0.3, "one": 3}, distributions=distributions))
    draft = import_from(url)
    assert draft.to_dict()["space"] == {"x": {"type": "float", "low": 0.1, "high": 0.9}}
    assert draft.fixed == {"one": 3}
    assert draft.sections["search"] == {"warm_start": [f"optuna+{url}#s"]}
    assert [one.text for one in draft.lost if one.key == "x"] == [
        "had 2 ranges over the trials; it is the widest of them here"
    ]


def test_a_journal_is_a_storage_too(tmp_path: Path) -> None:
    trials, reports = records()
    target = f"optuna+journal://{tmp_path / 'j.log'}"
    exported(target, trials, reports)
    exported(target, trials, reports)
    assert import_from(target).space.keys() == {"lr", "opt", "momentum"}
    assert optuna_export.__doc__
