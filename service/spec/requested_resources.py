"""What a trainable of Ray Tune requests of the cluster, as the `resources:` of a study that says nothing of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pydantic import ValidationError

from goodfit.search_spaces.flaws import dotted
from goodfit.search_spaces.scalars import listed
from goodfit.service.spec.param_space import own_request
from goodfit.service.spec.sections import Resources
from goodfit.service.spec.validation_messages import sentences
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.recognition import Foreign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from goodfit.trainers.registry import Trainer

_OWN = {"CPU": "cpus", "GPU": "gpus"}
_UNUSED = ("memory", "object_store_memory")  # what trials here do not reserve


def with_requested(trainer: Trainer, given: Resources | None) -> tuple[Resources | None, list[str]]:
    """The resources of a study with those that its trainer requests by `tune.with_resources`.

    Args:
        trainer: of the study.
        given: as the study has them; what it names is kept.

    Returns:
        The resources, and what users should know of them.
    """
    if not trainer.api.of_ray or not isinstance(trainer.train, Foreign):
        return given, []
    own = given or Resources()
    named = sorted(own.model_fields_set & {"cpus", "gpus", "custom"})
    try:
        amounts = _amounts(trainer, trainer.train.found)
    except BadTrainer as error:
        return given, [] if named else [f"the trainer {error}: not used; write `resources: {{cpus: ..., gpus: ...}}`"]
    if not amounts:
        return given, []
    text = listed([f"{name} {amount:g}" for name, amount in sorted(amounts.items())])
    if named:
        return given, [f"the trainer requests {text} for a trial: not used, as `resources:` gives {listed(named)}"]
    return _merged(own, amounts, text)


def _amounts(trainer: Trainer, found: object) -> Mapping[str, float] | None:
    """What the trainer requests by itself, or its script for it where it starts its search."""
    from goodfit.trainers.integrations.ray_tune import requested, requested_as

    if (own := requested(found)) is not None:
        return own
    given = own_request(sys.modules[trainer.home], trainer.name)
    return requested_as(given) if given is not None else None


def _merged(own: Resources, amounts: Mapping[str, float], text: str) -> tuple[Resources, list[str]]:
    values = {**own.model_dump(exclude_unset=True)}
    values |= {_OWN[name]: amount for name, amount in amounts.items() if name in _OWN}
    custom = {name: amount for name, amount in amounts.items() if name not in (*_OWN, *_UNUSED)}
    try:
        found = Resources.model_validate({**values, **({"custom": custom} if custom else {})})
    except ValidationError as error:
        wrong = "; ".join(f"{dotted(path)} {problem}".strip() for path, problem in sentences(error, values))
        return own, [f"the trainer requests {text} for a trial: not used, because {wrong}"]
    if found.amounts == own.amounts:
        return found, []
    unused = [name for name in amounts if name in _UNUSED]
    without = f", without {listed(unused)}, which trials here do not reserve" if unused else ""
    return found, [f"each trial takes {text}, as the trainer requests{without}; `resources:` changes it"]
