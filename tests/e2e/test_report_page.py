"""The report in a real browser: it draws, filters, selects, fits narrow windows, and asks for nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from goodfit.search_spaces import Choice
from goodfit.service.app.best import Best
from goodfit.service.diagnosis import diagnose_trial
from goodfit.service.objective import Constraint, Objective
from goodfit.service.queries.comparing import comparison
from goodfit.service.queries.source import Listed
from goodfit.service.records import Decision, Report, StudyState, Trial, TrialState, Verdict, ranked
from goodfit.service.report import comparison_html, report_html
from goodfit.service.spec.sections import FurtherObjective
from tests.judging import judged
from tests.reporting import EVIL, METRIC, Simulated, gathered, simulate, spec_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.e2e

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 30_000.0  # milliseconds
COUNT = 120
# Texts of some sections whose contrast with what is behind them is under 4.5 to 1 (WCAG 2, AA); in drawings, 3 to 1.
FAINT = """() => {
  const numbers = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor, parts = numbers(colour);
      if (parts.length === 3 || parts[3] === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  for (const node of document.querySelectorAll("#labels *, #growth *, #explanation *, #fairness *, #release *")) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!own || !node.getClientRects().length) continue;
    const drawn = node instanceof SVGElement, style = getComputedStyle(node);
    const [above, below] = [light(drawn ? style.fill : style.color), light(behind(node))].sort((a, b) => b - a);
    const contrast = (above + 0.05) / (below + 0.05);
    if (contrast < (drawn ? 3 : 4.5)) faint.push(`${node.tagName} ${contrast.toFixed(1)}: ${node.textContent}`);
  }
  return [...new Set(faint)];
}"""


# Pairs of words in one drawing of which the boxes overlap; those of parallel coordinates lie among their lines.
CROWDED = """() => {
  const boxes = (drawing) => [...drawing.querySelectorAll("text")].filter((text) => text.textContent)
    .map((text) => [text.textContent, text.getBoundingClientRect()]);
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4; // a box has room above and below its letters
  const pairs = (found) => found.flatMap(([some, a], index) =>
    found.slice(index + 1).filter(([, b]) => over(a, b)).map(([other]) => [some, other]));
  return ["history", "curves", "map", "confirmation"]
    .flatMap((section) => [...document.querySelectorAll(`#${section} svg`)])
    .flatMap((drawing) => pairs(boxes(drawing)));
}"""
CUT_OFF = """() => ["history", "curves", "map", "parallel"].flatMap((section) =>
  [...document.querySelectorAll(`#${section} text`)].filter((text) => {
    const [own, drawing] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    return own.left < drawing.left - 1 || own.right > drawing.right + 1;
  }).map((text) => `${section}: ${text.textContent}`))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"no browser on this machine: the report is tested with one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    evil = Choice("evil", (EVIL, "plain"))
    studies = {
        "study": simulate(COUNT),
        "none": simulate(0),
        "one": simulate(1, confirm=False),
        "failed": simulate(12, failing=True, state=StudyState.FAILED),
        "lone": _lone(),
        "pair": _pair(),
        "top": _top(),
        "evil": simulate(12, name=f"n{EVIL}", extra=[evil], failing=True),
    }
    pages = {name: made.facts for name, made in studies.items()}
    pages["judged"], pages["pictures"] = judged(pages["one"]), judged(pages["one"], pictures=True)
    for name, facts in pages.items():
        (folder / f"{name}.html").write_text(report_html(facts), encoding="utf-8")
    (folder / "comparison.html").write_text(comparison_html(_compared(studies["study"])), encoding="utf-8")
    return folder


