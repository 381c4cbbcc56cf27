"""What the API answers: the shape of each reply, as it is sent and as the OpenAPI document has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # typing's, on Python 3.11, is refused by pydantic

from goodfit.service.app.best import Best
from goodfit.service.json_values import Number, Values
from goodfit.service.queries.rows import TrialRow
from goodfit.service.queries.source import Listed
from goodfit.service.records import (
    AuditEntry,
    Decision,
    Report,
    Role,
    Study,
    StudyRun,
    StudyState,
    Token,
    Trial,
    Version,
)

Next = int | None
_ALWAYS_THERE = ConfigDict(json_schema_serialization_defaults_required=True)  # fields with defaults, too
# Of a spec, in a listing: the rest of it is most of a study.
_SHOWN = ("trainer", "objective", "more_objectives", "constraints", "budget")


@with_config(_ALWAYS_THERE)
@dataclass(frozen=True, slots=True)
class StudyRecord(Study):
    """A study; `state` is as it is now, `recorded_state` as the store has it, `planned` the most trials it can have."""

    recorded_state: StudyState = StudyState.QUEUED
    trials: Mapping[str, int] = dataclasses.field(default_factory=dict)
    verdicts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    planned: int | None = None

    @classmethod
    def of(cls, listed: Listed) -> StudyRecord:
        """A study as it is listed."""
        study = {**_fields(listed.study), "state": listed.state}
        tally = listed.tally
        return cls(
            **study,
            recorded_state=listed.study.state,
            trials=tally.states,
            verdicts=tally.verdicts,
            planned=listed.planned,
        )

    @classmethod
    def in_brief(cls, listed: Listed) -> StudyRecord:
        """As `of`, with the main parts of its spec alone."""
        spec = {name: value for name, value in listed.study.spec.items() if name in _SHOWN}
        return dataclasses.replace(cls.of(listed), spec=spec, inputs=None)


@with_config(_ALWAYS_THERE)
@dataclass(frozen=True, slots=True)
class TrialRecord(Trial):
    """All that is kept of a trial; `label` is its state as users see it, with the kind of its failure."""

    label: str = ""

    @classmethod
    def of(cls, trial: Trial) -> TrialRecord:
        """A trial with its label."""
        return cls(**_fields(trial), label=trial.label)


@with_config(_ALWAYS_THERE)
@dataclass(frozen=True, slots=True)
class MadeToken(Token):
    """A new token and its secret, which is shown this once."""

    secret: str = ""

    @classmethod
    def of(cls, token: Token, secret: str) -> MadeToken:
        """A token with its secret."""
        return cls(**_fields(token), secret=secret)


class StudyPage(TypedDict):
    """Some studies; `next`: the offset of the next page, null at the end."""

    studies: Sequence[StudyRecord]
    next: Next


class ShownTrial(TrialRow):
    """A trial in a listing."""

    last_value: Number | None
    message: str | None


class DiagnosedTrial(ShownTrial):
    """A trial with its diagnosis."""

    diagnosis: Values | None


class TrialPage(TypedDict):
    """Some trials; `next`: the `after` of the next page, null at the end."""

    trials: Sequence[ShownTrial]
    next: Next


class RecordPage(TypedDict):
    """Some trials with all that is kept of them; `next`: the `after` of the next page, null at the end."""

    records: Sequence[TrialRecord]
    next: Next


class Records(TypedDict):
    """Trials with all that is kept of them."""

    records: Sequence[TrialRecord]


class Reports(TypedDict):
    """Curves, by trial and epoch."""

    reports: Sequence[Report]


class Decisions(TypedDict):
    """Decisions of a search, in their order; `next`: the `after` of the next page, null at the end."""

    decisions: Sequence[Decision]
    next: Next


class Versions(TypedDict):
    """The specs of a study that was edited, in their order; none of one that never was."""

    versions: Sequence[Version]


class Runs(TypedDict):
    """Where the runs of a study came from, in their order."""

    runs: Sequence[StudyRun]


class BestTrials(TypedDict):
    """The best configurations of a study, the confirmed winner first."""

    study: str
    metric: str
    direction: str
    best: Sequence[Best]


class Message(TypedDict):
    """What was done, for people."""

    message: str


class Messages(TypedDict):
    """What was done and what was left, for people."""

    messages: Sequence[str]


class TrainerFacts(TypedDict):
    """A trainer, its metrics by task, and its hyperparameters with their defaults."""

    trainer: str
    about: str
    data: Sequence[str]
    metrics: Mapping[str, Sequence[str]]
    defaults: Values
    space: str | None


class Trainers(TypedDict):
    """The installed trainers."""

    trainers: Sequence[TrainerFacts]


class ParameterFacts(TypedDict):
    """A parameter of a search space."""

    name: str
    range: str
    about: str


class SpaceFacts(TypedDict):
    """A search space of the library."""

    space: str
    parameters: Sequence[ParameterFacts]


class Spaces(TypedDict):
    """The library of search spaces."""

    spaces: Sequence[SpaceFacts]


class DatasetFacts(TypedDict):
    """A built-in data set."""

    dataset: str
    task: str
    kind: str
    rows: int
    features: int
    about: str


class Datasets(TypedDict):
    """The built-in data sets."""

    datasets: Sequence[DatasetFacts]


class Tokens(TypedDict):
    """Tokens, without their secrets."""

    tokens: Sequence[Token]


class AuditPage(TypedDict):
    """Some entries of the audit log; `next`: the offset of the next page, null at the end."""

    entries: Sequence[AuditEntry]
    next: Next


class Nodes(TypedDict):
    """What each node has on which studies run: "cpus", "gpus" and its own resources."""

    nodes: Sequence[Mapping[str, float]]


class About(TypedDict):
    """What a client must know of the server, and as whom it is known there."""

    version: str
    mlflow_uri: str
    name: str
    role: Role


class Alive(TypedDict):
    """The server is alive."""

    status: Literal["alive"]


class Ready(TypedDict):
    """The server can work."""

    status: Literal["ready"]


class ProblemOfFile(TypedDict):
    """One thing wrong in a study file; `line` counts from 1, 0 means the file as a whole."""

    line: int
    key: str
    text: str


class Refusal(TypedDict):
    """An error: its name, and what is wrong and what to do; of a study file each problem with its line."""

    error: str
    message: str
    file: NotRequired[str]
    problems: NotRequired[Sequence[ProblemOfFile]]


TEXT = {"type": "string"}
FILE = {"type": "string", "format": "binary"}
EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["message", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["data"],
}


def content_of(media_type: str, schema: dict[str, Any], description: str) -> dict[int | str, dict[str, Any]]:
    """An answer that is not JSON, for the OpenAPI document."""
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


def _fields(record: Any) -> dict[str, Any]:
    return {item.name: getattr(record, item.name) for item in dataclasses.fields(record)}
