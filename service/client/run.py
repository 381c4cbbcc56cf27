"""`goodfit.run`: a study from a function and values in Python, in a script or in the cell of a notebook."""

from __future__ import annotations

import inspect
import itertools
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.app.directions import usual_direction
from goodfit.service.client.functions import NAME, Train, Written, name_of, reference_of, written_down
from goodfit.service.client.given import content_of, file_of, is_in_memory, name_of_file
from goodfit.service.client.handles import StudyHandle
from goodfit.service.client.running import start
from goodfit.service.client.studies import Studies
from goodfit.service.errors import (
    DataError,
    HomeError,
    InputError,
    Interrupted,
    Problem,
    StudyFileError,
    TrainerError,
    UnknownStudy,
)
from goodfit.service.extensions import known_executor
from goodfit.service.queries.local import LocalSource
from goodfit.service.records import StudyState
from goodfit.service.screen.shown import screen_here
from goodfit.service.settings import Settings
from goodfit.spelling import close
from goodfit.trainers.importing import forget_changed

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.records import Study
    from goodfit.service.spec import StudySpec

CODE = "train.py"  # in the folder of what a study was given in Python
TRAINED = ("COMPLETE", "PRUNED", "PAUSED")  # states of trials that a function has trained
EPOCHS = 20  # of a full training, where nothing is said


def run(
    train: Train,
    *,
    objective: str | Mapping[str, Any] | Sequence[Any],
    space: Mapping[str, Any] | str | None = None,
    name: str | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    data: Any = None,
    target: str | None = None,
    home: str | Path | None = None,
    new: bool = False,
    executor: str = "ray",
    **sections: Any,
) -> StudyHandle:
    """Search here, and show how far it is; the study, also after Ctrl-C, which saves: `study.resume()` goes on.

    Args:
        train: a function train(trial), of a notebook, too; a trainer's name, module:name or path.py:name.
        objective: a metric whose direction is known by its name ("val/loss"), {"metric": ..., "direction": ...}, or
            a list of these.
        space: parameters by name: `goodfit.float(1e-4, 1e-1, log=True)`, `goodfit.int(1, 4)`, a list of choices; or
            the name or the file of a space.
        name: of the study; None: that of the function, and a number where another study has it.
        trials: `budget: {trials: ...}`.
        epochs: `training: {epochs: ...}`; 20 where nothing is said.
        data: a data frame, a pair of arrays (x, y), a mapping of arrays, the name of a data set, a path, or the
            section `data:` with one of these as its `source`. It is kept in the home as a file.
        target: `data: {target: ...}`.
        home: a folder; None: GOODFIT_HOME or .goodfit here.
        new: under a new name if `name` is taken; else a study of that name goes on, if it is the same.
        executor: ray, or local: in this process, one trial at a time.
        sections: all other keys of a study file.

    Raises:
        InputError: it cannot run as it is given; says all that is wrong.
        StudyFailed: no trial could be trained.
        Interrupted: by SIGTERM or SIGHUP, which are for the whole program; what was trained is saved.
    """
    known_executor(executor, f"executor={executor!r}")
    if "trainer" in sections:
        raise InputError("trainer: is the first argument, goodfit.run(train, ...)")
    given: dict[str, Any] = {"space": _space(space), **sections}
    given["objective"] = _objective(objective)
    given["budget"] = _with(sections, "budget", trials=trials)
    given["training"] = {"epochs": EPOCHS, **(_with(sections, "training", epochs=epochs) or {})}
    given["data"] = _data(data, target)
    settings = Settings.from_environment(None if home is None else Path(home))
    study, screen = _Given(settings, train, given, name), screen_here()
    spec = study.spec(new=new)
    try:
        start(settings, spec, screen, retry_failed=study.is_mended, executor=executor)
    except InputError as error:
        raise study.as_given(error) from error
    except Interrupted as error:
        if not error.by_user or _there(app.open_home(settings), spec.name) is None:
            raise
        screen.say(f"{error}; in Python: study.resume()")
    return Studies(LocalSource(settings, app.open_home(settings)))[spec.name]


