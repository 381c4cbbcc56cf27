"""The main job: from a study file to its best configuration, by the command line and from Python."""

from __future__ import annotations

import csv
import io
import math
import re
import signal
import urllib.request
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from goodfit import connect
from goodfit.service.errors import InputError, UnknownStudy
from tests import zoo
from tests.e2e import forked
from tests.e2e.cli import PATIENCE, Home, kill_tree, until
from tests.tracking import free_port

pytestmark = pytest.mark.e2e
ROOT = Path(zoo.__file__).parents[1]
TRIAL_KEYS = [
    "trial", "state", "params", "value", "verdict", "gap", "epochs", "best_epoch", "attempts", "started", "ended",
    "mlflow_run_id", "notes",
]  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which a short run of the digits example is done."""
    home = Home(tmp_path_factory.mktemp("digits"), first_start=True, own_interpreters=True)
    changes = ["--set", "budget.trials=4", "--set", "training.epochs=4"]
    home.ok("run", str(ROOT / "examples" / "digits.yaml"), *changes, timeout=PATIENCE)
    home.own_interpreters = False
    return home


def test_best_has_the_agreed_shape(digits: Home) -> None:
    facts = digits.json("best", "digits-cnn")
    assert list(facts) == ["study", "metric", "direction", "best"]
    assert (facts["study"], facts["metric"], facts["direction"]) == ("digits-cnn", "val/accuracy", "maximize")
    values = [row["value"] for row in facts["best"]]
    assert values == sorted(values, reverse=True)
    assert values[0] >= 0.9, "four epochs are enough to learn digits"
    for row in facts["best"]:
        assert list(row) == [
            "trial", "value", "params", "verdict", "gap", "epochs", "best_epoch", "test", "mlflow_run_id", "model_uri",
        ]  # fmt: skip
        assert row["test"] is None
        assert row["mlflow_run_id"]
        assert 1 <= row["best_epoch"] <= row["epochs"]
    assert facts["best"][0]["model_uri"] == "models:/digits-cnn/1"
    assert len(digits.json("best", "digits-cnn", "-k", "1")["best"]) == 1


def test_trials_have_the_agreed_keys_and_can_be_selected(digits: Home) -> None:
    rows = digits.json("trials", "digits-cnn")
    assert [list(row) for row in rows] == [TRIAL_KEYS] * 4
    assert [row["trial"] for row in rows] == [0, 1, 2, 3]
    complete = digits.json("trials", "digits-cnn", "--state", "complete")
    assert complete == [row for row in rows if row["state"] == "COMPLETE"]
    verdict = rows[0]["verdict"]
    assert digits.json("trials", "digits-cnn", "--verdict", verdict) == [r for r in rows if r["verdict"] == verdict]
    table = list(csv.DictReader(io.StringIO(digits.ok("trials", "digits-cnn", "--csv"))))
    assert [int(row["trial"]) for row in table] == [0, 1, 2, 3]
    assert float(table[0]["params.learning_rate"]) == rows[0]["params"]["learning_rate"]


def test_the_trainers_defaults_are_tried_first(digits: Home) -> None:
    first = digits.json("trials", "digits-cnn")[0]["params"]
    defaults = digits.json("trainers", "cnn")["defaults"]
    space = digits.json("show", "digits-cnn")["spec"]["space"]
    free = {item["name"] for item in space if item["type"] != "fixed"}
    assert {name: first[name] for name in free & set(first)} == {name: defaults[name] for name in free & set(first)}


def test_python_gives_the_same_as_the_command_line(digits: Home) -> None:
    studies = connect(digits.path)
    assert list(studies) == ["digits-cnn"]
    assert "digits-cnn" in studies
    assert "other" not in studies
    study = studies["digits-cnn"]
    assert study.state == "DONE"
    assert study.best().to_dict() == digits.json("best", "digits-cnn")["best"][0]
    assert [best.trial for best in study.best(k=3)] == [r["trial"] for r in digits.json("best", "digits-cnn")["best"]][
        :3
    ]
    frame = study.trials()
    assert list(frame.columns[: len(TRIAL_KEYS)]) == TRIAL_KEYS
    assert set(frame.columns[len(TRIAL_KEYS) :]) == {f"params.{name}" for params in frame["params"] for name in params}
    assert frame["value"].tolist() == [row["value"] for row in digits.json("trials", "digits-cnn")]
    assert study.spec.objective.metric == "val/accuracy"
    with pytest.raises(UnknownStudy, match="digits-cnn"):
        studies["digit-cnn"]
    with pytest.raises(InputError, match="0 to 3"):
        study.curve(99)


def test_the_value_of_a_trial_is_the_best_of_its_curve(digits: Home) -> None:
    study = connect(digits.path)["digits-cnn"]
    for row in study.trials().to_dict("records"):
        curve = study.curve(row["trial"])
        assert curve.columns[0] == "epoch"
        assert {"train/loss", "val/loss", "train/accuracy", "val/accuracy"} <= set(curve.columns)
        assert row["value"] == curve["val/accuracy"].max()
        best = curve.loc[curve["epoch"] == row["best_epoch"]].iloc[0]
        assert best["val/accuracy"] == row["value"]
        assert row["gap"] == pytest.approx(best["train/accuracy"] - best["val/accuracy"])


def test_to_optuna_is_a_real_study(digits: Home) -> None:
    study = connect(digits.path)["digits-cnn"].to_optuna()
    assert isinstance(study, optuna.Study)
    assert len(study.trials) == 4
    assert study.best_value == digits.json("best", "digits-cnn")["best"][0]["value"]
    assert isinstance(study.trials_dataframe(), pd.DataFrame)


def test_the_best_model_predicts_raw_rows(digits: Home) -> None:
    from sklearn.datasets import load_digits

    study = connect(digits.path)["digits-cnn"]
    images, labels = load_digits(return_X_y=True)
    right = np.mean(study.model().predict(images.reshape(-1, 8, 8)) == labels)
    assert right > study.best().value - 0.05


def test_mlflow_has_the_study_its_nested_runs_and_the_champion(digits: Home) -> None:
    code = f"""
