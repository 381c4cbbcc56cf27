"""The report's page as text: what is in it, what cannot break out of it, and how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from goodfit.search_spaces import Choice
from goodfit.service.records import Decision, Report, StudyState, Trial, TrialState, Verdict
from goodfit.service.report import report_html
from tests.reporting import EVIL, METRIC, gathered, simulate, spec_of

SECTIONS = (
    "answer",
    "confirmation",
    "fairness",
    "release",
    "health",
    "labels",
    "growth",
    "explanation",
    "front",
    "history",
    "curves",
    "parallel",
    "drivers",
    "map",
    "trials",
)
MEGABYTES_3 = 3_000_000


class Page(HTMLParser):
    """The page as a browser takes it apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self._open.append("data" if given.get("id") == "data" else tag)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.texts["data"])
        return found


@pytest.fixture(scope="module")
def large() -> str:
    return report_html(simulate(1000, epochs=100).facts)


def test_a_study_of_a_thousand_trials_stays_under_three_megabytes(large: str) -> None:
    assert len(large.encode()) < MEGABYTES_3
    assert len(Page(large).data["curves"]["trials"]) == 1000


def test_long_texts_and_long_curves_do_not_make_it_large() -> None:
    made = simulate(1000, epochs=2)
    told = {"verdict": "good_fit", "reason": "r" * 5_000, "advice": ["a" * 5_000] * 3}
    trials = [replace(trial, message="m" * 50_000, diagnosis=told) for trial in made.trials]
    reports = [
        Report(trial, epoch, {"train/loss": 1 / epoch, "val/loss": 2 / epoch, METRIC: epoch / 20_000}, 0.0)
        for trial in range(5)
        for epoch in range(1, 10_001)
    ]
    page = report_html(gathered(made.spec, trials, [*reports, *made.reports[5_000:]]).facts)
    assert len(page.encode()) < MEGABYTES_3
    curve = Page(page).data["curves"]["trials"]["0"]
    assert curve["e"][0] == 1
    assert curve["e"][-1] == 10_000


def test_the_same_records_give_the_same_page() -> None:
    assert report_html(simulate(40).facts) == report_html(simulate(40).facts)


