"""A study's own code: the files that a spec's references stand for, and a spec where they lie on this machine.

What belongs to the code is found by trainers/code.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goodfit.service import errors

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.code import Code, Found


def find_own_code(spec: StudySpec) -> Found:
    """The files of the code that a study names."""
    from goodfit.trainers.code import find_code

    references = [spec.trainer]
    if spec.data is not None:
        references += [spec.data.source, spec.data.augment.translate or ""]
    return find_code(references, spec.modules)


def own_code(spec: StudySpec) -> Code | None:
    """The same with what is in them; None of a study that names installed trainers alone."""
    found = find_own_code(spec)
    try:
        return found.code() if found.files else None
    except OSError as error:
        raise errors.TrainerError(f"{error.filename} cannot be read: {error.strerror}") from error


def with_code(spec: StudySpec, files: Mapping[str, str]) -> StudySpec:
    """The spec of a study on this machine: what travelled with it is laid down here, and named where it lies."""
    from goodfit.service.spec import look_for_modules
    from goodfit.trainers.code import Code, placed

    if not files:
        return spec
    code = Code("", {name: text.encode("utf-8", "backslashreplace") for name, text in files.items()})
    folder = placed(code)
    here = renamed(spec, lambda path: f"{folder}/{path}" if path.rpartition(":")[0] in files else path)
    modules = tuple(str((folder / place).resolve()) for place in spec.modules)
    look_for_modules(modules)
    return here.model_copy(update={"modules": modules})


def renamed(spec: StudySpec, rename: Callable[[str], str]) -> StudySpec:
    """The spec with other names for the code that it names."""
    changes: dict[str, Any] = {"trainer": rename(spec.trainer)}
    if spec.data is not None:
        augment = spec.data.augment
        if augment.translate is not None:
            augment = augment.model_copy(update={"translate": rename(augment.translate)})
        changes["data"] = spec.data.model_copy(update={"source": rename(spec.data.source), "augment": augment})
    return spec.model_copy(update=changes)


def pip_environment(requirements: Sequence[str]) -> dict[str, Any] | None:
    """Ray's runtime environment with these packages beside those that a node has; None where there are none."""
    return {"pip": {"packages": list(requirements), "pip_check": False}} if requirements else None
