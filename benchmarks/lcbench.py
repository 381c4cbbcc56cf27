"""Searches on LCBench: the training of multilayer perceptrons on 34 tables, as a surrogate model predicts it.

    python -m benchmarks.lcbench --data DIR --tasks 3945,126026 --methods auto,random --json OUT

DIR has `model.onnx`, `encoding.json` and `config_space.json` of YAHPO Gym's scenario `lcbench`; `pip install
goodfit[bench]` brings what runs it.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.util
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.measure import Settings, add_options, main
from benchmarks.search.task import Curve, Floats, Reference, Task
from goodfit.search_spaces.parameters import Float, Int, Parameter
from goodfit.search_spaces.space import Space
from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.objective import MAXIMIZE, MINIMIZE, Objective

EPOCHS = 52
# The model's inputs after the epoch, and its outputs, in their order.
INPUTS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
OUTPUTS = (
    *("time", "val_accuracy", "val_cross_entropy"),
    *("val_balanced_accuracy", "test_cross_entropy", "test_balanced_accuracy"),
)
METRICS = OUTPUTS[1:]
TASK = "OpenML_task_id"
CHUNKS = (1, 3, 9, 27, EPOCHS)  # epochs are predicted up to these, as far as they are needed
REFERENCES = 600  # random configurations that regret is measured by
SECONDS = 100.0  # a median epoch in the benchmark: far above what the search takes for noise

DEVELOPMENT = (
    *("3945", "34539", "126026", "126029", "146212", "167149", "167152", "167168", "167181"),
    *("167185", "167200", "168330", "168335", "168910", "189862", "189873", "189906"),
)


class Surrogate:
    """The model that predicts all curves.

    Args:
        data: the folder that has it.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        space = {item["name"]: item for item in json.loads((data / "config_space.json").read_text())["hyperparameters"]}
        self.tasks = [str(task) for task in space[TASK]["choices"]]
        self.space = Space(tuple(_parameter(space[name]) for name in INPUTS))
        self._encoding = json.loads((data / "encoding.json").read_text())[TASK]

    @functools.cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(str(self._data / "model.onnx"), options)

    def predict(self, task: str, epochs: Floats, configurations: Floats) -> Floats:
        """OUTPUTS as columns, of rows with an epoch and a configuration each."""
        rows = np.column_stack([epochs, configurations]).astype(np.float32)
        codes = np.full((len(rows), 1), self._encoding[task], dtype=np.int32)
        return np.asarray(self._session.run(None, {"x_cat": codes, "x_cont": rows})[0], dtype=np.float64)

    def fingerprint(self) -> str:
        """Of the model: what was kept of another one is not this one's."""
        return hashlib.blake2b((self._data / "model.onnx").read_bytes(), digest_size=8).hexdigest()


class SurrogateCurve:
    """The curve of one configuration, predicted as far as it is looked at."""

    def __init__(self, surrogate: Surrogate, task: str, configuration: Sequence[float], column: int, scale: float):
        self._surrogate, self._task, self._column, self._scale = surrogate, task, column, scale
        self._configuration = np.asarray(configuration, dtype=np.float64)
        self._outputs = np.empty((0, len(OUTPUTS)))

    def _at(self, epoch: int) -> Floats:
        known = len(self._outputs)
        if epoch > known:
            last = next(chunk for chunk in CHUNKS if chunk >= epoch)
            epochs = np.arange(known + 1.0, last + 1.0)
            found = self._surrogate.predict(self._task, epochs, np.tile(self._configuration, (len(epochs), 1)))
            self._outputs = np.vstack([self._outputs, found])
            self._outputs[:, 0] = np.maximum.accumulate(np.maximum(self._outputs[:, 0], 0.0))
        row: Floats = self._outputs[epoch - 1]
        return row

    def value(self, epoch: int) -> float:
        return float(self._at(epoch)[self._column])

    def seconds(self, epoch: int) -> float:
        before = 0.0 if epoch == 1 else float(self._at(epoch - 1)[0])
        return self._scale * (float(self._at(epoch)[0]) - before)


