"""`run` and `resume`: a study from its file to its best configuration, with Ctrl-C that saves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from goodfit.service import app
from goodfit.service.cli.base import print_json
from goodfit.service.cli.diagnose import print_health
from goodfit.service.cli.show import print_release
from goodfit.service.cli.tables import best_facts, print_best
from goodfit.service.client import Studies
from goodfit.service.client.running import go_on, start
from goodfit.service.queries.local import LocalSource
from goodfit.service.screen.live import say
from goodfit.service.screen.shown import Terminal
from goodfit.service.settings import Settings


def run_file(
    settings: Settings, file: Path, overrides: Sequence[str], *, fresh: bool, executor: str, as_json: bool
) -> None:
    """`goodfit run`."""
    from goodfit.service.spec import read

    ran = start(settings, read(file, overrides), Terminal(), fresh=fresh, executor=executor)
    _answer(settings, ran.name, as_json=as_json, notes=ran.notes)


def resume_study(settings: Settings, name: str, wanted: app.Reopening, *, executor: str, as_json: bool) -> None:
    """`goodfit resume`: also what MLflow has still to hear of a finished study."""
    go_on(settings, name, wanted, Terminal(), executor=executor)
    _answer(settings, name, as_json=as_json)


def _answer(settings: Settings, name: str, *, as_json: bool, notes: Sequence[str] = ()) -> None:
    """The best configurations, and where to look further; as JSON with what was noted of the study at its start."""
    study = Studies(LocalSource(settings, app.open_home(settings)))[name]
    facts = best_facts(study, 5)
    gated = "release" in study.record.spec
    if as_json:
        print_json({**facts, "notes": list(notes), **({"release": study.release} if gated else {})})
        return
    if study.record.message:
        say(f"study {name} ended before its budget: {study.record.message}")
    print_best(study, facts)
    if gated:
        print_release(study.release)
    print_health(study.diagnosis(), settings.hint(f"diagnose {name}"))
    print(f"  see the runs in the MLflow UI: {settings.hint('ui')}")
