"""Trials whose files are damaged, left over, or away: they are trained all the same, and nothing wrong is said."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from goodfit.testing import sample_trainers
from goodfit.testing.attempts import Line, attempt
from goodfit.trainers import files
from goodfit.trainers.data import Facts
from goodfit.trainers.errors import Damaged
from goodfit.trainers.messages import Outcome
from goodfit.trainers.worker import worker
from tests.training import IRIS

SETTINGS: dict[str, Any] = {"trainer": "mlp", "data": IRIS, "epochs": 4, "checkpoint_epochs": 1, "capture": True}
HALF = {**SETTINGS, "stop_after": 2}


def weights(folder: Path) -> Any:
    return files.read_checkpoint(folder / "best.pt")["model"]


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def truncate(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, Any]:
    folder = tmp_path_factory.mktemp("whole") / "t"
    return attempt(folder, **SETTINGS), weights(folder)


@pytest.mark.parametrize("name", ["last.pt", "best.pt"])
def test_a_damaged_checkpoint_costs_the_epochs_and_not_the_trial(
    tmp_path: Path, whole: tuple[Line, Any], name: str
) -> None:
    attempt(tmp_path / "t", **HALF)
    truncate(tmp_path / "t" / name)
    again = attempt(tmp_path / "t", **SETTINGS, attempt=2, reported=2)
    assert again.ended.outcome is Outcome.COMPLETE
    assert name in str(again.ended.message)
    assert "trained again from its start" in (tmp_path / "t" / "log.txt").read_text()
    assert again.curve == whole[0].curve
    assert same(weights(tmp_path / "t"), whole[1])


def test_a_paused_trial_whose_checkpoint_is_gone_is_trained_anew_and_its_user_told(
    tmp_path: Path, whole: tuple[Line, Any]
) -> None:
    first = attempt(tmp_path / "t", **SETTINGS, pauses=True, pause_at=2)
    shutil.rmtree(tmp_path / "t")
    again = attempt(tmp_path / "t", **SETTINGS, reported=2, pause_at=3)
    assert (first.ended.outcome, again.ended.outcome) == (Outcome.STOPPED, Outcome.COMPLETE)
    assert "last.pt is missing; the trial is trained again from its start" in str(again.ended.message)
    assert again.curve == whole[0].curve, "the scheduler keeps of it what it has not"
    assert same(weights(tmp_path / "t"), whole[1])


def test_an_error_of_the_worker_itself_ends_the_trial_and_not_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is missing on the worker's machine, say: a trial without an end would be waited for."""
    with monkeypatch.context() as patched:
        patched.setattr(worker, "judge", lambda *_: importlib.import_module("no_such_package"))
        line = attempt(tmp_path / "t", trainer=f"{sample_trainers.__file__}:raises")
    assert line.ended.outcome is Outcome.ERROR
    assert "no_such_package, which is not installed" in str(line.ended.message)


SPOILT: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "garbage": lambda file: file.write_bytes(bytes(range(256)) * 20),
    "a list": lambda file: file.write_text("[]"),
    "null": lambda file: file.write_text("null"),
    "another mapping": lambda file: file.write_text('{"best": 9, "curve": [{"val/accuracy": "x"}], "points": 3}'),
    "a folder": lambda file: (file.unlink(), file.mkdir(), (file / "inside").touch()),
    "a link to nowhere": lambda file: (file.unlink(), file.symlink_to(file.with_name("nowhere"))),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_whatever_is_in_a_files_place_the_trial_is_trained_and_its_user_told(
    tmp_path: Path, whole: tuple[Line, Any], spoil: Callable[[Path], object]
) -> None:
    for name in ("last.pt", "best.pt", "facts.json"):
        folder = tmp_path / name / "t"
        attempt(folder, **HALF)
        spoil(folder / name)
        again = attempt(folder, **SETTINGS, attempt=2, reported=2)
        assert again.ended.outcome is Outcome.COMPLETE
        assert (name in str(again.ended.message)) == (name != "facts.json")  # that is written again in any case
        assert same(weights(folder), whole[1])
        assert (folder / name).is_file()


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_fold_of_which_the_result_is_spoilt_goes_on_from_its_checkpoint(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    folds = {**SETTINGS, "data": replace(IRIS, folds=2), "epochs": 1}
    first = attempt(tmp_path / "t", **folds)
    spoil(tmp_path / "t" / "fold-1" / "fold.json")
    again = attempt(tmp_path / "t", **folds, attempt=2)
    assert (again.ended.outcome, again.curve) == (Outcome.COMPLETE, first.curve)
    assert "fold.json" in str(again.ended.message)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "last.pt").write_bytes(b"whole")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root, all can be read
    with pytest.raises(Damaged, match=r"last\.pt cannot be read: its permissions"):
        files.read_checkpoint(tmp_path / "last.pt")


