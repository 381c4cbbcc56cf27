"""The model of a function without build=, in the user's own class: kept with its weights, given back, or why not."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from torch import nn

from goodfit.service.client.models import unpacked
from goodfit.service.errors import TrainerError
from goodfit.testing.attempts import attempt
from goodfit.trainers.data import load
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.files import read_checkpoint
from goodfit.trainers.messages import Outcome
from goodfit.trainers.prediction.model_folder import facts_if_any, load_model, save_model
from goodfit.trainers.prediction.own_model import EstimatorPredictor, OwnPredictor, own_model
from goodfit.trainers.registry import resolve
from goodfit.trainers.trial import own_model as keeping
from goodfit.trainers.trial.own_model import Whole, given_back, is_model, kept
from tests.training import DIABETES, IRIS

TRAINERS = """
import torch
from sklearn.tree import DecisionTreeClassifier
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(4, width)

    def forward(self, x):
        return self.layer(x)

def looped(trial):
    net = Net(trial.config.width)
    trial.restore(net)
    for epoch in trial.epochs():
        with torch.no_grad():
            net.layer.weight.fill_(epoch)
        trial.report(val={"accuracy": 1 - abs(epoch - 2)})

def once(trial):
    tree = DecisionTreeClassifier(max_depth=3).fit(trial.data.train.x, trial.data.train.y)
    trial.report(val={"accuracy": tree.score(trial.data.validation.x, trial.data.validation.y)})
    return tree

def last(trial):
    for epoch in trial.epochs():
        trial.report(val={"accuracy": -epoch})
    return Net(3)

def table(trial):
    trial.report(val={"accuracy": 1.0})
    return [Net(3)], 0.5
