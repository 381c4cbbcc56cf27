"""How a command line ends: exit codes, and where a traceback goes."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command

from goodfit.service import app, cli
from goodfit.service.cli import base
from goodfit.service.cli.tables import gap_note, print_studies
from goodfit.service.cli.ui import opened_on
from goodfit.service.client import Source, connect
from goodfit.service.errors import GoodfitError
from goodfit.service.exchange.tables import to_csv
from goodfit.service.objective import Objective
from goodfit.service.progress import Progress, TrialProgress
from goodfit.service.records import Report, Study, Trial, TrialState
from goodfit.service.screen.live import Live, Plain, Scale
from goodfit.service.screen.words import cause, trainer_text
from goodfit.service.settings import Settings
from tests import zoo
from tests.serving import spec_of


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def open_home(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(app, "open_home", open_home)


def test_a_ctrl_c_in_any_command_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _raising(monkeypatch, KeyboardInterrupt())
    assert cli.run(["--home", str(tmp_path), "best", "any"]) == 130
    assert capsys.readouterr().err == "goodfit: interrupted\n"


def test_a_ctrl_c_while_the_commands_are_imported_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load_commands() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(base, "load_commands", load_commands)
    with pytest.raises(SystemExit) as ended:
        cli.main(["ls"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "goodfit: interrupted before anything was started\n"


def test_the_entry_point_imports_little_before_it_can_catch_a_ctrl_c() -> None:
    script = (
        "import sys, service.cli; print(*{'yaml', 'typer', 'pydantic', 'goodfit.service.errors'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_listing_imports_nothing_of_what_searches_or_trains(tmp_path: Path) -> None:
    app.open_home(Settings(tmp_path), create=True)
    script = (
        "import sys; from goodfit.service import cli; cli.run(['--home', sys.argv[1], 'ls']); "
        "print(*{'numpy', 'optuna', 'torch', 'ray', 'mlflow', 'goodfit.service.spec', 'goodfit.service.diagnosis', "
        "'goodfit.trainers.messages', 'goodfit.service.app.studies'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_a_command_by_itself_is_what_it_is_among_all() -> None:
    base.load_commands()
    whole = get_command(base.cli)
    assert isinstance(whole, TyperGroup)
    assert {"ls", "import", "token"} < set(whole.commands)
    for name in set(whole.commands) - {"token"}:
        alone = get_command(base.cli_of(name))
        assert isinstance(alone, TyperGroup)
        assert list(alone.commands) == [name]
        assert [one.name for one in alone.params] == [one.name for one in whole.params]
        of_it, among_all = alone.commands[name], whole.commands[name]
        assert [(one.name, one.opts) for one in of_it.params] == [(one.name, one.opts) for one in among_all.params]
    for word in ("token", "list_studies", "lss", "--help", ""):
        assert base.cli_of(word) is base.cli


def test_an_error_of_ours_ends_with_its_own_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _raising(monkeypatch, GoodfitError("no"))
    assert cli.run(["--home", str(tmp_path), "best", "any"]) == 1


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["--version"], 0), (["best"], 2), (["nothing"], 2)])
def test_words_alone(words: list[str], code: int) -> None:
    assert cli.run(words) == code


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["rerun", "digits"], "goodfit rerun"),
        (["best", "digits", "-k", "many"], "goodfit best"),
        (["token", "create"], "goodfit token create"),
        (["rerunn"], "goodfit"),
        (["--hom", "x", "ls"], "goodfit"),
    ],
)
def test_a_wrong_word_is_followed_by_the_help_of_its_command(
    words: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(words) == 2
    assert capsys.readouterr().err.endswith(f"; see `{command} --help`\n")


@pytest.mark.parametrize("words", [["rerun", "digits", "3"], ["gc", "digits"]])
def test_what_needs_the_home_itself_says_on_a_server_where_to_run_it(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOODFIT_SERVER", "http://goodfit.lab:8000")
    assert cli.run(words) == 2
    said = capsys.readouterr().err
    assert "where the home of the server at http://goodfit.lab:8000 is" in said
    assert f"`docker compose exec goodfit goodfit {' '.join(words)}`" in said
    assert said.endswith("for studies of this machine, give --home DIR\n")


def test_a_server_in_the_environment_needs_no_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOODFIT_SERVER", "goodfit.lab:8000")
    assert connect().source.place == "http://goodfit.lab:8000"


def test_a_trainer_of_a_file_is_named_without_its_folders() -> None:
    assert trainer_text("/home/ann/.goodfit/given/mine/train.py:train") == "train.py:train"
    assert [trainer_text(one) for one in ("mlp", "package.nets:net")] == ["mlp", "package.nets:net"]


def test_the_traceback_of_a_fault_goes_to_the_home_that_was_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    (home / "logs").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    _raising(monkeypatch, RuntimeError("boom"))
    assert cli.run(["best", "any", "--home", str(home)]) == 1
    (log,) = (home / "logs").glob("goodfit-fault-*.log")
    assert f"the traceback is in {log}" in capsys.readouterr().err
    assert "RuntimeError: boom" in log.read_text()
    assert not list(here.iterdir())


def test_a_fault_where_no_log_can_be_written_is_told_without_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    _raising(monkeypatch, RuntimeError("boom"))
    assert cli.run(["--home", str(tmp_path), "best", "any"]) == 1
    assert "RuntimeError: boom" in capsys.readouterr().err


def test_a_failure_names_its_log_only_where_there_is_one() -> None:
    assert cause("ValueError: no", "/home/log.txt") == "ValueError: no; log: /home/log.txt"
    assert cause("its worker died 3 times in a row", None) == "its worker died 3 times in a row"


@pytest.mark.parametrize(
    ("metric", "reported", "told"),
    [
        ("val/accuracy", {"train/loss": 0.1}, "no gap: the trainer does not report train/accuracy"),
        ("val/loss", {"train/loss": 0.1}, "no gap: the trainer does not report train/loss at the best epoch"),
        ("train/loss", {"train/loss": 0.1}, "no gap: train/loss is not a validation metric (val/...)"),
    ],
)
def test_a_gap_that_is_missing_is_explained(metric: str, reported: dict[str, float], told: str) -> None:
    record = SimpleNamespace(objective=Objective(metric, "minimize"))
    study: Any = SimpleNamespace(record=record, reports=lambda trial: [Report(trial, 1, reported, 0.0)])
    judged = {"trial": 3, "value": 0.5, "gap": None, "verdict": "good_fit", "state": "COMPLETE"}
    assert gap_note(study, judged) == told
    assert gap_note(study, {**judged, "gap": 0.0}) == ""
    assert gap_note(study, {**judged, "value": None}) == ""


def test_a_trial_that_was_not_judged_has_a_gap_later_or_never() -> None:
    record = SimpleNamespace(objective=Objective("val/loss", "minimize"))
    study: Any = SimpleNamespace(record=record, reports=lambda trial: [Report(trial, 1, {"train/loss": 0.1}, 0.0)])
    row = {"trial": 3, "value": 0.5, "gap": None, "verdict": None}
    for state in ("RUNNING", "INTERRUPTED", "QUEUED"):
        assert gap_note(study, {**row, "state": state}) == "no gap yet: a trial is judged when it has ended"
    assert gap_note(study, {**row, "state": "FAILED(error)"}) == "no gap: a failed trial is not judged"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\uff1d1+1", "'\uff1d1+1"),  # a wide =
        ("-1", "-1"),
        ("+1e-3", "+1e-3"),
        (-0.5, "-0.5"),
        ("adam", "adam"),
        (None, ""),
    ],
)
def test_no_cell_of_a_csv_is_a_formula(value: Any, cell: str) -> None:
    trial = Trial(0, {"choice": value, "=name": value}, 1, TrialState.COMPLETE, value=-1.5)
    [row] = csv.DictReader(io.StringIO(to_csv([trial]), newline=""))
    assert (row["params.choice"], row["params.=name"], row["value"]) == (cell, cell, "-1.5")


def _study_file(folder: Path) -> str:
    path = folder / "curve.yaml"
    space = {"x": {"type": "float", "low": 0, "high": 1}}
    objective = {"metric": "val/loss", "direction": "minimize"}
    spec = {"name": "curve", "trainer": zoo.named("curve"), "space": space, "objective": objective}
    path.write_text(json.dumps({**spec, "training": {"epochs": 2}, "budget": {"trials": 2}}))
    return str(path)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("check", "interrupted; no study was started: run the same command again"),
        ("run_study", "interrupted; go on with `"),
    ],
)
def test_a_ctrl_c_while_a_study_starts_says_how_to_go_on(
    where: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, where, interrupted)
    home = tmp_path / "home"
    assert cli.run(["--home", str(home), "run", _study_file(tmp_path), "--executor", "local"]) == 130
    first, last = capsys.readouterr().err.splitlines()[-2:]
    assert first.startswith(told)
    assert where != "run_study" or f"resume curve --home {home}`" in first
    assert last == "goodfit: interrupted"


def test_what_is_waited_for_is_a_line_each_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    view = Plain(Scale("val/loss", 3), lambda _: None, Console(stderr=True))
    for phase in ("starting Ray", "starting workers", None):
        view.phase(phase)
    assert capsys.readouterr().err == "starting Ray ...\nstarting workers ...\n"


def test_a_pipe_that_nobody_reads_any_more_is_left_to_rich() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    class Known(Console):
        def on_broken_pipe(self) -> None:
            raise SystemExit(1)

    with pytest.raises(SystemExit):
        Plain(Scale("val/loss", 3), lambda _: None, Known(file=Broken())).phase("starting Ray")


def test_what_is_waited_for_is_one_line_that_changes_on_a_terminal() -> None:
    screen = io.StringIO()
    view = Live(Scale("val/loss", 3), lambda _: None, Console(file=screen, force_terminal=True, width=80))
    view.phase("starting Ray")
    view.phase("starting workers")
    view(Progress("digits", 4))
    drawn = re.findall(r"starting (?:Ray|workers) \.\.\.", screen.getvalue())
    assert drawn == ["starting Ray ...", "starting workers ...", "starting workers ..."]
    view.phase(None)
    view.close()


def test_paused_trials_are_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    screen, scale = io.StringIO(), Scale("val/loss", 3)
    ended = TrialProgress(0, TrialState.COMPLETE, "COMPLETE", epochs=3, value=0.5, best_epoch=3)
    going = TrialProgress(3, TrialState.RUNNING, "RUNNING", epochs=1)
    progress = Progress("digits", 4, states={"COMPLETE": 1}, paused=2, running=[going], settled=[ended])
    view = Live(scale, lambda _: None, Console(file=screen, force_terminal=True, width=100))
    view(progress)
    view.close()
    assert "1/4 trials  pruned 0%  paused 2" in re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    Plain(scale, lambda _: None, Console(stderr=True))(progress)
    assert "[1 of 4, 2 paused]" in capsys.readouterr().err


def test_a_trial_that_cannot_be_the_best_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    of_record = TrialProgress.of(Trial(0, {}, 0, TrialState.COMPLETE, value=0.5, epochs=3, best_epoch=3, violation=1.0))
    Plain(Scale("val/loss", 3), lambda _: None, Console(stderr=True))(Progress("digits", 4, settled=[of_record]))
    assert "val/loss 0.5 at epoch 3 of 3  breaks the constraints  [0 of 4]" in capsys.readouterr().err


def test_studies_have_a_column_for_paused_trials_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"study": "digits", "state": "RUNNING", "budget": 8, "created": "2026", "seconds": 1.0}
    row: dict[str, Any] = {**known, "submitter": None, "priority": 0, "waits_for": None, "tags": {}}
    for states, columns in (({"PAUSED": 3, "RUNNING": 1}, "failed paused time"), ({"RUNNING": 1}, "failed time")):
        print_studies([{**row, "trials": states}], cast("Source", None))  # which is asked only where there are no rows
        assert columns in " ".join(capsys.readouterr().out.split())


def test_ray_starts_while_the_study_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    order: list[str] = []

    @contextlib.contextmanager
    def cluster_ahead(_settings: object, executor: str) -> Iterator[None]:
        order.append(f"a cluster for {executor}")
        yield None

    def check(_spec: object) -> None:
        order.append("check")
        raise GoodfitError("enough")

    monkeypatch.setattr(app, "cluster_ahead", cluster_ahead)
    monkeypatch.setattr(app, "check", check)
    assert cli.run(["--home", str(tmp_path / "home"), "run", _study_file(tmp_path)]) == 1
    assert order == ["a cluster for ray", "check"]


@pytest.mark.parametrize("words", [["trials", "any"], ["audit", "any"], ["data", "any.yaml", "--labels"]])
def test_csv_and_json_at_once_are_refused(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--home", str(tmp_path), "--json", *words, "--csv"]) == 2
    assert "--csv and --json both write to standard output; leave one out" in capsys.readouterr().err


def test_csv_has_lists_and_mappings_as_json() -> None:
    params = {"hidden": [256, True, None], "head": {"kind": "mlp", "rate": 0.1}, "name": "[x]"}
    [row] = csv.DictReader(io.StringIO(to_csv([Trial(0, params, 0, TrialState.COMPLETE)]), newline=""))
    assert json.loads(row["params.hidden"]) == params["hidden"]
    assert json.loads(row["params.head"]) == params["head"]
    assert row["params.name"] == "[x]"


@pytest.mark.parametrize("as_json", [True, False])
def test_submit_prints_the_notes_of_check(as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(_study_file(tmp_path))
    spec = json.loads(file.read_text())
    file.write_text(json.dumps({**spec, "space": {"x": [0.1, 0.2]}, "budget": {"trials": 9}}))
    flags = ["--json"] if as_json else []
    assert cli.run(["--home", str(tmp_path / "home"), *flags, "submit", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "note: the space has 2 configurations: the study ends after 2 of the 9 trials" in err
    if as_json:
        submitted = json.loads(out)
        assert cli.run(["--home", str(tmp_path / "home"), "--json", "check", str(file)]) == 0
        assert submitted["notes"] == json.loads(capsys.readouterr().out)["notes"]


def test_a_note_and_tags_are_kept_shown_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = app.open_home(Settings(home=tmp_path), create=True)
    store.add_study(Study("s", spec_of("s").to_dict(), "f", 1.0))
    store.close()

    def goodfit(*words: str) -> str:
        assert cli.run(["--home", str(tmp_path), *words]) == 0
        return capsys.readouterr().out

    assert goodfit("note", "s") == "study s has no note\n"
    said = goodfit("note", "s", "for the paper", "--tag", "paper=v2", "--tag", "who=a=b")
    assert said == "study s has a note and tags paper=v2, who=a=b\n"
    assert goodfit("note", "s") == "for the paper\npaper=v2\nwho=a=b\n"
    shown = json.loads(goodfit("note", "s", "--tag", "who=", "--json"))
    assert (shown["note"], shown["tags"]) == ("for the paper", {"paper": "v2"})
    assert re.search(r"note +for the paper\ntags +paper=v2", goodfit("show", "s"))
    assert "paper=v2" in goodfit("ls")
    assert json.loads(goodfit("ls", "--json"))[0]["note"] == "for the paper"
    for wrong in (["--tag", "paper"], ["--tag", "=x"], ["--tag", "a=1", "--tag", "a=2"], ["--tag", "goodfit.x=1"]):
        assert cli.run(["--home", str(tmp_path), "note", "s", *wrong]) == 2
    assert cli.run(["--home", str(tmp_path), "note", "unknown", "x"]) == 2


def test_the_ui_opens_on_the_study_that_is_named_or_the_newest_with_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queued, new, old = (
        cast(Study, SimpleNamespace(name=name, mlflow_experiment_id=experiment))
        for name, experiment in (("queued", None), ("new", "2"), ("old", "1"))
    )
    studies = [queued, new, old]
    assert [opened_on(studies, name) for name in (None, "old", "queued")] == [new, old, None]
    app.open_home(Settings(home=tmp_path / "home"), create=True)
    assert cli.run(["--home", str(tmp_path / "home"), "ui", "nope"]) == 2
    assert "nope" in capsys.readouterr().err
