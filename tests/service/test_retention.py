"""Which checkpoints stay: none of what only another attempt needs, and the models of the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.models import load_model
from goodfit.service.app.retention import Keeping, superfluous
from goodfit.service.errors import TrainerError
from goodfit.service.records import Failure, StudyState, Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.trainers.artifacts.places import FolderPlace
from tests.serving import NOW, Place, spec_of

FILES = ("best.pt", "facts.json", "last.pt", "log.txt")


def test_what_only_another_attempt_needs_goes_once_the_trial_has_ended() -> None:
    files = (*FILES, "mine/last.pt", "artifacts/last.pt", "fold-1/best.pt", "fold-1/last.pt", "fold-1/fold.json")
    names = [f"{trial:05d}/{file}" for trial in (0, 1) for file in files]
    assert list(superfluous(names, ended={1}, kept={1})) == [
        "00001/last.pt",
        "00001/fold-1/best.pt",
        "00001/fold-1/last.pt",
    ]


def test_a_model_goes_where_it_is_not_kept() -> None:
    names = [f"{trial:05d}/best.pt" for trial in range(4)]
    assert list(superfluous(names, ended={0, 1, 2}, kept={1})) == ["00000/best.pt", "00002/best.pt"]


class Scene:
    """A study whose trials end, and what is left of them."""

    def __init__(self, folder: Path, artifacts: str | None = None, **training: Any) -> None:
        self.at = Place(Settings(folder / "home", artifacts=artifacts))
        confirm = training.pop("confirm", None)
        self.spec = spec_of("digits", training={"epochs": 3, **training}, confirm=confirm)
        self.study = self.at.study("digits", folder="digits").to(StudyState.RUNNING)
        self.troubles: list[str] = []
        self._file = folder / "file"
        self._file.write_text("content")

    def keeping(self) -> Keeping:
        return Keeping(self.at.settings, self.spec, self.at.store, self.study, self.troubles.append)

    def trial(self, number: int, value: float | None, state: TrialState = TrialState.COMPLETE, **more: Any) -> Trial:
        """A trial in the store, with files."""
        failure = Failure.ERROR if state is TrialState.FAILED else None
        trial = Trial(number, {}, number, state, failure, value=value, **more)
        place = self.at.settings.trial_place(self.study, number)
        for name in FILES:
            place.put(self._file, name)
        self.at.write(self.at.store.study("digits"), [trial], [])
        return trial

    def close(self, keeping: Keeping, state: StudyState) -> None:
        study = self.at.store.study("digits")
        self.at.write(study, [], [], state)
        keeping.close()

    def left(self, name: str = "best.pt") -> list[int]:
        names = (self.at.settings.study_place(self.study) / "trials").names()
        return [int(one.partition("/")[0]) for one in names if one.endswith(f"/{name}")]


@pytest.fixture(params=["folder", "memory"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Scene]:
    artifacts = None if request.param == "folder" else f"memory://{tmp_path.name}"
    return lambda **training: Scene(tmp_path, artifacts, **training)


def test_a_paused_trial_keeps_what_it_is_resumed_from(scene: Callable[..., Scene]) -> None:
    made = scene(keep=1)
    keeping = made.keeping()
    paused = made.trial(0, 0.9, TrialState.PAUSED, epochs=1)
    for number in (1, 2):
        keeping.note(made.trial(number, 0.1 * number, epochs=3))
    made.close(keeping, StudyState.INTERRUPTED)
    assert (made.left(), made.left("last.pt")) == ([0, 2], [0])
    keeping = made.keeping()
    pruned = paused.to(TrialState.PRUNED, prune_at=1)
    made.at.write(made.at.store.study("digits"), [pruned], [])
    keeping.note(pruned)
    made.close(keeping, StudyState.DONE)
    assert (made.left(), made.left("last.pt")) == ([2], [])
    assert made.troubles == []


def test_every_model_stays_unless_few_are_to_be_kept(scene: Callable[..., Scene]) -> None:
    made = scene()
    keeping = made.keeping()
    for number in range(3):
        keeping.note(made.trial(number, number / 10))
    made.trial(3, 0.9, TrialState.RUNNING)
    made.close(keeping, StudyState.INTERRUPTED)
    assert made.left() == [0, 1, 2, 3]
    assert made.left("last.pt") == [3]
    assert made.left("log.txt") == [0, 1, 2, 3]
    assert made.troubles == []


def test_the_models_of_the_best_stay(scene: Callable[..., Scene]) -> None:
    made = scene(keep=2)
    keeping = made.keeping()
    for number, value in enumerate([0.1, 0.9, 0.5, 0.7]):
        keeping.note(made.trial(number, value))
    keeping.note(made.trial(4, 0.99, TrialState.PRUNED))
    keeping.note(made.trial(5, None, TrialState.FAILED))
    made.trial(6, 0.2, TrialState.RUNNING)
    made.close(keeping, StudyState.INTERRUPTED)
    assert made.left() == [1, 3, 6]
    assert made.left("facts.json") == [0, 1, 2, 3, 4, 5, 6]


def test_candidates_for_a_confirmation_stay_until_the_winner_is_known(tmp_path: Path) -> None:
    made = Scene(tmp_path, keep=1, confirm={"top": 2, "seeds": 2})
    keeping = made.keeping()
    for number, value in enumerate([0.1, 0.9, 0.8]):
        keeping.note(made.trial(number, value))
    made.close(keeping, StudyState.INTERRUPTED)
    assert made.left() == [1, 2]
    keeping = made.keeping()
    for number, (confirms, score) in enumerate([(1, 0.5), (1, 0.51), (2, 0.8), (2, 0.81)], start=3):
        keeping.note(made.trial(number, score, confirms=confirms, test={"accuracy": score}))
    made.close(keeping, StudyState.DONE)
    assert made.left() == [2], "the confirmed winner"


def test_what_an_earlier_run_could_not_remove_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Scene(tmp_path, keep=1)

    def away(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(FolderPlace, "drop", away)
        keeping = made.keeping()
        for number in range(3):
            keeping.note(made.trial(number, number / 10))
        made.close(keeping, StudyState.INTERRUPTED)
    assert made.troubles == ["checkpoints that are no longer needed were not removed: [Errno 30] Read-only file system"]
    assert made.left("last.pt") == [0, 1, 2]
    made.keeping().close()
    assert (made.left("last.pt"), made.left()) == ([], [2])


def test_a_model_that_was_not_kept_is_said_to_be_so(tmp_path: Path) -> None:
    made = Scene(tmp_path, keep=1)
    study = replace(made.study, spec=made.spec.to_dict(), created=NOW)
    with pytest.raises(TrainerError, match=r"trial 3 of digits was not kept: the study keeps those of its best 1"):
        load_model(made.at.settings, made.at.store, study, Trial(3, {}, 1))