def task_of(surrogate: Surrogate, name: str, metric: str, cache: Path) -> Task:
    """A task of the surrogate; its random configurations are predicted once, and kept in the folder `cache`."""
    objective = Objective(f"val/{metric}", direction_of(metric))
    outputs, column = _random_outputs(surrogate, name, cache), OUTPUTS.index(metric)
    durations = np.diff(np.maximum.accumulate(np.maximum(outputs[:, :, 0], 0.0), axis=1), axis=1, prepend=0.0)
    scale = SECONDS * EPOCHS / float(np.median(durations.sum(axis=1)))

    def curve(params: Mapping[str, Any]) -> Curve:
        return SurrogateCurve(surrogate, name, [params[key] for key in INPUTS], column, scale)

    reference = Reference.of(objective, outputs[:, :, column], scale * durations)
    return Task(f"{name}/{metric}", surrogate.space, EPOCHS, objective, reference, curve)


def _random_outputs(surrogate: Surrogate, name: str, cache: Path) -> Floats:
    """OUTPUTS of REFERENCES random configurations at every epoch."""
    file = cache / f"lcbench-{surrogate.fingerprint()}-{name}.npy"
    if file.is_file():
        return np.asarray(np.load(file), dtype=np.float64)
    rng = np.random.default_rng(int(name))
    rows = [_configuration(surrogate.space, row) for row in rng.random((REFERENCES, len(INPUTS)))]
    epochs = np.arange(1.0, EPOCHS + 1.0)
    found = [surrogate.predict(name, epochs, np.tile(row, (EPOCHS, 1))) for row in rows]
    outputs = np.array(found, dtype=np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, suffix=".npy", delete=False) as draft:
        np.save(draft, outputs)
    Path(draft.name).replace(file)  # another process may be making the same
    return outputs.astype(np.float64)


def _configuration(space: Space, units: Floats) -> list[float]:
    """A configuration at a point of the unit cube."""
    found = []
    for parameter, unit in zip(space, units, strict=True):
        if not isinstance(parameter, (Float, Int)):
            raise TypeError(f"{parameter.name} is no number")
        half = 0.5 if isinstance(parameter, Int) else 0.0
        low, high = parameter.low - half, parameter.high + half
        value = low * (high / low) ** unit if parameter.log else low + unit * (high - low)
        value = round(value) if isinstance(parameter, Int) else value
        found.append(float(min(max(value, parameter.low), parameter.high)))
    return found


def direction_of(metric: str) -> str:
    """Of a column, by its name."""
    return MINIMIZE if metric.endswith("cross_entropy") else MAXIMIZE


def _parameter(item: Mapping[str, Any]) -> Parameter:
    kind = Int if item["type"] == "uniform_int" else Float
    return kind(item["name"], item["lower"], item["upper"], log=item["log"])


def require(data: Path) -> None:
    """An error where the surrogate cannot be run."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise InputError("LCBench's surrogate needs onnxruntime: pip install goodfit[bench]")
    for name in ("model.onnx", "encoding.json", "config_space.json"):
        if not (data / name).is_file():
            raise InputError(f"--data: {data} has no {name}")


def tasks_of(settings: argparse.Namespace) -> list[str]:
    """The names of the tasks to be measured; an error for what there is not."""
    require(settings.data)
    surrogate = Surrogate(settings.data)
    names = [name.strip() for name in settings.tasks.split(",")] if settings.tasks else list(DEVELOPMENT)
    for name in names:
        if name not in surrogate.tasks:
            raise InputError(f"--tasks: no task {name!r}: {did_you_mean(name, surrogate.tasks)}")
    if settings.metric not in METRICS:
        raise InputError(f"--metric: no metric {settings.metric!r}: {did_you_mean(settings.metric, METRICS)}")
    return names


@functools.cache
def _surrogate(data: Path) -> Surrogate:
    return Surrogate(data)


@functools.lru_cache(maxsize=4)
def load(data: Path, metric: str, cache: Path, name: str) -> Task:
    """A task, once in each process."""
    return task_of(_surrogate(data), name, metric, cache)


def run(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lcbench", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the surrogate")
    parser.add_argument("--tasks", metavar="A,B", help="OpenML task ids; default: those kept for development")
    parser.add_argument("--metric", default="val_accuracy", help=f"one of {', '.join(METRICS)}")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        default=Path(tempfile.gettempdir()) / "goodfit-lcbench",
        help="folder that keeps the curves of random configurations (default: a temporary one)",
    )
    add_options(parser)

    def prepare(given: argparse.Namespace) -> Settings:
        names = tasks_of(given)
        make = functools.partial(load, given.data.resolve(), given.metric, given.cache)
        return Settings.of(given, "LCBench", make, names, {"metric": given.metric})

    return main(parser, prepare, arguments)


if __name__ == "__main__":
    sys.exit(run())
