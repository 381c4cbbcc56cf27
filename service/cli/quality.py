"""`goodfit data FILE --labels` and `--more`: labels that are likely wrong, and what more rows would bring."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from goodfit.service.cli.data import shown_text
from goodfit.service.cli.tables import show, table
from goodfit.service.screen.live import say

if TYPE_CHECKING:
    from goodfit.service.app.quality import Configuration, LabelCheck
    from goodfit.service.queries.local import LocalSource
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.data.label_table import LabelTable

SAID_EVERY = 2.0  # seconds between two lines on how far it is
MOST_ROWS = 20  # that are printed; --csv has all


def check_labels(settings: Settings, spec: StudySpec) -> LabelCheck:
    """Judge the labels of a study file's data; kept with the study of the home that has these data, for its gates."""
    from goodfit.service.app import check, quality

    quality.require_nets(check(spec).trainer)
    with _configuration(settings, spec) as (used, there):
        say(f"the labels of {spec.name} are judged by {used.words}, trained on four fifths of the rows at a time")
        if there is None:
            return quality.check_labels(used, progress(spec.name))
        with _warnings_said():
            return there.check_labels(spec.name, None, progress(spec.name))


def check_growth(settings: Settings, spec: StudySpec) -> dict[str, Any]:
    """What more rows would bring to a study file's data; kept likewise."""
    from goodfit.service.app import check, quality

    check(spec)
    with _configuration(settings, spec) as (used, there):
        say(f"training {used.words} on an eighth, a quarter, half and all rows of {spec.name}, with several seeds each")
        if there is None:
            return quality.check_growth(used, progress(spec.name))
        with _warnings_said():
            return there.growth(spec.name, progress(spec.name))


@contextlib.contextmanager
def _warnings_said() -> Iterator[None]:
    """Says what is warned of, such as that MLflow does not have it, in a line of its own."""
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", UserWarning)
        yield
    for one in noted:
        say(str(one.message))


@contextlib.contextmanager
def _configuration(settings: Settings, spec: StudySpec) -> Iterator[tuple[Configuration, LocalSource | None]]:
    """What is to be trained on a study file's data, and where the study of that name is, if it has these data."""
    from goodfit.service import app
    from goodfit.service.app import quality
    from goodfit.service.errors import UnknownStudy
    from goodfit.service.queries.local import LocalSource

    if not app.is_made(settings):
        yield quality.by_defaults(spec), None
        return
    with contextlib.closing(app.open_home(settings)) as store:
        try:
            study = store.study(spec.name)
        except UnknownStudy:
            yield quality.by_defaults(spec), None
            return
        kept = app.spec_of(study)
        if not _is_of(spec, kept):
            say(f"study {spec.name} in this home has another trainer or other data: its configurations are left aside")
            yield quality.by_defaults(spec), None
            return
        used = quality.by_best(settings, store, study, spec)
        trial = None if used.trial is None else store.trial(study.id, used.trial)
        same = spec.data == kept.data and quality.is_unchanged(study, spec, trial)
        if not same:
            say(f"the data are not those that study {spec.name} has: what is found is not kept with it")
        yield used, LocalSource(settings, store) if same else None


def _is_of(spec: StudySpec, there: StudySpec) -> bool:
    sources = [None if one.data is None else (one.data.source, one.data.target) for one in (spec, there)]
    return spec.trainer == there.trainer and sources[0] == sources[1]


def progress(name: str) -> Callable[[int, int], None]:
    """Says on standard error now and then how many epochs were trained."""
    said = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SAID_EVERY:
            said = time.monotonic()
            say(f"{name}: epoch {done} of {of} at most")

    return tell


def label_facts(found: LabelCheck) -> dict[str, Any]:
    """As `goodfit data FILE --labels --json` gives it: counts, sentences, and a row for each label."""
    facts = {key: value for key, value in found.to_dict().items() if key not in ("format", "shown")}
    return {**facts, "labels": found.table.frame().to_dict("records")}


def label_csv(found: LabelTable) -> str:
    """The table of all rows as CSV."""
    from goodfit.service.exchange.tables import csv_of

    return csv_of({str(name): column.tolist() for name, column in found.frame().items()})


def print_labels(found: LabelCheck) -> None:
    """The page of `goodfit data --labels`."""
    for note in found.table.notes():
        print(f"- {note}")
    if not found.shown:
        return
    columns = ["row", "split", "score", "given", "predicted", *(["file"] if found.table.files else [])]
    out = table(*columns)
    for row in found.shown[:MOST_ROWS]:
        out.add_row(*(shown_text(str(row[name])) for name in columns))
    show(out)
    if (more := found.table.issues - len(found.shown[:MOST_ROWS])) > 0:
        print(f"and {more:,} more; `goodfit data FILE --labels --csv` lists all rows")


def print_growth(found: Mapping[str, Any]) -> None:
    """The page of `goodfit data --more`."""
    metric = found["metric"]
    out = table("training rows", metric, "seeds")
    for size in found["sizes"]:
        scores = size["scores"]
        out.add_row(f"{size['rows']}", f"{sum(scores) / len(scores):.4g}", ", ".join(f"{one:.4g}" for one in scores))
    show(out)
    print(found["sentence"])
