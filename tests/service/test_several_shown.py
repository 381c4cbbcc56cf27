"""What users see of a study with several objectives or constraints: best, show, trials, the report, MLflow."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import app
from goodfit.service.cli.show import print_study, study_facts, trial_facts
from goodfit.service.cli.tables import best_facts, front_facts, print_best
from goodfit.service.client import Studies
from goodfit.service.errors import GoodfitError, InputError
from goodfit.service.records import Report, Study, StudyState, Trial, TrialState
from goodfit.service.tracker import content
from tests.serving import KINDS, NOW, Place, of, place, spec_of

SEVERAL = {"more_objectives": [{"metric": "params_millions", "direction": "minimize", "intended": False}]}
BOUND = {"constraints": ["params_millions <= 2"]}
VALUES = [(0.9, 4.0), (0.8, 5.0), (0.7, 1.0), (0.9, 3.0)]  # accuracy, size: the front is 3, 2


def made(folder: Path, sizes: float = 1.0, **changes: Any) -> Place:
    """A place with a finished study of four trials."""
    at = place(folder)
    spec = spec_of("digits", **changes)
    study = at.store.add_study(Study("digits", spec.to_dict(), spec.fingerprint(), NOW))
    goal = spec.goal
    trials = []
    for number, (value, size) in enumerate(VALUES):
        metrics = {"val/accuracy": value, "params_millions": size * sizes}
        judged = {"measured": goal.measured(metrics), "violation": goal.violation(metrics)}
        trial = Trial(number, {"learning_rate": 0.01 * (number + 1)}, number, TrialState.COMPLETE, value=value)
        trials.append(replace(trial, attempts=1, started=NOW, ended=NOW + number, epochs=1, best_epoch=1, **judged))
    reports = [
        Report(
            trial.number, 1, {"train/accuracy": 0.9, "val/accuracy": trial.value or 0.0, **(trial.measured or {})}, NOW
        )
        for trial in trials
    ]
    at.write(study, trials, reports, StudyState.DONE)
    return at


@pytest.fixture(params=KINDS)
def studies(request: pytest.FixtureRequest, tmp_path: Path) -> Studies:
    return of(request.param, made(tmp_path, **SEVERAL))


def test_the_front_is_the_same_from_everywhere(studies: Studies) -> None:
    study = studies["digits"]
    assert [best.trial for best in study.best(pareto=True)] == [3, 2]
    assert [best.trial for best in study.best(1, pareto=True)] == [3]
    assert [best.trial for best in study.best(9)] == [3, 2, 0, 1]
    assert study.best().values == {"val/accuracy": 0.9, "params_millions": 3.0}
    front = study.front()
    assert front.trials == (3, 2)
    assert 0.0 < front.hypervolume < 1.0
    facts = front_facts(study, None)
    assert facts["hypervolume"] == front.hypervolume
    assert [one["metric"] for one in facts["objectives"]] == ["val/accuracy", "params_millions"]
    assert [row["values"]["params_millions"] for row in facts["best"]] == [3.0, 1.0]
    json.dumps(facts, allow_nan=False)


def test_the_front_is_printed_with_all_objectives(studies: Studies, capsys: pytest.CaptureFixture[str]) -> None:
    study = studies["digits"]
    print_best(study, front_facts(study, None))
    told = capsys.readouterr().out
    assert "params_millions" in told
    assert "Pareto front: 2 of its trials, hypervolume" in told
    assert "(maximize val/accuracy, minimize params_millions): trial 3" in told
    print_study(study, study_facts(study))
    assert "maximize val/accuracy, minimize params_millions with mlp" in capsys.readouterr().out


def test_one_objective_has_no_front(tmp_path: Path) -> None:
    study = made(tmp_path).local()["digits"]
    for ask in (lambda: study.best(pareto=True), study.front):
        with pytest.raises(InputError, match="has one objective, val/accuracy, and no Pareto front"):
            ask()
    assert "values" not in best_facts(study, 1)["best"][0]
    assert "objectives" not in best_facts(study, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_keeps_the_constraints(kind: str, tmp_path: Path) -> None:
    study = of(kind, made(tmp_path, **BOUND))["digits"]
    assert [best.trial for best in study.best(9)] == [2]
    assert trial_facts(study, 0)["feasible"] is False
    assert trial_facts(study, 2)["values"] == {"val/accuracy": 0.7, "params_millions": 1.0}
    assert study.diagnosis()["best"] == 2
    assert "breaks the constraints: params_millions is 4, not <= 2" in str(study.why(0)).lower() or "It breaks" in str(
        study.why(0)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_that_none_keeps_them_is_said_everywhere(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = of(kind, made(tmp_path, sizes=3.0, **BOUND))["digits"]
    told = "all 4 complete trials break the constraints; the nearest is trial 2: params_millions is 3, not <= 2"
    with pytest.raises(GoodfitError, match=re.escape(told)):
        study.best()
    assert study.best(3) == []
    print_best(study, best_facts(study, 3))
    assert told in capsys.readouterr().out
    facts = study_facts(study)
    assert told in facts["no_best"]
    print_study(study, facts)
    assert "params_millions <= 2" in capsys.readouterr().out
    assert facts_on(study.report_html())["answer"]["headline"].startswith(f"No trial is the best: {told}")
    assert study.diagnosis()["best"] is None


def facts_on(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    read: dict[str, Any] = json.loads(found[1])
    return read


def test_the_report_has_the_front(studies: Studies) -> None:
    data = facts_on(studies["digits"].report_html())
    assert data["front"]["trials"] == [3, 2]
    assert [number for number, _ in data["front"]["volumes"]] == [0, 1, 2, 3]
    assert data["trials"]["params_millions"] == [4.0, 5.0, 1.0, 3.0]
    assert data["answer"]["headline"] == "2 trials are on the Pareto front; trial 3 is the best by val/accuracy"
    assert data["study"]["judged_by"] == ["params_millions"]


def test_the_report_of_one_objective_is_as_ever(tmp_path: Path) -> None:
    data = facts_on(made(tmp_path).local()["digits"].report_html())
    assert data["front"] is None
    assert not {"feasible", "params_millions"} & data["trials"].keys()
    assert not {"judged_by", "constraints"} & data["study"].keys()


def test_mlflow_is_told_the_front_and_who_breaks_a_bound(tmp_path: Path) -> None:
    from goodfit.service.diagnosis.front import front_of

    at = made(tmp_path, **SEVERAL, **BOUND)
    study = at.store.study("digits")
    trials = at.store.trials(study.id)
    front = front_of(trials, study.objective)
    tags = content.study_tags(study, content.best_of(trials, study.objective), front)
    assert (tags["goodfit.front"], tags["goodfit.best_trial"]) == ("2", "2")
    assert 0 < float(tags["goodfit.hypervolume"]) <= 1
    assert [content.trial_tags(study, trial)["goodfit.feasible"] for trial in trials] == [
        "false",
        "false",
        "true",
        "false",
    ]
    assert [(point.key, point.step) for point in content.front_points(front, trials)] == [("study/hypervolume", 2)]
    best = [point for point in content.study_points(trials, study.objective) if point.key == "best_value"]
    assert [(point.step, point.value) for point in best] == [(2, 0.7), (3, 0.7)]


@pytest.mark.parametrize("by", ["resume", "edit"])
def test_the_hypervolume_that_was_shown_stays_true_when_the_study_goes_on(tmp_path: Path, by: str) -> None:
    at = made(tmp_path, **SEVERAL)
    before = at.local()["digits"].front()
    if by == "edit":
        at.local()["digits"].edit("budget.trials=12")
        assert at.store.study("digits").front_box is None, "its trials are the same"
    wanted = app.Reopening(("budget.trials=12",))
    opened = app.reopen(at.store, "digits", wanted, NOW, "ann", str, queue=False).study
    assert opened.front_box == {"best": [-0.9, 1.0], "reference": pytest.approx([-0.68, 5.4])}
    goal = opened.objective
    far = [(4, {"val/accuracy": 0.1, "params_millions": 50.0}), (5, {"val/accuracy": 0.95, "params_millions": 0.5})]
    trials = [
        Trial(
            number, {"learning_rate": 0.05}, number, TrialState.COMPLETE, value=metrics["val/accuracy"], attempts=1,
            started=NOW, ended=NOW, epochs=1, best_epoch=1, measured=goal.measured(metrics),
        )
        for number, metrics in far
    ]  # fmt: skip
    study = at.write(opened, trials, [], StudyState.DONE)
    for studies in (at.local(), at.remote()):
        after = studies["digits"].front()
        assert after.volumes[:4] == before.volumes
        assert after.reference == before.reference
        assert after.volumes[4][1] == before.hypervolume, "beyond the reference"
        assert after.hypervolume > 1
    points = content.front_points(after, at.store.trials(study.id))
    assert [(point.step, point.value) for point in points[:4]] == list(before.volumes)
    again = app.reopen(at.store, "digits", app.Reopening(("budget.trials=20",)), NOW, "ann", str, queue=False).study
    assert again.front_box == opened.front_box


def test_other_studies_have_none_of_these_tags(tmp_path: Path) -> None:
    at = made(tmp_path)
    study = at.store.study("digits")
    tags = content.study_tags(study, None)
    assert not {"goodfit.front", "goodfit.hypervolume"} & tags.keys()
    assert content.trial_tags(study, at.store.trials(study.id)[0])["goodfit.feasible"] == ""


def test_a_plan_names_all_objectives_and_constraints(tmp_path: Path) -> None:
    from goodfit.service.cli.check import plan
    from goodfit.service.spec import from_mapping

    loss = {"metric": "val/loss", "direction": "minimize"}
    values: dict[str, Any] = {
        "name": "a", "trainer": "mlp", "data": {"source": "iris"}, "space": "mlp", "training": {"epochs": 2},
        "budget": {"trials": 3},
    }  # fmt: skip
    objectives = [{"metric": "val/accuracy", "direction": "maximize"}, loss]
    several = from_mapping({**values, "objective": objectives, "constraints": ["params_millions <= 2"]}, tmp_path)
    planned = plan(several)
    assert planned["constraints"] == ["params_millions <= 2"]
    assert len(planned["objectives"]) == 2
    alone = plan(from_mapping({**values, "objective": loss}, tmp_path))
    assert not {"objectives", "constraints"} & alone.keys()
