"""A worker whose files are kept in an object store: what it leaves there, and how another goes on from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.attempts import Line, assign, attempt
from goodfit.trainers.artifacts.places import place_of
from goodfit.trainers.messages import Outcome
from goodfit.trainers.worker.isolation import Isolation
from tests.s3 import s3_server
from tests.training import IRIS

MLP = {"trainer": "mlp", "data": IRIS, "epochs": 6, "checkpoint_epochs": 2}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


def test_all_of_a_trial_is_kept_and_nothing_here(tmp_path: Path, bucket: str) -> None:
    url = f"{bucket}/whole/trials/00007"
    line = attempt(tmp_path / "unused", place=url, **MLP)
    assert line.ended.outcome is Outcome.COMPLETE
    assert place_of(url).names() == ["best.pt", "facts.json", "last.pt"]
    assert not (tmp_path / "unused").exists()
    assert line.curve == attempt(tmp_path / "plain", **MLP).curve


def test_a_first_attempt_forgets_what_another_study_of_the_name_left(tmp_path: Path, bucket: str) -> None:
    place = place_of(f"{bucket}/taken/trials/00007")
    stale = tmp_path / "stale"
    stale.write_text("of another")
    place.put(stale, "artifacts/old.png")
    attempt(tmp_path, place=place.uri(), **MLP)
    assert "artifacts/old.png" not in place.names()


def test_the_log_of_a_failed_trial_is_kept(tmp_path: Path, bucket: str) -> None:
    file = tmp_path / "theirs.py"
    file.write_text("def train(trial):\n    print('so far')\n    raise KeyError('depth')\n")
    url = f"{bucket}/failed/trials/00007"
    line = attempt(tmp_path, trainer=f"{file}:train", place=url, capture=True)
    assert line.ended.outcome is Outcome.ERROR
    log = (place_of(url).read("log.txt") or b"").decode()
    assert "so far" in log
    assert "KeyError: 'depth'" in log


def test_the_log_is_kept_to_its_last_line_and_the_scratch_folder_is_not(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Isolation, "end", lambda *_: ["its thread still runs"])
    url = f"{bucket}/worn/trials/00007"
    line = attempt(tmp_path / "unused", place=url, **MLP)
    assert (line.ended.outcome, line.ended.worn) == (Outcome.COMPLETE, True)
    assert b"the worker is replaced after it: its thread still runs" in (place_of(url).read("log.txt") or b"")
    assert not list(tmp_path.glob("goodfit-*"))


CHILD = """
import os, signal, sys
from pathlib import Path
from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.messages import Pack
from goodfit.trainers.worker.worker import Worker
from goodfit.trainers.messages import DataSpec

class Fatal(Line):
    def send(self, message):
        super().send(message)
        if getattr(message, "epoch", 0) == 4:
            os.kill(os.getpid(), signal.SIGKILL)

changes = dict(trainer="mlp", data=DataSpec("iris"), epochs=6, checkpoint_epochs=2, place=sys.argv[1])
Worker(Fatal(), clock(), capture=False).run(Pack((assign(Path("unused"), **changes),)))
"""


def test_a_killed_trial_goes_on_elsewhere_with_the_same_curve(tmp_path: Path, bucket: str) -> None:
    url = f"{bucket}/killed/trials/00007"
    done = subprocess.run([sys.executable, "-c", CHILD, url], cwd=Path(__file__).parents[3], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert place_of(url).names() == ["best.pt", "facts.json", "last.pt"]
    again = attempt(tmp_path / "elsewhere", attempt=2, reported=3, place=url, **MLP)
    assert again.ended.outcome is Outcome.COMPLETE
    whole = attempt(tmp_path / "plain", **MLP)
    assert again.curve == whole.curve[3:]
    with place_of(url).local("best.pt") as kept:
        import torch

        ours = torch.load(kept / "best.pt", weights_only=True)
        theirs = torch.load(tmp_path / "plain" / "best.pt", weights_only=True)
    assert ours["epoch"] == theirs["epoch"]
    assert all(torch.equal(ours["model"][key], theirs["model"][key]) for key in theirs["model"])


def test_a_paused_trial_goes_on_elsewhere_though_it_is_its_first_attempt(tmp_path: Path, bucket: str) -> None:
    url = f"{bucket}/paused/trials/00007"
    first = attempt(tmp_path / "here", pauses=True, pause_at=3, place=url, **MLP)
    assert first.ended.outcome is Outcome.STOPPED
    again = attempt(tmp_path / "elsewhere", reported=3, pause_at=5, place=url, **MLP)
    assert (again.ended.outcome, again.ended.message) == (Outcome.COMPLETE, None)
    assert first.curve + again.curve == attempt(tmp_path / "plain", **MLP).curve


def test_folds_are_trained_once_though_another_worker_goes_on(tmp_path: Path, bucket: str) -> None:
    from dataclasses import replace

    changes: dict[str, Any] = {**MLP, "data": replace(IRIS, folds=3), "epochs": 2}
    url = f"{bucket}/folds/trials/00007"
    first = attempt(tmp_path, stop_after=2, place=url, **changes)
    assert first.ended.outcome is Outcome.STOPPED
    assert {"fold-1/fold.json", "fold-2/fold.json", "best.pt"} <= set(place_of(url).names())
    again = attempt(tmp_path, attempt=2, reported=2, place=url, **changes)
    whole = attempt(tmp_path / "plain", **changes)
    assert again.ended.outcome is Outcome.COMPLETE
    assert again.ended.curve == whole.ended.curve
    assert json.loads(place_of(url).read("fold-3/fold.json") or b"{}")


def test_a_store_that_is_away_costs_the_attempt_and_not_the_trial(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import goodfit.trainers.artifacts.object_store

    monkeypatch.setattr(goodfit.trainers.artifacts.object_store, "PAUSE", 0.0)
    monkeypatch.setattr(goodfit.trainers.files, "PATIENCE", 0.0)
    monkeypatch.setattr(
        goodfit.trainers.artifacts.object_store.RemotePlace, "_put", lambda *_: (_ for _ in ()).throw(OSError("gone"))
    )
    line = attempt(tmp_path, place=f"{bucket}/away/trials/00007", **MLP)
    assert line.ended.outcome is Outcome.NO_DISK
    assert "does not answer: OSError: gone" in (line.ended.message or "")


def test_an_unknown_store_is_the_studys_fault(tmp_path: Path) -> None:
    line = attempt(tmp_path, place="ftpx://there", **MLP)
    assert line.ended.outcome is Outcome.UNUSABLE
    assert isinstance(line, Line)
    assert assign(tmp_path).place is None
