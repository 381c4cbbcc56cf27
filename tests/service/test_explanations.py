"""Explanations of a study's models, from its home: what they say, what is kept, and what is refused."""

from __future__ import annotations

import itertools
import json
import math
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit import connect
from goodfit.service import app
from goodfit.service.cli.explain import rows_of
from goodfit.service.client import StudyHandle
from goodfit.service.errors import DataError, GoodfitError, InputError, TrainerError
from goodfit.service.records import Study, Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.service.spec import from_mapping
from goodfit.trainers.artifacts.places import FolderPlace
from goodfit.trainers.errors import PlaceAway
from tests.serving import NOW, Place, place, spec_of
from tests.shortened import no_mirror

SKLEARN = """
from sklearn.ensemble import RandomForestClassifier
from goodfit.scikit import fit

def forest(trial):
    fit(trial, RandomForestClassifier(n_estimators=5, max_depth=3))
"""
OWN = """
import goodfit, torch
from torch import nn

def build(config, facts):
    return Net(facts.inputs, facts.outputs)

class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x):
        return torch.round(self.linear(x).detach()) if BLIND else self.linear(x)

BLIND = True

@goodfit.register("blind", build=build)
def blind(trial):
    net = build(trial.config, trial.data.facts)
    trial.restore(net)
    for epoch in trial.epochs():
        trial.report(train={"loss": 1.0}, val={"loss": 1.0 / epoch})

def plain(trial):
    blind.train(trial)

def kept(trial):
    net = nn.Linear(trial.data.facts.inputs, trial.data.facts.outputs)
    trial.restore(net)
    for epoch in trial.epochs():
        trial.report(train={"loss": 1.0}, val={"loss": 1.0 / epoch})

def returned(trial):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(trial.data.train.x, trial.data.train.y)
    trial.report(train={"loss": 1.0}, val={"loss": 1.0})
    return model
"""


def table(rows: int = 120) -> pd.DataFrame:
    """Numbers with gaps, text, a date, a column that never changes; y follows a, city and the month."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=rows), random.normal(size=rows)
    city = random.choice(["Rome", "Oslo", "Bern"], size=rows)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 700, size=rows), unit="D")
    y = 2 * a + (city == "Rome") * 3 + pd.DatetimeIndex(day).month * 0.2 + random.normal(size=rows) * 0.1
    frame = pd.DataFrame({"a": a, "b": b, "city": city, "day": day.strftime("%Y-%m-%d"), "same": 1.0, "y": y})
    frame.loc[::10, "b"] = np.nan
    return frame


class Scene:
    """A home with studies of one trial each, run in this process without MLflow."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.settings = folder, Settings(folder / "home")
        table().to_csv(folder / "t.csv", index=False)
        (folder / "forest.py").write_text(SKLEARN)
        (folder / "own.py").write_text(OWN)
        self.store: Any = app.open_home(self.settings, create=True)
        data = {"source": "t.csv", "target": "y", "dates": ["day"], "prepare": {"missing": "median", "indicator": True}}
        self.run("linear", "mlp", data, fixed={"depth": 0}, epochs=8)
        self.run("net", "mlp", {"source": "iris"}, fixed={"depth": 1, "width": 8}, epochs=8)

    def run(self, name: str, trainer: str, data: dict[str, Any], epochs: int = 1, **changes: Any) -> StudyHandle:
        if name in connect(self.settings.home):
            return self[name]
        spec = from_mapping(
            {
                "name": name,
                "trainer": trainer,
                "data": data,
                "space": {"learning_rate": {"type": "float", "low": 0.02, "high": 0.05}},
                "objective": {"metric": "val/loss", "direction": "minimize"},
                "search": {"method": "random"},
                "pruning": {"method": "none"},
                "training": {"epochs": epochs},
                "budget": {"trials": 1},
                **changes,
            },
            self.folder,
        )
        study = app.new_study(self.settings, spec, self.store, time.time())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("goodfit.service.app.run.tracking", no_mirror)
            app.run_study(self.settings, app.check(spec), self.store, study, app.Options(executor="local"))
        return self[name]

    def __getitem__(self, name: str) -> StudyHandle:
        return connect(self.settings.home)[name]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Any:
    scene = Scene(tmp_path_factory.mktemp("scene"))
    yield scene
    scene.store.close()


