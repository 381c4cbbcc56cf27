"""Which of a study's models is released: what its gates come to, what people decide, and the whole trail of it.

A decision is in the store before MLflow's registry follows it (tracker/champion.py), so nothing is lost where MLflow is
away, or whoever moves an alias is killed: the mirror takes it up again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict  # typing's, on Python 3.11, is refused by pydantic

from goodfit.service import errors
from goodfit.service.app.best import enough_for_best
from goodfit.service.app.homes import spec_of
from goodfit.service.app.liveness import live_state
from goodfit.service.json_values import iso
from goodfit.service.records import AuditEntry, Report, StudyState, Trial
from goodfit.service.release import (
    LABEL_FIGURES,
    REJECT,
    Held,
    Ruling,
    Standing,
    due,
    judge,
    reviewed,
    standing,
)
from goodfit.service.settings import owner
from goodfit.trainers.readable import one_line, readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from goodfit.service.app.quality import LabelCheck
    from goodfit.service.ports import Store
    from goodfit.service.records import Study

NO_MODEL = "no trial was trained to its end and keeps the study's constraints"
NAME_LENGTH, NOTE_LENGTH = 200, 5000  # characters
FIGURES = (LABEL_FIGURES,)  # the kinds of figures that others leave with a study


class GateFacts(TypedDict):
    """A gate of a study, and whether it holds."""

    gate: str
    held: bool
    reason: str


class DecisionFacts(TypedDict):
    """A decision about the release of a model; see service.release.Ruling."""

    at: str | None
    by: str
    action: str
    trial: int
    status: str
    gates: list[GateFacts]
    override: list[str]
    note: str
    text: str


class ReleaseFacts(TypedDict):
    """Which of a study's models is released, and why.

    `trial` is its best one, `status` what its model is (champion, candidate, rejected; null: not decided), `gates` as
    they are now, `in_mlflow` whether the registry follows the decisions.
    """

    study: str
    require: list[Any]
    trial: int | None
    status: str | None
    reason: str
    champion: int | None
    candidate: int | None
    gates: list[GateFacts]
    decisions: list[DecisionFacts]
    model_uri: str | None
    in_mlflow: bool


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The gates of a study as they are now, and what was decided before.

    Attributes:
        best: the trial that would be released; None: none was trained to its end.
        gates: what they come to for it.
        stands: what the decisions come to.
        rulings: all of them.
        curve: of the best trial.
        trials: the best, and those of its confirmation.
    """

    best: Trial | None
    gates: Sequence[Held]
    stands: Standing
    rulings: Sequence[Ruling]
    curve: Sequence[Report] = ()
    trials: Sequence[Trial] = ()


def verdicts_of(store: Store, study: Study, review: Ruling | None = None) -> Verdicts:
    """The gates of a study's best trial; `review`: as if that had been decided, too."""
    from goodfit.service.diagnosis.confirmation import best_first

    rulings = [Ruling.of(entry) for entry in store.releases(study.id)]
    stands = standing(rulings, study.champion if study.decided == 0 else None)
    trials = enough_for_best(store, study.id, study.objective, 1)
    best = next(iter(best_first(trials, study.objective)), None)
    if best is None:
        return Verdicts(None, [], stands, rulings)
    curve = store.reports(study.id, best.number)
    gates = judge(spec_of(study), study, trials, best, curve, review or stands.reviews.get(best.number))
    return Verdicts(best, gates, stands, rulings, curve, trials)


def settle(store: Store, study: Study, now: float) -> Standing:
    """Decide what the gates of a study that is done come to, unless that is decided; says what stands then."""
    found = verdicts_of(store, study)
    if study.state is not StudyState.DONE or found.best is None:
        return found.stands
    ruling = due(found.stands, found.best, found.gates, now, owner())
    if ruling is None:
        return found.stands
    try:
        _write(store, study, found, ruling)
    except errors.IllegalChange:  # somebody else has decided by now: that one holds
        return settle(store, store.study_by_id(study.id), now)
    return standing([*found.rulings, ruling], _first(found, study))


def _first(found: Verdicts, study: Study) -> int | None:
    return study.champion if not found.rulings and study.decided == 0 else None


def _write(store: Store, study: Study, found: Verdicts, ruling: Ruling, extra: Mapping[str, Any] | None = None) -> None:
    before = {"champion": found.stands.champion, "candidate": found.stands.candidate}
    number = len(found.rulings) + 1
    after = {**ruling.to_dict(), **(extra or {})}
    store.decide(
        study.id, number, AuditEntry(ruling.at, ruling.by, ruling.action, study.name, ruling.text, None, before, after)
    )


