"""The keys of a study file, as they are written, and its JSON Schema for editors.

What a study becomes when it is read is StudySpec, in study.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from goodfit.search_spaces.parse import MOST_PARAMETERS
from goodfit.service.spec.data import Data
from goodfit.service.spec.fairness import Fairness
from goodfit.service.spec.fields import Constraints, Name, Section, Share, Text
from goodfit.service.spec.pruning import Pruning
from goodfit.service.spec.release import Release
from goodfit.service.spec.requirements import Requirements
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

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_Absent = SkipJsonSchema[None]


class StudyFile(Section):
    """What to train, on which data, over which space, and for how long."""

    model_config = ConfigDict(title="Goodfit study file", defer_build=True)

    name: Name = Field(description="Name of the study: 1 to 100 letters, digits, -, _ or ., a letter or digit first.")
    trainer: Text = Field(description="Trainer: a name (`goodfit trainers`), module:name or path.py:name.")
    data: Data | _Absent = Field(
        None, description="Data: the source, and how it is split, prepared and varied. Left out: the trainer's own."
    )
    space: dict[str, Any] | Text | _Absent = Field(
        None,
        description="What is searched: a space of the library (`goodfit spaces`), a file, a param_space of Ray Tune by "
        "path.py:name, or the parameters themselves. Left out: what the script of a Ray Tune trainer has.",
    )
    fixed: dict[str, Any] = Field(
        default_factory=dict,
        max_length=MOST_PARAMETERS,
        description="Values that are the same for all trials; each takes the place of the space's parameter.",
    )
    objective: Objective | Annotated[list[FurtherObjective], Field(min_length=1, max_length=MOST_OBJECTIVES)] = Field(
        description="What the search optimizes; a list of several: the best are a Pareto front."
    )
    constraints: Constraints = Field(
        (), description="Bounds that the best must keep, of metrics or costs: [params_millions <= 2]."
    )
    fairness: Fairness | _Absent = Field(
        None, description="Groups whose results are compared, and what training does about differences."
    )
    search: Search | _Absent = Field(None, description="How configurations are proposed.")
    pruning: Pruning | _Absent = Field(
        None, description="Which trials are paused or stopped because others did better at the same epoch."
    )
    training: Training = Field(description="How long one trial trains, and what it survives.")
    budget: Budget | _Absent = Field(
        None, description="When the study ends; trials, epochs or minutes are needed, but for a grid or a finite space."
    )
    resources: Resources | _Absent = Field(None, description="What one trial takes, and how many run at once.")
    confirm: Confirm | _Absent = Field(
        None, description="Train the best configurations again and score them on the test split. Left out: not done."
    )
    release: Release | _Absent = Field(
        None,
        description="What the best model must have before it gets the alias `champion` in MLflow's registry; until "
        "then it is registered as `candidate`. Left out: it gets it at once.",
    )
    schedule: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Parameters that change while a trial trains: a list of {epoch: N, NAME: VALUE}, from there on.",
    )
    control: Share = Field(
        0.0, description="Share of the trials that are drawn at random and never pruned, to compare the search with."
    )
    requirements: Requirements = Field(
        (), description="Packages that the workers need, as pip takes them; also paths of wheels and project folders."
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a study file. What extensions may add (methods, kinds, trainers) is any text there."""
    from goodfit import search_spaces
    from goodfit.search_spaces.json_schema import parameters_schema
    from goodfit.trainers.data import DATASETS
    from goodfit.trainers.registry import BUILT_IN

    schema: dict[str, Any] = {"$schema": DIALECT, **_without_null_defaults(StudyFile.model_json_schema())}
    space, definitions = parameters_schema()
    schema["$defs"] = dict(sorted({**schema["$defs"], **definitions}.items()))
    keys, data = schema["properties"], schema["$defs"]["Data"]["properties"]
    keys["trainer"] = _suggesting(keys["trainer"], BUILT_IN)
    data["source"] = _suggesting(data["source"], DATASETS)
    one, several = keys["objective"].pop("anyOf")
    keys["objective"] |= {"if": {"type": "array"}, "then": several, "else": one}  # so an error has its key
    names, parameters = _suggesting({"type": "string"}, search_spaces.library()), space
    keys["space"] = {
        **{key: keys["space"][key] for key in ("title", "description")},
        "anyOf": [*names["anyOf"], parameters],
    }
    return schema


def _suggesting(text: dict[str, Any], words: Iterable[str]) -> dict[str, Any]:
    """A text's schema with words that an editor offers; any other text is right, too."""
    about: dict[str, Any] = {key: text[key] for key in ("title", "description") if key in text}
    bounds = {key: value for key, value in text.items() if key not in about}
    return {**about, "anyOf": [{"enum": sorted(words)}, bounds]}


def _without_null_defaults(schema: Any) -> Any:
    """Whether a key is left out is no value that an editor should offer."""
    if isinstance(schema, dict):
        return {
            key: _without_null_defaults(value)
            for key, value in schema.items()
            if not (key == "default" and value is None)
        }
    return [_without_null_defaults(item) for item in schema] if isinstance(schema, list) else schema
