"""`goodfit.run`: a study from a function and values in Python, in a script or in the cell of a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.app.directions import usual_direction
from goodfit.service.client.functions import Train, Written, name_of, reference_of, written_down
from goodfit.service.client.given import content_of, file_of, is_in_memory
from goodfit.service.client.handles import Studies, StudyHandle
from goodfit.service.client.running import start
from goodfit.service.errors import DataError, InputError, Interrupted
from goodfit.service.queries.local import LocalSource
from goodfit.service.screen.shown import screen_here
from goodfit.service.settings import Settings

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.spec import StudySpec

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
    """
    given: dict[str, Any] = {"space": space, **sections}
    given["objective"] = _objective(objective)
    given["budget"] = _with(sections, "budget", trials=trials)
    given["training"] = {"epochs": EPOCHS, **(_with(sections, "training", epochs=epochs) or {})}
    given["data"] = _data(data, target)
    settings = Settings.from_environment(None if home is None else Path(home))
    study = _Given(settings, train, given, name)
    spec = study.spec(new=new)
    screen = screen_here()
    try:
        spec_name = start(settings, spec, screen, executor=executor).name
    except Interrupted as error:
        screen.say(f"{error}; in Python by study.resume()")
        spec_name = spec.name
    return Studies(LocalSource(settings, app.open_home(settings)))[spec_name]


def _with(sections: Mapping[str, Any], section: str, **values: Any) -> Any:
    """A section with these values; InputError where both say the same key."""
    given, said = sections.get(section), {key: value for key, value in values.items() if value is not None}
    if not isinstance(given, Mapping):
        return given if given is not None else said or None
    for key in said:
        if key in given:
            raise InputError(f"{section}.{key} is given twice: by {key}=, and in {section}=")
    return {**given, **said}


def _objective(given: str | Mapping[str, Any] | Sequence[Any]) -> Any:
    """As a study file has it."""
    if isinstance(given, str):
        direction = usual_direction(given)
        if direction is None:
            raise InputError(
                f"objective: whether less or more of {given} is better cannot be told by its name; write "
                f'{{"metric": "{given}", "direction": "minimize"}} or {{..., "direction": "maximize"}}'
            )
        return {"metric": given, "direction": direction}
    return given if isinstance(given, Mapping) else [_objective(one) for one in given]


def _data(data: Any, target: str | None) -> dict[str, Any] | None:
    """The section `data:`, with values in the place of its source where they are given."""
    if data is None:
        if target is not None:
            raise InputError(f"target={target!r} is given, and no data=")
        return None
    section = dict(data) if isinstance(data, Mapping) and "source" in data else {"source": data}
    if target is not None:
        if section.setdefault("target", target) != target:
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
        self._settings, self._values, self._name = settings, values, name
        self._reference = train if isinstance(train, str) else reference_of(train)
        self._written: Written | None = None if self._reference is not None else written_down(train)
        self._called = name if name is not None else _called(train)
        self._content: tuple[str, bytes] | None = None
        section = values["data"]
        if section is not None and is_in_memory(section["source"]):
            self._content = content_of(section["source"], section.get("target"))

    def spec(self, *, new: bool) -> StudySpec:
        """The study under its name, its files written; one that is there keeps its own where they are the same."""
        app.open_home(self._settings, create=True)
        with_number = new or self._name is None
        number = 1
        while True:
            name = self._called if number == 1 else f"{self._called}-{number}"
            spec = self._named(name)
            if not with_number or self._is_free(spec, only_new=new):
                return spec
            number += 1

    def _folder(self, name: str) -> Path:
        return self._settings.given_folder(name)

    def _named(self, name: str) -> StudySpec:
        ...
