"""Functions that a study is given in Python, as files."""

from __future__ import annotations

import functools
import json
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from goodfit.service.client import functions
from goodfit.service.client.functions import name_of, reference_of, written_down
from goodfit.service.errors import TrainerError
from goodfit.trainers import seeding
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.registry import resolve

CELL = """
LIMIT = 3.0

class Net:
    def loss(self, epoch):
        return LIMIT / epoch

def train(trial):
    for epoch in trial.epochs():
        trial.report(val={"loss": Net().loss(epoch)})
"""


def cell(text: str = CELL, file: str = "/tmp/ipykernel_17/2857.py") -> dict[str, Any]:
    """What a cell of a notebook defines."""
    module = types.ModuleType("__main__")
    exec(compile(text, file, "exec"), vars(module))
    return vars(module)


class Reports:
    def __init__(self) -> None:
        self.losses: list[float] = []

    def epochs(self) -> range:
        return range(1, 4)

    def report(self, val: dict[str, float]) -> None:
        self.losses.append(val["loss"])


def test_a_function_of_a_notebook_trains_from_its_file(tmp_path: Path) -> None:
    reference = written_down(cell()["train"]).write(tmp_path / "mine" / "train.py")
    trial = Reports()
    resolve(reference).train(trial)  # type: ignore[arg-type]
    assert trial.losses == [3.0, 1.5, 1.0]


def test_the_same_function_is_the_same_in_another_process() -> None:
    program = (
        "import sys, types, json\n"
        "from goodfit.service.client.functions import written_down\n"
        "text, file = json.loads(sys.argv[1])\n"
        "exec(compile(text, file, 'exec'))\n"
        "print(written_down(train).identity)\n"
    )
    found = set()
    for pid in (17, 18):
        given = json.dumps([CELL, f"/tmp/ipykernel_{pid}/2857.py"])
        ran = subprocess.run([sys.executable, "-c", program, given], capture_output=True, text=True, check=True)
        found.add(ran.stdout)
    assert len(found) == 1


def test_what_it_refers_to_counts() -> None:
    texts = (CELL, CELL.replace("3.0", "4.0"), CELL.replace("LIMIT / epoch", "LIMIT / (epoch + 1)"))
    assert len({written_down(cell(text)["train"]).identity for text in texts}) == 3


def test_a_file_that_has_the_function_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    written_down(cell()["train"]).write(file)
    before = file.stat().st_mtime_ns
    written_down(cell(file="/tmp/ipykernel_18/2857.py")["train"]).write(file)
    assert file.stat().st_mtime_ns == before
    written_down(cell(CELL.replace("3.0", "4.0"))["train"]).write(file)
    assert file.stat().st_mtime_ns != before


def test_a_function_of_a_module_is_named_by_its_file() -> None:
    assert reference_of(seeding.mixed_seed) == f"{seeding.__file__}:mixed_seed"
    assert reference_of(json.dumps) == "json:dumps"
    assert reference_of(cell()["train"]) is None
    assert reference_of(functools.partial(seeding.mixed_seed)) is None


@pytest.mark.parametrize(
    ("train", "name"),
    [
        (seeding.mixed_seed, "mixed_seed"),
        (lambda _: None, "train"),
        (Reports().epochs, "epochs"),
        ("mlp", "mlp"),
        ("net.py:fit", "fit"),
    ],
)
def test_names(train: object, name: str) -> None:
    assert name_of(train) == name


def test_what_cannot_be_pickled_is_named() -> None:
    lock = threading.Lock()
    values = cell("def step():\n    return lock.acquire()\n\ndef train(trial):\n    step()\n")
    values["lock"] = lock
    with pytest.raises(TrainerError, match=r"it uses lock, a _thread\.lock, which cannot be pickled"):
        written_down(values["train"])

    def closed(trial: object) -> None:
        lock.acquire()

    with pytest.raises(TrainerError, match=r"it uses lock, a _thread\.lock"):
        written_down(closed)
    with pytest.raises(TrainerError, match=r"it uses the argument held, a _thread\.lock"):
        written_down(functools.partial(closed, held=lock))

    def defaulted(trial: object, guard: object = lock) -> None: ...

    with pytest.raises(TrainerError, match=r"it uses the default of guard, a _thread\.lock"):
        written_down(defaulted)


