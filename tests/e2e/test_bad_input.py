"""Bad input: a message that says what, which and what to do, the right exit code, no traceback, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goodfit import connect
from goodfit.service.errors import GoodfitError
from tests import zoo
from tests.e2e.cli import Home

pytestmark = pytest.mark.e2e

TABLE = "\n".join(["a,b,label", *(f"{row},{row % 7},{'yes' if row % 3 else 'no'}" for row in range(60))])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def refused(home: Home, *words: str, code: int = 2) -> str:
    """What a command says when it refuses; nothing is on standard output."""
    done = home.run(*words)
    assert done.returncode == code, f"exit {done.returncode}: {done.stderr}"
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stdout == ""
    return done.stderr


def test_a_study_file_that_is_not_there(home: Home) -> None:
    home.first_start = True  # nothing is made before the command
    assert "nothing.yaml" in refused(home, "run", "nothing.yaml")
    assert not home.path.exists(), "a refused study makes no home"


def test_every_problem_of_a_study_file_is_told_at_once_with_its_line(home: Home) -> None:
    path = home.folder / "bad.yaml"
    path.write_text(
        "name: bad\n"
        "trainer: cn\n"
        "data: {source: digit}\n"
        "space:\n"
        "  learning_rate: {type: float, low: 1, high: 0.1}\n"
        "  wdth: {type: int, low: 0, high: 10, log: true}\n"
        "objective: {metric: val/accuracy, direction: maximise}\n"
        "search: {method: gpp}\n"
        "pruning: {method: medain}\n"
        "training: {epochs: 0}\n"
        "budget: {trials: 0}\n"
        "resources: {pack: 0}\n"
    )
    said = refused(home, "check", str(path))
    for line, words in [
        (2, "cnn"),
        (3, "digits"),
        (5, "low"),
        (6, "log"),
        (7, "maximize"),
        (8, "did you mean gp"),
        (9, "median"),
        (10, "epochs"),
        (11, "trials"),
        (12, "at least 1"),
    ]:
        assert any(f"bad.yaml:{line}: " in one and words in one for one in said.splitlines()), f"line {line}: {said}"


@pytest.mark.parametrize(
    ("file", "content", "data", "words"),
    [
        ("t.csv", None, {"target": "label"}, "t.csv"),
        ("t.csv", "", {"target": "label"}, "empty"),
        ("t.csv", TABLE + "\n1,2", {"target": "label"}, "line 62"),
        ("t.csv", TABLE, {"target": "lable"}, "label"),
        ("t.csv", TABLE, {}, "target"),
        ("t.csv", TABLE.replace("no", "yes"), {"target": "label"}, "class"),
        ("t.csv", TABLE.replace("\n5,", "\n,"), {"target": "label"}, "missing: median"),
    ],
    ids=["missing", "empty", "ragged", "no-such-target", "no-target", "one-class", "missing-values"],
)
def test_data_that_cannot_be_used(home: Home, file: str, content: str | None, data: dict[str, Any], words: str) -> None:
    if content is not None:
        (home.folder / file).write_text(content)
    study = home.study(
        "table",
        trainer="mlp",
        data={"source": file, **data},
        space={"depth": {"type": "int", "low": 1, "high": 3}},
    )
    assert words in refused(home, "run", str(study))


@pytest.mark.parametrize("asked", [{"balance": "weights"}, {"encode": "embedding"}])
def test_a_preparation_that_the_trainer_would_take_no_notice_of(home: Home, asked: dict[str, str]) -> None:
    study = home.study("deaf", data={"source": "iris", "prepare": asked})
    assert "ignores" in refused(home, "check", str(study))


def test_a_metric_that_a_built_in_trainer_does_not_report(home: Home) -> None:
    study = home.study(
        "m",
        trainer="mlp",
        data={"source": "iris"},
        space="mlp",
        objective={"metric": "val/acuracy", "direction": "maximize"},
    )
    assert "val/accuracy" in refused(home, "run", str(study))


def test_a_metric_that_a_users_trainer_does_not_report(home: Home) -> None:
    study = home.study("other", trainer=zoo.named("other_metric"), budget={"trials": 20})
    said = home.run("run", str(study), "--executor", "local")
    assert said.returncode == 2, said.stderr
    assert "val/loss is not reported; the trainer reports: val/perplexity" in said.stderr
    assert "Traceback" not in said.stderr
    assert len(home.json("trials", "other")) <= 4, "the other trials are not tried in vain"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which the study `taken` is done."""
    home = Home(tmp_path_factory.mktemp("done"))
    home.ok("run", str(home.study("taken")), "--executor", "local")
    return home


def test_the_same_study_again_gives_its_answer_and_trains_nothing(done: Home) -> None:
    before = done.json("trials", "taken")
    again = done.run("run", str(done.study("taken")), "--executor", "local")
    assert again.returncode == 0
    assert "is already done" in again.stderr
    assert done.json("trials", "taken") == before


def test_an_unknown_study_suggests_the_nearest(done: Home) -> None:
    assert "did you mean taken?" in refused(done, "best", "taked")


def test_a_name_that_another_spec_has(done: Home) -> None:
    other = done.study("taken", budget={"trials": 5})
    said = refused(done, "run", str(other))
    assert "budget.trials: 4 there, 5 here" in said
    assert "--new" in said
    assert "resume taken" in said
    done.ok("run", str(other), "--new", "--executor", "local")
    assert [row["study"] for row in done.json("ls")] == ["taken-2", "taken"]