def _by_keyword(problem: Problem) -> str:
    """What is wrong, by the keywords of `run` where a key is one of these that was misspelled."""
    meant = _keyword_meant(problem.key)
    return problem.text if meant is None else f"goodfit.run has no such keyword; did you mean {meant}?"


def _keyword_meant(key: str) -> str | None:
    """The keyword of `run`, and not of a study file, that an unknown one is most like."""
    known = {name for name, one in inspect.signature(run).parameters.items() if one.kind is one.KEYWORD_ONLY}
    from goodfit.service.spec.validation_messages import TOP

    meant = close(key, [*sorted(known), *TOP])
    return meant if meant in known - {*TOP} and key not in TOP else None


def _with(sections: Mapping[str, Any], section: str, **values: Any) -> Any:
    """A section with these values; InputError where both say the same key."""
    given, said = sections.get(section), {key: value for key, value in values.items() if value is not None}
    if not isinstance(given, Mapping):
        return given if given is not None else said or None
    for key in said:
        if key in given:
            raise InputError(f"{section}.{key} is given twice: by {key}=, and in {section}=")
    return {**given, **said}


def _space(given: Mapping[str, Any] | str | None) -> Mapping[str, Any] | str | None:
    """As it is; InputError where two numbers may be the ends of a range or two choices, or a name is no text."""
    if wrong := [name for name in (given if isinstance(given, Mapping) else ()) if not isinstance(name, str)]:
        raise InputError(f"space: {wrong[0]!r} is no name of a parameter: put it in quotes")
    pairs = {
        name: value
        for name, value in (given.items() if isinstance(given, Mapping) else ())
        if isinstance(value, tuple) and len(value) == 2 and all(isinstance(one, int | float) for one in value)
    }
    if pairs:
        raise InputError(
            "; ".join(
                f"space.{name}: {value} may be a range or two choices: write goodfit.float{value}, goodfit.int{value} "
                f"or {list(value)}"
                for name, value in pairs.items()
            )
        )
    return given


def _objective(given: str | Mapping[str, Any] | Sequence[Any]) -> Any:
    """As a study file has it."""
    if isinstance(given, str):
        direction = usual_direction(given)  # None: it is missing, and is asked for with all else that is wrong
        return {"metric": given, **({"direction": direction} if direction else {})}
    return [_objective(one) for one in given] if isinstance(given, list | tuple) else given


def _data(data: Any, target: str | None) -> dict[str, Any] | None:
    """The section `data:`, with values in the place of its source where they are given."""
    if data is None:
        if target is not None:
            raise InputError(f"target={target!r} is given, and no data=")
        return None
    section = dict(data) if isinstance(data, Mapping) and "source" in data else {"source": data}
    if target is not None and section.setdefault("target", target) != target:
        raise InputError(f"data.target is given twice: {section['target']!r} and target={target!r}")
    if isinstance(section["source"], Path):
        section["source"] = str(section["source"])
    return section