import mlflow
from goodfit import connect
connect({str(digits.path)!r})["digits-cnn"].note("for the paper", tags={{"paper": "v2"}})
mlflow.set_tracking_uri({connect(digits.path)["digits-cnn"].mlflow_uri!r})
client = mlflow.MlflowClient()
runs = client.search_runs([client.get_experiment_by_name("digits-cnn").experiment_id])
parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
assert len(parents) == 1 and len(runs) == 5, runs
noted = parents[0].data.tags
assert (noted["mlflow.note.content"], noted["paper"]) == ("for the paper", "v2"), noted
files = [item.path for item in client.list_artifacts(parents[0].info.run_id)]
assert {{"study.json", "data.json"}} <= set(files), files
for run in runs:
    if run is parents[0]:
        continue
    assert run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
    tagged = {{name.removeprefix("goodfit.") for name in run.data.tags}}
    assert {{"study", "trial", "state", "verdict", "attempt"}} <= tagged, tagged
    assert {{"train/loss", "val/loss", "gap/loss", "train/accuracy", "val/accuracy"}} <= set(run.data.metrics)
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "val/loss")]
    assert steps == list(range(1, len(steps) + 1)), steps
    files = [item.path for item in client.list_artifacts(run.info.run_id)]
    assert {{"learning_curve.svg", "diagnosis.json"}} <= set(files), files