"""


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Linear(2, 2)
        self.first.bias.requires_grad_(False)
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("scale", torch.full((1,), 3.0), persistent=False)
        self.act = lambda x: x.relu()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own_nets.py"
    path.write_text(TRAINERS)
    return path


def trained(file: Path, name: str, **changes: Any) -> tuple[dict[str, Any], Any]:
    """What a trial kept, and the facts about its data."""
    line = attempt(file.parent / name, trainer=f"{file}:{name}", params={"width": 3}, **changes)
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    best = file.parent / name / "best.pt"
    return (read_checkpoint(best) if best.exists() else {}), facts_if_any(file.parent / name)


def test_a_module_is_given_back_as_it_was_with_the_weights_of_its_state() -> None:
    net = Tied()
    state = {name: value + 1 for name, value in net.state_dict().items()}
    found = kept(net, state)
    assert found["pickle"].numel() < 100_000
    again = given_back(found, state)
    assert type(again) is Tied
    assert not again.training
    assert again.first is again.second
    assert [one.requires_grad for one in (again.first.weight, again.first.bias)] == [True, False]
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    assert again.scale == 3.0
    assert again.act(torch.tensor(-1.0)) == 0


def test_the_weights_are_not_kept_twice() -> None:
    net = nn.Linear(1000, 1000)
    assert kept(net, net.state_dict())["pickle"].numel() < 10_000


def test_why_an_object_is_not_kept_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Tied()
    net.lock = threading.Lock()
    found = kept(net, net.state_dict())
    with pytest.raises(BadTrainer, match=r"the Tied that it gave to trial\.restore cannot be pickled: cannot pickle"):
        given_back(found, net.state_dict())
    monkeypatch.setattr(keeping, "MOST_BYTES", 2**20)
    net.lock, net.rows = None, np.zeros(2**18)
    assert "more than 1 MiB beside its weights" in kept(net, net.state_dict())["why"]


def test_an_estimator_goes_on_drawing_from_numpys_generator() -> None:
    forest = RandomForestClassifier(2, random_state=np.random.mtrand._rand)
    whole = Whole(forest)
    again = given_back(kept(whole, whole.state_dict()), whole.state_dict())
    assert again.random_state is np.random.mtrand._rand


def test_the_model_of_the_best_epoch_comes_back_in_the_users_own_class(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, _ = trained(file, "looped")
    trainer = resolve(f"{file}:looped")
    model = own_model(best, trainer, "own_nets.py:looped", {}, None)
    assert (best["epoch"], model.layer.weight.unique().tolist()) == (2, [2.0])
    assert type(model).__module__ == trainer.home
    monkeypatch.syspath_prepend(str(file.parent))
    own = importlib.import_module("own_nets")
    assert type(own_model(best, trainer, "own_nets.py:looped", {}, None)) is own.Net


def test_what_a_trainer_returns_is_its_model_where_it_was_measured(file: Path) -> None:
    best, facts = trained(file, "once", data=IRIS)
    model = own_model(best, resolve(f"{file}:once"), "own_nets.py:once", {}, facts)
    assert type(model) is EstimatorPredictor
    rows = load(IRIS).validation
    labels = np.array(facts.classes)
    right = model.module.predict(rows.x) == rows.y
    assert right.mean() > 0.8
    assert set(model.predict(np.asarray([[5.1, 3.5, 1.4, 0.2]]))) <= set(labels)
    assert model.predict_proba(np.zeros((2, 4))).shape == (2, 3)
    assert model.predict(np.zeros((0, 4))).shape == (0,)
    for name in ("last", "table"):  # it is that of another epoch, or no model
        assert trained(file, name)[0] == {}


def test_what_is_a_model() -> None:
    assert [is_model(one) for one in (nn.Linear(1, 1), LinearRegression(), len)] == [True] * 3
    assert [is_model(one) for one in (1.0, "a", {"a": 1}, [nn.Linear(1, 1)], np.zeros(3), nn.Linear)] == [False] * 6


def test_a_model_whose_outputs_are_its_own_is_to_be_called_by_its_user() -> None:
    facts = load(DIABETES).facts
    rows = np.zeros((2, facts.inputs), dtype=np.float32)
    assert OwnPredictor(nn.Linear(facts.inputs, 1), facts, "own", {}).predict(rows).shape == (2,)
    for module in (nn.Linear(facts.inputs, 7), nn.Linear(1, 1), nn.LSTM(facts.inputs, 1)):
        with pytest.raises(DataProblem, match=r"does not predict for rows .* its model is its `module`: call that"):
            OwnPredictor(module, facts, "own", {}).predict(rows)
    guess = EstimatorPredictor(LinearRegression().fit(rows, [0.0, 0.0]), facts, "own", {})
    assert guess.predict(rows).tolist() == pytest.approx([facts.preparation.target_mean] * 2)
    with pytest.raises(DataProblem, match="which are no class indices"):
        EstimatorPredictor(LinearRegression().fit([[0.0] * 4], [0.5]), load(IRIS).facts, "own", {}).predict([[0.0] * 4])


def test_a_checkpoint_without_the_object_says_what_build_is(file: Path) -> None:
    best, _ = trained(file, "looped")
    del best["object"]
    with pytest.raises(BadTrainer, match=r"declare it with `@goodfit\.register\(NAME, build=build\)`, where build\("):
        own_model(best, resolve(f"{file}:looped"), "own_nets.py:looped", {}, None)


def test_from_a_server_it_is_loaded_by_those_who_trust_it(file: Path) -> None:
    trained(file, "looped")
    parts = f"{file}:looped", {"width": 3}, None, file.parent / "looped" / "best.pt"
    with pytest.raises(BadTrainer, match="declares no build="):
        save_model(file.parent / "model", *parts)
    save_model(file.parent / "model", *parts, own=True)
    assert type(load_model(file.parent / "model")).__name__ == "Net"
    sent = zipped(file.parent / "model")
    with pytest.raises(TrainerError, match="loading the model runs it"):
        unpacked(sent, trust=False)
    assert unpacked(sent, trust=True).layer.weight.unique().tolist() == [2.0]


def zipped(folder: Path) -> bytes:
    import io
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as parts:
        for part in folder.iterdir():
            parts.write(part, part.name)
    return stream.getvalue()
