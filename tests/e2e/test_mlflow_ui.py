"""MLflow's own pages in a real browser: a mirrored study, its trials and their curves, its report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from goodfit.service.diagnosis.picture import learning_curve_svg
from goodfit.service.records import TrialState
from goodfit.service.report import report_html
from goodfit.service.tracker import ui_command, ui_link
from tests.reporting import simulate
from tests.tracking import Lab, Server, free_port, mirror_of, new_mlflow

if TYPE_CHECKING:
    from playwright.sync_api import Page

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
# The server asks who is logged in, and has no users.
HARMLESS = "/ajax-api/2.0/mlflow/users/current"
CARD = "[data-testid=experiment-view-compare-runs-card]"
SECONDS = 30_000.0  # milliseconds
REPORTED = 120  # trials


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A study that is done, three of its trials with curves and one pruned, and mirrored; its report is of another."""
    report = report_html(simulate(REPORTED).facts)
    folder = tmp_path_factory.mktemp("home")
    lab = Lab(folder)
    for number in range(3):
        lab.finish(number, epochs=6 + 2 * number, data="d1")
    lab.finish(3, epochs=2, state=TrialState.PRUNED, data="d1")
    lab.end()
    mirror = mirror_of(
        lab,
        new_mlflow(folder),
        folder / "artifacts",
        draw=learning_curve_svg,
        conclude=lambda _: {"report.html": report},
    )
    assert mirror.sync() == 0
    mirror.close_study()
    yield lab
    lab.store.close()


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    port = free_port()
    command, environment = ui_command(f"sqlite:///{lab.folder / 'mlflow.db'}", lab.folder / "artifacts", port=port)
    server = Server(command, environment, port, lab.folder / "server.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page whose errors fail the test that is on it."""
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"no browser on this machine: the MLflow UI is tested with one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser.new_page(viewport={"width": 1700, "height": 1300})
        browser.close()


@pytest.fixture
def problems(page: Page) -> Iterator[list[str]]:
    """What goes wrong on the page, but for what MLflow does on every page."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("response", lambda answer: found.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    yield found
    assert [problem for problem in found if HARMLESS not in problem] == []


def test_a_study_opens_on_its_trials_the_best_first(
    page: Page, problems: list[str], server: Server, lab: Lab, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 1300})  # narrow, with MLflow's assistant open beside the table
    page.goto(ui_link(server.url, lab.study.mlflow_experiment_id))
    page.get_by_role("link", name="trial 2", exact=True).wait_for(timeout=SECONDS)
    assert page.get_by_text("4 matching runs").is_visible()
    assert page.get_by_text("Group: digits").is_visible(), "the study, with its trials open below it"
    right = page.locator(".ag-root-wrapper").bounding_box()
    assert right is not None
    cells = page.locator("[role=row][row-index] [role=gridcell]")
    for column, first in (
        ("metrics.`best_value`", "0.72"),
        ("tags.`goodfit.verdict`", "overfit"),
        ("metrics.`best_gap`", "0.1"),
        ("attributes.`Dataset`", "digits"),
        ("attributes.`Source`", "mlp"),
    ):
        shown = cells.and_(page.locator(f'[col-id="{column}"]'))
        texts = {row: shown.nth(row).inner_text() for row in range(1, 5)}  # 0 is the study's
        box = shown.nth(1).bounding_box()
        assert box is not None, column
        assert box["x"] + box["width"] <= right["x"] + right["width"], f"{column} is beyond the edge"
        assert all(text.strip("- ") for text in texts.values()), (column, texts)
        assert any(text.startswith(first) for text in texts.values()), (column, texts)
    tops = [page.get_by_role("link", name=f"trial {number}", exact=True).bounding_box() for number in (2, 1, 0, 3)]
    heights = [box["y"] for box in tops if box is not None]
    assert heights == sorted(heights)
    assert len(heights) == 4
    page.screenshot(path=tmp_path / "study.png")
    page.set_viewport_size({"width": 1700, "height": 1300})
    page.locator("[col-id='params.`learning_rate`']", has_text="0.0333").first.wait_for(timeout=SECONDS)


def test_the_charts_of_a_study_have_no_empty_section(
    page: Page, problems: list[str], server: Server, lab: Lab, tmp_path: Path
) -> None:
    page.goto(ui_link(server.url, lab.study.mlflow_experiment_id, charts=True))
    for metric in ("diagnosis/gap", "gap/loss", "train/loss"):
        page.locator(CARD, has_text=metric).first.wait_for(timeout=SECONDS)
    page.screenshot(path=tmp_path / "charts.png")
    assert page.get_by_text("No charts in this section").count() == 0


def test_a_trial_shows_its_curves(page: Page, problems: list[str], server: Server, lab: Lab, tmp_path: Path) -> None:
    run = f"{server.url}/#/experiments/{lab.study.mlflow_experiment_id}/runs/{lab.trial(1).mlflow_run_id}"
    page.goto(f"{run}/model-metrics")
    for metric in ("gap/accuracy", "train/loss"):
        chart = page.get_by_text(f"trial 1 ({metric})")
        chart.wait_for(timeout=SECONDS)
    assert page.locator(".js-plotly-plot .lines path").count() >= 2
    page.screenshot(path=tmp_path / "trial.png")
    assert page.get_by_text("No charts in this section").count() == 0
    page.goto(
        f"{server.url}/#/experiments/{lab.study.mlflow_experiment_id}/runs/{lab.study.mlflow_run_id}/model-metrics"
    )
    page.get_by_text("Model metrics", exact=True).nth(1).wait_for(timeout=SECONDS)  # the tab, and the section
    assert page.get_by_text("No charts in this section").count() == 0
    page.goto(f"{run}/artifacts/learning_curve.svg")
    picture = page.get_by_alt_text("learning_curve.svg")
    picture.wait_for(timeout=SECONDS)
    page.screenshot(path=tmp_path / "curve.png")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300


def test_the_champion_is_in_the_registry(
    page: Page, problems: list[str], server: Server, lab: Lab, tmp_path: Path
) -> None:
    page.goto(f"{server.url}/#/models/digits")
    page.get_by_text("champion").first.wait_for(timeout=SECONDS)
    page.screenshot(path=tmp_path / "model.png")
    assert page.get_by_text("Version 1", exact=True).is_visible()


def test_the_report_of_a_study_opens_and_filters(page: Page, server: Server, lab: Lab, tmp_path: Path) -> None:
    study = lab.study
    page.goto(
        f"{server.url}/#/experiments/{study.mlflow_experiment_id}/runs/{study.mlflow_run_id}/artifacts/report.html"
    )
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for(timeout=SECONDS)
    frame.locator("[data-filter=overfit]").click()
    count = frame.locator("[data-filter=overfit] .count").inner_text()
    assert frame.locator("#count").inner_text() == f"{count} of {REPORTED} trials"
    page.screenshot(path=tmp_path / "report.png")
