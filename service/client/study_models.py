"""What the models of one study are, and what is found by asking or training them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.client.arguments import path_of
from goodfit.service.client.study_records import StudyRecords
from goodfit.service.errors import InputError, TrainerError

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.trainers.explaining.explanation import Explanation


class StudyModels(StudyRecords):
    """The models of one study, the rows that they were trained on, and what they say."""

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

        file = path_of("path", path, "best.pt")
        number = self.best().trial if trial is None else trial
        try:
            with replacing(file) as part:
                self._source.checkpoint(self.name, number, part)
        except OSError as error:
            raise InputError(f"cannot write the model to {file}: {error.strerror}; name another file") from error
        return file
