"""The only place where adapters are built from settings.

preflight.py        what can be known before training, with notes.py, room.py and data_checks.py
homes.py            the store of a home
code.py             the code that a study brings, and inputs.py whether it and the data are still the same
provenance.py       where a run comes from, with git.py
rerunning.py        a trial trained again from its record, by rerun_process.py
quality.py          labels, and what more rows would bring, judged by training, by quality_process.py
child_process.py    the processes of both
studies.py          made, stopped, removed | earlier.py  what a study takes over from earlier ones
annotating.py       its note and tags
releasing.py        which of its models is released | trail.py  all that was done to it | cards.py  its cards
run.py              a run, from its adapters to its end | packing.py  which of its trials share a worker
tracker_process.py  the mirror beside it
models.py           trained models | rows.py  the rows of its splits | explanations.py  why they predict what they do
retention.py        which checkpoints are kept
garbage.py          what a home keeps, and what of it can go | quota.py  how much it may keep
resumption.py       a study that goes on, and what of it changes
diagnoses.py        what is known of a study | reports.py  it as a page
best.py             its best configurations | watch.py  its progress, from the store | explaining.py  why of a trial
liveness.py         whether anybody runs it, and how its run ended
submission.py       what a study from elsewhere may name; submission_process.py looks at its code
controller_process.py, service_run.py    what the service starts
logs.py             trials' logs | places.py  where files are kept
catalog.py          what can be named | tokens.py  tokens and their secrets

Each name is imported when it is asked for: `goodfit ls` needs none of what trains.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goodfit.service.app.annotating import annotate
    from goodfit.service.app.best import Best, best_of
    from goodfit.service.app.cards import Cards, cards_of
    from goodfit.service.app.diagnoses import diagnose_of
    from goodfit.service.app.earlier import warm_started
    from goodfit.service.app.explaining import Why, why_of
    from goodfit.service.app.explanations import Wanted, explain_trial
    from goodfit.service.app.garbage import cache_of, collect, home_size, uses_of
    from goodfit.service.app.homes import PATIENCE, is_made, open_home, spec_here, spec_of, upgrade_home
    from goodfit.service.app.liveness import how_it_failed, how_it_was_lost, live_state, until_released
    from goodfit.service.app.logs import LogPiece, log_place, read_log
    from goodfit.service.app.models import load_model, model_folder, open_checkpoint
    from goodfit.service.app.notes import approximately, counted, expected_complete, hidden_modules, notes_of
    from goodfit.service.app.packing import why_alone
    from goodfit.service.app.preflight import Checked, check
    from goodfit.service.app.quality import growth_of_study, labels_of_study
    from goodfit.service.app.releasing import ReleaseFacts, decide, note_figures, note_labels, release_facts
    from goodfit.service.app.reports import report_of
    from goodfit.service.app.resumption import Reopened, Reopening, edit, edit_is_due, reopen
    from goodfit.service.app.room import Room, nodes_of, room_of
    from goodfit.service.app.rows import rows_of
    from goodfit.service.app.run import Options, cluster_ahead, run_study
    from goodfit.service.app.studies import forget_blank, new_study, queue_study, remove_study, resume_study, stop_study
    from goodfit.service.app.submission import FILES, SPEC_CHARACTERS, Rules, Submission, admit_edit, admitted
    from goodfit.service.app.tokens import make_token, token_digest
    from goodfit.service.app.tracker_process import catch_up, follow
    from goodfit.service.app.trail import Trail, trail_of
    from goodfit.service.app.watch import Watcher

_PLACES = {
    "annotating": ["annotate"],
    "best": ["Best", "best_of"],
    "liveness": ["how_it_failed", "how_it_was_lost", "live_state", "until_released"],
    "preflight": ["Checked", "check"],
    "cards": ["Cards", "cards_of"],
    "diagnoses": ["diagnose_of"],
    "earlier": ["warm_started"],
    "explaining": ["Why", "why_of"],
    "explanations": ["Wanted", "explain_trial"],
    "garbage": ["cache_of", "collect", "home_size", "uses_of"],
    "logs": ["LogPiece", "log_place", "read_log"],
    "models": ["load_model", "model_folder", "open_checkpoint"],
    "notes": ["approximately", "counted", "expected_complete", "hidden_modules", "notes_of"],
    "packing": ["why_alone"],
    "homes": ["PATIENCE", "is_made", "open_home", "spec_here", "spec_of", "upgrade_home"],
    "resumption": ["Reopened", "Reopening", "edit", "edit_is_due", "reopen"],
    "quality": ["growth_of_study", "labels_of_study"],
    "releasing": ["ReleaseFacts", "decide", "note_figures", "note_labels", "release_facts"],
    "reports": ["report_of"],
    "room": ["Room", "nodes_of", "room_of"],
    "rows": ["rows_of"],
    "run": ["Options", "cluster_ahead", "run_study"],
    "studies": ["forget_blank", "new_study", "queue_study", "remove_study", "resume_study", "stop_study"],
    "submission": ["FILES", "SPEC_CHARACTERS", "Rules", "Submission", "admit_edit", "admitted"],
    "tokens": ["make_token", "token_digest"],
    "tracker_process": ["catch_up", "follow"],
    "trail": ["Trail", "trail_of"],
    "watch": ["Watcher"],
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "FILES",
    "PATIENCE",
    "SPEC_CHARACTERS",
    "Best",
    "Cards",
    "Checked",
    "LogPiece",
    "Options",
    "ReleaseFacts",
    "Reopened",
    "Reopening",
    "Room",
    "Rules",
    "Submission",
    "Trail",
    "Wanted",
    "Watcher",
    "Why",
    "admit_edit",
    "admitted",
    "annotate",
    "approximately",
    "best_of",
    "cache_of",
    "cards_of",
    "catch_up",
    "check",
    "cluster_ahead",
    "collect",
    "counted",
    "decide",
    "diagnose_of",
    "edit",
    "edit_is_due",
    "expected_complete",
    "explain_trial",
    "follow",
    "forget_blank",
    "growth_of_study",
    "hidden_modules",
    "home_size",
    "how_it_failed",
    "how_it_was_lost",
    "is_made",
    "labels_of_study",
    "live_state",
    "load_model",
    "log_place",
    "make_token",
    "model_folder",
    "new_study",
    "nodes_of",
    "note_figures",
    "note_labels",
    "notes_of",
    "open_checkpoint",
    "open_home",
    "queue_study",
    "read_log",
    "release_facts",
    "remove_study",
    "reopen",
    "report_of",
    "resume_study",
    "room_of",
    "rows_of",
    "run_study",
    "spec_here",
    "spec_of",
    "stop_study",
    "token_digest",
    "trail_of",
    "until_released",
    "upgrade_home",
    "uses_of",
    "warm_started",
    "why_alone",
    "why_of",
]


def __getattr__(name: str) -> Any:
    """The name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
