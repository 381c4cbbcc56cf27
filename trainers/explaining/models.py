"""What is explained: a trained model behind its preparation, whose outputs are in a unit that people know.

Of classes that is their probability; of numbers the unit of the data, step by step of a forecast.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from goodfit.trainers.data import Facts
from goodfit.trainers.errors import BadTrainer, DataProblem

if TYPE_CHECKING:
    from torch import Tensor, nn

    from goodfit.trainers.prediction.predictor import Predictor

ROWS_AT_ONCE = 2**13
NUMBERS_AT_ONCE = 2**22
TASKS = ("classification", "regression", "forecasting")


class Explained(Protocol):
    """A model as its explanations see it.

    Attributes:
        facts: of its data.
        note: what is to be known of its outputs, in a sentence; empty where there is nothing.
    """

    facts: Facts
    note: str

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """What it gives for prepared rows, (rows, outputs), float64, in its unit."""
        ...


@dataclass(frozen=True)
class Meaning:
    """What the outputs are.

    Attributes:
        names: one an output: the classes, the steps of a horizon, or the target.
        unit: of all of them.
    """

    names: tuple[str, ...]
    unit: str


def meaning_of(facts: Facts) -> Meaning:
    """The names and the unit of a model's outputs."""
    if facts.task == "classification":
        return Meaning(facts.classes, "probability")
    if facts.task == "forecasting":
        steps = tuple(f"step {step + 1}" for step in range(facts.horizon))
        return Meaning((*steps, *([f"mean of {len(steps)} steps"] if len(steps) > 1 else [])), "unit of the target")
    return Meaning(("target",), "unit of the target")


def check_task(facts: Facts) -> None:
    """DataProblem where a model's outputs are no values that parts of a row could add up to."""
    if facts.task in TASKS:
        return
    raise DataProblem(
        f"a model for {facts.task} writes or scores texts piece by piece, and has no one output to explain; models of "
        "classification, regression and forecasting can be explained"
    )