CHANGED = """
import torch
def train(trial):
    model = torch.nn.Linear(4, WIDTH)
    start = model.weight.sum().item()
    trial.restore(model)
    for epoch in trial.epochs():
        trial.report(val={"accuracy": start})
"""


def test_a_checkpoint_that_a_changed_trainer_cannot_take_is_not_used(tmp_path: Path) -> None:
    for width in (2, 3):
        (tmp_path / f"{width}.py").write_text(CHANGED.replace("WIDTH", str(width)))
    before, after = ({"trainer": f"{tmp_path}/{width}.py:train", "checkpoint_epochs": 1} for width in (2, 3))
    attempt(tmp_path / "t", **before, stop_after=2)
    again = attempt(tmp_path / "t", **after, attempt=2, reported=2)
    expected = attempt(tmp_path / "other", **after)
    assert again.ended.outcome is Outcome.COMPLETE
    assert "does not fit what the trainer restores" in str(again.ended.message)
    assert "trained again from its start" in str(again.ended.message)
    assert again.curve == expected.curve  # of a model that was built anew


def test_a_checkpoint_whose_best_is_gone_is_trained_again(tmp_path: Path, whole: tuple[Line, Any]) -> None:
    attempt(tmp_path / "t", **HALF)
    (tmp_path / "t" / "best.pt").unlink()
    again = attempt(tmp_path / "t", **SETTINGS, attempt=2, reported=2)
    assert "best.pt is missing" in str(again.ended.message)
    assert same(weights(tmp_path / "t"), whole[1])


def test_damaged_facts_are_written_again(tmp_path: Path) -> None:
    attempt(tmp_path / "t", **SETTINGS)
    truncate(tmp_path / "t" / "facts.json")
    again = attempt(tmp_path / "t", **SETTINGS, attempt=2, reported=4)
    assert (again.ended.outcome, again.ended.message) == (Outcome.COMPLETE, None)
    assert Facts.read(tmp_path / "t" / "facts.json").classes


def test_a_damaged_fold_is_trained_again(tmp_path: Path) -> None:
    folds = {**SETTINGS, "data": replace(IRIS, folds=2), "epochs": 2}
    first = attempt(tmp_path / "t", **folds)
    for name in ("fold.json", "last.pt"):
        truncate(tmp_path / "t" / "fold-1" / name)
    again = attempt(tmp_path / "t", **folds, attempt=2)
    assert "this fold is trained again" in str(again.ended.message)
    assert again.curve == first.curve


def test_a_first_attempt_begins_in_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    (folder / "artifacts").mkdir(parents=True)
    for name in ("facts.json", "best.pt", "last.pt", "log.txt", "fold.json", "artifacts/old.png", "of_the_user.bin"):
        (folder / name).write_text("of an older study")
    line = attempt(folder, **SETTINGS)
    assert line.ended.outcome is Outcome.COMPLETE
    assert sorted(path.name for path in folder.iterdir()) == ["best.pt", "facts.json", "last.pt"]
    assert Facts.read(folder / "facts.json").name == "iris"


def test_a_later_attempt_clears_what_a_killed_one_had_half_written(tmp_path: Path) -> None:
    attempt(tmp_path / "t", **HALF)
    (tmp_path / "t" / "last.pt.123.part").write_text("half")
    attempt(tmp_path / "t", **SETTINGS, attempt=2, reported=2)
    assert list((tmp_path / "t").glob("*.part")) == []


