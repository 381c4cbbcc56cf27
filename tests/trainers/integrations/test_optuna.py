"""Optuna's objectives as trainers: what they suggest, report and return, in one worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.attempts import Line, attempt
from goodfit.trainers.messages import Best, EndSearch, Noted, Outcome, Suggested

QUADRATIC = """
import optuna

def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    if trial.suggest_categorical("kind", ["near", "far"]) == "far":
        x += trial.suggest_int("offset", 1, 64, log=True)
    return x ** 2
"""
EPOCHS = """
import optuna

def objective(trial):
    rate = trial.suggest_float("rate", 0.1, 1.0)
    for step in range(5):
        trial.report(rate * step, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return RETURNED
"""


def run(folder: Path, text: str, **changes: Any) -> Line:
    file = folder / "theirs.py"
    file.write_text(text)
    plain = {"metric": "value", "direction": "minimize", "epochs": 100, "open_space": True}
    return attempt(folder / "t", trainer=f"{file}:objective", **{**plain, **changes})


def suggested(line: Line) -> dict[str, Any]:
    return {one.parameter["name"]: one.value for one in line.messages if isinstance(one, Suggested)}


def values(line: Line) -> list[float]:
    return [metrics["value"] for _, metrics in line.curve]


def test_what_it_returns_is_its_value_and_what_it_asks_for_is_told_before(tmp_path: Path):
    line = run(tmp_path, QUADRATIC)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    kinds = [type(message).__name__ for message in line.messages]
    assert kinds[:2] == ["Suggested", "Suggested"]
    assert kinds[-2:] == ["Reported", "Ended"]
    got = suggested(line)
    assert values(line) == [(got["x"] + got.get("offset", 0)) ** 2]
    parameters = {one.parameter["name"]: one.parameter for one in line.messages if isinstance(one, Suggested)}
    assert parameters["x"] == {"name": "x", "type": "float", "low": -10.0, "high": 10.0}
    assert parameters["kind"] == {"name": "kind", "type": "choice", "choices": ["near", "far"]}


def test_a_value_that_is_proposed_is_taken_and_one_that_is_not_is_drawn_by_seed_and_name(tmp_path: Path):
    line = run(tmp_path, QUADRATIC, params={"x": 2.0, "kind": "far", "offset": 3, "unasked": 1})
    assert (values(line), suggested(line)) == ([25.0], {"x": 2.0, "kind": "far", "offset": 3})
    first, again, other = (suggested(run(tmp_path, QUADRATIC, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first["x"] != other["x"]


@pytest.mark.parametrize(("returned", "value"), [("rate * 4", None), ("7.0", 7.0)])
def test_each_report_is_an_epoch_and_another_value_at_the_end_is_the_trials(
    tmp_path: Path, returned: str, value: float | None
):
    line = run(tmp_path, EPOCHS.replace("RETURNED", returned), params={"rate": 0.5})
    assert (line.ended.outcome, line.ended.value) == (Outcome.COMPLETE, value)
    assert values(line) == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_a_stop_is_answered_by_should_prune_and_is_no_pruning_of_its_own(tmp_path: Path):
    line = run(tmp_path, EPOCHS.replace("RETURNED", "0"), stop_after=2)
    assert line.ended.outcome is Outcome.STOPPED
    assert len(line.reports) == 2


def test_an_objective_that_does_not_ask_ends_at_its_next_report(tmp_path: Path):
    text = EPOCHS.replace("RETURNED", "0").replace("if trial.should_prune()", "if False")
    line = run(tmp_path, text, stop_after=2)
    assert (line.ended.outcome, len(line.reports)) == (Outcome.STOPPED, 2)


@pytest.mark.parametrize(("stopped", "outcome"), [(2, Outcome.STOPPED), (None, Outcome.COMPLETE)])
def test_what_an_objective_returns_when_it_was_told_to_stop_is_not_its_result(
    tmp_path: Path, stopped: int | None, outcome: Outcome
):
    text = EPOCHS.replace("raise optuna.TrialPruned()", "return -1.0").replace("RETURNED", "5.0")
    line = run(tmp_path, text, stop_after=stopped)
    assert (line.ended.outcome, line.ended.value) == (outcome, 5.0 if stopped is None else None)


OF_STUDY = """
import optuna

def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    study = trial.study
    try:
        better = x < study.best_value
    except ValueError:
        better = True
    else:
        best = study.best_trial
        assert (best.number, best.params, study.best_params, best.user_attrs) == (4, {"x": 0.25}, {"x": 0.25}, {"a": 1})
        assert best.suggest_float("x", 0, 1) == 0.25 and best.state.is_finished()
    if x > 0.9:
        study.stop()
    return float(better)
"""


def test_an_objective_sees_the_best_trial_of_its_study_and_may_end_the_search(tmp_path: Path):
    best = Best(4, 0.25, {"x": 0.25}, {"a": 1})
    for x, of_study, better in [(0.5, None, 1.0), (0.5, best, 0.0), (0.1, best, 1.0), (0.95, best, 0.0)]:
        line = run(tmp_path, OF_STUDY, params={"x": x}, best=of_study)
        assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
        assert values(line) == [better]
        assert any(isinstance(one, EndSearch) for one in line.messages) == (x == 0.95)


OF_OPTUNA = """
import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.terminator import report_cross_validation_scores

def objective(trial):
    assert isinstance(trial, optuna.trial.Trial)
    store = FileSystemArtifactStore(FOLDER)
    upload_artifact(artifact_store=store, file_path=__file__, study_or_trial=trial)
    (meta,) = get_all_artifact_meta(trial)
    assert meta.filename == "theirs.py"
    report_cross_validation_scores(trial, [0.1, 0.2])
    return trial.suggest_float("x", 0, 1)
"""


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_optuna_keeps_in_the_storage_of_a_trial_can_be_written(tmp_path: Path):
    line = run(tmp_path, OF_OPTUNA.replace("FOLDER", repr(str(tmp_path))))
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message


def test_one_that_gives_itself_up_is_pruned(tmp_path: Path):
    line = run(
        tmp_path, "import optuna\ndef objective(trial):\n    trial.suggest_int('a', 0, 1)\n    raise optuna.TrialPruned"
    )
    assert line.ended.outcome is Outcome.PRUNED


def test_the_epochs_of_the_study_end_it_with_its_last_report(tmp_path: Path):
    line = run(tmp_path, EPOCHS.replace("RETURNED", "0"), epochs=3, params={"rate": 1.0})
    assert (line.ended.outcome, values(line), line.ended.value) == (Outcome.COMPLETE, [0.0, 1.0, 2.0], None)


def test_choices_that_are_no_plain_values_are_kept_by_their_names_and_come_back_as_they_are(tmp_path: Path):
    text = (
        "def objective(trial):\n    act = trial.suggest_categorical('act', [max, min])\n"
        "    size = trial.suggest_categorical('size', [(1, 2), (3, 4)])\n    assert isinstance(size, tuple)\n"
        "    return act(size)"
    )
    line = run(tmp_path, text, params={"act": "max", "size": [3, 4]})
    assert (values(line), suggested(line)) == ([4.0], {"act": "max", "size": [3, 4]})


@pytest.mark.filterwarnings("ignore:suggest_:FutureWarning")
def test_what_else_a_trial_has(tmp_path: Path):
    text = (
        "import optuna, datetime\n\ndef objective(trial):\n    assert isinstance(trial, optuna.trial.BaseTrial)\n"
        "    x = trial.suggest_uniform('x', 0, 1) + trial.suggest_loguniform('y', 1, 2)\n"
        "    x += trial.suggest_discrete_uniform('z', 0, 1, 0.5)\n"
        "    assert trial.suggest_float('x', 0, 1) == trial.params['x']\n"
        "    trial.set_user_attr('about', [1, 2])\n    assert trial.user_attrs == {'about': [1, 2]}\n"
        "    assert trial.number == 7 and isinstance(trial.datetime_start, datetime.datetime)\n"
        "    assert trial.study.direction == optuna.study.StudyDirection.MINIMIZE\n    return x"
    )
    line = run(tmp_path, text)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert [one.notes for one in line.messages if isinstance(one, Noted)] == [{"about": [1, 2]}]


STYLES = {
    "an object that is called": (
        "class Objective:\n    def __init__(self, scale):\n        self.scale = scale\n"
        "    def __call__(self, trial):\n        return self.scale * trial.suggest_float('x', 0, 1)\n"
        "objective = Objective(3)"
    ),
    "a partial": (
        "import functools\ndef base(trial, scale):\n    return scale * trial.suggest_float('x', 0, 1)\n"
        "objective = functools.partial(base, scale=3)"
    ),
    "a lambda": "objective = lambda trial: 3 * trial.suggest_float('x', 0, 1)",
    "a method": (
        "class Search:\n    def run(self, trial):\n        return 3 * trial.suggest_float('x', 0, 1)\n"
        "objective = Search().run"
    ),
    "names in a loop": (
        "def objective(trial):\n    layers = trial.suggest_int('layers', 2, 2)\n"
        "    units = [trial.suggest_int(f'n_units_l{i}', 4, 128, step=4) for i in range(layers)]\n"
        "    assert len(units) == 2\n    return 3 * trial.suggest_float('x', 0, 1)"
    ),
    "a study made at import": (
        "import optuna\nstudy = optuna.create_study(pruner=optuna.pruners.MedianPruner())\n"
        "study.enqueue_trial({'x': 0.1})\ndef objective(trial: optuna.Trial) -> float:\n"
        "    trial.set_system_attr('a', 1)\n    assert trial.system_attrs == {'a': 1}\n"
        "    return 3 * trial.suggest_float('x', 0, 1)"
    ),
}


@pytest.mark.filterwarnings("ignore:set_system_attr:FutureWarning")
@pytest.mark.parametrize("style", STYLES)
def test_objectives_in_each_of_these_styles_run_unchanged(tmp_path: Path, style: str):
    line = run(tmp_path, STYLES[style], params={"x": 0.5})
    assert (line.ended.outcome, values(line)) == (Outcome.COMPLETE, [1.5]), line.ended.message


SEVERAL = {"metric": "loss", "more_objectives": (("size", "maximize"),), "wanted": ("size",)}


def test_several_values_are_those_of_the_objectives_in_their_order(tmp_path: Path):
    text = (
        "def objective(trial):\n    x = trial.suggest_float('x', 0, 1)\n    trial.set_constraint('c', x - 1)\n"
        "    assert [one.name for one in trial.study.directions] == ['MINIMIZE', 'MAXIMIZE']\n    return x, 2 * x"
    )
    line = run(tmp_path, text, params={"x": 0.5}, **SEVERAL)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert line.curve == [(1, {"loss": 0.5, "size": 1.0, "c": -0.5})]


ASKS = "def objective(trial):\n    x = trial.suggest_float('x', 0, 1)\n    "


@pytest.mark.parametrize(
    ("text", "changes", "outcome", "message"),
    [
        (ASKS + "trial.suggest_float('x', 0, 2)", {}, Outcome.UNUSABLE, "x is asked for twice in a trial"),
        (ASKS + "return None", {}, Outcome.ERROR, "the objective returns None, not a number"),
        (ASKS + "return 1, 2", {}, Outcome.ERROR, "the objective returns 2 values"),
        (ASKS + "return 1, 2, 3", SEVERAL, Outcome.ERROR, "returns 3 of the study's 2 objectives (loss, size)"),
        (ASKS + "return 1", SEVERAL, Outcome.ERROR, "the objective returns 1; the study has 2 objectives (loss, size)"),
        (ASKS + "return 1, None", SEVERAL, Outcome.ERROR, "the objective returns None, not a number"),
        (ASKS + "return 1, float('inf')", SEVERAL, Outcome.NAN, "size is inf"),
        (ASKS + "trial.report(1.0, 0)", SEVERAL, Outcome.ERROR, "trial.report is for a study with one objective"),
        (ASKS + "trial.should_prune()", SEVERAL, Outcome.ERROR, "trial.should_prune is for a study with one"),
        (ASKS + "trial.study.direction", SEVERAL, Outcome.ERROR, "use trial.study.directions"),
        (ASKS + "return float('nan')", {}, Outcome.NAN, "value is nan"),
        (ASKS + "trial.study.trials", {}, Outcome.ERROR, "trial.study.trials is not available"),
        (ASKS + "trial.study.best_value", {}, Outcome.ERROR, "No trials are completed yet."),
        (ASKS + "trial.study.best_params", SEVERAL, Outcome.ERROR, "best_trial is of a study with one objective"),
        (ASKS + "return 1", {"open_space": False}, Outcome.ERROR, "the objective asks for x, which the study's space"),
        (ASKS + "return 1", {"metric": "loss"}, Outcome.UNUSABLE, "the objective loss is not reported"),
        (ASKS + "trial.report('a', 1)", {}, Outcome.ERROR, "trial.report takes a number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, changes: dict[str, Any], outcome: Outcome, message: str):
    line = run(tmp_path, text, **changes)
    assert line.ended.outcome is outcome
    assert message in str(line.ended.message)
