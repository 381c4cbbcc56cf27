"""What the methods of studies are given, of other kinds than they take: said by name, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goodfit import connect
from goodfit.service.client import Studies
from goodfit.service.errors import InputError
from goodfit.service.records import StudyState
from tests.serving import KINDS, Place, of, place, some_trials

Call = Callable[[Studies, Any], Any]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    at = place(tmp_path_factory.mktemp("home"))
    at.write(at.study(), *some_trials(), StudyState.DONE)
    return at


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda studies, _: studies[3], "the name of a study is 3, no text"),
        (lambda studies, _: studies.compare("digits", 3), "the name of a study is 3"),
        (lambda studies, _: studies.submit(3), "the study is 3, no path; give one such as 'churn.yaml'"),
        (lambda studies, _: studies.submit({"name": "x"}, overrides="a=1"), "overrides is 'a=1', no list of texts"),
        (lambda studies, _: studies.submit({"name": "x"}, priority="high"), "priority is 'high', no whole number"),
        (lambda _, study: study.approve(by=3), "by is 3, no text; give one such as 'ann'"),
        (lambda _, study: study.approve("ann", 3), "note is 3, no text"),
        (lambda _, study: study.reject(by=["ann"]), r"by is \['ann'\], no text"),
        (lambda _, study: study.card(3), "folder is 3, no path; give one such as 'cards/churn'"),
        (lambda _, study: study.note(3), "text is 3, no text"),
        (lambda _, study: study.note(tags=["a"]), r"tags is \['a'\], no mapping; give one such as"),
        (lambda _, study: study.edit(3), "one of overrides is 3, no text"),
        (lambda _, study: study.resume(overrides="budget.trials=3"), "overrides is 'budget.trials=3', no list"),
        (lambda _, study: study.resume(overrides=3), "overrides is 3, no list"),
        (lambda _, study: study.resume(priority="high"), "priority is 'high', no whole number"),
        (lambda _, study: study.resume(priority=True), "priority is True, no whole number"),
        (lambda _, study: study.best("x"), "k is 'x', no whole number"),
        (lambda _, study: study.best(1.5), "k is 1.5, no whole number"),
        (lambda _, study: study.download(None), "path is None, no path"),
        (lambda _, study: study.report(3), "path is 3, no path"),
        (lambda _, study: study.export(3), "to is 3, no text"),
        (lambda _, study: study.records(3), "state is 3, no text"),
        (lambda _, study: study.records(verdict=3), "verdict is 3, no text"),
        (lambda _, study: study.read_log(0, "x"), "offset is 'x', no whole number"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_its_name(there: Place, kind: str, call: Call, said: str) -> None:
    studies = of(kind, there)
    with pytest.raises(InputError, match=said):
        call(studies, studies["digits"])
    assert studies["digits"].record.priority == 0


def test_a_place_that_is_no_path_is_refused() -> None:
    with pytest.raises(InputError, match=r"place is 3, no path; give one such as '\.goodfit'"):
        connect(3)  # type: ignore[arg-type]


def test_paths_and_texts_are_taken(there: Place, tmp_path: Path) -> None:
    study = of("local", there)["digits"]
    assert study.report(tmp_path / "page.html").is_file()
    assert [one.trial for one in study.best(2)] == [one.trial for one in study.best(2, pareto=False)]