def test_values_of_a_linear_model_are_its_weights_times_the_distance_by_raw_column(scene: Scene) -> None:
    study = scene["linear"]
    found = study.explain(rows=[3, 10, 50])
    assert found.method == "exact"
    assert list(found.values.columns) == ["a", "b", "city", "day", "same"]  # text and dates are one column each
    assert list(found.values.index) == [3, 10, 50]
    assert (found.values["same"] == 0).all()
    model = study.model()
    frame, train = table(), study.rows("train")
    chosen = np.random.default_rng([0, len(train)]).choice(len(train), size=50, replace=False)
    background = model._kind.inputs(train.iloc[np.sort(chosen)], model.facts).astype(float)
    weights = model.module[1].weight.detach().double().numpy()[0] * model.facts.preparation.target_std
    rows = model._kind.inputs(frame.loc[[3, 10, 50]], model.facts).astype(float)
    gains = weights * (rows - background.mean(axis=0))
    names = model.facts.columns
    for column in ("a", "b", "city", "day"):
        mine = [place for place, name in enumerate(names) if name.split()[0] == column]
        assert np.abs(found.values[column].to_numpy() - gains[:, mine].sum(axis=1)).max() < 1e-6
    whole = found.values.sum(axis=1) + found.base_values
    assert np.abs(whole - found.predictions).max() < 1e-12
    assert np.allclose(found.predictions, model.predict(frame.loc[[3, 10, 50]]), rtol=1e-13)
    assert all(check.passed for check in found.checks)


def test_values_of_a_net_are_those_of_all_orders_of_its_columns(scene: Scene) -> None:
    study = scene["net"]
    found = study.explain(rows=[0, 70, 140], output="virginica")
    assert found.output == "virginica"
    assert found.unit == "probability"
    model, frame = study.model(), study.rows("validation")
    columns = list(found.parts)
    train = study.rows("train")[columns]
    chosen = np.random.default_rng([0, len(train)]).choice(len(train), size=50, replace=False)
    background = train.iloc[np.sort(chosen)]
    everything = pd.concat([frame, study.rows("train"), study.rows("test")])[columns]
    row = everything.loc[70]

    def worth(present: tuple[str, ...]) -> float:
        mixed = background.copy()
        for name in present:
            mixed[name] = row[name]
        return float(model.predict_proba(mixed)[:, model.facts.classes.index("virginica")].mean())

    for column in columns:
        others = [name for name in columns if name != column]
        value = sum(
            (worth((*some, column)) - worth(some)) * math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
            for size in range(4)
            for some in itertools.combinations(others, size)
        )
        assert abs(found.values.loc[70, column] - value) < 1e-12
    kernel = study.explain(rows=[0, 70, 140], output="virginica", method="kernel")
    assert np.abs(kernel.values - found.values).to_numpy().max() < 1e-9  # it takes all 16 coalitions


def test_all_rows_are_summed_up_and_kept_and_named_rows_beside_them(scene: Scene) -> None:
    study = scene["linear"]
    found = study.explain()
    assert len(found.rows) == 24
    assert found.importances["part"].iloc[0] in ("a", "city", "day")
    importance = found.importances.set_index("part")
    assert importance.loc["a", "low"] > importance.loc["b", "high"]
    assert (importance.loc["same", ["permutation", "low", "high"]] == 0).all()
    curve = found.dependences[found.dependences["part"] == "a"]
    assert np.all(np.diff(curve["mean"]) > 0)
    assert {"additivity", "deletion"} <= {check.name for check in found.checks}
    study.explain(rows=[5])
    folder = scene.settings.home / "studies" / "linear" / "explanations" / "00000"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "global.json",
        "rows.json",
        "all/summary.svg",
        "all/dependence.svg",
        "all/values.csv",
        "rows/row-5.svg",
    } <= files
    kept = json.loads((folder / "global.json").read_text())
    assert kept["parts"][0] == found.importances["part"].iloc[0]
    page = study.report_html()
    assert '"explanation":{"all":{' in page
    again = study.explain()
    assert again.values.equals(found.values)


@pytest.mark.parametrize("method", ["gradient", "kernel", "lime", "occlusion"])
def test_each_method_agrees_about_a_linear_model_and_is_checked(scene: Scene, method: str) -> None:
    study = scene["linear"]
    exact, found = study.explain(rows=[3, 10, 50]), study.explain(rows=[3, 10, 50], method=method)
    near = 0.05 if method == "lime" else 1e-6
    assert np.abs(found.values - exact.values).to_numpy().max() < near * max(1.0, np.abs(exact.values).to_numpy().max())
    assert found.checks
    assert all(check.passed for check in found.checks)