class TorchModel:
    """A torch module of a Predictor: the module's own double precision copy where it has one, else as it is.

    Attributes:
        precise: whether it computes in double precision.
        module: the copy; gradients can be taken through `tensor`.
    """

    note = ""

    def __init__(self, predictor: Predictor, *, precise: bool) -> None:
        check_task(predictor.facts)
        self.facts = predictor.facts
        self.module: nn.Module = copy.deepcopy(predictor.module).eval()
        for weight in self.module.parameters():
            weight.requires_grad_(False)
        self.precise = precise and self._made_double()

    def _made_double(self) -> bool:
        """Whether the module computes in double precision: one with tensors of its own may not, and stays as it is."""
        plain = copy.deepcopy(self.module)
        try:
            self.precise = True
            self.module.double()
            self.outputs(np.zeros((1, *_width(self.facts))))
        except (RuntimeError, TypeError):
            self.module = plain
            return False
        return True

    def tensor(self, x: Tensor) -> Tensor:
        """(rows, outputs) in the model's unit, of a tensor as the module takes it."""
        import torch

        outputs = self.module(x)
        if not isinstance(outputs, torch.Tensor) or outputs.shape[1:] != (self.facts.outputs,):
            found = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
            raise BadTrainer(
                f"the model gives {found} for {len(x)} rows; {self.facts.task} on {self.facts.name} needs "
                f"{self.facts.outputs} numbers a row{one_output_hint(self.facts, outputs)}"
            )
        return _in_unit(outputs, self.facts)

    def as_tensor(self, x: np.ndarray) -> Tensor:
        """Prepared rows as the module takes them."""
        import torch

        found = torch.as_tensor(np.ascontiguousarray(x))
        if not found.is_floating_point():
            return found
        return found.double() if self.precise else found.float()

    def outputs(self, x: np.ndarray) -> np.ndarray:
        import torch

        step = max(1, min(ROWS_AT_ONCE, NUMBERS_AT_ONCE // max(1, int(np.prod(x.shape[1:])))))
        starts = range(0, len(x), step)
        with torch.inference_mode():
            return np.concatenate(
                [self.tensor(self.as_tensor(x[start : start + step])).double().numpy() for start in starts]
            )


def _width(facts: Facts) -> tuple[int, ...]:
    """The shape of a prepared row: with the codes of a table's text columns behind its numbers."""
    if not facts.cardinalities:
        return facts.input_shape
    return (facts.input_shape[0] + len(facts.cardinalities),)


def one_output_hint(facts: Facts, outputs: object) -> str:
    """What to do about a net for two classes that has one output."""
    shape = tuple(getattr(outputs, "shape", ()))[1:]
    if facts.task == "classification" and facts.outputs == 2 and shape in ((), (1,)):
        return ": one logit for each class, trained by cross_entropy, in the place of one output for both"
    return ""


def _in_unit(outputs: Tensor, facts: Facts) -> Tensor:
    """Logits as probabilities, standardised values in the data's unit; behind the steps of a forecast their mean."""
    import torch

    if facts.task == "classification":
        return outputs.softmax(dim=1)
    fitted = facts.preparation
    found = outputs * fitted.target_std + fitted.target_mean
    return torch.cat([found, found.mean(dim=1, keepdim=True)], dim=1) if found.shape[1] > 1 else found


class FunctionModel:
    """A model of which the outputs alone are known: an estimator of scikit-learn, or any function of prepared rows.

    Args:
        predict: prepared rows -> (rows, classes) probabilities, or values in units of the standardised target.
        facts: of its data.
        what: how messages name it.
        note: what is to be known of its outputs.
    """

    def __init__(self, predict: Callable[[np.ndarray], Any], facts: Facts, what: str, note: str = "") -> None:
        check_task(facts)
        self.facts, self.what, self.note, self._predict = facts, what, note, predict

    def outputs(self, x: np.ndarray) -> np.ndarray:
        found = np.asarray(self._predict(x), dtype=np.float64)
        found = found[:, None] if found.ndim == 1 else found
        if found.shape != (len(x), self.facts.outputs):
            raise BadTrainer(
                f"{self.what} gives {found.shape} for {len(x)} rows; {(len(x), self.facts.outputs)} is needed"
            )
        if self.facts.task == "classification":
            return found
        import torch

        return np.asarray(_in_unit(torch.as_tensor(found), self.facts).numpy())


def of_estimator(estimator: Any, facts: Facts) -> FunctionModel:
    """An estimator of scikit-learn that was fitted on prepared rows, classes by their indices."""
    name = type(estimator).__name__

    def flat(x: np.ndarray) -> np.ndarray:
        return np.asarray(x, dtype=np.float32).reshape(len(x), -1)

    if facts.task != "classification":
        return FunctionModel(lambda x: estimator.predict(flat(x)), facts, name)
    if hasattr(estimator, "predict_proba"):
        return FunctionModel(lambda x: _by_class(estimator, flat(x), facts), facts, name)
    note = f"{name} gives no probabilities: its predicted class counts as 1, the others as 0"
    return FunctionModel(lambda x: np.eye(facts.outputs)[estimator.predict(flat(x)).astype(int)], facts, name, note)


def _by_class(estimator: Any, x: np.ndarray, facts: Facts) -> np.ndarray:
    """Probabilities in the order of the classes, 0 for those that an estimator has not met."""
    found = np.asarray(estimator.predict_proba(x))
    whole = np.zeros((len(found), facts.outputs))
    whole[:, np.asarray(getattr(estimator, "classes_", np.arange(found.shape[1]))).astype(int)] = found
    return whole


class OutOfTime(Exception):
    """The time that an explanation may take is over."""


class Timed:
    """A model's outputs until a deadline.

    Args:
        outputs: of the model.
        seconds: from now on.
        clock: gives the time.
    """

    def __init__(
        self, outputs: Callable[[np.ndarray], np.ndarray], seconds: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._outputs, self._clock = outputs, clock
        self._end = clock() + seconds

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The outputs; OutOfTime where the deadline has passed, BadTrainer where they are no numbers."""
        self.check()
        found = self._outputs(x)
        if not np.isfinite(found).all():
            raise BadTrainer(
                "the model gives NaN or infinity, so there is nothing to explain: its training diverged, or it does "
                "not take values that lie together in no row of the data"
            )
        return found

    def check(self) -> None:
        """Raise OutOfTime where the deadline has passed."""
        if self._clock() >= self._end:
            raise OutOfTime
