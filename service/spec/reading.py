"""From a study file to its StudySpec, with everything that is wrong in it said at once."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from goodfit import search_spaces
from goodfit.search_spaces.document import Document, read_file, read_text
from goodfit.search_spaces.files import SpaceFileError, library_file, read_space, told
from goodfit.search_spaces.flaws import MAX_FLAWS, MORE, DocumentError, KeyPath, TooManyProblems, dotted
from goodfit.search_spaces.parameters import Value
from goodfit.search_spaces.parse import parse_fixed, parse_space
from goodfit.search_spaces.space import Space
from goodfit.search_spaces.values import BadValue, described, nearest
from goodfit.service.errors import Problem, StudyFileError
from goodfit.service.spec.checks import Draft, check_draft, find_trainer, is_foreign
from goodfit.service.spec.data import Augment, Data
from goodfit.service.spec.data_parameters import sections_of, written
from goodfit.service.spec.fairness import Fairness
from goodfit.service.spec.fields import Constraints, Name, Section, Share, Text, metric_name, text
from goodfit.service.spec.hyperparameters import suited
from goodfit.service.spec.key_origin import Origin
from goodfit.service.spec.overrides import override
from goodfit.service.spec.param_space import Found, named_space, own_space
from goodfit.service.spec.population import changing
from goodfit.service.spec.pruning import AutoPruning, MedianPruning, NoPruning, Pruning
from goodfit.service.spec.release import Release
from goodfit.service.spec.requested_resources import with_requested
from goodfit.service.spec.requirements import Requirements, absent_packages, is_path
from goodfit.service.spec.schedule import check_schedule, read_schedule
from goodfit.service.spec.sections import (
    MOST_OBJECTIVES,
    Budget,
    Confirm,
    FurtherObjective,
    Objective,
    Resources,
    Search,
    Training,
)
from goodfit.service.spec.start_from import read_start
from goodfit.service.spec.study import StudySpec
from goodfit.service.spec.validation_messages import TOP, sentences, unknown_key
from goodfit.service.spec.warm_start import named
from goodfit.trainers.errors import TrainersError
from goodfit.trainers.own_searches import lines_not_run
from goodfit.trainers.recognition import Api
from goodfit.trainers.registry import Trainer

_MODELS: dict[str, type[BaseModel]] = {
    "data": Data,
    "fairness": Fairness,
    "objective": Objective,
    "search": Search,
    "training": Training,
    "confirm": Confirm,
    "release": Release,
    "budget": Budget,
    "resources": Resources,
}
_PLAIN: dict[str, TypeAdapter[Any]] = {
    "name": TypeAdapter(Name),
    "trainer": TypeAdapter(Text),
    "control": TypeAdapter(Share),
    "schedule": TypeAdapter(Annotated[tuple[dict[str, Any], ...], BeforeValidator(read_schedule)]),
    "requirements": TypeAdapter(Requirements),
    "constraints": TypeAdapter(Constraints),
}
_REQUIRED = {
    "name": "write a name for the study",
    "trainer": "write a trainer's name, module:name or path.py:name",
    "objective": "write {metric: val/..., direction: minimize or maximize}",
    "training": "write {epochs: ...}",
}
_NO_SPACE = "is missing; write a space's name, its file, or the parameters themselves"
_DATA = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".npy", ".npz", ".xlsx"})  # of files that init takes
_PRUNING: TypeAdapter[Any] = TypeAdapter(Pruning)


Admit = Callable[[dict[str, Any], Callable[[KeyPath, str], None]], None]


def read(path: Path, overrides: Sequence[str] = ()) -> StudySpec:
    """Read a study file.

    Args:
        path: the file; paths in it are relative to its folder, or else to the current one. Modules
            that it names (`module:name`) are found there too, after the installed ones.
        overrides: KEY=VALUE each, with dotted keys and values in YAML.

    Raises:
        StudyFileError: with every problem, its line and key.
    """
    if path.suffix.lower() in _DATA and path.is_file():
        wrong = "is a file of data; a study file names it as data.source: `goodfit init {} --target COLUMN` writes one"
        raise StudyFileError(str(path), [Problem(0, "", wrong.format(shlex.quote(str(path))))])
    return _begun(lambda: read_file(path), str(path), path.resolve().parent, overrides).spec()


def read_foreign(
    text: str, name: str, base: Path, overrides: Sequence[str], admit: Admit, moved: Collection[str] = ()
) -> StudySpec:
    """Read the text of a study file that somebody else wrote.

    Args:
        text: YAML.
        name: how messages name the file.
        base: takes the place of the file's folder.
        overrides: as for read.
        admit: looks at what the file says before a path in it is followed or a trainer imported; may
            change it, and says with which key it does not agree, and why.
        moved: keys among the overrides that name files anew which were sent along: the user wrote them in the file.

    Raises:
        StudyFileError: with every problem, its line and key.
    """
    reading = _begun(lambda: read_text(text), name, base.resolve(), overrides, moved)
    reading.admitted_by(admit)
    return reading.spec()


def _begun(
    load: Callable[[], Document], name: str, base: Path, overrides: Sequence[str], moved: Collection[str] = ()
) -> _Reading:
    """The reading of a document with the overrides in it."""
    try:
        document = load()
    except DocumentError as error:
        raise StudyFileError(name, [Problem(flaw.line, flaw.key, flaw.text) for flaw in error.flaws]) from error
    if document.value is None:
        raise StudyFileError(name, [Problem(0, "", f"is empty; write at least {', '.join(_REQUIRED)}")])
    if not isinstance(document.value, dict):
        wrong = f"is {described(document.value)}, not a mapping of keys: {', '.join(TOP)}"
        raise StudyFileError(name, [Problem(0, "", wrong)])
    problems: list[Problem] = []
    written = _with_library_space(document.value) if any(_is_of_space(text) for text in overrides) else document.value
    values, given = override(written, overrides, problems)
    said = frozenset(path for path in given if dotted(path) not in moved)
    return _Reading(values, base, Origin(name, document, said), problems)


def _is_of_space(text: str) -> bool:
    return text.lstrip().startswith("space.")


def _with_library_space(values: dict[str, Any]) -> dict[str, Any]:
    """A study that names a space of the library, with its parameters in the place of the name, to be overridden."""
    source = values.get("space")
    if not isinstance(source, str) or source not in search_spaces.library():
        return values
    found = read_file(library_file(source)).value
    return {**values, "space": found} if isinstance(found, dict) else values


def from_mapping(values: Mapping[str, Any], base: Path) -> StudySpec:
    """A study from the values that a study file would hold; `base` takes the place of its folder.

    Raises:
        StudyFileError: with every problem and its key.
    """
    return _Reading(dict(values), base.resolve(), Origin(), []).spec()


def look_for_modules(folders: Iterable[str]) -> None:
    """Have Python find modules in these folders, after the installed ones."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)