def test_the_page_asks_for_nothing_from_anywhere(large: str) -> None:
    page = Page(large)
    assert "http:" not in large
    assert "https:" not in large
    links = [value for _, given in page.tags for name, value in given.items() if name in ("src", "href", "action")]
    assert all(str(link).startswith(("#", "data:,")) for link in links)
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|import\(|\beval\(|innerHTML", large)


def test_its_policy_allows_this_script_and_this_style_alone(large: str) -> None:
    page = Page(large)
    policy = next(
        str(given["content"]) for _, given in page.tags if given.get("http-equiv") == "Content-Security-Policy"
    )
    for name in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.texts[name].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    handlers = [name for _, given in page.tags for name in given if name.startswith("on") or name == "style"]
    assert handlers == []  # the policy would refuse them


def test_markup_in_names_values_and_messages_stays_text() -> None:
    evil = Choice(f"x{EVIL}", (EVIL, "{{script}}", "<!--<script>"))
    made = simulate(12, name=f"n{EVIL}", extra=[evil], failing=True)
    text = report_html(made.facts)
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert "alert(1)</script>" not in text
    assert page.texts["h1"] == f"n{EVIL}"
    assert f"x{EVIL}" in page.data["trials"]["params"]
    assert EVIL in str(page.data["trials"]["message"])
    assert "{{script}}" in page.data["space"][-1]["choices"]


def test_what_utf_8_and_json_cannot_hold_does_no_harm() -> None:
    made = simulate(3, name="lone \ud800, \u2028 and \x00")
    broken = [replace(made.trials[0], value=math.inf, gap=math.nan), *made.trials[1:]]
    page = Page(report_html(gathered(made.spec, broken, made.reports).facts))
    assert page.data["study"]["name"] == "lone \ud800, \u2028 and \x00"
    assert page.data["trials"]["value"][0] is None


@pytest.mark.parametrize(
    ("count", "options"),
    [(300, {}), (0, {}), (1, {"confirm": False}), (12, {"failing": True})],
    ids=["many", "none", "one", "all failed"],
)
def test_every_section_is_there_for_every_study(count: int, options: dict[str, Any]) -> None:
    page = Page(report_html(simulate(count, **options).facts))
    sections = [given["id"] for tag, given in page.tags if tag == "section"]
    assert tuple(sections) == SECTIONS
    assert len(page.data["trials"]["number"]) == count


def test_the_answer_is_the_confirmed_winner_and_says_how_sure_it_is() -> None:
    facts = simulate(60).facts
    winner = facts.diagnosis["winner"]
    assert facts.answer["trial"] == winner["trial"]
    assert facts.answer["headline"] == f"Trial {winner['trial']} is the best configuration"
    assert any(
        text.startswith("Confirmed: test/accuracy") and "on the test split" in text for text in facts.answer["sure"]
    )
    assert [row["winner"] for row in facts.confirmation] == [True, False, False]
    assert all(len(row["scores"]) == 3 for row in facts.confirmation)
    assert "fixed:\n  learning_rate:" in facts.answer["yaml"]


def test_what_was_not_confirmed_says_so_and_how_to_confirm_it() -> None:
    answer = simulate(60, confirm=False).facts.answer
    assert answer["sure"][0].startswith("Not confirmed: the best of")
    assert any(step["set"] == ["confirm={top: 3, seeds: 3}"] for step in answer["next"])
    assert "--set 'confirm={top: 3, seeds: 3}'" in answer["command"]


def test_the_edits_of_the_findings_come_together_in_one_command_with_each_key_once() -> None:
    answer = simulate(300).facts.answer
    changes = [change for step in answer["next"] for change in step["set"]]
    assert changes
    assert len({change.partition("=")[0] for change in changes}) == len(changes)
    assert answer["command"].startswith("goodfit run digits-mlp.yaml --new --set ")
    assert answer["command"].count("--set") == len(changes)


def test_a_study_that_can_go_on_says_how() -> None:
    answer = simulate(5, state=StudyState.INTERRUPTED, confirm=False).facts.answer
    assert answer["next"][0]["command"] == "goodfit resume digits-mlp"


@pytest.mark.parametrize(
    ("count", "options", "headline"),
    [
        (0, {}, "No trial has started yet"),
        (12, {"failing": True}, "All 12 trials failed; most often: RuntimeError: CUDA out of memory"),
    ],
)
def test_without_a_finished_trial_the_headline_says_why(count: int, options: dict[str, Any], headline: str) -> None:
    answer = simulate(count, **options).facts.answer
    assert (answer["trial"], answer["headline"], answer["yaml"]) == (None, headline, "")


def test_nobody_is_told_that_all_trials_failed_while_one_runs() -> None:
    made = simulate(4, failing=True)
    running = Trial(4, dict(made.trials[0].params), 0, TrialState.RUNNING)
    answer = gathered(made.spec, [*made.trials, running], [], StudyState.RUNNING).facts.answer
    assert answer["headline"] == "None of 5 trials was trained to its end yet"


def test_a_thinned_curve_keeps_its_ends_its_best_epoch_its_spikes_and_its_breaks() -> None:
    spec = spec_of("long", 1, 1000)
    values = dict.fromkeys(range(1, 1001), 0.5) | {333: 0.9, 500: 0.01, 700: math.nan}
    reports = [Report(0, epoch, {METRIC: value}, 0.0) for epoch, value in values.items()]
    params = {"learning_rate": 0.01, "optimizer": "adamw"}
    trial = Trial(0, params, 0, TrialState.COMPLETE, value=0.9, best_epoch=333, verdict=Verdict.GOOD_FIT, epochs=1000)
    curves = gathered(spec, [trial], reports).facts.curves
    curve = curves["trials"]["0"]
    _, validation = curve["m"][0]
    kept = dict(zip(curve["e"], validation, strict=True))
    assert curves["metrics"] == ["accuracy"]
    assert len(kept) < 200
    assert {epoch: kept[epoch] for epoch in (1, 333, 500, 700, 1000)} == {
        1: 0.5,
        333: 0.9,
        500: 0.01,
        700: "x",
        1000: 0.5,
    }


def test_of_a_huge_study_the_best_curves_are_drawn_and_the_page_says_how_many() -> None:
    made = simulate(1, confirm=False)
    complete = [
        replace(made.trials[0], number=number, state=TrialState.COMPLETE, value=number / 3000) for number in range(3000)
    ]
    reports = [Report(number, epoch, {METRIC: 0.5}, 0.0) for number in range(3000) for epoch in (1, 2)]
    curves = gathered(made.spec, complete, reports).facts.curves
    assert (curves["drawn"], curves["total"]) == (1000, 3000)
    assert {str(number) for number in range(2950, 3000)} <= curves["trials"].keys()
    assert len(curves["trials"]) == 1000


def test_confirmations_are_no_trials_of_the_search() -> None:
    made = simulate(30)
    assert len(made.trials) == 39
    assert made.facts.trials["number"] == list(range(30))


def test_a_trial_tells_what_was_decided_of_it_where_that_is_kept() -> None:
    made = simulate(12, confirm=False)
    known = {"by": "ranks", "source": "random", "reliability": 0.5, "reliability_at": 1, "learned": False}
    decisions = [Decision(number, number, True, 2, 1, (), known) for number in range(12)]
    facts = gathered(made.spec, made.trials, made.reports, decisions=decisions).facts.to_dict()
    assert len(facts["trials"]["why"]) == 12
    assert facts["trials"]["why"][0][0].startswith("Its configuration was drawn at random")
    assert "why" not in made.facts.to_dict()["trials"]