def decide(
    store: Store, name: str, action: str, by: str, note: str | None, now: float, stated: str | None = None
) -> list[str]:
    """Approve or reject the best model of a study; says what that comes to.

    Args:
        store: where.
        name: of the study.
        action: approve or reject.
        by: who decides.
        note: why; an approval that overrules a gate needs one.
        now: seconds since the epoch.
        stated: for whom, where a token decides and somebody else was named.

    Raises:
        InputError: the study runs, or has no model; a name or a note cannot be kept; the model is rejected already,
            and the note says nothing new.
        IllegalChange: something else was decided at the same time.
    """
    study = store.study(name)
    for word, what in ((by, "by"), (note, "note")):
        if not (isinstance(word, str) or (word is None and what == "note")):
            raise errors.InputError(f"study {name}: {what} is {type(word).__name__}; give a text")
    by, text = one_line(by.strip()), readable(note or "").strip()
    _check_words(name, by, text)
    state = live_state(store, study, now)
    if state is not StudyState.DONE:
        how = "once it is done" if not state.at_rest else f"once it is done: goodfit resume {name} goes on with it"
        raise errors.InputError(f"study {name} is {state}; {action} its model {how}")
    settle(store, study, now)
    study = store.study(name)
    would = Ruling(now, by, action, -1, "")
    found = verdicts_of(store, study, would)
    if found.best is None:
        raise errors.InputError(f"study {name} has no model to {action}: {NO_MODEL}")
    last = found.stands.last.get(found.best.number)
    if action == REJECT and last is not None and last.action == REJECT and text in ("", last.note):
        why = f" ({one_line(last.note)})" if last.note else ""
        raise errors.InputError(
            f"study {name}: trial {last.trial} is rejected already, by {last.by}{why}; to add to the record, say "
            "something new by --note"
        )
    ruling = reviewed(action, found.best, found.gates, now, by, text)
    if ruling.override and not text:
        failed = "; ".join(one.reason for one in found.gates if not one.held)
        raise errors.InputError(
            f"study {name}: {failed}. An approval overrules {len(ruling.override)} of its gates: say why by --note"
        )
    _write(store, study, found, ruling, {"stated_by": stated} if stated else None)
    return list(_said(name, found, ruling))


def _check_words(name: str, by: str, note: str) -> None:
    problems = []
    if not by:
        problems.append("--by is empty; name who decides")
    if len(by) > NAME_LENGTH:
        problems.append(f"--by has {len(by)} characters; at most {NAME_LENGTH} are kept")
    if len(note) > NOTE_LENGTH:
        problems.append(f"the note has {len(note)} characters; at most {NOTE_LENGTH} are kept")
    if problems:
        raise errors.InputError(f"study {name}: {'; '.join(problems)}")


def _said(name: str, found: Verdicts, ruling: Ruling) -> list[str]:
    said = [f"study {name}: {ruling.text}"]
    said += [f"overruled: {one.reason}" for one in ruling.gates if one.gate in ruling.override]
    if ruling.action == REJECT and found.stands.champion == ruling.trial:
        after = standing([*found.rulings, ruling])
        gets = "no model has it now" if after.champion is None else f"trial {after.champion} has it again"
        said.append(f"the alias champion is taken from trial {ruling.trial}; {gets}")
    return said


def note_figures(store: Store, name: str, kind: str, values: Mapping[str, Any], by: str, now: float) -> Standing:
    """Keep what was measured of a study after its search, and judge its gates by it.

    Args:
        store: where.
        name: of the study.
        kind: one of FIGURES. Of `label_errors`: "share" of the rows that may be labelled wrong, from 0 to 1, and
            "data", the digest of the data that were looked at (as Trial.data has it); more may come along.
        values: plain JSON values.
        by: who measured.
        now: seconds since the epoch.
    """
    if kind not in FIGURES:
        raise ValueError(f"there is no kind of figures {kind!r}; {errors.did_you_mean(kind, FIGURES)}")
    study = store.note_figures(store.study(name).id, {kind: dict(values)}, by)
    return settle(store, study, now)


def note_labels(store: Store, study: Study, check: LabelCheck, by: str, now: float) -> None:
    """Keep what a look for label errors has found, for the gates, unless that is kept."""
    table = check.table
    counts: dict[str, Any] = {"share": table.share(), "issues": table.issues, "rows": len(table.judged)}
    found = {**counts, "trial": check.trial, "data": check.data}
    if (study.figures or {}).get(LABEL_FIGURES) != found:
        note_figures(store, study.name, LABEL_FIGURES, found, by, now)


def release_facts(store: Store, study: Study) -> ReleaseFacts:
    """What is known of the release of a study's models, in plain JSON values."""
    found = verdicts_of(store, study)
    best = None if found.best is None else found.best.number
    release = spec_of(study).release
    status = None if best is None else found.stands.status(best)
    return {
        "study": study.name,
        "require": [] if release is None else [one.written() for one in release.require],
        "trial": best,
        "status": status,
        "reason": "" if best is None else found.stands.reason(best),
        "champion": found.stands.champion,
        "candidate": found.stands.candidate,
        "gates": [_gate_facts(one) for one in found.gates],
        "decisions": [_decision_facts(one) for one in found.rulings],
        "model_uri": study.model_uri,
        "in_mlflow": study.registered >= study.decided and study.champion is not None,
    }


def _gate_facts(gate: Held) -> GateFacts:
    return {"gate": gate.gate, "held": gate.held, "reason": gate.reason}


def _decision_facts(ruling: Ruling) -> DecisionFacts:
    return {
        "at": iso(ruling.at),
        "by": ruling.by,
        "action": ruling.action,
        "trial": ruling.trial,
        "status": ruling.status,
        "gates": [_gate_facts(one) for one in ruling.gates],
        "override": list(ruling.override),
        "note": ruling.note,
        "text": ruling.text,
    }


def mirrored_release(store: Store, clock: Callable[[], float] = time.time) -> Callable[[Study], Standing | None]:
    """What a mirror asks before it moves an alias."""

    def release(study: Study) -> Standing | None:
        stands = settle(store, study, clock())
        return stands if stands.number else None

    return release
