"""What may be changed of a study that has begun: whatever leaves its trials comparable.

A longer budget is the same search going on; another range, choice or pruner decides from there on, and the trials
before are kept. Another trainer, other data or another length of training is another study: its trials could not be
ranked with those that are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from goodfit.search_spaces.flaws import dotted
from goodfit.search_spaces.space import Space
from goodfit.service.errors import Problem, StudyFileError
from goodfit.service.spec.checks import Draft, check_search, unscored
from goodfit.service.spec.data_parameters import check_reaching
from goodfit.service.spec.overrides import override
from goodfit.service.spec.space_edits import as_written, edited, space_problems, suiting
from goodfit.service.spec.study import StudySpec
from goodfit.service.spec.validation_messages import sentences

# Each key, or the section that it is in: why it may not be changed; None: it may.
FIXED: Mapping[str, str | None] = {
    "name": "the study is found by its name",
    "trainer": "its trials were trained by this trainer",
    "data": "its trials were trained and scored on these data",
    "space": None,  # ranges and choices: see space_edits.py
    "fixed": "its trials were trained with these parameters",
    "objective": "its trials were ranked and pruned by it",
    "more_objectives": "its trials were ranked and pruned by them",
    "constraints": "its trials were ranked by them",
    "fairness": "its trials were trained and compared so",
    "search": "its trials were proposed so",
    "search.repeats": None,
    "control": "its trials were proposed so",
    "defaults": "they are its trainer's",
    "open_space": "its trainer decides it",
    "last_counts": "its trainer decides it",
    "modules": "its trainer was found there",
    "requirements": "its trials were trained with these packages",
    "pruning": None,  # from here on; not to pauses, see below
    "training.epochs": "its trials were trained for so many",
    "training.patience": "its trials were stopped by it",
    "training.stop_on": "its trials were stopped by it",
    "training.seed": "its trials were trained with it",
    "schedule": "its trials were trained so",
    "training.minutes": None,
    "training.checkpoint_epochs": None,
    "training.keep": None,
    "training.retries": None,
    "budget": None,
    "resources": None,
    "confirm": None,
    "release": None,
}


_UNDECIDED = "what it decides for its trials is not known here"


def why_fixed(key: str) -> str | None:
    """Why a dotted key may not be changed in a study that has begun; None for one that may."""
    parts = key.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((FIXED[name] for name in names if name in FIXED), _UNDECIDED)


def changed(kept: Mapping[str, Any], overrides: Sequence[str]) -> StudySpec:
    """A spec kept by to_dict with these KEY=VALUE in it.

    Raises:
        StudyFileError: with every problem and its key: no such key, no such value, or not to be changed any more.
    """
    before = StudySpec.from_dict(kept)
    problems: list[Problem] = []
    allowed = [text for text in overrides if not _refused(text, problems)]
    values, _ = override(_editable(before, allowed), allowed, problems)
    values["space"] = _edited_space(values.get("space"), before, problems)
    try:
        spec = StudySpec.model_validate(values)
        problems += _of_effect(before, spec)
    except ValidationError as error:
        problems += [Problem(0, f"--set {dotted(path)}", text) for path, text in sentences(error, values)]
    if problems:
        raise StudyFileError(f"study {before.name}", problems)
    return spec


def _editable(spec: StudySpec, overrides: Sequence[str]) -> dict[str, Any]:
    """A spec as overrides find it: parameters by name; without the options of a pruner that gives way to another."""
    values = {**spec.to_dict(), "space": as_written(spec.space)}
    methods = [text.partition("=")[2].strip() for text in overrides if _key_of(text) == "pruning.method"]
    if methods and methods[-1] != spec.pruning.method:
        values["pruning"] = {"method": spec.pruning.method}
    return values


def _edited_space(written: object, before: StudySpec, problems: list[Problem]) -> Space:
    space = edited(written, before.space, problems)
    if space == before.space:
        return before.space
    if before.open_space or before.search.trains_population:
        why = "its trainer decides it" if before.open_space else "its members take over each other's parameters"
        problems.append(_problem("space", why))
        return before.space
    problems += [_problem(key, why) for key, why in space_problems(before.space, space)]
    return suiting(space, before.trainer, problems)


def _key_of(text: str) -> str:
    return text.partition("=")[0].strip()


def _refused(text: str, problems: list[Problem]) -> bool:
    """Whether an override names what is fixed; says so. What is no key, or a section, is looked at later."""
    key = _key_of(text)
    why = why_fixed(key)
    if why in (None, _UNDECIDED):
        return False
    problems.append(_problem(key, str(why)))
    return True


def _of_effect(before: StudySpec, spec: StudySpec) -> list[Problem]:
    """What a changed spec must not do: change by the way what is fixed, have no end, or no rows to confirm on."""
    problems = [_problem(key, why) for key, *_ in spec.changes(before.to_dict()) if (why := why_fixed(key)) is not None]
    if spec.pruning.method == "auto" != before.pruning.method:
        problems.append(_problem("pruning.method", "auto knows trials by its decisions from the first one on"))
    known = _clashes(before)
    problems += [problem for problem in _clashes(spec) if problem not in known]
    if spec.confirm is not None and (wrong := unscored(spec.data)):
        problems.append(Problem(0, "confirm", wrong))
    return problems


def _clashes(spec: StudySpec) -> list[Problem]:
    """What does not go together of the search, its space, its budget and its pruning, as in a study file."""
    problems: list[Problem] = []
    values = {**spec.to_dict(), "space": as_written(spec.space)}
    parts = {name: getattr(spec, name) for name in StudySpec.model_fields}
    source, target = (spec.data.source, spec.data.target) if spec.data else (None, None)
    draft = Draft(None, spec.objective.metric, source, target, parts, spec.space, frozenset(spec.fixed), values)
    check_search(draft, lambda path, text: problems.append(Problem(0, f"--set {dotted(path)}", text)))
    reaching = check_reaching(spec.space, spec.sections, spec.named, dots_nest=":" in spec.trainer)
    return problems + [Problem(0, f"--set space.{name}", text) for name, text in reaching]


def _problem(key: str, why: str) -> Problem:
    return Problem(
        0,
        f"--set {key}",
        f"cannot be changed in a study that has begun: {why}; start another study by `goodfit run FILE --new`",
    )