def _compared(made: Simulated) -> dict[str, Any]:
    """The study beside its first half, whose name tries to break out."""
    trials = [trial for trial in made.trials if trial.confirms is None]
    studies = []
    for name, some in (("whole", trials), (f"half{EVIL}", trials[: COUNT // 2])):
        study = replace(made.study, name=name, spec=made.spec.to_dict())
        top = ranked(some, study.objective)[0]
        best = Best(top.number, top.value or 0.0, top.params, str(top.verdict), top.gap, 30, 20, None, None, None)
        studies.append((Listed(study, StudyState.DONE), some, best))
    return comparison(studies)


def _lone() -> Simulated:
    """Counts of one: a trial of one epoch without training metrics, confirmed on one seed."""
    curve = [Report(0, 1, {METRIC: 0.5}, 0.0)]
    trial = Trial(
        0, {"dropout": 0.1}, 0, TrialState.COMPLETE, epochs=1, value=0.5, last_value=0.5, best_epoch=1,
        verdict=Verdict.UNFINISHED, diagnosis=diagnose_trial(curve, Objective(METRIC, "maximize")).to_dict(),
    )  # fmt: skip
    again = replace(trial, number=1, confirms=0, test={"accuracy": 0.4})
    why = {"by": "ranks", "source": "random", "reliability": 0.5, "reliability_at": 1, "learned": False}
    decided = Decision(0, 0, True, None, 1, (), why)
    return gathered(spec_of("lone", 1, 1), [trial, again], curve, decisions=[decided])


def _pair() -> Simulated:
    """Two objectives, and a bound that about every fifth trial breaks."""
    made = simulate(40, confirm=False)
    several = {
        "more_objectives": (FurtherObjective(metric="params_millions", direction="minimize"),),
        "constraints": (Constraint.of("params_millions <= 0.5"),),
    }
    spec = made.spec.model_copy(update=several)
    sizes = {trial.number: {"params_millions": trial.params["width"] / 512} for trial in made.trials}
    trials = [
        replace(trial, measured=sizes[trial.number], violation=spec.goal.violation(sizes[trial.number]))
        for trial in made.trials
    ]
    return gathered(spec, trials, made.reports)


def _top() -> Simulated:
    """A winner that does better on the test split than any trial on validation, and choices with long names."""
    made = simulate(20, extra=[Choice("fairness.thresholds", ("equalized_odds", "demographic_parity", "none"))])
    trials = [replace(one, test={"accuracy": 0.999}) if one.confirms is not None else one for one in made.trials]
    return gathered(made.spec, trials, made.reports)


class Opened:
    """Opens reports; what goes wrong on them, and what they ask for, fails the test at its end."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        self.problems: list[str] = []
        self.pages: list[Page] = []

    def __call__(self, name: str, width: int = 1400, scheme: Literal["light", "dark"] = "light") -> Page:
        page = self._browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.pages.append(page)
        url = (self._folder / f"{name}.html").as_uri()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda told: self.problems.append(f"{told.type}: {told.text}"))
        page.on(
            "request",
            lambda asked: (
                None if asked.url == url or asked.url.startswith("data:") else self.problems.append(asked.url)
            ),
        )
        page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        page.goto(url)
        page.locator("html[data-ready]").wait_for(timeout=SECONDS)
        return page

    def _asked(self, url: str, page: str) -> None:
        if url != page and not url.startswith("data:"):
            self.problems.append(url)


@pytest.fixture
def opened(browser: Browser, folder: Path) -> Iterator[Opened]:
    opened = Opened(browser, folder)
    yield opened
    for page in opened.pages:
        page.close()
    assert opened.problems == []


def shown(page: Page) -> tuple[int, int]:
    """Trials that pass the filter, as the bar says and as the history shows."""
    said = re.match(r"(\d+) of", page.locator("#count").inner_text())
    assert said is not None
    return int(said[1]), page.locator("#history .mark:not(.out)").count()


def rows(page: Page) -> Locator:
    return page.locator("#trials tbody tr")


def test_every_plot_is_drawn(opened: Opened) -> None:
    page = opened("study")
    assert page.locator("h1").inner_text() == "digits-mlp"
    assert re.match(r"Trial \d+ is the best", page.locator("#answer-title").inner_text())
    assert page.locator("#history .mark").count() == COUNT
    assert page.locator("#curves .line.train").count() == COUNT
    assert page.locator("#curves .line:not(.train):not(.broken)").count() == COUNT
    assert page.locator("#parallel .thread").count() == COUNT
    assert page.locator("#map .mark").count() == COUNT
    assert page.locator("#confirmation .seed").count() == 9
    assert page.locator("#drivers .fill").count() == 20
    assert rows(page).count() == 100
    page.get_by_role("button", name="Show 20 more of 20").click()
    assert rows(page).count() == COUNT


@pytest.mark.parametrize("width", [400, 1280])
def test_no_words_of_a_plot_lie_on_others_or_are_cut_off(opened: Opened, width: int) -> None:
    page = opened("top", width)
    page.locator("#map select").nth(1).select_option(label="fairness.thresholds")
    assert "winner on" in page.locator("#history").inner_text()
    assert page.evaluate(CROWDED) == []
    assert "equalized_odds" in page.locator("#map svg text").all_text_contents() or width < 800
    assert page.evaluate(CUT_OFF) == []


def test_a_verdict_filters_all_plots_and_a_second_click_takes_it_back(opened: Opened) -> None:
    page = opened("study")
    chip = page.locator("[data-filter=overfit]")
    count = int(chip.locator(".count").inner_text())
    assert 0 < count < 100
    chip.click()
    assert chip.get_attribute("aria-pressed") == "true"
    assert shown(page) == (count, count)
    assert page.locator("#map .mark:not(.out)").count() == count
    assert page.locator("#parallel .thread:not(.out)").count() == count
    assert page.locator("#curves .line.train:not(.out)").count() == count
    assert rows(page).count() == count
    chip.click()
    assert shown(page) == (COUNT, COUNT)


def test_states_words_and_comparisons_filter_together(opened: Opened) -> None:
    page = opened("study")
    pruned = page.locator("[data-filter=PRUNED]")
    count = int(pruned.locator(".count").inner_text())
    pruned.click()
    assert shown(page) == (count, count)
    page.get_by_role("searchbox").fill("sgd learning_rate<0.001")
    fewer, _ = shown(page)
    assert 0 < fewer < count
    cells = page.locator("#trials tbody tr").all_text_contents()
    assert all("sgd" in text and "PRUNED" in text for text in cells)
    page.get_by_role("button", name="Show all").click()
    assert shown(page) == (COUNT, COUNT)
    assert page.get_by_role("searchbox").input_value() == ""


def test_dragging_along_an_axis_filters_and_a_click_on_it_takes_that_back(opened: Opened) -> None:
    page = opened("study")
    page.locator("#parallel").scroll_into_view_if_needed()
    box = page.locator("#parallel .grip").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + 40)
    page.mouse.down()
    page.mouse.move(x, y + 120, steps=4)
    page.mouse.up()
    fewer, _ = shown(page)
    assert 0 < fewer < COUNT
    page.mouse.click(x, y + 60)
    assert shown(page) == (COUNT, COUNT)


def test_a_click_selects_a_trial_everywhere_and_escape_lets_it_go(opened: Opened) -> None:
    page = opened("study")
    details = page.locator("#details")
    page.locator("#history .mark.best").click(force=True)
    number = re.search(r"\d+", page.locator("#answer-title").inner_text())
    assert number is not None
    assert details.locator("strong").first.inner_text() == f"Trial {number[0]}"
    assert details.locator("svg .line").count() == 2
    assert page.locator("#map .ring[visibility=visible]").count() == 1
    assert page.locator("#parallel .thread.chosen").count() == 1
    assert page.locator("#curves .line.chosen").count() == 2
    page.keyboard.press("Escape")
    assert details.is_hidden()
    assert page.locator("#map .ring[visibility=visible]").count() == 0


def test_a_selected_trial_says_why_it_is_as_it_is(opened: Opened) -> None:
    page = opened("lone")
    page.locator("#history .mark.best").click(force=True)
    page.locator("#details summary").click()
    reasons = page.locator("#details ol li").all_text_contents()
    assert reasons[0].startswith("Its configuration was drawn at random")
    assert reasons[-1].startswith("It was trained to its end, epoch 1.")


def test_the_keyboard_walks_the_trials_of_a_plot_and_sorts_the_table(opened: Opened) -> None:
    page = opened("study")
    page.locator("#map svg[tabindex]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#details strong").first.inner_text() == "Trial 1"
    page.keyboard.press("Escape")
    sort = page.get_by_role("button", name="val/accuracy", exact=True)
    sort.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    values = [
        float(text)
        for text in page.locator("#trials tbody tr td:nth-child(4)").all_text_contents()
        if text[0].isdigit()
    ]
    assert values == sorted(values, reverse=True)
    assert page.locator("#trials th[aria-sort=descending]").inner_text() == "val/accuracy"


def test_the_pointer_tells_of_the_trial_under_it(opened: Opened) -> None:
    page = opened("study")
    mark = page.locator("#history .mark").nth(7)
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator("#tip").inner_text()
    assert tip.startswith("trial ")
    assert "learning_rate" in tip
    page.mouse.move(5, 5)
    assert page.locator("#tip").is_hidden()


def test_the_loss_can_be_shown_in_place_of_the_objective(opened: Opened) -> None:
    page = opened("study")
    before = page.locator("#curves .line").first.get_attribute("d")
    page.locator("#curves select").select_option(label="loss")
    assert page.locator("#curves .line").first.get_attribute("d") != before


@pytest.mark.parametrize("name", ["study", "none", "one", "failed", "comparison", "judged", "pictures"])
@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_window_does_not_scroll_sideways(opened: Opened, name: str, width: int) -> None:
    page = opened(name, width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_data_groups_reasons_and_the_release_are_shown_and_can_be_read(
    opened: Opened, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = opened("judged", width, scheme)
    told = {name: page.locator(f"#{name} .body") for name in ("labels", "growth", "explanation", "fairness", "release")}
    assert all(one.is_visible() for one in told.values())
    assert told["labels"].locator("tbody tr").count() == 30 + 5, "rows to look at, and pairs of classes"
    assert told["growth"].locator("svg .seed").count() == 12
    assert told["explanation"].locator("li").first.inner_text().startswith("✓")
    assert told["explanation"].locator("svg").count() >= 5, "sizes, dependence and rows"
    assert told["fairness"].locator("tbody tr").count() == 7 + 2, "groups, and ways of mitigation"
    assert told["fairness"].get_by_title("not defined in this group").count() == 2, "groups without positives"
    assert "broken on the test split" in told["fairness"].inner_text()
    assert told["release"].locator("tbody tr").count() == 3
    told["release"].locator("summary").click()
    assert "license: other" in told["release"].locator("pre").inner_text()
    assert "undefined" not in page.locator("main").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("img").count() == 0, "names are text"
    assert page.evaluate(FAINT) == []
    pictures = opened("pictures", width, scheme).locator("#labels .gallery img")
    assert pictures.count() == 30
    assert pictures.first.evaluate("image => image.complete && image.naturalWidth") == 96


def test_studies_are_drawn_side_by_side(opened: Opened) -> None:
    page = opened("comparison", scheme="dark")
    assert page.locator("#answer-title").inner_text() == "whole is ahead, but not clearly"
    assert page.locator("#answer .bound").count() == 2
    assert page.locator("#curves .plot .line").count() == 6, "two studies by trials, epochs and time"
    assert "learning_rate" in page.locator("#params").inner_text()
    assert f"half{EVIL}" in page.locator("#studies thead").inner_text()
    assert page.locator("img").count() == 0


def test_a_window_made_narrower_draws_its_plots_anew(opened: Opened) -> None:
    page = opened("study")
    page.set_viewport_size({"width": 420, "height": 900})
    page.wait_for_function("document.querySelector('#history .plot svg').clientWidth < 420")
    assert page.locator("#history .mark").count() == COUNT
    assert page.evaluate("document.documentElement.scrollWidth") == 420


def test_light_and_dark_follow_the_browser(opened: Opened) -> None:
    def brightness(page: Page) -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    assert brightness(opened("study", scheme="light")) > 600
    assert brightness(opened("study", scheme="dark")) < 150


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("none", "No trial has started yet"),
        ("one", "Trial 0 is the best configuration"),
        ("failed", "All 12 trials failed; most often: RuntimeError: CUDA out of memory"),
    ],
)
def test_studies_with_little_in_them_say_so(opened: Opened, name: str, headline: str) -> None:
    page = opened(name)
    assert page.locator("#answer-title").inner_text() == headline
    assert "undefined" not in page.locator("main").inner_text()
    assert "NaN" not in page.locator("main").inner_text()


def test_the_sentences_that_the_page_makes_are_true_of_counts_of_one(opened: Opened) -> None:
    page = opened("lone")
    assert "1 trial of 1 epoch · " in page.locator("#about").inner_text()
    tiles = page.locator("#answer .tile").all_text_contents()
    assert tiles[0].split("\n")[-1].endswith("0.4 1 seed")
    assert tiles[1].endswith("epoch 1 of 1")
    assert tiles[-1].endswith(" no gap: the trainer does not report train/accuracy")
    assert "the only one" in page.locator("#confirmation").inner_text()
    assert page.locator("#health").inner_text().endswith("Too few trials: most checks need 10.")
    page.get_by_role("button", name="Show trial 0").click()
    assert "no gap: the trainer does not report train/accuracy" in page.locator("#details").inner_text()


def test_the_sentences_that_the_page_makes_of_a_whole_study(opened: Opened) -> None:
    page = opened("study")
    assert f"{COUNT} trials of 30 epochs" in page.locator("#about").inner_text()
    gap = page.locator("#answer .tile").last.inner_text()
    assert ("validation is worse" in gap) == (float(gap.split()[3]) > 0)
    confirmed = page.locator("#confirmation").inner_text()
    for said in (
        "too good|better|just as good",
        r"the best of \d+",
        r"luck expected in it\n.*; without it",
        "incumbents?",
    ):
        assert re.search(said, confirmed), said
    assert "No problems" not in page.locator("#health").inner_text()


def test_a_failed_study_says_how_to_train_again_what_failed(opened: Opened) -> None:
    page = opened("failed")
    told = page.locator("#answer").inner_text()
    assert "The study has failed. Once the cause is fixed, train again what failed:" in told
    assert "--retry-failed" in told
    assert "No trial has a value." in page.locator("#history").inner_text()


def test_markup_in_names_and_values_is_shown_as_text(opened: Opened) -> None:
    page = opened("evil")
    assert page.locator("h1").inner_text() == f"n{EVIL}"
    page.locator("#trials tbody button").first.click()
    assert EVIL in page.locator("#details").inner_text()
    assert page.locator("img").count() == 0


def test_the_front_of_two_objectives_is_drawn_and_of_one_there_is_none(opened: Opened) -> None:
    page, made = opened("pair"), _pair()
    front = page.locator("#front")
    assert front.is_visible()
    assert made.facts.front is not None
    plot = front.locator(".plot").first
    assert plot.locator(".mark.best").count() == len(made.facts.front["trials"])
    assert front.locator("path.incumbent").count() == 2, "the border of the front, and its hypervolume"
    assert "params_millions" in page.locator("#trials thead").inner_text()
    assert "with params_millions <= 0.5" in page.locator("#about").inner_text()
    assert not opened("study").locator("#front").is_visible()
