"""`goodfit data FILE --labels` and `--more`: labels that are likely wrong, and what more rows would bring."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from goodfit.service.cli.data import shown_text
from goodfit.service.cli.tables import show, table
from goodfit.service.screen.live import say

if TYPE_CHECKING:
    from goodfit.service.app.quality import Configuration, LabelCheck
    from goodfit.service.ports import Store
    from goodfit.service.records import Study
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.data.label_table import LabelTable

SAID_EVERY = 2.0  # seconds between two lines on how far it is
MOST_ROWS = 20  # that are printed; --csv has all


def check_labels(settings: Settings, spec: StudySpec) -> LabelCheck:
    """Judge the labels of a study file's data; kept beside the study, where the home has one with these data."""
    from goodfit.service.app import check, follow, note_labels, quality
    from goodfit.service.app.studies import BY_HERE

    check(spec)
    with _configuration(settings, spec) as (used, there):
        say(f"the labels of {spec.name} are judged by {used.words}, trained on four fifths of the rows at a time")
        found = quality.check_labels(used, progress(spec.name))
        if there is not None:
            for note in quality.keep_labels(settings.study_place(there[1]) / quality.FOLDER, found):
                say(note)
            note_labels(*there, found, BY_HERE, time.time())
            _to_mlflow(settings, *there)
            for trouble in follow(settings, there[0], spec.name):
                say(trouble)
        return found


def check_growth(settings: Settings, spec: StudySpec) -> dict[str, Any]:
    """What more rows would bring to a study file's data; kept likewise."""
    from goodfit.service.app import check, quality

    check(spec)
    with _configuration(settings, spec) as (used, there):
        say(f"{used.words} is trained on an eighth, a quarter, half and all rows of {spec.name}, with several seeds")
        found = quality.check_growth(used, progress(spec.name))
        if there is not None:
            for note in quality.keep_facts(settings.study_place(there[1]) / quality.FOLDER, quality.GROWTH, found):
                say(note)
            _to_mlflow(settings, *there)
        return found


def _to_mlflow(settings: Settings, store: Store, study: Study) -> None:
    from goodfit.service.app import quality

    for note in quality.to_mlflow(settings, store, study):
        say(note)


@contextlib.contextmanager
def _configuration(settings: Settings, spec: StudySpec) -> Iterator[tuple[Configuration, tuple[Store, Study] | None]]:
    """What is to be trained on a study file's data, and the study of the home beside which the result is kept."""
    from goodfit.service import app
    from goodfit.service.app import quality
    from goodfit.service.errors import UnknownStudy

    if not app.is_made(settings):
        yield quality.by_defaults(spec), None
        return
    with contextlib.closing(app.open_home(settings)) as store:
        try:
            study = store.study(spec.name)
        except UnknownStudy:
            yield quality.by_defaults(spec), None
            return
        if not _is_of(spec, app.spec_of(study)):
            say(f"study {spec.name} in this home has another trainer or other data: its configurations are left aside")
            yield quality.by_defaults(spec), None
            return
        yield quality.by_best(settings, store, study, spec), (store, study)


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
