"""StudyHandle: one study, wherever it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from goodfit.service import app
from goodfit.service.app.best import Best
from goodfit.service.app.explaining import Why
from goodfit.service.errors import GoodfitError, InputError, TrainerError
from goodfit.service.progress import Progress
from goodfit.service.queries.rows import TRIAL_KEYS, labels_of, spread_columns, trial_row, verdict_of
from goodfit.service.queries.source import Listed, Source
from goodfit.service.records import Report, Study, StudyRun, StudyState, Trial, Version

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from goodfit.service.app.cards import Cards
    from goodfit.service.app.logs import LogPiece
    from goodfit.service.app.releasing import ReleaseFacts
    from goodfit.service.app.trail import Trail
    from goodfit.service.diagnosis.fairness import Audit
    from goodfit.service.diagnosis.front import Front
    from goodfit.service.queries.replaying import Replayed
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.explaining.explanation import Explanation

PAGE = 1000  # records at a time
MOST_BEST = 1000  # what a server gives at once


class StudyHandle:
    """One study. Everything is read anew at each call."""

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
        labels = labels_of(state) if state is not None else ()
        wanted = verdict_of(verdict) if verdict is not None else None
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
        return self._source.log(self.name, trial, offset)

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
        return export_to(to, self.record, trials, self.to_optuna, force=force)

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
        file = Path(f"{self.name}.html" if path is None else path)
        page = self.report_html()
        try:
            file.write_text(page, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write the report to {file}: {error.strerror}; name another file") from error
        return file

    def model(self, trial: int | None = None, *, trust_code: bool = False) -> Any:
        """The best model, or one trial's, loaded and ready to predict.

        Of a built-in trainer, and wherever the study names its data: a Predictor, whose `.predict(rows)` takes rows as
        they were in the data, and whose `.module` is the model itself. Of a function that brings its own data: the
        model itself, in its own class, as the function gave it to `trial.restore` or returned it.

        Args:
            trial: its number; None: the best.
            trust_code: of a server: run the trainer's code, where that came with the study.

        Raises:
            GoodfitError: no complete trial, or a model that was not kept or cannot be rebuilt; says what to do.
        """
        return self._source.model(self.name, self.best().trial if trial is None else trial, trust=trust_code)

    def explain(
        self,
        trial: int | None = None,
        *,
        rows: Sequence[int] | None = None,
        data: Any = None,
        model: Any = None,
        method: str | None = None,
        output: Any = None,
        coalitions: int = 1024,
        seed: int = 0,
        seconds: float = 120.0,
        on_row: Callable[[int, int], None] = lambda _done, _of: None,
        trust_code: bool = False,
    ) -> Explanation:
        """Why the best model, or one trial's, predicts what it predicts.

        That is what the columns, pixels, tokens or steps of the data add to it, in the unit of the output, with a check
        of each method. What comes back has `.values`, `.importances`, `.dependences`, `.checks`, `.rows` and `.notes`,
        and shows itself in a notebook. It is kept with the study, in its report and in MLflow, unless `data` or `model`
        are given.

        Args:
            trial: its number; None: the best.
            rows: by their numbers in the data; None: some of the validation split, and what holds over all of them.
            data: rows of your own, as `model().predict` takes them.
            model: takes the place of the trial's: a torch module, or a function of prepared rows.
            method: exact, kernel (Kernel SHAP), gradient (integrated gradients, over many baselines Gradient SHAP),
                gradcam, occlusion, lime; None: as the data and the model allow.
            output: a class, or a step of a forecast from 1; None: of several classes the predicted one.
            coalitions: that kernel and lime look at for each row.
            seed: of what is drawn.
            seconds: after which no further row is begun.
            on_row: gets how many rows are explained, of how many.
            trust_code: of a server: run the trainer's code, where that came with the study.

        Raises:
            InputError: there is no such row, output or method, or the trainer's models cannot be explained so.
            GoodfitError: no complete trial, or one without a checkpoint; DataError: the data have changed.
        """
        wanted = app.Wanted(rows, data, model, method, output, coalitions, seed, seconds)
        number = self.best().trial if trial is None else trial
        return self._source.explain(self.name, number, wanted, on_row, trust=trust_code)

    def rows(self, split: str, trial: int | None = None, *, fold: int | None = None) -> pd.DataFrame:
        """The rows of a split as the trials see them, indexed by their numbers in the data; the first is 0.

        Of a table all columns as read, of other arrays what there is of columns and the `target`.

        Args:
            split: train, validation or test.
            trial: whose rows, where trials draw their own (`split: {reshuffle: true}`); None: those of the best.
            fold: of a cross-validation, from 1.

        Raises:
            InputError: there is no such split or fold.
            NotAllowed: of a server: the token is a viewer's, who sees studies and no data.
            DataError: the data are of a kind without rows, or have changed since; or a server does not read them.
        """
        return self._source.rows(self.name, split, trial, fold)

    def predictions(
        self, split: str = "validation", trial: int | None = None, *, trust_code: bool = False
    ) -> pd.DataFrame:
        """What the best model, or one trial's, predicts for the rows of a split, beside their `target`.

        Indexed as `rows`: `frame.loc[study.predictions().index]` are these rows of your own frame.

        Args:
            split: train, validation or test.
            trial: its number; None: the best.
            trust_code: of a server: run the trainer's code, as for `model`.

        Raises:
            InputError: there is no such split; the study has folds, of which one model knows the others' rows; or the
                data are images, of which there are no columns.
        """
        import pandas as pd

        data = self.spec.data
        if data is not None and data.split.folds is not None and split != "test":
            raise InputError(f"study {self.name} has folds: its models were trained on rows that other folds validate")
        number = self.best().trial if trial is None else trial
        found = self.rows(split, number)
        target = str(data.target) if data is not None and str(data.target) in found else "target"
        if len(found.columns) < 2:
            raise InputError(
                f"the data of study {self.name} have no columns to predict from: take your own array, "
                f"study.model({number}).predict(x[study.rows({split!r}, {number}).index])"
            )
        model = self.model(number, trust_code=trust_code)
        if not hasattr(model, "facts"):
            raise InputError(
                f"the model of study {self.name}, {type(model).__name__}, does not predict for rows of its data"
            )
        predicted = model.predict(found.drop(columns=target))
        return pd.DataFrame({"target": found[target], "predicted": predicted}, index=found.index)

    def label_issues(
        self, trial: int | None = None, *, on_epoch: Callable[[int, int], None] = lambda _done, _of: None
    ) -> pd.DataFrame:
        """Which labels of its data are likely wrong, by the best configuration trained on the other rows.

        The configuration is trained five times, each time on four fifths of the rows, and predicts the others; the
        trainer's defaults while no trial is complete. What was found is kept beside the study, for its report, too.

        Args:
            trial: whose configuration; None: the best.
            on_epoch: called with the epochs that were trained, and how many there are at most.

        Returns:
            A row for each row of the data, the likeliest wrong first: `row` (its number in the data, from 0),
            `is_label_issue`, `label_score` (in [0, 1]; low: likely wrong), `given_label`, `predicted_label`; of a
            folder of images also `file`.

        Raises:
            InputError: it has no data, or is on a server; DataError: they have changed, or have no label a row.
            TrainerError: the training failed, or the trainer declares no build=.
        """
        return self._source.label_issues(self.name, trial, on_epoch)

    def more_rows(self, *, on_epoch: Callable[[int, int], None] = lambda _done, _of: None) -> dict[str, Any]:
        """What more rows would bring, by the best configuration on an eighth, a quarter, half and all of them.

        Args:
            on_epoch: called with the epochs that were trained, and how many there are at most.

        Returns:
            Plain JSON values: `sentence`; `sizes` with the `rows` and `scores` of each; `gain`, `low` and `high`: what
            twice the rows would gain, with its interval of 90%; `clear`: whether that is told from nothing.

        Raises:
            InputError: it has no data, or is on a server; DataError: they have changed, or have too few rows.
            TrainerError: the training failed.
        """
        return self._source.growth(self.name, on_epoch)

    def weights(self, trial: int | None = None) -> Any:
        """The state of the best model, or of one trial's, at its best epoch: for `load_state_dict` of a model of yours.

        It is that of the first object that the trainer gave to `trial.restore`: of a torch module its state_dict.

        Args:
            trial: its number; None: the best.

        Raises:
            GoodfitError: no complete trial, or one that kept no checkpoint.
        """
        from goodfit.trainers.errors import Damaged
        from goodfit.trainers.files import read_checkpoint

        number = self.best().trial if trial is None else trial
        with tempfile.NamedTemporaryFile(prefix="goodfit-", suffix=".pt") as file:
            self._source.checkpoint(self.name, number, file)
            file.flush()
            try:
                return read_checkpoint(Path(file.name))["model"]
            except Damaged as error:
                raise TrainerError(f"the checkpoint of trial {number} of {self.name} is damaged: {error}") from error

    def download(self, path: str | Path, trial: int | None = None) -> Path:
        """Write the checkpoint of the best model, or of one trial's, to a file: {"epoch": ..., "model": state}.

        Args:
            path: of the file; one that is there is replaced.
            trial: its number; None: the best.

        Raises:
            GoodfitError: no complete trial, or one that kept no checkpoint; InputError: the file cannot be written.
        """
        from goodfit.trainers.files import replacing

        number, file = self.best().trial if trial is None else trial, Path(path)
        try:
            with replacing(file) as part:
                self._source.checkpoint(self.name, number, part)
        except OSError as error:
            raise InputError(f"cannot write the model to {file}: {error.strerror}; name another file") from error
        return file

    def watch(self) -> Iterator[Progress]:
        """How far the study is, whenever that has changed, until it is over."""
        return self._source.watch(self.name)

    def stop(self) -> str:
        """Ask whoever runs it to save its running trials and stop; says what was done."""
        return self._source.stop(self.name)

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

    def edit(self, *overrides: str) -> list[str]:
        """Change it, also while it runs; says what has changed, and when that holds.

        Args:
            overrides: KEY=VALUE each, as for `--set`: budget.trials=40, space.learning_rate.high=0.3.

        Raises:
            InputError: what is to change is wrong, or may not be changed in a study that has begun.
        """
        return self._source.edit(self.name, overrides)

    def note(self, text: str | None = None, *, tags: Mapping[str, Any] | None = None) -> str:
        """Keep a text and tags with the study; MLflow shows them, too.

        Args:
            text: takes the place of the one before; empty: none any more; None: it stays.
            tags: by key; an empty value or None takes the tag away, keys that are not named stay.

        Returns:
            Its note; empty where it has none.

        Raises:
            InputError: the note or a tag is too long, or the key of a tag is not a plain name.
        """
        given = {str(key): "" if value is None else str(value) for key, value in (tags or {}).items()}
        if text is not None or given:
            self.annotate(text, given)
        return self.record.note or ""

    def annotate(self, text: str | None, tags: Mapping[str, str]) -> list[str]:
        """As note; says what it has then."""
        return self._source.annotate(self.name, text, tags)

    @property
    def tags(self) -> dict[str, str]:
        """Its tags, by key."""
        return dict(self.record.tags or {})

    @property
    def release(self) -> ReleaseFacts:
        """Which of its models is released: its gates, whether each holds and why, and all decisions."""
        return self._source.release(self.name)

    def approve(self, by: str | None = None, note: str | None = None) -> list[str]:
        """Release its best model: it gets the alias `champion`; says what that comes to.

        Where gates of `release:` fail, the record says that they were overruled, and the note is needed.

        Args:
            by: who decides; on a server the token says so, and this for whom.
            note: why.

        Raises:
            InputError: it is not done, or has no model.
        """
        return self._source.decide(self.name, "approve", by, note)

    def reject(self, by: str | None = None, note: str | None = None) -> list[str]:
        """Keep its best model from being released; where it is, the one released before gets the alias again.

        Args:
            by: as of approve.
            note: why.
        """
        return self._source.decide(self.name, "reject", by, note)

    def card(self, folder: str | Path | None = None, *, force: bool = False) -> Cards:
        """Its model card (README.md, as on the Hugging Face hub) and its data card (croissant.json).

        Args:
            folder: where both are written; None: nowhere.
            force: files that are there and say something else are replaced.

        Returns:
            study, trial, files (texts by name) and notes: what is missing, and what is to be written by people.

        Raises:
            InputError: it has no model, or a file is there and says something else.
        """
        found = self._source.cards(self.name)
        if folder is not None:
            _write_texts(Path(folder), found["files"], force=force)
        return found

    def audit(self) -> Trail:
        """All that was done to it, by whom and when, and whether the log is whole."""
        return self._source.trail(self.name)

    def resume(
        self,
        *,
        overrides: Sequence[str] = (),
        retry_failed: bool = False,
        priority: int | None = None,
        changed: bool = False,
    ) -> str:
        """Go on with it where it ran: here, with its progress shown, or in the service's queue if it was submitted.

        Says what was done. Ctrl-C saves here.

        Args:
            overrides: KEY=VALUE each, as for `--set`: budget.trials=40. What decided on its trials stays as it is.
            retry_failed: train its failed trials again, with the same parameters.
            priority: of the queue.
            changed: it goes on though its data have changed.

        Raises:
            InputError: what is to change is wrong, or may not be changed.
            StudyHeld: it runs; stop it first.
        """
        wanted = app.Reopening(tuple(overrides), retry_failed, priority, changed)
        from goodfit.service.queries.local import LocalSource

        if not isinstance(self._source, LocalSource) or self.record.queued is not None:
            return self._source.resume(self.name, wanted)
        from goodfit.service.client.running import resume_here

        return resume_here(self._source.settings, self.name, wanted)

    def confirm(self, top: int = 3, seeds: int = 3) -> str:
        """Train its best configurations again, where it ran: here, or in the service's queue; says how it is then.

        Args:
            top: how many of the best configurations.
            seeds: fresh seeds for each, all scored on the test split.

        Raises:
            InputError: its search has not ended.
        """
        return self.resume(overrides=self.confirmation(top, seeds))

    def confirmation(self, top: int, seeds: int) -> list[str]:
        """What to resume it with, so that its best are confirmed; InputError where its search has not ended."""
        if (state := self.listed.state) is not StudyState.DONE:
            then = self.hint(f"resume {self.name} --set confirm.top={top} --set confirm.seeds={seeds}")
            raise InputError(
                f"study {self.name} is {state}, and only the best of a search that has ended are confirmed; {then} "
                "goes on with it and confirms its best at the end"
            )
        return [f"confirm={{top: {top}, seeds: {seeds}}}"]

    def remove(self) -> list[str]:
        """Take it out, with its trials, curves, checkpoints and runs in MLflow; says what was left and why."""
        return self._source.remove(self.name)


def _write_texts(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """Write texts by their names; InputError, before any is written, where another text is there."""
    from goodfit.trainers.files import replacing

    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {name: folder / name for name in files if (folder / name).exists()}
        others = [str(path) for name, path in there.items() if path.read_bytes() != files[name].encode()]
        if others and not force:
            raise InputError(f"{', '.join(others)}: there already, with another text; name another folder, or --force")
        for name, text in files.items():
            with replacing(folder / name) as part:
                part.write(text.encode())
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; name another folder") from error