def test_a_study_that_was_refused_before_it_began_does_not_hold_its_name(home: Home) -> None:
    greedy = home.study("greedy", resources={"cpus": 100_000})
    assert "lower `resources" in refused(home, "run", str(greedy))
    home.ok("run", str(home.study("greedy")), "--executor", "local")
    assert len(home.json("trials", "greedy")) == 4


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    home = Home(tmp_path, first_start=True)
    home.path.write_text("a file, not a folder")
    assert str(home.path) in refused(home, "run", str(home.study("nowhere")))
    assert "ls" not in refused(home, "ls")


def test_a_home_without_studies_says_what_to_do(home: Home) -> None:
    assert "goodfit run FILE" in refused(home, "ls")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trainers", "nmlp"], "mlp"),
        (["spaces", "cn"], "cnn"),
        (["datasets", "digit"], "digits"),
        (["rub", "x"], "rub"),
        (["run", "x.yaml", "--executor", "rai"], "ray"),
        (["--server", "ftp://127.0.0.1", "ls"], "exclude each other"),
        (["trials", "none", "--state", "COMPLET"], "no studies in"),
    ],
)
def test_unknown_words_on_the_command_line(home: Home, words: list[str], said: str) -> None:
    assert said in refused(home, *words)


def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "goodfit.service.cli", "--server", "http://127.0.0.1:1", "ls"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=Home(tmp_path).env())
    assert done.returncode == 1
    assert "http://127.0.0.1:1 cannot be reached" in done.stderr
    assert done.stderr.count("\n") == 1


FAILURES = {
    "raises": ("FAILED(error)", "ValueError: the second epoch is too much"),
    "nan": ("FAILED(nan)", "val/loss is nan at epoch 3"),
    "silent": ("FAILED(error)", "without one trial.report"),
    "hungry": ("FAILED(oom)", "no more"),
}


def test_a_study_whose_every_trial_fails(home: Home) -> None:
    study = home.study(
        "sad",
        trainer=zoo.named("fails"),
        space={"how": list(FAILURES)},
        search={"method": "grid", "try_defaults": False},
        budget={},
    )
    done = home.run("run", str(study), "--executor", "local")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "log: " in done.stderr
    rows = home.json("trials", "sad")
    assert {row["params"]["how"]: row["state"] for row in rows} == {how: state for how, (state, _) in FAILURES.items()}
    failures = {failure["trial"]: failure for failure in home.json("show", "sad")["failures"]}
    for row in rows:
        how, failure = row["params"]["how"], failures[row["trial"]]
        words = FAILURES[how][1]
        assert words in done.stderr
        assert words in failure["message"]
        log = Path(failure["log"]).read_text()
        assert words in log
        assert ("Traceback" in log) == (how != "nan")
    assert home.json("best", "sad")["best"] == []
    assert "no complete trial" in home.ok("best", "sad")
    with pytest.raises(GoodfitError, match="no complete trial"):
        connect(home.path)["sad"].best()


def test_a_trial_that_sleeps_for_ever_is_ended_after_its_minutes(home: Home) -> None:
    study = home.study(
        "asleep", trainer=zoo.named("endless"), training={"epochs": 3, "minutes": 0.1}, budget={"trials": 1}
    )
    done = home.run("run", str(study))
    assert done.returncode == 1
    rows = home.json("trials", "asleep")
    assert [(row["state"], row["epochs"]) for row in rows] == [("FAILED(timeout)", 1)]
    log = Path(done.stderr.partition("log: ")[2].split()[0])
    assert log.read_text() == f"--- FAILED(timeout): {home.json('show', 'asleep')['failures'][0]['message']}\n"


def test_a_worker_that_always_dies_fails_its_trial_as_lost(home: Home) -> None:
    study = home.study("mortal", trainer=zoo.named("dies"), training={"epochs": 3, "retries": 1}, budget={"trials": 1})
    done = home.run("run", str(study))
    assert done.returncode == 1
    assert [(row["state"], row["attempts"]) for row in home.json("trials", "mortal")] == [("FAILED(lost)", 2)]


def test_brackets_in_what_users_write_are_shown_as_they_are(home: Home) -> None:
    """A terminal library may take them for markup of its own."""
    (home.folder / "brackets.py").write_text(
        "def train(trial):\n"
        "    for epoch in trial.epochs():\n"
        "        trial.report({'[loss]': 1 / (epoch + 1)}, {'[/loss]': 1.1 / (epoch + 1)})\n"
        "    if trial.config['kind'] == '[/bold]':\n"
        "        raise ValueError('no such file: [/data/x] in [red]')\n"
    )
    kinds = ["[/bold]", "[red]", "[a, b]"]
    study = home.study(
        "brackets",
        trainer="brackets.py:train",
        space={"kind": kinds},
        objective={"metric": "val/[/loss]", "direction": "minimize"},
        search={"method": "grid", "try_defaults": False},
        training={"epochs": 3},
        budget={},
    )
    done = home.run("run", str(study), "--executor", "local")
    assert done.returncode == 0, done.stderr
    message = "no such file: [/data/x] in [red]"
    assert message in done.stderr
    listed = home.ok("trials", "brackets")
    assert all(kind in listed for kind in kinds)
    assert "val/[/loss]" in listed
    assert message in home.ok("show", "brackets")
    assert "val/[/loss] 0.275 on validation" in home.ok("diagnose", "brackets")
    failed = next(row["trial"] for row in home.json("trials", "brackets") if row["state"] == "FAILED(error)")
    page = home.ok("show", "brackets", str(failed))
    assert message in page
    assert "kind: [/bold]" in page
    assert "train/[loss]" in page
    assert "[red]" in home.ok("best", "brackets")
