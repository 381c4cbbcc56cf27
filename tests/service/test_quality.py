"""Labels judged by training: of a study's best configuration or the defaults, kept beside it, shown in its report."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.service import app
from goodfit.service.app import quality, tracker_process
from goodfit.service.app.quality import (
    CSV,
    FACTS,
    FOLDER,
    by_defaults,
    check_growth,
    check_labels,
    kept_labels,
    quality_files,
    to_mlflow,
)
from goodfit.service.cli import quality as cli_quality
from goodfit.service.client import Studies
from goodfit.service.errors import DataError, InputError, TrainerError
from goodfit.service.queries.local import LocalSource
from goodfit.service.release import LABEL_FIGURES
from goodfit.service.settings import Settings
from goodfit.service.spec import StudySpec, from_mapping
from goodfit.service.tracker.experiment import connect
from goodfit.trainers.data import Facts
from goodfit.trainers.errors import PlaceAway
from tests.shortened import no_mirror
from tests.tracking import new_mlflow

WRONG = (3, 40, 77)


def table(folder: Path) -> None:
    """Two classes that one column tells apart, three labels of which are wrong, and two copies with other labels."""
    random = np.random.default_rng(0)
    y = np.tile([0, 1], 60)
    frame = pd.DataFrame({"a": y * 4 + random.normal(0, 0.5, 120), "b": random.normal(0, 1, 120), "y": y})
    frame.loc[list(WRONG), "y"] = 1 - y[list(WRONG)]
    frame.loc[119, ["a", "b"]] = frame.loc[118, ["a", "b"]]
    frame["y"] = np.where(frame["y"] == 1, "yes", "no")
    frame.to_csv(folder / "rows.csv", index=False)


def spec_of(folder: Path, **changes: Any) -> StudySpec:
    values: dict[str, Any] = {
        "name": "s",
        "trainer": "mlp",
        "data": {"source": "rows.csv", "target": "y"},
        "space": {"learning_rate": {"type": "float", "low": 1e-2, "high": 3e-2}},
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "search": {"method": "random"},
        "pruning": {"method": "none"},
        "training": {"epochs": 8},
        "budget": {"trials": 1},
    }
    return from_mapping({**values, **changes}, folder)


@contextlib.contextmanager
def ran(folder: Path, **changes: Any) -> Iterator[tuple[Settings, Studies]]:
    """The home of a study that has been run, and its studies."""
    table(folder)
    settings = Settings(folder / "home")
    store = app.open_home(settings, create=True)
    spec = spec_of(folder, **changes)
    study = app.new_study(settings, spec, store, time.time())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("goodfit.service.app.run.tracking", no_mirror)
        app.run_study(settings, app.check(spec), store, study, app.Options(executor="local"))
    yield settings, Studies(LocalSource(settings, store))
    store.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("home")
    with ran(folder) as (settings, studies):
        yield folder, settings, studies


def test_a_study_ranks_its_labels_keeps_what_it_found_and_shows_it(home: Any) -> None:
    folder, settings, studies = home
    study, epochs = studies["s"], list[tuple[int, int]]()
    found = study.label_issues(on_epoch=lambda done, of: epochs.append((done, of)))
    assert list(found.columns) == ["row", "is_label_issue", "label_score", "given_label", "predicted_label"]
    assert sorted(found["row"]) == list(range(120))
    assert set(WRONG) <= set(found["row"][:5])
    assert found["label_score"].is_monotonic_increasing
    assert found["label_score"].between(0, 1).all()
    wrong = found[found["row"].isin(WRONG)]
    assert wrong["is_label_issue"].sum() >= 2
    assert set(zip(wrong["given_label"], wrong["predicted_label"], strict=True)) == {("yes", "no"), ("no", "yes")}
    assert epochs[-1][0] <= epochs[-1][1] == 40
    (facts,) = (settings.home / "studies").rglob(FACTS)
    assert facts.parent.name == FOLDER
    files = quality_files(settings, study.record)
    assert files[FACTS] == facts.read_text()
    assert files[CSV].splitlines()[:2] == [
        "row,is_label_issue,label_score,given_label,predicted_label",
        ",".join(str(value) for value in found.iloc[0]),
    ]
    again = study.label_issues(on_epoch=lambda *_: pytest.fail("it was kept"))
    pd.testing.assert_frame_equal(found, again)
    page = study.report_html()
    assert "the same inputs as another row and a different label: rows 118 and 119" in page
    assert '"values":{"a":' in page
    (folder / "rows.csv").write_text((folder / "rows.csv").read_text().replace("yes", "yep"))
    try:
        with pytest.raises(DataError, match="have changed since its trials were trained"):
            study.label_issues()
    finally:
        (folder / "rows.csv").write_text((folder / "rows.csv").read_text().replace("yep", "yes"))
    with pytest.raises(InputError, match="has no trial 9"):
        study.label_issues(9)


def test_the_command_leaves_the_gates_what_it_has_found(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, settings, studies = home
    study = studies["s"]
    study.label_issues()
    kept = kept_labels(settings.study_place(study.record) / FOLDER)
    assert kept is not None
    studies.source.store.note_figures(study.record.id, {LABEL_FIGURES: {"share": 1.0}}, "an earlier look")
    monkeypatch.setattr(quality, "check_labels", lambda *_: kept)
    monkeypatch.setattr(tracker_process, "catch_up", lambda *_: None)
    assert cli_quality.check_labels(settings, spec_of(folder)).to_dict() == kept.to_dict()
    figures = study.record.figures
    assert figures is not None
    assert (figures[LABEL_FIGURES]["share"], figures[LABEL_FIGURES]["data"]) == (kept.table.share(), kept.data)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PlaceAway("the bucket does not answer")])
def test_what_cannot_be_kept_is_not_lost(home: Any, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    _, settings, studies = home
    study = studies["s"]
    study.label_issues()
    place = settings.study_place(study.record) / FOLDER
    kept = kept_labels(place)
    assert kept is not None

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(place), "put", full)
    monkeypatch.setattr(quality, "kept_labels", lambda _: None)
    monkeypatch.setattr(quality, "check_labels", lambda *_: kept)
    monkeypatch.setattr(tracker_process, "catch_up", lambda *_: None)
    with pytest.warns(UserWarning, match=f"it is not kept with the study: .*{re.escape(str(error.args[-1]))}"):
        found = study.label_issues()
    assert len(found) == 120
    monkeypatch.setattr(quality, "check_growth", lambda *_: {"rows": 1})
    with pytest.warns(UserWarning, match="it is not kept with the study"):
        assert study.more_rows() == {"rows": 1}


def test_what_the_command_finds_is_kept_with_the_study_that_has_the_data_and_its_gates_go_by_it(tmp_path: Path) -> None:
    with ran(tmp_path, release={"require": [{"no_label_errors_above": 0.01}]}) as (settings, studies):
        study, spec = studies["s"], spec_of(tmp_path)
        (before,) = study.release["gates"]
        assert "have not been looked for; `goodfit data FILE --labels`" in before["reason"]
        found = cli_quality.check_labels(settings, spec)
        (gate,) = study.release["gates"]
        assert gate["reason"] == f"{found.table.share():.2%} of the rows may be labelled wrong, more than 1.00%"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("goodfit.service.app.quality.check_labels", lambda *_: pytest.fail("it was kept"))
            assert cli_quality.check_labels(settings, spec).to_dict() == found.to_dict()
        (tmp_path / "rows.csv").write_text((tmp_path / "rows.csv").read_text().replace("yes", "yep"))
        other = cli_quality.check_labels(settings, spec)
        assert set(other.table.frame()["given_label"]) == {"yep", "no"}
        (facts,) = (settings.home / "studies").rglob(FACTS)
        assert json.loads(facts.read_text()) == found.to_dict()


def test_what_was_found_after_the_end_of_a_study_goes_to_its_run(home: Any, tmp_path: Path) -> None:
    _, settings, studies = home
    studies["s"].label_issues()
    uri = new_mlflow(tmp_path)
    client = connect(uri)
    experiment = client.create_experiment("s", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    with contextlib.closing(app.open_home(settings)) as store:
        study = replace(store.study("s"), mlflow_run_id=run)
        assert to_mlflow(replace(settings, mlflow_uri=uri), store, study) == []
        assert {"labels.csv", "labels.json", "report.html"} <= {item.path for item in client.list_artifacts(run)}
        (said,) = to_mlflow(replace(settings, mlflow_uri=uri), store, replace(study, mlflow_run_id="0" * 32))
    assert said.startswith("MLflow does not have it: ")


def test_a_search_may_leave_suspect_training_rows_out_or_count_them_for_less(tmp_path: Path) -> None:
    table(tmp_path)
    settings = Settings(tmp_path / "home")
    store = app.open_home(settings, create=True)
    space = {"data.labels": ["keep", "drop", "reweigh"]}
    spec = spec_of(tmp_path, space=space, search={"method": "grid"}, budget={"trials": 3})
    study = app.new_study(settings, spec, store, time.time())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("goodfit.service.app.run.tracking", no_mirror)
        app.run_study(settings, app.check(spec), store, study, app.Options(executor="local"))
    trials = store.trials(study.id)
    assert [str(trial.state) for trial in trials] == ["COMPLETE"] * 3
    assert len({trial.value for trial in trials}) == 3
    folder = settings.home / "studies" / "s"
    rows = {
        trial.params["data.labels"]: Facts.read(folder / "trials" / f"{trial.number:05d}" / "facts.json").rows["train"]
        for trial in trials
    }
    assert rows["keep"] == rows["reweigh"] == 72 > rows["drop"]
    assert "on which the study acts" in Studies(LocalSource(settings, store))["s"].report_html()
    assert '"of":"train"' in Studies(LocalSource(settings, store))["s"].report_html()
    store.close()


def test_what_labels_are_asked_of_has_to_suit_them(tmp_path: Path) -> None:
    table(tmp_path)
    (tmp_path / "own.py").write_text("def train(trial):\n    pass\n")
    data = {"source": "rows.csv", "target": "y"}
    for trainer, labels, said in (
        ("own.py:train", "drop", "declares no build="),
        ("own.py:train", "reweigh", r"ignores `labels: reweigh`.*prepares=\[.weights.\]"),
    ):
        with pytest.raises(InputError, match=said):
            app.check(spec_of(tmp_path, trainer=trainer, data={**data, "labels": labels}))
    with pytest.raises(InputError, match="did you mean drop"):
        spec_of(tmp_path, data={**data, "labels": "dropp"})
    with pytest.raises(InputError, match=r"labels: drop. is for classes and numbers"):
        app.check(spec_of(tmp_path, trainer="rnn", data={"source": "load_curve", "labels": "drop"}))
    assert "labels" not in spec_of(tmp_path).to_dict()["data"]


def test_without_a_target_the_consensus_of_annotators_is_it(tmp_path: Path) -> None:
    table(tmp_path)
    frame = pd.read_csv(tmp_path / "rows.csv")
    frame.assign(ann=frame["y"], bo=frame["y"]).drop(columns="y").to_csv(tmp_path / "rows.csv", index=False)
    data = {"source": "rows.csv", "annotators": ["ann", "bo"]}
    assert app.check(spec_of(tmp_path, data=data)).task == "classification"
    with pytest.raises(InputError, match=r"data\.annotators names one column"):
        app.check(spec_of(tmp_path, data={**data, "annotators": ["ann"]}))


def test_what_cannot_be_judged_is_said(home: Any, tmp_path: Path) -> None:
    table(tmp_path)
    (tmp_path / "own.py").write_text("def train(trial):\n    trial.report(train={'loss': 1}, val={'loss': 1})\n")
    with pytest.raises(TrainerError, match="declares no build=, by which one is made"):
        check_labels(by_defaults(spec_of(tmp_path, trainer="own.py:train")))
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("\n".join([rows[0], *rows[1::2]]).replace("yes", "no") + "\n")
    with pytest.raises(DataError, match="there is nothing to tell apart"):
        check_labels(by_defaults(spec_of(tmp_path)))


def test_the_middle_of_the_space_stands_in_for_defaults_that_nobody_knows(tmp_path: Path) -> None:
    table(tmp_path)
    (tmp_path / "own.py").write_text("def train(trial):\n    pass\n")
    space = {
        "rate": {"type": "float", "low": 0.01, "high": 1.0, "log": True},
        "depth": {"type": "int", "low": 1, "high": 4},
        "kind": ["a", "b"],
    }
    used = by_defaults(spec_of(tmp_path, trainer="own.py:train", space=space, fixed={"size": 3}))
    assert used.params == {"rate": pytest.approx(0.1), "depth": 3, "kind": "a", "size": 3}
    assert used.words == "the trainer's defaults"


def test_a_study_says_what_more_rows_would_bring_and_shows_it(home: Any, tmp_path: Path) -> None:
    _, _, studies = home
    found = studies["s"].more_rows()
    assert [size["rows"] for size in found["sizes"]] == [9, 18, 36, 72]
    assert all(len(size["scores"]) == 3 for size in found["sizes"])
    assert "of val/loss" in found["sentence"]
    assert f'"sentence":"{found["sentence"].partition(" ±")[0]}' in studies["s"].report_html()
    assert studies["s"].more_rows() == found
    table(tmp_path)
    small = (tmp_path / "rows.csv").read_text().splitlines()[:61]
    (tmp_path / "rows.csv").write_text("\n".join(small) + "\n")
    with pytest.raises(DataError, match="36 rows train"):
        check_growth(by_defaults(spec_of(tmp_path)))
