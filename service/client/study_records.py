"""What is known of one study, wherever it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from goodfit.service import app
from goodfit.service.app.best import Best
from goodfit.service.app.explaining import Why
from goodfit.service.client.arguments import path_of, text_of, whole_number_of
from goodfit.service.errors import GoodfitError, InputError
from goodfit.service.queries.rows import TRIAL_KEYS, labels_of, spread_columns, trial_row, verdict_of
from goodfit.service.queries.source import Listed, Source
from goodfit.service.records import Report, Study, StudyRun, Trial, Version

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from goodfit.service.app.logs import LogPiece
    from goodfit.service.app.releasing import ReleaseFacts
    from goodfit.service.app.trail import Trail
    from goodfit.service.diagnosis.fairness import Audit
    from goodfit.service.diagnosis.front import Front
    from goodfit.service.queries.replaying import Replayed
    from goodfit.service.spec import StudySpec

PAGE = 1000  # records at a time
MOST_BEST = 1000  # what a server gives at once


class StudyRecords:
    """What is known of one study. Everything is read anew at each call."""

    def __init__(self, source: Source, name: str) -> None:
        self._source, self.name = source, name

    def __repr__(self) -> str:
        return f"<study {self.name} {self.state}>"

    def _repr_html_(self) -> str:
        """The study as a notebook shows it: its report, in a frame of its own."""
        from goodfit.service.screen.notebook import framed

        return framed(repr(self), self.report_html())

    def hint(self, words: str) -> str:
        """A command on this place, as the user has to type it."""
        return self._source.hint(words)

    @property
    def listed(self) -> Listed:
        """The study with its state as it is now, and how many trials are in which."""
        return self._source.study(self.name)

    @property
    def record(self) -> Study:
        """The study as the store has it."""
        return self.listed.study

    @property
    def spec(self) -> StudySpec:
        """The study file, as it was validated."""
        return app.spec_of(self.record)

    @property
    def state(self) -> str:
        """Where it is in its life; RUNNING only while a live process runs it."""
        return str(self.listed.state)

    @property
    def mlflow_uri(self) -> str:
        """The tracking URI where its runs are, for mlflow.set_tracking_uri."""
        return self._source.mlflow_uri

    def records(self, state: str | None = None, verdict: str | None = None) -> list[Trial]:
        """The trials of the search by number, in a state (`FAILED` is every kind of failure) and with a verdict."""
        return list(self.pages(state, verdict))

    def pages(
        self,
        state: str | None = None,
        verdict: str | None = None,
        most: int | None = None,
        parts: Collection[str] | None = None,
    ) -> Iterator[Trial]:
        """As records, as they come, `most` of them; `parts`: with these parts of their diagnoses, or all."""
        labels = () if state is None else labels_of(text_of("state", state, "FAILED"))
        wanted = None if verdict is None else verdict_of(text_of("verdict", verdict, "overfit"))
        after, left = -1, most
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            page = self._source.trials(self.name, labels=labels, verdict=wanted, after=after, limit=limit, parts=parts)
            yield from page
            if len(page) < limit:
                return
            after, left = page[-1].number, None if left is None else left - len(page)

    def one(self, trial: int) -> Trial:
        """One trial as the store has it; InputError for a trial that is not there."""
        return self._source.trial(self.name, trial)

    def confirmations(self) -> list[Trial]:
        """The trials that trained the best configurations again, on fresh seeds."""
        return self._source.confirmations(self.name)

    @overload
    def best(self, k: None = None) -> Best: ...

    @overload
    def best(self, k: int, *, pareto: bool = False) -> list[Best]: ...

    @overload
    def best(self, k: None = None, *, pareto: Literal[True]) -> list[Best]: ...

    def best(self, k: int | None = None, *, pareto: bool = False) -> Best | list[Best]:
        """The best configuration, or a list of the best `k`; trials that were trained to their end.

        Where the best were confirmed, the confirmed winner comes first, whatever its own value. Trials that break the
        study's constraints are left out.

        Args:
            k: how many; None: the first, or with `pareto` all.
            pareto: of a study with several objectives the Pareto front alone, as a list by the first objective.

        Raises:
            GoodfitError: without `k`, while no trial is complete, or none keeps the constraints.
            InputError: the Pareto front of one objective.
        """
        k = None if k is None else whole_number_of("k", k)
        if pareto and (k is None or k > 0):
            return self._source.best(self.name, MOST_BEST if k is None else k, pareto=True)
        if k is not None:
            return self._source.best(self.name, k) if k > 0 else []
        found = self._source.best(self.name, 1)
        if not found:
            raise GoodfitError(self.why_no_best())
        return found[0]

    def why_no_best(self) -> str:
        """What to say of a study of which no trial can be the best."""
        from goodfit.service.diagnosis.feasibility import why_no_front, why_none_feasible

        objective = self.record.objective
        complete = list(self.pages("COMPLETE", parts=())) if objective.constraints or objective.others else []
        if (none := why_none_feasible(complete, objective)) is not None:
            return f"study {self.name} has no best trial: {none}"
        if (none := why_no_front(complete, objective)) is not None:
            return f"study {self.name} has no Pareto front: {none}"
        return f"study {self.name} has no complete trial yet; see `goodfit trials {self.name}`"

    def front(self) -> Front:
        """The Pareto front of a study with several objectives, and its hypervolume trial by trial.

        Raises:
            InputError: the study has one objective.
        """
        from goodfit.service.diagnosis.front import front_of

        objective = self.record.objective
        if not objective.others:
            raise InputError(f"study {self.name} has one objective, {objective.metric}, and no Pareto front")
        return front_of(list(self.pages("COMPLETE", parts=())), objective, self.record.front_box)

    def log(self, trial: int) -> str | None:
        """Where the trial's log is to be had; None where its trainer printed nothing and raised nothing."""
        return self._source.log_place(self.name, trial)

    def read_log(self, trial: int, offset: int = 0) -> LogPiece:
        """A piece of what the trial's trainer printed, and where to go on reading."""
        return self._source.log(self.name, trial, whole_number_of("offset", offset))

    def trials(self) -> pd.DataFrame:
        """All trials, one a row: the keys of `goodfit trials --json` as columns, then those of `trials --csv`.

        These are a column `params.NAME` for each parameter, and `metrics.NAME` for each further objective and bounded
        metric.
        """
        import pandas as pd

        trials = list(self.pages(parts=()))
        frame = pd.DataFrame([trial_row(trial) for trial in trials], columns=list(TRIAL_KEYS))
        frame = pd.concat([frame, pd.DataFrame(spread_columns(trials), index=frame.index)], axis=1)
        for column in ("started", "ended"):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        return frame

    def reports(self, trial: int) -> list[Report]:
        """One trial's curve as the store has it; InputError for a trial that is not there."""
        return self._source.curve(self.name, trial)

    def curve(self, trial: int) -> pd.DataFrame:
        """One trial's curve: epoch, then each metric (train/loss, val/loss, ...)."""
        import pandas as pd

        return pd.DataFrame([{"epoch": report.epoch, **report.metrics} for report in self.reports(trial)])

    def to_optuna(self) -> optuna.Study:
        """A real optuna.Study in memory, for every plot and importance that Optuna has."""
        from goodfit.search_spaces.widening import widened
        from goodfit.service.sampler import to_optuna_study

        spec = self.spec
        trials = sorted([*self.records(), *self.confirmations()], key=lambda trial: trial.number)
        return to_optuna_study(
            name=self.name,
            space=widened(spec.space, (trial.params for trial in trials)),
            objective=spec.goal,
            trials=trials,
            reports=list(self._all_reports(trials[-1].number if trials else -1)),
        )

    def export(self, to: str, *, force: bool = False) -> str:
        """Write it where other tools read it; exported again, nothing is there twice. Says what was written.

        Args:
            to: optuna+sqlite:///FILE.db or another storage's URL, FILE.csv or FILE.parquet.
            force: what is there and comes from elsewhere is replaced.

        Raises:
            InputError: no such kind of target, or what is there comes from elsewhere.
        """
        from goodfit.service.exchange.exporting import export_to

        trials = sorted([*self.records(), *self.confirmations()], key=lambda trial: trial.number)
        return export_to(text_of("to", to, "trials.csv"), self.record, trials, self.to_optuna, force=force)

    def _all_reports(self, last: int) -> Iterator[Report]:
        for after in range(-1, last, PAGE):
            yield from self._source.reports(self.name, after=after, trials=PAGE)

    def why(self, trial: int) -> Why:
        """Why a trial was proposed, paused, resumed or stopped, for `print` too; InputError for an unknown one."""
        return self._source.why(self.name, trial)

    def replay(self, on_progress: Callable[[int], None] = lambda _: None) -> Replayed:
        """Derive every decision of the search again from what is stored, and say where it differs.

        Args:
            on_progress: called after each decision, with how many there were so far.
        """
        from goodfit.service.queries.replaying import replay

        return replay(self._source, self.name, on_progress)

    def repeating(self, trial: int | None = None) -> dict[str, Any]:
        """A study file, as values, that trains a trial again with its seed: to the same curve.

        Args:
            trial: its number; None: the best.
        """
        from goodfit.service.app.repeating import study_of_trial

        return study_of_trial(self.spec, self.one(self.best().trial if trial is None else trial))

    def to_yaml(self) -> str:
        """The study as the text of a study file, to go on with on the command line; the paths in it are whole."""
        from goodfit.service.app.repeating import study_file_of
        from goodfit.service.screen.words import to_yaml

        return to_yaml(study_file_of(self.spec))

    def verdicts(self) -> dict[str, int]:
        """How many trials have each verdict."""
        return dict(self.listed.tally.verdicts)

    def diagnosis(self, trial: int | None = None) -> Mapping[str, Any]:
        """What is known of the study, or what the curve of one of its trials says; plain JSON values.

        Of a study: winner (of a confirmation, with the reason), optimism, noise, importances and
        directions for score and gap, findings (problems, with numbers and an edit of the study
        file), verdicts. Of a trial: verdict, severity, confidence, reason, advice and the evidence.
        """
        if trial is not None:
            return dict(self.one(trial).diagnosis or {})
        return self._source.diagnosis(self.name)

    def fairness(self, trial: int | None = None) -> Audit:
        """How the best model treats the groups that the study compares, with intervals; see Audit, and its `to_frame`.

        A trial that was confirmed is measured on the test split, any other at its best epoch on validation.

        Args:
            trial: its number; None: the best, or where none keeps the constraints the one that comes nearest.

        Raises:
            InputError: the study compares no groups, or has no such trial.
            GoodfitError: no trial is complete, or the trial reported no metrics by group.
        """
        from goodfit.service.diagnosis.fairness import audit_of, compared, metrics_at_best, nearest

        spec = self.spec
        if spec.fairness is None:
            raise InputError(f"study {self.name} compares no groups; run it with `fairness: {{by: [COLUMN]}}`")
        trials = [*self.records(), *self.confirmations()]
        if trial is None:
            best, closest = self.best(1), nearest(trials, spec.goal)
            trial = best[0].trial if best else None if closest is None else closest.number
        else:
            self.one(trial)
        if trial is None:
            raise GoodfitError(self.why_no_best())
        wanted = [one for one in trials if one.number in compared(trials, spec) | {trial}]
        at_best = {one.number: metrics_at_best(one, self.reports(one.number)) for one in wanted}
        found = audit_of(spec, trials, trial, at_best)
        if found is None:
            raise GoodfitError(f"trial {trial} of {self.name} reported no metrics by group")
        return found

    def report_html(self) -> str:
        """The study as one HTML page that needs nothing but a browser."""
        return self._source.report_html(self.name)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page to a file, NAME.html in the current folder unless named; one that is there is replaced.

        Raises:
            InputError: the file cannot be written there.
        """
        file = Path(f"{self.name}.html") if path is None else path_of("path", path, "churn.html")
        page = self.report_html()
        try:
            file.write_text(page, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write the report to {file}: {error.strerror}; name another file") from error
        return file

    def versions(self) -> list[Version]:
        """The specs that it has had, where it was edited: number, changes, by whom, and the first trial of each."""
        return self._source.versions(self.name)

    def runs(self) -> list[StudyRun]:
        """Where its runs came from: git, code, packages, machine, seeds and data, as `facts` of each.

        A run that came from where the one before did has no record of its own.
        """
        return self._source.runs(self.name)

    def outside(self, trial: Trial) -> list[str]:
        """The parameters of a trial that lie outside of the space as it is now, where the study was edited."""
        return self.spec.space.outside(trial.params) if self.versions() else []

    @property
    def tags(self) -> dict[str, str]:
        """Its tags, by key."""
        return dict(self.record.tags or {})

    @property
    def release(self) -> ReleaseFacts:
        """Which of its models is released: its gates, whether each holds and why, and all decisions."""
        return self._source.release(self.name)

    def audit(self) -> Trail:
        """All that was done to it, by whom and when, and whether the log is whole."""
        return self._source.trail(self.name)