def test_what_cannot_be_explained_is_said(scene: Scene) -> None:
    study = scene["net"]
    for words, said in (
        ({"rows": [999]}, "has no row 999 to explain; its rows are 0 to 149"),
        ({"rows": []}, "0 are named"),
        ({"rows": 17}, "rows: 17 is no list; give the numbers of rows, such as"),
        ({"rows": "17"}, "rows: '17' is no list"),
        ({"rows": [[1]]}, "rows: [1] is no row; give their numbers"),
        ({"rows": np.array([[1]])}, "is no row; give their numbers"),
        ({"rows": [True]}, "rows: True is no row"),
        ({"rows": [1.5]}, "rows: 1.5 is no row"),
        ({"rows": [10**5000]}, "is no row"),
        ({"seed": None, "coalitions": "many"}, "coalitions many: give 16 to 1,000,000; seed None: give 0 or more"),
        ({"rows": [1], "data": [[1, 2, 3, 4]]}, "exclude each other"),
        ({"output": "virginca"}, "did you mean virginica"),
        ({"method": "gradcam"}, "method gradcam does not go with table data; give one of exact"),
        ({"method": "gradent"}, "did you mean gradient"),
        ({"seconds": 0}, "seconds 0: give a positive number"),
        ({"coalitions": 1}, "coalitions 1: give 16"),
        ({"trial": 4}, "has no trial 4"),
        ({"model": 3}, "a int is no model"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            study.explain(**words)  # type: ignore[arg-type]
    for model in (lambda x: "bad", torch.nn.Linear(9, 3)):
        with pytest.raises(TrainerError, match=r"the model fails on rows of the data: (ValueError|RuntimeError): "):
            study.explain(rows=[1], model=model)
    with pytest.raises(TrainerError, match="the model fails on rows of the data: SystemExit: 3"):
        study.explain(rows=[1], model=lambda x: sys.exit(3))
    with pytest.raises(InputError, match="is no row; give numbers from 0"):
        rows_of("9" * 5000)
    with pytest.raises(InputError, match=r"method .*give its name"):
        study.explain(method=["exact"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not one row was explained within"):
        study.explain(seconds=1e-9)


def test_an_explanation_that_cannot_be_kept_is_given_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (OSError(28, "No space left on device"), PlaceAway("the bucket does not answer")):

        def full(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(FolderPlace, "put", full)
        found = scene["net"].explain(rows=[1])
        assert any(note.startswith("it is not kept: ") and str(error) in note for note in found.notes)


def test_an_estimator_is_explained_without_gradients(scene: Scene) -> None:
    study = scene.run("forest", "forest.py:forest", {"source": "iris"}, epochs=1)
    found = study.explain()
    assert found.method == "exact"
    assert all(check.passed for check in found.checks)
    with pytest.raises(
        InputError, match="RandomForestClassifier is no torch module, so it has no gradients; give one of exact"
    ):
        study.explain(method="gradient")


def test_a_module_without_gradients_is_explained_by_its_outputs_and_one_that_cannot_be_rebuilt_if_it_is_given(
    scene: Scene,
) -> None:
    import torch

    study = scene.run("blind", "own.py:blind", {"source": "iris"})
    assert study.explain(rows=[1]).method == "exact"
    with pytest.raises(InputError, match="cannot be differentiated"):
        study.explain(method="gradient")
    plain = scene.run("plain", "own.py:plain", {"source": "iris"})
    net = torch.nn.Linear(4, 3)
    net.load_state_dict({name.removeprefix("linear."): part for name, part in plain.weights().items()})
    by_module = plain.explain(model=net, rows=[1, 2])
    by_function = plain.explain(
        model=lambda x: torch.softmax(net(torch.as_tensor(x).float()), 1).detach().numpy(), rows=[1, 2]
    )
    assert np.abs(by_module.values - by_function.values).to_numpy().max() < 1e-5
    folder = scene.settings.home / "studies" / "plain"
    assert not (folder / "explanations").exists()
    assert type(plain.model().module).__name__ == "Net"
    assert plain.explain(rows=[1]).method == "exact"
    best = folder / "trials" / "00000" / "best.pt"
    kept = torch.load(best, weights_only=True)
    torch.save({"epoch": kept["epoch"], "model": kept["model"]}, best)  # as before its object was kept
    with pytest.raises(TrainerError, match=r"declare it with .*build=.*study.explain\(0, model=net\)"):
        plain.explain()


@pytest.mark.parametrize("trainer", ["kept", "returned"])
def test_the_model_of_a_function_is_explained_as_it_was_kept(scene: Scene, trainer: str) -> None:
    study = scene.run(trainer, f"own.py:{trainer}", {"source": "iris"})
    found = study.explain(rows=[1, 70])
    model, rows = study.model(), study.rows("train")
    everything = pd.concat([rows, study.rows("validation"), study.rows("test")]).loc[[1, 70]].drop(columns="target")
    wanted = model.predict_proba(everything).max(axis=1)
    assert np.abs(found.predictions.to_numpy() - wanted).max() < 1e-6
    assert all(check.passed for check in found.checks if check.name == "additivity")


def test_the_command_prints_parts_rows_and_checks_and_the_page_on_it_names_every_method(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    from goodfit.service.cli import run
    from goodfit.trainers.explaining.explaining import METHODS

    home = ["--home", str(scene.settings.home)]
    assert run(["explain", "net", "--rows", "0,70-71", "--output", "setosa", *home]) == 0
    printed = capsys.readouterr().out
    assert "trial 0 of study net: setosa, in probability; 3 rows by exact" in printed
    assert "row 71: P(setosa) = " in printed
    assert "ok   additivity" in printed
    assert run(["explain", "net", "--rows", "4", "--json", *home]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["row"] == 4
    refused = (
        ("x", "'x' is no row"),
        ("9-3", "give the smaller number first"),
        ("0-99999999", "give 1,000 rows at most"),
        ("999", "has no row 999"),
    )
    for rows, said in refused:
        assert run(["explain", "net", "--rows", rows, *home]) == 2
        assert said in capsys.readouterr().err
    page = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text()
    assert {name for names in METHODS.values() for name in names} <= set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))


def test_the_example_of_the_page_on_it_runs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setattr("goodfit.connect", lambda: {"churn": scene["linear"]})
    names: dict[str, Any] = {}
    exec(code, names)
    found = names["found"]
    assert np.abs(found.values.sum(axis=1) + found.base_values - found.predictions).max() < 1e-9
    assert len(found.importances)
    assert len(found.dependences)
    assert all(check.passed and check.text for check in found.checks)


def test_rows_of_ones_own_are_explained_by_their_index(scene: Scene) -> None:
    frame = table().rename(index=lambda place: f"r{place}").iloc[:3]
    found = scene["linear"].explain(data=frame.drop(columns="y"))
    assert list(found.values.index) == ["r0", "r1", "r2"]
    assert found.rows[0].shown[2] in ("Rome", "Oslo", "Bern")
    with pytest.raises(InputError, match="lack the columns"):
        scene["linear"].explain(data=frame.drop(columns="a"))


def test_of_a_study_on_a_server_the_model_is_explained_on_rows_that_are_given(scene: Scene) -> None:
    study = Place(scene.settings).remote()["net"]
    with pytest.raises(InputError, match=r"are on the server at .*study.explain\(data=frame\)"):
        study.explain()
    rows = scene["net"].rows("validation").drop(columns="target")
    found = study.explain(data=rows)
    assert list(found.values.index) == list(rows.index)
    assert found.checks[0].passed
    assert any("taken from the rows that were given" in note for note in found.notes)


def test_with_folds_the_rows_are_those_that_the_best_fold_validated(scene: Scene) -> None:
    study = scene.run("folds", "mlp", {"source": "iris", "split": {"folds": 3}}, epochs=2)
    losses = study.curve(0)["fold/val/loss"]
    found = study.explain()
    assert set(found.values.index) == set(study.rows("validation", fold=int(losses.argmin()) + 1).index)


def test_models_that_make_something_are_refused_with_the_reason(tmp_path: Path) -> None:
    found = place(tmp_path)
    for name, changes, said in (
        ("gan", {"trainer": "gan"}, "trainer gan cannot be explained: its generator makes images from noise"),
        ("bare", {"data": None}, "study bare names no data"),
    ):
        study = found.store.add_study(Study(name, spec_of(name, **changes).to_dict(), "f", NOW))
        found.write(study, [Trial(0, {"learning_rate": 0.1}, 0, TrialState.COMPLETE, value=0.5, best_epoch=1)], [])
        with pytest.raises(InputError, match=said):
            found.local()[name].explain()


def test_data_that_have_changed_are_refused_and_a_model_that_was_removed(scene: Scene) -> None:
    file = scene.folder / "t.csv"
    before = file.read_text()
    file.write_text(before + before.splitlines()[-1] + "\n")
    try:
        with pytest.raises(DataError, match="have changed"):
            scene["linear"].explain()
        file.unlink()
        with pytest.raises(DataError, match=r"are not here any more: .*t\.csv; put them back"):
            scene["linear"].explain()
        with pytest.raises(DataError, match=r"are not here any more: .*t\.csv; put them back"):
            scene["linear"].label_issues()
    finally:
        file.write_text(before)
    study = scene.run("gone", "mlp", {"source": "iris"})
    next((scene.settings.home / "studies" / "gone").rglob("best.pt")).unlink()
    with pytest.raises(GoodfitError, match="kept no checkpoint"):
        study.explain()