class _Given:
    """What a study is given, and the files of it in the home.

    Args:
        settings: the home.
        train: the trainer.
        values: as a study file has them, but for the name, the trainer and data in memory.
        name: of the study; None: one is found.
    """

    def __init__(self, settings: Settings, train: Train, values: Mapping[str, Any], name: str | None) -> None:
        self._settings, self._values = settings, values
        if name is not None:
            _check_name(name)
        self._function = name_of(train)
        self._called, self._is_named = name if name is not None else self._function, name is not None
        self._reference = train if isinstance(train, str) else reference_of(train)
        resources = values.get("resources")
        gpus = isinstance(resources, Mapping) and bool(resources.get("gpus"))
        self._written: Written | None = None if self._reference is not None else written_down(train, gpus=gpus)
        self._content: tuple[str, bytes] | None = None
        self.is_mended = False  # its function takes the place of one with which all trials failed
        section = values["data"]
        if section is not None and is_in_memory(section["source"]):
            self._content = content_of(section["source"], section.get("target"))

    def spec(self, *, new: bool) -> StudySpec:
        """The study, its files written, under a name that is free or that the same study has already."""
        store = app.open_home(self._settings, create=True)
        for number in itertools.count(1):
            name = self._called if number == 1 else f"{self._called}-{number}"
            there = _there(store, name)
            if there is None:
                return self._under(name)
            if self._is_named and not new:
                self._refuse_other_function(there, store)
                self._refuse_other_data(there)
                return self._under(name)
            if not new and self._is_that_of(there):
                return self._under(name)
        raise AssertionError("names do not end")

    def as_given(self, error: InputError) -> InputError:
        """An error that names what was given, in the place of the files in which it is kept."""
        kept = rf"{re.escape(str(self._settings.given_folder('x').parent))}/[^/\s]+/({CODE}:{NAME}|data-[0-9a-f]+\.\w+)"

        def named(text: str) -> str:
            return re.sub(kept, lambda found: self._function if found[1].startswith(CODE) else "data", text)

        if isinstance(error, StudyFileError):
            return StudyFileError(error.file, [replace(one, text=named(_by_keyword(one))) for one in error.problems])
        return type(error)(named(str(error)))

    def _is_that_of(self, there: Study) -> bool:
        """Whether it is the study that has this name: also its function and its data."""
        folder = self._settings.given_folder(there.name)
        if self._written is not None and not self._written.is_in(folder / CODE):
            return False
        data = self._content is None or name_of_file(*self._content) == Path(_source(there)).name
        return data and self._read(there.name).is_same(there.spec)

    def _under(self, name: str) -> StudySpec:
        """The study under this name, with its files."""
        folder = self._settings.given_folder(name)
        was = folder.is_dir()
        try:
            return self._read(name)
        except InputError:
            if not was:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _read(self, name: str) -> StudySpec:
        from goodfit.service.spec import from_mapping

        folder, values = self._settings.given_folder(name), {"name": name, **self._values}
        try:
            values["trainer"] = self._reference if self._written is None else self._written.write(folder / CODE)
            if self._content is not None:
                values["data"] = {**values["data"], "source": str(file_of(*self._content, folder))}
        except OSError as error:
            raise HomeError(
                f"what study {name} is given cannot be kept in {folder}: {error.strerror}; make room or have the "
                "permissions changed, or give another home="
            ) from error
        forget_changed(Path(str(values["trainer"]).rpartition(":")[0]))
        try:
            return from_mapping({key: value for key, value in values.items() if value is not None}, Path.cwd())
        except InputError as error:
            raise self.as_given(error) from error

    def _refuse_other_function(self, there: Study, store: Store) -> None:
        """TrainerError where trials of the study that has this name were trained by another function.

        One that has failed, or has no trials yet, may have its function mended.
        """
        file = self._settings.given_folder(there.name) / CODE
        if self._written is None or not file.is_file() or self._written.is_in(file):
            return
        if any(label in TRAINED for label in store.tally(there.id).states):
            raise TrainerError(
                f"the function of study {there.name} has changed since it was begun: the one that trained its trials "
                f"is in {file}. Give the study another name, or new=True for a number behind it"
            )
        self.is_mended = there.state is StudyState.FAILED

    def _refuse_other_data(self, there: Study) -> None:
        """DataError where the study that has this name was given other data."""
        folder, before = self._settings.given_folder(there.name), Path(_source(there))
        if self._content is not None and before.parent == folder and before.name != name_of_file(*self._content):
            raise DataError(
                f"the data of study {there.name} have changed since it was begun: those that it has are in {before}. "
                "Give them as they were, give the study another name, or new=True for a number behind it"
            )


def _check_name(name: object) -> None:
    """InputError for what cannot be a study's name: a folder of the home has it before the study is read."""
    from goodfit.search_spaces.values import BadValue
    from goodfit.service.spec.fields import study_name

    try:
        study_name(name)
    except BadValue as error:
        raise InputError(f"name={name!r}: {error}") from error


def _there(store: Store, name: str) -> Study | None:
    try:
        return store.study(name)
    except UnknownStudy:
        return None


def _source(study: Study) -> str:
    """The source of a study's data; empty where it has none."""
    return str((study.spec.get("data") or {}).get("source") or "")
