"""The user's own modules and data, which are loaded anew where a trial has changed them; threads that it leaves."""

from __future__ import annotations

import os
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.data import Data
from goodfit.trainers.messages import Pack
from goodfit.trainers.registry import Trainer
from goodfit.trainers.worker.baseline import trivial_scores
from goodfit.trainers.worker.isolation import Isolation
from goodfit.trainers.worker.isolation.modules import is_users
from goodfit.trainers.worker.worker import Worker
from tests.trainers.worker.one_worker import HEAD, LOOP, Trials, alone, note
from tests.training import IRIS


def test_data_that_a_trainer_changes_in_place_are_loaded_anew(tmp_path: Path) -> None:
    look = "(float(trial.data.train.x.sum()), trial.data.train.y[:3].tolist())"
    change = "    x = trial.data.train.x\n    x *= 2\n    np.random.shuffle(trial.data.train.y)\n"
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n{note(tmp_path, look)}{change}{LOOP}", data=IRIS)
    for number in range(3):
        trials.run(number)
    assert len(set(trials.notes())) == 1


def test_data_that_nobody_changes_stay_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import goodfit.trainers.data

    loads: list[Any] = []
    load = goodfit.trainers.data.load
    monkeypatch.setattr("goodfit.trainers.data.load", lambda spec: loads.append(spec) or load(spec))
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n    trial.data.train.x.sum()\n{LOOP}", data=IRIS)
    for number in range(3):
        trials.run(number)
    assert len(loads) == 1


def test_data_are_looked_at_once_for_all_trials_that_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Data] = []
    monkeypatch.setattr("goodfit.trainers.worker.worker._fingerprint", looks.append)
    worker = Worker(Line(), clock(), capture=False)

    def run(*numbers: int) -> None:
        worker.run(Pack(tuple(assign(tmp_path / f"t{n}", trial=n, data=IRIS, epochs=1) for n in numbers)))

    run(0, 1, 2)  # side by side
    assert len(looks) == 1  # as they were loaded
    run(3, 4, 5)
    assert len(looks) == 2


def test_a_trivial_model_is_scored_once_on_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[object] = []

    def counted(trainer: Trainer, data: Data | None) -> dict[str, float]:
        scored.append(data)
        return trivial_scores(trainer, data)

    monkeypatch.setattr("goodfit.trainers.worker.worker.trivial_scores", counted)
    change = "    if trial.number == 0: trial.data.validation.y[:] = 0\n"
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n{change}{LOOP}", data=IRIS)
    of_changed, *others = (trials.run(number).baseline for number in range(3))
    assert of_changed["val/balanced_accuracy"] == 1
    assert [scores["val/balanced_accuracy"] for scores in others] == [1 / 3, 1 / 3]
    assert len(scored) == 2


def test_what_a_module_sets_as_it_is_imported_holds_for_all_trials(tmp_path: Path) -> None:
    errors = np.geterr()
    text = f"{HEAD}torch.set_default_dtype(torch.float64)\nnp.seterr(all='raise')\nos.environ['MODULE'] = '1'\n"
    look = "(torch.get_default_dtype(), np.geterr()['divide'], os.environ['MODULE'])"
    trials = Trials(tmp_path, f"{text}def train(trial):\n{note(tmp_path, look)}{LOOP}")
    try:
        trials.run(0)
        trials.run(1)
    finally:
        torch.set_default_dtype(torch.float32)
        np.seterr(**errors)
        del os.environ["MODULE"]
    assert trials.notes() == ["(torch.float64, 'raise', '1')"] * 2


