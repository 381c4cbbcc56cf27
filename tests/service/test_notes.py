"""What `check` and `run` say of a study that is valid and odd, and that they say nothing of one that is not."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from goodfit.service.app.directions import usual_direction
from goodfit.service.app.notes import approximately, expected_complete, notes_of
from goodfit.service.app.room import room_of
from goodfit.service.client.functions import written_down
from goodfit.service.errors import ClusterLost
from goodfit.service.ray_executor import cluster_nodes as asking
from goodfit.service.settings import Settings
from goodfit.service.spec import StudySpec, read

PLAIN = {
    "space": "{rate: {type: float, low: 0, high: 1}, depth: {type: int, low: 1, high: 4}}",
    "objective": "{metric: val/loss, direction: minimize}",
    "training": "{epochs: 30}",
    "budget": "{trials: 12}",
}


def spec_of(folder: Path, **sections: str) -> StudySpec:
    (folder / "net.py").write_text("def train(trial): trial.restore()\n")
    (folder / "bare.py").write_text("def train(trial): pass\n")
    lines = {"name": "a", "trainer": "net.py:train", **PLAIN, **sections}
    (folder / "study.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return read(folder / "study.yaml")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def train(trial):\n    trial.restore()\n", []),
        ("def train(trial):\n    pass\n", ["the function never calls trial.restore(model, optimizer)"]),
        ("", []),  # it was typed in: nothing is known of it
    ],
)
def test_a_function_given_in_python_is_judged_by_its_source(tmp_path: Path, source: str, said: list[str]) -> None:
    module = types.ModuleType("__main__")
    file = tmp_path / "cell.py"
    exec(compile(source or "def train(trial): pass", str(file), "exec"), vars(module))
    if source:
        file.write_text(source)
    reference = written_down(vars(module)["train"]).write(tmp_path / "given" / "train.py")
    notes = notes_of(spec_of(tmp_path, trainer=reference), room_of(Settings(home=tmp_path)))
    assert [note.partition(":")[0] for note in notes] == said


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"objective": "{metric: val/loss, direction: maximize}"}, "val/loss is usually minimized"),
        ({"objective": "{metric: val/top_1_accuracy, direction: minimize}"}, "`objective: {intended: true}` if that"),
        ({"space": "{a: [x, y, z], b: [1, 2]}"}, "the study ends after 6 of the 12 trials; `search: {repeats: true}`"),
        ({"space": "{a: [x, y, z]}", "search": "{method: grid}"}, "the study ends after 3 of the 12 trials"),
        (
            {"space": "{a: {type: int, low: 1, high: 1000000}, b: [1, 2, 3]}", "search": "{method: grid}"},
            "the grid has 3,000,000 points: only 12 are tried, drawn by the seed.",
        ),
        (
            {
                "space": "{a: {type: int, low: 1, high: 9}, b: [1, 2]}",
                "search": "{method: grid}",
                "budget": "{trials: 1}",
            },
            "only 1 are tried, drawn by the seed; a, b never vary among them",
        ),
        ({"pruning": "{method: asha}"}, "asha lets about 1 of 12 trials train to their end"),
        ({"pruning": "{method: asha}", "data": "{source: iris}", "confirm": "{top: 3}"}, "and confirm.top is 3"),
        ({"space": "{a: [false, 0.1, auto], r: {type: float, low: 0, high: 1}}"}, "a: true or false stands beside"),
        (
            {"trainer": "bare.py:train"},
            "bare.py never calls trial.restore(model, optimizer): its trials cannot be paused",
        ),
        ({"resources": "{cpus: 100000}"}, "no trial has room on this machine: each takes 100000 CPUs"),
        ({"resources": "{custom: {tpu: 1}}"}, "1 tpu, of which it has none"),
        ({"resources": "{parallel: 100000}"}, "resources.parallel: 100000 trials at once take 100000 CPUs"),
        (
            {"search": "{start_from: [{depth: 1}, {depth: 2}]}", "budget": "{trials: 1}"},
            "search.start_from has 2 configurations: only the first 1 are tried",
        ),
        (
            {"training": "{epochs: 20}", "budget": "{epochs: 7}"},
            "budget.epochs is 7, and one training takes 20 epochs: no trial can be trained to its end",
        ),
    ],
)
def test_what_is_odd_is_noted_once(tmp_path: Path, sections: dict[str, str], said: str) -> None:
    (note,) = notes_of(spec_of(tmp_path, **sections), room_of(Settings(home=tmp_path)))
    assert said in note


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"objective": "{metric: val/loss, direction: maximize, intended: true}"},
        {"objective": "{metric: val/score, direction: minimize}"},
        {"space": "{a: [x, y, z], b: [1, 2]}", "search": "{repeats: true}"},
        {"space": "{a: [x, y, z], b: [1, 2, 3, 4]}"},
        {"space": "{a: [x, y, z]}", "search": "{method: grid}", "budget": "{minutes: 3}"},
        {"pruning": "{method: asha}", "budget": "{trials: 600}"},
        {"pruning": "{method: median}"},
        {"space": "{a: [true, false, null], r: {type: float, low: 0, high: 1}}"},
        {"search": "{start_from: [{depth: 1}, {depth: 2}]}"},
    ],
)
def test_of_what_is_not_odd_nothing_is_said(tmp_path: Path, sections: dict[str, str]) -> None:
    assert notes_of(spec_of(tmp_path, **sections), room_of(Settings(home=tmp_path))) == []


NODES = [{"cpus": 4.0, "gpus": 0.0}, {"cpus": 2.0, "gpus": 1.0, "tpu": 8.0}]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ("{cpus: 4}", None),
        ("{cpus: 2, gpus: 0.5, custom: {tpu: 8}}", None),
        ("{cpus: 4, parallel: 100}", None),
        ("{cpus: 5}", "each takes 5 CPUs, and no node has more than 4."),
        ("{custom: {fpga: 1}, gpus: 2}", "2 GPUs, and no node has more than 1; 1 fpga, and no node has more than 0."),
        ("{cpus: 3, gpus: 1}", "each takes 3 CPUs and 1 GPUs, which no node has together."),
    ],
)
def test_what_no_node_of_a_cluster_has_is_noted(
    tmp_path: Path, resources: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ask_nodes", lambda address: NODES)
    notes = notes_of(spec_of(tmp_path, resources=resources), room_of(Settings(home=tmp_path, ray_address="head:6379")))
    assert len(notes) == (said is not None)
    for note in notes:
        assert note.startswith("no trial has room on the Ray cluster at head:6379")
        assert str(said) in note


def test_of_a_cluster_that_does_not_answer_it_is_noted_that_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(address: str) -> list[dict[str, float]]:
        raise ClusterLost(f"the Ray cluster at {address} does not answer within 10 s")

    monkeypatch.setattr(asking, "ask_nodes", ask)
    (note,) = notes_of(spec_of(tmp_path), room_of(Settings(home=tmp_path, ray_address="head:6379")))
    assert "has room for a trial is not known: the Ray cluster at head:6379 does not answer" in note


def test_metrics_have_their_usual_direction() -> None:
    less = ["val/loss", "train/mse", "val/bits_per_character", "val/cross_entropy", "val/huber_loss"]
    more = ["val/accuracy", "val/balanced_accuracy", "val/f1", "val/r2", "val/macro_auc"]
    less += ["val/neg_log_likelihood", "val/error_rate", "val/kl_divergence", "val/brier_score", "val/nll_loss_mean"]
    more += ["val/f1_macro", "val/r2_score", "val/neg_mean_squared_error", "val/mAP50", "val/mIoU", "val/ep_rew_mean"]
    more += ["val/acc@5", "val/success_rate", "val/elbo"]
    unknown = ["val/score", "val/lossy", "val/value", "val/latency", "val/1-accuracy", "val/one_minus_accuracy"]
    unknown += ["val/accuracy_std", "val/0", "val/"]
    assert {usual_direction(metric) for metric in less} == {"minimize"}
    assert {usual_direction(metric) for metric in more} == {"maximize"}
    assert {usual_direction(metric) for metric in unknown} == {None}


def test_how_many_trials_reach_the_end_of_their_training(tmp_path: Path) -> None:
    def expected(**sections: str) -> int | None:
        return expected_complete(spec_of(tmp_path, **sections))

    assert expected() is None
    assert expected(pruning="{method: asha}", budget="{minutes: 3}") is None
    assert expected(pruning="{method: asha, min_resource: 30}") == 12  # no rung before the end
    few, many = (expected(pruning="{method: asha}", budget=f"{{trials: {count}}}") or 0 for count in (12, 1200))
    assert 1 <= few <= 3
    assert 10 <= many <= 40  # 1200 / 4**3 = 19
    assert 1 < (expected(pruning="{method: hyperband}", budget="{trials: 27}") or 0) < 27


def test_a_large_count_is_given_by_its_magnitude() -> None:
    assert [approximately(size) for size in (999, 10**8, 10**16, 10**400)] == [
        "999",
        "100,000,000",
        "about 10^16",
        "about 10^400",
    ]
