"""Which checkpoints a study keeps, and how the others go: in a thread, since a store may be slow.

A trial that has ended needs no `last.pt`, and its folds no models of their own. Snapshots, which other members of a
population may go on from, stay until all trials have ended. `training: {keep: k}` keeps the models of the best k trials
alone; until the study is done, of the candidates for a confirmation too.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from goodfit.service.diagnosis.confirmation import best_first
from goodfit.service.errors import HomeError
from goodfit.service.records import FINISHED, Study, StudyState, Trial, ranked
from goodfit.service.settings import Settings
from goodfit.trainers.errors import PlaceAway
from goodfit.trainers.trial.checkpoint import SNAPSHOT

if TYPE_CHECKING:
    from goodfit.service.ports import Records
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.artifacts.places import Place

CLOSE_SECONDS = 30.0  # for what is left to remove when a study ends
_CONTINUED = re.compile(r"(fold-\d+/)?(test/)?last\.pt|fold-\d+/(test/)?best\.pt")  # what only another attempt needs
_SNAPSHOT = re.compile(rf"{re.escape(SNAPSHOT)}\d+/.+")
_MODEL = "best.pt"
_OVER = None  # in the queue: the study has ended


class Keeping:
    """Removes the checkpoints that nobody needs any more, as trials end.

    Args:
        settings: the home.
        spec: of the study.
        store: where it is.
        study: with its folder.
        on_trouble: gets what could not be removed; the next run of the study tries again.
        after: called after each trial.
    """

    def __init__(
        self,
        settings: Settings,
        spec: StudySpec,
        store: Records,
        study: Study,
        on_trouble: Callable[[str], None],
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._store, self._study = settings, store, study
        self._keep = spec.training.keep
        self._candidates = spec.confirm.top if spec.confirm is not None else 0
        self._objective = spec.goal
        self._on_trouble, self._after = on_trouble, after
        self._ended: dict[int, Trial] = {}
        self._queue: queue.SimpleQueue[Trial | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="goodfit-keeping", daemon=True)
        self._thread.start()

    def note(self, trial: Trial) -> None:
        """A trial has ended, and that is in the store."""
        self._queue.put(trial)

    def close(self) -> None:
        """Finish what is left, with what an earlier run could not remove."""
        self._queue.put(_OVER)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            self._on_trouble("checkpoints that are no longer needed were not removed: their store is slow")

    def _work(self) -> None:
        while (trial := self._queue.get()) is not _OVER:
            try:
                self._tidy(trial)
                self._after()
            except (PlaceAway, OSError, HomeError):
                continue  # the end of the run tries again, and says so where it fails
        try:
            self._tidy_all()
        except Exception as error:  # noqa: BLE001 - the study has ended well; what is left over must not change that
            self._on_trouble(f"checkpoints that are no longer needed were not removed: {error}")

    def _tidy(self, trial: Trial) -> None:
        """Remove what one more ended trial makes superfluous."""
        before = set(self._kept(self._ended.values()))
        self._ended[trial.number] = trial
        kept = set(self._kept(self._ended.values()))
        for number in (before | {trial.number}) - kept if self._keep is not None else ():
            self._place(number).drop(_MODEL)
        place = self._place(trial.number)
        for name in place.names():
            if _CONTINUED.fullmatch(name):
                place.drop(name)

    def _tidy_all(self) -> None:
        """The same for all trials that have ended, by what lies there."""
        study = self._store.study_by_id(self._study.id)
        trials = self._store.trials(study.id)
        kept = set(self._kept(trials, done=study.state is StudyState.DONE))
        ended = {trial.number for trial in trials if trial.state in FINISHED}
        place = self._settings.study_place(self._study) / "trials"
        kept = kept if self._keep is not None else ended
        for name in superfluous(place.names(), ended, kept, snapshots=len(ended) < len(trials)):
            place.drop(name)

    def _kept(self, trials: Iterable[Trial], *, done: bool = False) -> list[int]:
        """The trials whose models stay, of those that have ended."""
        if self._keep is None:
            return []
        if done:
            order = best_first(sorted(trials, key=lambda trial: trial.number), self._objective)[: self._keep]
        else:
            order = ranked(trials, self._objective)[: max(self._keep, self._candidates)]
        return [trial.number for trial in order]

    def _place(self, number: int) -> Place:
        return self._settings.trial_place(self._study, number)


def superfluous(names: Iterable[str], ended: set[int], kept: set[int], *, snapshots: bool = False) -> Iterator[str]:
    """The files among a study's trials that nobody needs any more.

    Args:
        names: of files, such as 00003/fold-1/last.pt.
        ended: trials that have ended.
        kept: those whose models stay.
        snapshots: whether snapshots stay.
    """
    for name in names:
        folder, _, file = name.partition("/")
        if not folder.isdigit() or int(folder) not in ended:
            continue
        model = file == _MODEL and int(folder) not in kept
        handed_on = not snapshots and _SNAPSHOT.fullmatch(file)
        if model or handed_on or _CONTINUED.fullmatch(file):
            yield name