@pytest.mark.parametrize("value", [(one for one in "ab"), socket.socket(), sys._getframe(), threading.local()])
def test_every_kind_of_thing_that_cannot_be_pickled_is_named(value: Any) -> None:
    values = cell("def train(trial):\n    return held\n")
    values["held"] = {"deep": [value]}
    with pytest.raises(TrainerError, match=r"train cannot be sent to workers: it uses held, a dict, which cannot be"):
        written_down(values["train"])


def test_what_an_object_that_is_called_holds_is_named() -> None:
    values = cell("class Trainer:\n    def __call__(self, trial):\n        return LIMIT\n\nLIMIT = 1.0\n")
    train = values["Trainer"]()
    assert written_down(train).name == "Trainer"
    train.guard = threading.Lock()
    with pytest.raises(TrainerError, match=r"it uses its attribute guard, a _thread\.lock, which cannot be pickled"):
        written_down(train)


def test_a_tensor_on_a_gpu_is_named_where_trials_have_none() -> None:
    values = cell(
        "import torch\n\nclass OnGpu(torch.Tensor):\n    is_cuda = True\n\ndef train(trial):\n    return held\n"
    )
    values["held"] = [torch.zeros(1).as_subclass(values["OnGpu"])]
    with pytest.raises(TrainerError, match=r"train takes held, a tensor on a GPU with it, and its trials have none"):
        written_down(values["train"])
    assert written_down(values["train"], gpus=True).name == "train"


def test_modules_of_a_class_of_their_own_are_named() -> None:
    text = """
import torch
from torch import nn

class Net(nn.Linear):
    def set_up(self):
        torch.backends.cudnn.benchmark = False

def train(trial):
    return Net(4, len(trial.data.classes)), torch.ops, torch.backends
"""
    assert written_down(cell(text)["train"]).name == "train"


def test_a_function_of_a_module_without_a_file_travels_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("made_by_hand")
    exec("def step():\n    return 7\n\ndef train(trial):\n    return step()\n", vars(module))
    monkeypatch.setitem(sys.modules, "made_by_hand", module)
    assert reference_of(module.train) is None
    text = written_down(module.train).text
    monkeypatch.delitem(sys.modules, "made_by_hand")
    found: dict[str, Any] = {}
    exec(text, found)
    assert found["train"](None) == 7


def test_what_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "MOST_BYTES", 2**20)
    values = cell("def train(trial):\n    return table, small\n")
    values |= {"table": bytes(2 * 2**20), "small": 1}
    with pytest.raises(TrainerError, match="train takes 2 MiB with it, 2 MiB of it table"):
        written_down(values["train"])


def test_what_is_no_function() -> None:
    with pytest.raises(TrainerError, match="int is no trainer"):
        written_down(3)


def test_a_module_of_the_users_own_travels_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nets.py").write_text("def loss(epoch):\n    return 1 / epoch\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    values = cell("import own_nets\n\ndef train(trial):\n    return own_nets.loss(1)\n")
    text = written_down(values["train"]).text
    sys.modules.pop("own_nets")
    assert "import own_nets" in text


def test_another_version_of_python_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = written_down(cell()["train"]).write(tmp_path / "train.py")
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    with pytest.raises(BadTrainer, match=r"train is of Python 3\.\d+: use that version"):
        resolve(reference)


def test_the_source_of_a_script_is_in_the_file_too(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def train(trial):\n    trial.restore(net)\n")
    assert "trial.restore(net)" in written_down(cell(script.read_text(), str(script))["train"]).text


def test_a_traceback_shows_the_line_of_a_cell(tmp_path: Path) -> None:
    import linecache
    import traceback

    file = "/tmp/ipykernel_17/99.py"
    text = "def train(trial):\n    raise ValueError('no')\n"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    reference = written_down(cell(text, file)["train"]).write(tmp_path / "train.py")
    with pytest.raises(ValueError, match="no") as raised:
        resolve(reference).train(Reports())  # type: ignore[arg-type]
    assert "raise ValueError('no')" in "".join(traceback.format_exception(raised.value))