class Failing:
    """The file system fails with an error at writes in a folder, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, number: int, times: int) -> None:
        self.left = times
        opened = Path.open

        def opening(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
            if not mode.startswith("r") and path.is_relative_to(folder) and self.left:
                self.left -= 1
                raise OSError(number, os.strerror(number), str(path))
            return opened(path, mode, *rest, **more)

        monkeypatch.setattr(Path, "open", opening)
        monkeypatch.setattr(files, "FIRST_PAUSE", 0.0)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.ESTALE])
def test_a_folder_that_is_away_for_a_while_costs_nothing(
    tmp_path: Path, whole: tuple[Line, Any], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    Failing(monkeypatch, tmp_path, number, times=7)
    line = attempt(tmp_path / "t", **SETTINGS)
    assert line.ended.outcome is Outcome.COMPLETE
    assert line.curve == whole[0].curve
    assert same(weights(tmp_path / "t"), whole[1])


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_folder_that_stays_away_is_not_the_trials_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    Failing(monkeypatch, tmp_path, number, times=10_000)
    monkeypatch.setattr(files, "PATIENCE", 0.0)
    line = attempt(tmp_path / "t", **SETTINGS)
    assert line.ended.outcome is Outcome.NO_DISK
    assert os.strerror(number) in str(line.ended.message)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_not_the_trials_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    Failing(monkeypatch, tmp_path, number, times=10_000)
    line = attempt(tmp_path / "t", **SETTINGS)
    assert line.ended.outcome is Outcome.NO_DISK
    assert str(line.ended.message).startswith("no room is left on the disk: ")


LOOP = "import errno, os\ndef train(trial):\n    for epoch in trial.epochs():\n        "


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("raise OSError(errno.EIO, 'Input/output error', '/data/a.bin')", Outcome.AWAY),
        ("raise OSError(errno.EROFS, 'Read-only file system', str(trial.folder / 'mine.bin'))", Outcome.AWAY),
        ("raise OSError(errno.EROFS, 'Read-only file system', '/usr/mine.bin')", Outcome.ERROR),
        ("raise PermissionError(errno.EACCES, 'Permission denied', '/root/mine.bin')", Outcome.ERROR),
        ("open('/no/such/file')", Outcome.ERROR),
        ("raise ValueError('the disk is full')", Outcome.ERROR),
    ],
)
def test_what_a_trainer_meets_is_told_apart(tmp_path: Path, line: str, outcome: Outcome) -> None:
    (tmp_path / "mine.py").write_text(LOOP + line)
    ended = attempt(tmp_path / "t", trainer=f"{tmp_path}/mine.py:train").ended
    assert ended.outcome is outcome


def test_an_error_on_a_disk_without_room_is_the_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries say it in their own words: SQLite, HDF5, torch.save by a file's name."""
    (tmp_path / "mine.py").write_text(LOOP + "raise RuntimeError('PytorchStreamWriter failed writing file data/0')")
    Failing(monkeypatch, tmp_path / "t", errno.ENOSPC, times=10_000)
    assert attempt(tmp_path / "t", trainer=f"{tmp_path}/mine.py:train").ended.outcome is Outcome.NO_DISK


PLACES = {
    "trial.folder": "(trial.folder / 'mine.txt').write_text('x')",
    "trial.artifacts": "(trial.artifacts / 'mine.txt').write_text('x')",
    "mlflow": "import mlflow; mlflow.log_metric('mine', 1.0)",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", PLACES.values(), ids=PLACES)
def test_a_study_folder_that_goes_while_a_trainer_writes_to_it_is_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.0)
    root, away = tmp_path / "study", tmp_path / "away"
    root.mkdir()
    (tmp_path / "mine.py").write_text(
        f"{LOOP}import pathlib; pathlib.Path({str(root)!r}).rename({str(away)!r}); {line}"
    )
    ended = attempt(root / "trials" / "00007", trainer=f"{tmp_path}/mine.py:train", root=root).ended
    assert ended.outcome is Outcome.NO_DISK
    assert not root.exists()


def test_what_a_trainer_raises_because_its_folder_was_away_is_not_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, away = tmp_path / "study", tmp_path / "away"
    root.mkdir()
    lines = f"import pathlib; folder = trial.artifacts; pathlib.Path({str(root)!r}).rename({str(away)!r}); "
    (tmp_path / "mine.py").write_text(f"{LOOP}{lines}(folder / 'mine.txt').write_text('x')")
    monkeypatch.setattr(files, "FIRST_PAUSE", 0.0)
    tried = files.probe

    def probe(folder: Path, top: Path | None) -> None:
        try:
            tried(folder, top)
        except OSError:
            away.rename(root)  # it is back at the second try
            raise

    monkeypatch.setattr("goodfit.trainers.worker.failures.probe", probe)
    ended = attempt(root / "trials" / "00007", trainer=f"{tmp_path}/mine.py:train", root=root).ended
    assert ended.outcome is Outcome.AWAY


def test_a_study_folder_that_is_gone_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.0)
    root = tmp_path / "unmounted" / "study"
    line = attempt(root / "trials" / "00007", **SETTINGS, root=root)
    assert line.ended.outcome is Outcome.NO_DISK
    assert not (tmp_path / "unmounted").exists()