def _defaults(trainer: Trainer | None, space: Space, sections: Mapping[str, Section]) -> dict[str, Any]:
    """What the trainer and the data say of the searched parameters themselves, as far as it lies in the space."""
    known = {**(trainer.defaults() if trainer else {}), **written(sections)}
    return {item.name: known[item.name] for item in space.free if item.contains(known.get(item.name, ...))}


class _Said(list[tuple[KeyPath, str]]):
    """The problems of a part of the study, each said as soon as it is found."""

    def __init__(self, say: Callable[[KeyPath, str], None], *section: str) -> None:
        super().__init__()
        self._say, self._section = say, section

    def append(self, problem: tuple[KeyPath, str]) -> None:
        super().append(problem)
        path, wrong = problem
        self._say((*self._section, *path), wrong)


class _Reading:
    """One reading of one study: its parts, as far as they are right, and its problems."""

    def __init__(self, values: dict[str, Any], base: Path, origin: Origin, problems: list[Problem]) -> None:
        self._values = values
        self._base = base
        self._origin = origin
        self._problems = problems
        self._parts: dict[str, Any] = {}
        self._found: Trainer | None = None  # the trainer, once it was looked for
        self._foreign = False  # somebody else wrote it: no module of ours but the installed ones is for it

    def admitted_by(self, admit: Admit) -> None:
        """Let somebody look at the values first; StudyFileError where they do not agree with them."""
        self._foreign = True
        with self._all_problems():
            admit(self._values, self._say)

    def spec(self) -> StudySpec:
        """The spec; StudyFileError with everything that is wrong, or with the first MAX_FLAWS of it."""
        with self._all_problems():
            space = self._read()
        search: Search = self._parts.get("search") or Search()
        if search.method == "grid":  # which has its points of its own
            search = search.model_copy(update={"try_defaults": False})
        if self._parts.get("open_space"):  # what decides of pauses has to know the space
            search = search.model_copy(update={"method": "bayesian"}) if search.method == "auto" else search
            self._parts["pruning"] = self._open_pruning()
        if search.trains_population and not search.perturb:
            search = search.model_copy(update={"perturb": tuple(changing(space, self._found, search.method))})
        return StudySpec.of({**self._parts, "search": search, "space": space}, self._origin)

    def _open_pruning(self) -> Any:
        """The pruning where the space is learned; an objective that returns several values reports none before."""
        pruning = self._parts.get("pruning")
        if not isinstance(pruning, AutoPruning | None):
            return pruning
        return NoPruning() if self._parts.get("more_objectives") else MedianPruning()

    @contextlib.contextmanager
    def _all_problems(self) -> Iterator[None]:
        """Raise what was said in the context, if anything was."""
        try:
            yield
        except TooManyProblems:
            self._problems.append(Problem(0, "", MORE))
        except OSError as error:
            self._problems.append(Problem(0, "", f"a path in it cannot be used: {error.strerror or error}"))
        if self._problems:
            raise StudyFileError(self._origin.file, self._problems)

    def _read(self) -> Space:
        self._look_at_keys()
        self._read_names()
        for name in (*_MODELS, "pruning"):
            self._read_section(name)
        fixed = self._fixed()
        source = self._find_files()
        modules = self._module_folders()
        look_for_modules(modules)
        trainer = self._found = self._trainer()
        space = self._space(fixed, trainer)
        if trainer is not None:
            space = suited(space, trainer)
            self._take_resources(trainer)
            self._remark_on_searches(trainer)
        if trainer is not None and trainer.api is Api.OPTUNA:
            self._parts["last_counts"] = True
        target = self._written("data", "target")
        metric = self._metric()
        draft = Draft(trainer, metric, source, target, self._parts, space, frozenset(fixed), self._values)
        check_draft(draft, self._say)
        for path, wrong in check_schedule(self._parts.get("schedule", ()), self._parts, space, trainer):
            self._say(path, wrong)
        self._read_start(space)
        self._find_earlier()
        sections = sections_of(self._parts.get("data"), self._parts.get("fairness"))
        self._parts["defaults"] = _defaults(trainer, space, sections)
        if ":" in self._parts.get("trainer", "") or ".py:" in str(source):
            self._parts["modules"] = modules
        return space

    def _trainer(self) -> Trainer | None:
        """The trainer, imported; not where it needs packages that are not here, or come with its workers."""
        packages, reference = self._parts.get("requirements", ()), self._parts.get("trainer", "")
        if self._foreign and packages and ":" in reference:
            return None
        if not self._foreign and (absent := absent_packages(packages)):
            self._say(("requirements",), absent)
            return None
        return find_trainer(self._parts.get("trainer"), self._say)

    def _module_folders(self) -> tuple[str, ...]:
        """Where modules that the study names are found, after the installed ones."""
        if not self._foreign:
            return str(self._base), str(Path.cwd())
        from goodfit.trainers.code import module_folders

        return tuple(module_folders(self._base))

    def _read_start(self, space: Space) -> None:
        """The configurations to begin with, in the types of a space that is right."""
        search: Search | None = self._parts.get("search")
        if search is None or not search.start_from or self._problems:
            return
        if self._parts.get("open_space"):  # the trial that asks for them knows their ranges
            return
        start = read_start(search.start_from, space, _Said(self._say))
        self._parts["search"] = search.model_copy(update={"start_from": start})

    def _find_earlier(self) -> None:
        """The earlier studies by their names, and files of Optuna storages with their whole paths."""
        search: Search | None = self._parts.get("search")
        if search is None or not search.warm_start:
            return
        found = []
        for index, start in enumerate(search.warm_start):
            try:
                found.append(start if start.of is not None else named(start, self._located))
            except BadValue as error:
                self._say(("search", "warm_start", index), str(error))
        self._parts["search"] = search.model_copy(update={"warm_start": tuple(found)})

    def _say(self, path: KeyPath, wrong: str) -> None:
        if len(self._problems) >= MAX_FLAWS:
            raise TooManyProblems
        self._problems.append(self._origin.problem(path, wrong))

    def _look_at_keys(self) -> None:
        for key in self._values:
            if key not in TOP:
                self._say((key,), unknown_key((key,), TOP))
        for key, hint in _REQUIRED.items():
            if key not in self._values:
                self._say((key,), f"is missing; {hint}")

    def _read_names(self) -> None:
        for key, kind in _PLAIN.items():
            if key in self._values:
                try:
                    self._parts[key] = kind.validate_python(self._values[key])
                except ValidationError as error:
                    self._say_all(error, key)

    def _read_section(self, name: str) -> None:
        if name not in self._values:
            return
        values = self._values[name]
        if values is None:
            self._say((name,), "is empty; fill it in or leave it out")
            return
        if name == "objective" and isinstance(values, list):
            self._read_objectives(values)
            return
        if name == "pruning" and not isinstance(values, Mapping):
            self._say((name,), f"is {described(values)}, not a section; write {{method: median}}, for example")
            return
        try:
            model = _MODELS.get(name)
            self._parts[name] = model.model_validate(values) if model else _PRUNING.validate_python(values)
        except ValidationError as error:
            self._say_all(error, name)

    def _read_objectives(self, given: list[Any]) -> None:
        """Several objectives; the first decides which epoch of a trial counts, so it is a metric of the epochs."""
        if not 1 <= len(given) <= MOST_OBJECTIVES:
            self._say(("objective",), f"is a list of {len(given)}; give 1 to {MOST_OBJECTIVES} objectives")
            return
        found: list[Objective] = []
        for index, values in enumerate(given):
            try:
                found.append((FurtherObjective if index else Objective).model_validate(values))
            except ValidationError as error:
                for path, wrong in sentences(error, values, ("objective", index)):
                    self._say(path, wrong)
                continue
            if found[-1].metric in [one.metric for one in found[:-1]]:
                self._say(("objective", index, "metric"), f"{found[-1].metric} is an objective already")
        if len(found) == len(given):
            self._parts |= {"objective": found[0], "more_objectives": tuple(found[1:])}

    def _say_all(self, error: ValidationError, key: str) -> None:
        for path, wrong in sentences(error, self._values[key], (key,)):
            self._say(path, wrong)

    def _fixed(self) -> dict[str, Value]:
        return parse_fixed(self._values.get("fixed", {}), _Said(self._say, "fixed"))

    def _space(self, fixed: Mapping[str, Value], trainer: Trainer | None) -> Space:
        source = self._values.get("space")
        try:
            if isinstance(source, str) and ".py:" in source:
                return self._param_space(named_space(*self._function(source)), fixed)
            if "space" not in self._values:
                return self._own_space(fixed, trainer)
            if isinstance(source, str):
                return self._space_file(text(source), fixed)
        except (BadValue, TrainersError) as error:
            self._say(("space",), str(error))
            return Space(()).pin(fixed)
        return parse_space(source, _Said(self._say, "space"), fixed)

    def _own_space(self, fixed: Mapping[str, Value], trainer: Trainer | None) -> Space:
        """The space of a study that names none: the one in the script of its trainer."""
        if trainer is not None and trainer.api is Api.OPTUNA:
            self._parts["open_space"] = True
            return Space(()).pin(fixed)
        found = None
        if trainer is not None and trainer.api.of_ray:
            module = sys.modules[trainer.home]
            found = own_space(module, self._parts["trainer"].rpartition(":")[2])
        if found is None:
            if trainer is not None or not is_foreign(trainer, self._parts.get("trainer")):
                self._say(("space",), _NO_SPACE)
            return Space(()).pin(fixed)
        return self._param_space(found, fixed)

    def _param_space(self, found: Found, fixed: Mapping[str, Value]) -> Space:
        """The space of a `param_space` of Ray Tune; says what of it does not carry over and is not fixed."""
        made = found.converted()
        notes = tuple(f"{name}: {text}" for name, text in made.notes if name not in fixed)
        self._origin = replace(self._origin, remarks=(*self._origin.remarks, *notes))
        for name, why in made.left_out:
            if name not in fixed:
                self._say(("space",), f"{name}: {why}")
        return parse_space(made.space, _Said(self._say, "space"), fixed, any_name=True)

    def _take_resources(self, trainer: Trainer) -> None:
        """The resources that a trainable of Ray Tune requests, where the study names none."""
        if "resources" in self._values and "resources" not in self._parts:  # wrong, and said
            return
        found, notes = with_requested(trainer, self._parts.get("resources"))
        if found is not None:
            self._parts["resources"] = found
        self._origin = replace(self._origin, remarks=(*self._origin.remarks, *notes))

    def _remark_on_searches(self, trainer: Trainer) -> None:
        """Say which lines of a script for Optuna or Ray Tune are not run, because they search themselves."""
        module = sys.modules.get(trainer.home)
        if module is not None and (note := lines_not_run(module)) is not None:
            self._origin = replace(self._origin, remarks=(*self._origin.remarks, note))

    def _function(self, source: str) -> tuple[Path, str]:
        """The file and the name in a path.py:name."""
        path, _, name = text(source).rpartition(":")
        return self._located(path), name

    def _space_file(self, source: str, fixed: Mapping[str, Value]) -> Space:
        names = search_spaces.library()
        if source in names:
            file = library_file(source)
        elif "/" in source or Path(source).suffix:
            file = self._located(source)
        else:
            self._say(("space",), f"there is no search space {source!r}; {nearest(source, names)}, or give a file")
            return Space(()).pin(fixed)
        try:
            return read_space(file, fixed)
        except SpaceFileError as error:
            for flaw in error.flaws:
                self._say(("space",), told(error.file, flaw))
            return Space(()).pin(fixed)

    def _metric(self) -> str | None:
        """The metric of the first objective, even where something else is wrong with it."""
        values = self._values.get("objective")
        first = values[0] if isinstance(values, list) and values else values
        try:
            return metric_name(first["metric"]) if isinstance(first, Mapping) and "metric" in first else None
        except BadValue:
            return None  # said when the section was read

    def _written(self, section: str, key: str, read_value: Callable[[object], str] = text) -> str | None:
        """A text of a section, even where something else in the section is wrong."""
        values = self._values.get(section)
        try:
            return read_value(values[key]) if isinstance(values, Mapping) and key in values else None
        except BadValue:
            return None  # said when the section was read

    def _find_files(self) -> str | None:
        """Make the paths absolute; returns the data's source."""
        packages = self._parts.get("requirements", ())
        if packages:
            self._parts["requirements"] = tuple(str(self._located(one)) if is_path(one) else one for one in packages)
        trainer = self._parts.get("trainer", "")
        if ".py:" in trainer:
            path, _, name = trainer.rpartition(":")
            self._parts["trainer"] = f"{self._located(path)}:{name}"
        source = self._written("data", "source")
        if source is not None and ".py:" in source:
            path, _, name = source.rpartition(":")
            source = f"{self._located(path)}:{name}"
        elif source is not None and self._is_file(source):
            source = str(self._located(source))
        data: Data | None = self._parts.get("data")
        if data is not None:
            augment = data.augment.model_copy(update=self._augment_files(data.augment))
            self._parts["data"] = data.model_copy(update={"source": source, "augment": augment})
        return source

    def _augment_files(self, augment: Augment) -> dict[str, str]:
        """The files that data.augment names, absolute."""
        found = {}
        if augment.synonyms is not None:
            path = self._located(augment.synonyms)
            found["synonyms"] = str(path)
            if not path.is_file():
                self._say(("data", "augment", "synonyms"), f"there is no file {path}")
        if augment.translate is not None:
            written, colon, name = augment.translate.rpartition(":")
            path = self._located(written)
            found["translate"] = f"{path}:{name}"
            if not colon or path.suffix != ".py" or not name:
                self._say(("data", "augment", "translate"), f"{augment.translate} is not path.py:function")
            elif not path.is_file():
                self._say(("data", "augment", "translate"), f"there is no file {path}")
        return found

    def _is_file(self, source: str) -> bool:
        from goodfit.trainers.data import DATASETS, is_path

        data: Data | None = self._parts.get("data")
        if data is not None and data.is_added:
            return self._located(source).exists()  # else it is for the kind to say what it is
        return is_path(source) or (source not in DATASETS and self._located(source).exists())

    def _located(self, path: str) -> Path:
        """A path relative to the study's folder, or to the current one if it is only there."""
        here = self._base / Path(path).expanduser()
        there = Path(path).expanduser().resolve()
        return there if there.exists() and not here.exists() else here.resolve()
