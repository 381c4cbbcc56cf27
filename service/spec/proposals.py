"""Whether a change of a study file that a diagnosis proposes would be taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from goodfit.search_spaces.flaws import KeyPath
from goodfit.search_spaces.parameters import Fixed
from goodfit.search_spaces.parse import parse_fixed, parse_space
from goodfit.service.errors import Problem
from goodfit.service.spec.checks import unending, unscored
from goodfit.service.spec.data_parameters import check_reaching
from goodfit.service.spec.hyperparameters import check_hyperparameters, suited
from goodfit.service.spec.overrides import override
from goodfit.service.spec.study import StudySpec
from goodfit.trainers.errors import TrainersError
from goodfit.trainers.registry import resolve


def would_be_taken(spec: StudySpec, overrides: Sequence[str]) -> bool:
    """Whether a study with these KEY=VALUE is valid; looks at no data, and runs no code that came with the study."""
    problems: list[Problem] = []
    values, _ = override(_as_written(spec), overrides, problems)
    wrong: list[tuple[KeyPath, str]] = []
    fixed = parse_fixed(values.pop("fixed"), wrong)
    space = parse_space(values.pop("space"), wrong, fixed)
    if problems or wrong:
        return False
    try:
        trainer = None if ":" in spec.trainer else resolve(spec.trainer)
    except TrainersError:
        trainer = None
    if trainer is not None:
        space = suited(space, trainer)
        wrong += [((name,), text) for name, text in check_hyperparameters(trainer, space)]
    try:
        changed = StudySpec.model_validate({**values, "space": space})
    except ValidationError:
        return False
    wrong += [((name,), text) for name, text in check_reaching(space, changed.sections, changed.named)]
    if changed.confirm is not None and unscored(changed.data) is not None:
        return False
    return not wrong and unending(changed.search, changed.budget, space) is None


def _as_written(spec: StudySpec) -> dict[str, Any]:
    """A spec with the parameters under `space:` and `fixed:`, as in a study file."""
    values = spec.to_dict()
    pinned = {item.name for item in spec.space if isinstance(item, Fixed) and not item.when}
    items = [(item["name"], {key: value for key, value in item.items() if key != "name"}) for item in values["space"]]
    return {
        **values,
        "space": {name: item for name, item in items if name not in pinned},
        "fixed": {name: item["value"] for name, item in items if name in pinned},
    }
