"""What a place gives of its studies: one protocol, kept by local.py on a store and by remote.py on a server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from goodfit.service.app.best import Best
from goodfit.service.app.explaining import Why
from goodfit.service.app.logs import LogPiece
from goodfit.service.ports import Tally
from goodfit.service.progress import Progress
from goodfit.service.records import (
    AuditEntry,
    Decision,
    Report,
    Study,
    StudyRun,
    StudyState,
    Token,
    Trial,
    Verdict,
    Version,
)

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.service.app.cards import Cards
    from goodfit.service.app.explanations import OnRow, Wanted
    from goodfit.service.app.releasing import ReleaseFacts
    from goodfit.service.app.resumption import Reopening
    from goodfit.service.app.submission import Submission
    from goodfit.service.app.trail import Trail
    from goodfit.trainers.explaining.explanation import Explanation

Kind = Literal["trainers", "spaces", "datasets"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A study, and what a listing says of it beside its record."""

    study: Study
    state: StudyState  # as it is now: RUNNING only while somebody runs it
    tally: Tally = field(default_factory=Tally)  # in a listing of many: without verdicts
    planned: int | None = None  # how many trials its search has at most; None: as many as the time allows


class Source(Protocol):
    """Every method raises UnknownStudy for a name that is not there, with the nearest that are."""

    @property
    def place(self) -> str:
        """Where the studies are, for people."""
        ...

    @property
    def mlflow_uri(self) -> str:
        """Where the runs are, for mlflow.set_tracking_uri."""
        ...

    def hint(self, words: str) -> str:
        """A command for the user to type."""
        ...

    def page(
        self, *, states: Sequence[StudyState] = (), submitter: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[Listed]:
        """Some of the studies, newest first."""
        ...

    def study(self, name: str) -> Listed: ...
    def trials(
        self,
        name: str,
        *,
        labels: Sequence[str] = (),
        verdict: Verdict | None = None,
        after: int = -1,
        limit: int = 100,
        parts: Collection[str] | None = None,
    ) -> list[Trial]:
        """Some trials of the search by number, above `after`; `parts`: with these parts of their diagnoses, or all."""
        ...

    def trial(self, name: str, number: int) -> Trial:
        """One trial; InputError where there is none of that number."""
        ...

    def confirmations(self, name: str) -> list[Trial]:
        """The trials that trained the best configurations again."""
        ...

    def curve(self, name: str, number: int) -> list[Report]:
        """One trial's curve; InputError where there is no such trial."""
        ...

    def reports(self, name: str, *, after: int = -1, trials: int = 100) -> list[Report]:
        """The curves of the next `trials` numbers above `after`."""
        ...

    def why(self, name: str, number: int) -> Why:
        """Why a trial was proposed, paused, resumed or stopped; InputError where there is no such trial."""
        ...

    def decisions(self, name: str, *, after: int = -1, limit: int = 100) -> list[Decision]:
        """Some of the decisions of a search that keeps them, with an index above `after`."""
        ...

    def versions(self, name: str) -> list[Version]:
        """The specs of a study that was edited; none of one that never was."""
        ...

    def runs(self, name: str) -> list[StudyRun]:
        """Where the runs of a study came from, in their order."""
        ...

    def best(self, name: str, k: int, *, pareto: bool = False) -> list[Best]:
        """The best `k` configurations; `pareto`: of the Pareto front alone, InputError for one objective."""
        ...

    def diagnosis(self, name: str) -> Mapping[str, Any]: ...
    def report_html(self, name: str) -> str: ...
    def log_place(self, name: str, number: int) -> str | None:
        """Where a trial's log is to be had."""
        ...

    def log(self, name: str, number: int, offset: int = 0) -> LogPiece:
        """A piece of a trial's log; InputError where there is no such trial."""
        ...

    def model(self, name: str, number: int, *, trust: bool) -> Any:
        """A trial's model, ready to predict; `trust`: code that came with the study may be run for it."""
        ...

    def explain(self, name: str, number: int, wanted: Wanted, on_row: OnRow, *, trust: bool) -> Explanation:
        """Why a trial's model predicts what it predicts; InputError where it cannot be said, or not here."""
        ...

    def rows(self, name: str, part: str, trial: int | None, fold: int | None) -> pd.DataFrame:
        """The rows of a split, indexed by their numbers in the source; DataError where they cannot be read."""
        ...

    def label_issues(self, name: str, trial: int | None, on_epoch: Callable[[int, int], None]) -> pd.DataFrame:
        """The labels of its data, judged by training; InputError where they cannot be read here."""
        ...

    def growth(self, name: str, on_epoch: Callable[[int, int], None]) -> dict[str, Any]:
        """What more rows would bring, judged by training; InputError where its data cannot be read here."""
        ...

    def checkpoint(self, name: str, number: int, file: IO[bytes]) -> None:
        """Write the content of a trial's best.pt to a file; TrainerError where it kept none."""
        ...

    def watch(self, name: str) -> Iterator[Progress]:
        """The study's progress, whenever it has changed, until it is over."""
        ...

    def nodes(self) -> Sequence[Mapping[str, float]]:
        """What each node has on which submitted studies run; GoodfitError where nobody says in time."""
        ...

    def submit(self, submission: Submission) -> Study: ...
    def stop(self, name: str) -> str: ...
    def edit(self, name: str, overrides: Sequence[str]) -> list[str]:
        """Change a study, KEY=VALUE each, also while it runs; says what has changed and when that holds."""
        ...

    def annotate(self, name: str, note: str | None, tags: Mapping[str, str]) -> list[str]:
        """Give a study a note and tags: an empty one goes, what is not named stays; says what it has then."""
        ...

    def release(self, name: str) -> ReleaseFacts:
        """Which of a study's models is released, by which gates and decisions."""
        ...

    def decide(self, name: str, action: str, by: str | None, note: str | None) -> list[str]:
        """Approve or reject the best model of a study (`action`); says what that comes to.

        `by` is who decides; on a server the token says so, and `by` for whom.
        """
        ...

    def cards(self, name: str) -> Cards:
        """A study's model card and data card; InputError where it has no model."""
        ...

    def trail(self, name: str) -> Trail:
        """All that was done to a study, also to one that was removed."""
        ...

    def resume(self, name: str, wanted: Reopening) -> str: ...
    def remove(self, name: str) -> list[str]: ...
    def catalog(self, kind: Kind) -> list[dict[str, Any]]:
        """What can be named in a study file."""
        ...

    def described(self, kind: Kind, name: str) -> dict[str, Any]:
        """One of the catalog; InputError for an unknown name."""
        ...

    def make_token(self, name: str, role: str, expires: str | None) -> tuple[Token, str]:
        """A new token and its secret."""
        ...

    def tokens(self) -> list[Token]: ...
    def revoke(self, token_id: str) -> Token: ...
    def audit(self, *, subject: str | None = None, limit: int = 100, offset: int = 0) -> list[AuditEntry]: ...