import numpy
model = mlflow.pyfunc.load_model("models:/digits-cnn@champion")
assert model.metadata.signature is not None
print(model.predict(numpy.zeros((2, 1, 8, 8), dtype="float32")).shape)
"""
    (digits.folder / "user.py").write_text(code)
    done = forked.script(Path("user.py"), digits.env(), digits.folder, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(2,)"


def test_show_tells_a_study_and_a_trial(digits: Home) -> None:
    facts = digits.json("show", "digits-cnn")
    assert (facts["state"], facts["budget"], sum(facts["trials"].values())) == ("DONE", 4, 4)
    assert sum(facts["verdicts"].values()) == 4
    trial = digits.json("show", "digits-cnn", "0")
    assert trial["diagnosis"]["verdict"] == trial["verdict"]
    assert len(trial["curve"]) == trial["epochs"]
    for words in (
        ["show", "digits-cnn"],
        ["show", "digits-cnn", "0"],
        ["best", "digits-cnn"],
        ["trials", "digits-cnn"],
        ["ls"],
    ):
        text = digits.ok(*words)
        assert "digits-cnn" in text or "val/accuracy" in text


def test_ui_serves_mlflow_on_this_home_and_ends_with_ctrl_c(digits: Home) -> None:
    process = digits.start("ui", "--port", str(free_port()))
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"(http://127.0.0.1:[0-9]+)/#/experiments/[0-9]+/runs[?]", line)
        assert found, line + str(process.stderr and process.stderr.read() if process.poll() is not None else "")
        with urllib.request.urlopen(f"{found[1]}/health", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    finally:
        kill_tree(process)


def test_removing_a_study_frees_its_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    file = home.study("gone")
    home.ok("run", str(file), "--executor", "local")
    refused = home.run("rm", "gone")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    told = home.json("rm", "gone", "--yes")
    assert (told["study"], len(told["said"])) == ("gone", 1)
    assert "removed study gone" in told["said"][0]
    assert home.json("ls") == []
    assert not (home.path / "studies" / "gone").exists()
    home.ok("run", str(file), "--executor", "local")
    assert len(home.json("trials", "gone")) == 4


def test_the_trainer_in_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    home = Home(tmp_path)
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## Train your own model") :]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    study = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert code
    assert study
    (tmp_path / "my_net.py").write_text(code[1])
    (tmp_path / "my_study.yaml").write_text(study[1])
    home.ok("run", "my_study.yaml", "--executor", "local")
    rows = home.json("trials", "my-study")
    assert len(rows) == 6
    assert "COMPLETE" in {row["state"] for row in rows} <= {"COMPLETE", "PRUNED"}
    curve = home.json("show", "my-study", str(home.json("best", "my-study")["best"][0]["trial"]))["curve"]
    assert curve[-1]["val/loss"] < curve[0]["val/loss"], "it learns"


def test_a_trainer_in_a_module_beside_the_study_is_found_here_and_on_the_workers(tmp_path: Path) -> None:
    home = Home(tmp_path)
    package = tmp_path / "elsewhere" / "nets"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tiny.py").write_text(
        "def train(trial):\n"
        "    for epoch in trial.epochs():\n"
        "        trial.report(train={'loss': 1 / epoch}, val={'loss': 1 / epoch + trial.config.x})\n"
    )
    study = home.study("beside", trainer="nets.tiny:train")
    study = study.rename(tmp_path / "elsewhere" / study.name)
    home.ok("run", str(study))
    assert [row["state"] for row in home.json("trials", "beside")] == ["COMPLETE"] * 4


def test_a_study_with_a_module_beside_it_goes_on_from_any_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "slow_net.py").write_text(
        "import time\n"
        "def train(trial):\n"
        "    for epoch in trial.epochs():\n"
        "        time.sleep(0.1)\n"
        "        trial.report(train={'loss': 1 / epoch}, val={'loss': 1 / epoch})\n"
    )
    study = home.study("beside", trainer="slow_net:train")
    study = study.rename(folder / study.name)
    process = home.start("run", str(study), "--executor", "local")
    until(lambda: home.reports() >= 2, "progress")
    kill_tree(process)
    home.ok("resume", "beside", "--executor", "local")
    assert [row["state"] for row in home.json("trials", "beside")] == ["COMPLETE"] * 4


def test_a_folder_with_names_of_ours_is_no_part_of_the_mirror(tmp_path: Path) -> None:
    home = Home(tmp_path, own_interpreters=True)
    (tmp_path / "mlflow.py").write_text("raise RuntimeError('not the one')")
    home.ok("run", str(home.study("shadowed")), "--executor", "local")
    assert home.json("show", "shadowed")["mlflow_run_id"] is not None


def test_the_study_in_the_readme_is_valid(tmp_path: Path) -> None:
    home = Home(tmp_path)
    readme = (ROOT / "README.md").read_text()
    study = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert study
    (tmp_path / "churn.yaml").write_text(study[1])
    rows = [
        "age,spent,churned",
        *(f"{20 + row % 50},{row * 3 % 101},{'yes' if row % 4 else 'no'}" for row in range(120)),
    ]
    (tmp_path / "churn.csv").write_text("\n".join(rows))
    plan = home.json("check", "churn.yaml")
    assert plan["trials"] == 64
    assert plan["data"]["rows"] == {"train": 72, "validation": 24, "test": 24}


def test_a_study_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    home = Home(tmp_path, {"GOODFIT_DATABASE": postgresql_url})
    home.ok("run", str(home.study("pg")), "--executor", "local")
    assert [row["state"] for row in home.json("trials", "pg")] == ["COMPLETE"] * 4
    assert not (home.path / "goodfit.db").exists()
    assert all(row["mlflow_run_id"] for row in home.json("trials", "pg"))


def test_the_budget_in_minutes_keeps_what_was_in_flight(tmp_path: Path) -> None:
    home = Home(tmp_path)
    study = home.study(
        "timed", trainer=zoo.named("slow"), training={"epochs": 12}, budget={"trials": 500, "minutes": 0.12}
    )
    home.ok("run", str(study), "--executor", "local")
    rows = home.json("trials", "timed")
    assert 1 < len(rows) < 10
    states = [row["state"] for row in rows]
    assert set(states) <= {"COMPLETE", "CANCELLED"}
    cancelled = [row for row in rows if row["state"] == "CANCELLED" and row["epochs"]]
    assert all(row["value"] is not None for row in cancelled)


def test_a_target_ends_the_study(tmp_path: Path) -> None:
    home = Home(tmp_path)
    study = home.study("aimed", budget={"trials": 200, "target": 0.35}, search={"method": "random", "seed": 1})
    home.ok("run", str(study), "--executor", "local")
    rows = home.json("trials", "aimed")
    assert len(rows) < 200
    assert rows[-1]["value"] <= 0.35
    assert all(row["value"] > 0.35 for row in rows[:-1])


def test_the_same_seed_gives_the_same_study(tmp_path: Path) -> None:
    outcomes = []
    for part in ("first", "second"):
        (tmp_path / part).mkdir()
        home = Home(tmp_path / part)
        study = home.study(
            "twin",
            trainer="mlp",
            data={"source": "iris"},
            space="mlp",
            objective={"metric": "val/loss", "direction": "minimize"},
            search={"method": "bayesian", "seed": 3},
            pruning={"method": "median", "n_startup_trials": 2},
            budget={"trials": 6},
        )
        home.ok("run", str(study), "--executor", "local")
        outcomes.append([(r["params"], r["state"], r["value"], r["verdict"]) for r in home.json("trials", "twin")])
    assert outcomes[0] == outcomes[1]
    assert all(math.isfinite(value) for _, _, value, _ in outcomes[0])


def test_connect_opens_a_new_folder_as_an_empty_home(tmp_path: Path) -> None:
    with pytest.raises(UnknownStudy, match="goodfit run FILE"):
        connect(tmp_path / "nowhere")["any"]
    with pytest.raises(InputError, match="not a server URL"):
        connect("ftp://127.0.0.1:1")