def test_modules_that_no_trial_changes_are_imported_once(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("VALUES = {'a': [1, 2]}\n")
    text = (
        f"{HEAD}import beside_it\n{note(tmp_path, '0').strip()}\ndef train(trial):\n    beside_it.VALUES['a']\n{LOOP}"
    )
    trials = Trials(tmp_path, text)
    for number in range(3):
        trials.run(number)
    assert trials.notes() == ["0"]


def test_a_module_beside_the_trainers_is_imported_anew_too(tmp_path: Path) -> None:
    (tmp_path / "beside_too.py").write_text("VALUES = {'a': [1, 2]}\n")
    look = note(tmp_path, "beside_too.VALUES")
    trials = Trials(
        tmp_path, f"{HEAD}def train(trial):\n    import beside_too\n{look}    beside_too.VALUES['a'].append(3)\n{LOOP}"
    )
    for number in range(3):
        trials.run(number)
    assert trials.notes() == ["{'a': [1, 2]}"] * 3


def test_a_trainers_installed_package_is_its_own_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package := tmp_path / "their_installed").mkdir()
    (package / "__init__.py").write_text("")
    (package / "state.py").write_text("SEEN = []\n")
    (package / "models.py").write_text(
        f"from their_installed.state import SEEN\ndef train(trial):\n{note(tmp_path, 'SEEN')}    SEEN.append(1)\n{LOOP}"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("goodfit.trainers.worker.isolation.modules._INSTALLED", (str(tmp_path),))
    line = Line()
    worker = Worker(line, clock(), capture=False)
    for number in range(3):
        reference = "their_installed.models:train"
        worker.run(Pack((assign(tmp_path / f"t{number}", trial=number, trainer=reference, epochs=1),)))
    assert (tmp_path / "notes.txt").read_text().splitlines() == ["[]"] * 3


def test_a_module_that_cannot_be_imported_twice_costs_the_worker(tmp_path: Path) -> None:
    once = f"path = {str(tmp_path / 'once')!r}\nassert not os.path.exists(path)\nopen(path, 'w').close()\nCOUNT = [0]\n"
    trials = Trials(tmp_path, f"{HEAD}{once}def train(trial):\n    COUNT[0] += 1\n{LOOP}")
    assert trials.run(0).worn
    log = (tmp_path / "t0" / "log.txt").read_text()
    assert "the worker is replaced after it: BadTrainer when the trainer's modules were imported a second" in log


def test_modules_that_an_installed_package_makes_are_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    made = types.ModuleType("torch.made_up")
    made.__file__ = "_made_up.py"  # as torch.ops and torch.classes say of themselves
    mine = types.ModuleType("theirs")
    mine.__file__ = "/home/ada/theirs.py"
    monkeypatch.setitem(sys.modules, "torch.made_up", made)
    monkeypatch.setitem(sys.modules, "theirs", mine)
    assert not any(is_users(module) for module in (made, sys.modules["torch.ops"], sys.modules["torch.classes"]))
    assert is_users(mine)


def test_a_thread_that_still_runs_costs_the_worker_and_one_of_a_library_does_not(tmp_path: Path) -> None:
    running = "import threading\nEND = threading.Event()\ndef run():\n    while not END.wait(0.01): pass\n"
    trials = Trials(
        tmp_path, f"{HEAD}{running}def train(trial):\n    threading.Thread(target=run, name='mine').start()\n{LOOP}"
    )
    try:
        assert trials.run(0).worn
    finally:
        for module in list(sys.modules.values()):
            if getattr(module, "END", None) is not None and isinstance(module.END, threading.Event):
                module.END.set()
        for thread in threading.enumerate():
            if thread.name == "mine":
                thread.join(5)
    assert "its thread mine still runs" in (tmp_path / "t0" / "log.txt").read_text()
    pool = "from concurrent.futures import ThreadPoolExecutor\nimport operator\n"
    (library := tmp_path / "library").mkdir()
    text = f"{HEAD}{pool}def train(trial):\n    ThreadPoolExecutor(2).submit(operator.add, 1, 2).result()\n{LOOP}"
    assert not Trials(library, text).run(0).worn


def test_each_trial_has_a_thread_of_its_own_with_the_contexts_of_the_worker() -> None:
    seen: list[Any] = []
    isolation = Isolation()
    with np.errstate(divide="raise"):
        alone(isolation, lambda: seen.append((threading.current_thread(), np.geterr()["divide"])))
    assert seen[0][0] is not threading.current_thread()
    assert seen[0][1] == "raise"


def test_what_a_library_installs_to_find_modules_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """importlib_metadata takes the place of Python's own finder of packages as it is imported, once."""
    library, own = types.ModuleType("a_library"), types.ModuleType("my_own")
    library.__file__, own.__file__ = pytest.__file__, "/home/me/my_own.py"
    finders = [type("Finder", (), {"__module__": one.__name__})() for one in (library, own)]
    for one in (library, own):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    before = list(sys.meta_path)
    alone(Isolation(), lambda: sys.meta_path.extend(finders))
    after = list(sys.meta_path)
    sys.meta_path[:] = before
    assert after == [*before, finders[0]]
