"""An explanation of a model on some rows: the method is chosen by the data and the model, and every one is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from goodfit.spelling import close
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.explaining.explanation import Explanation
from goodfit.trainers.explaining.models import Explained, Timed, TorchModel, meaning_of
from goodfit.trainers.explaining.samples import Material, family_of

METHODS: dict[str, tuple[str, ...]] = {
    "table": ("exact", "kernel", "gradient", "occlusion", "lime"),
    "image": ("gradient", "gradcam", "occlusion", "lime"),
    "series": ("gradient", "kernel", "occlusion", "lime"),
    "text": ("gradient", "kernel", "occlusion", "lime"),
}
SECONDS = 120.0
COALITIONS = 1024  # that Kernel SHAP and LIME look at, of each row
PREDICTED = "predicted"


@dataclass(frozen=True)
class Request:
    """What is to be explained, and how.

    Attributes:
        method: one of METHODS; None: as the data and the model allow.
        output: a class, or the number of a forecast's step from 1; None: the predicted class, of two classes the
            second, of a forecast the mean of its steps.
        coalitions: of each row, where not all are looked at.
        seed: of all that is drawn.
        seconds: after which no further row is begun.
    """

    method: str | None = None
    output: Any = None
    coalitions: int = COALITIONS
    seed: int = 0
    seconds: float = SECONDS


@dataclass
class Task:
    """A request with all that it is answered from.

    Attributes:
        model: to explain.
        material: its rows.
        request: how.
        on_row: gets how many rows are explained, of how many.
        notes: what is to be known of the answer.
    """

    model: Explained
    material: Material
    request: Request
    on_row: Callable[[int, int], None] = lambda _done, _of: None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outputs = Timed(self.model.outputs, self.request.seconds)
        self.notes += [*self.material.notes, *([self.model.note] if self.model.note else [])]

    @property
    def family(self) -> str:
        return family_of(self.model.facts)

    @cached_property
    def why_no_gradients(self) -> str | None:
        """Why the model has no gradients by its rows; None: it has."""
        if not isinstance(self.model, TorchModel):
            return f"{getattr(self.model, 'what', 'the model')} is no torch module, so it has no gradients"
        if self.family == "table" and self.model.facts.cardinalities:
            return "columns of text go in as codes (prepare.encode: embedding), which have no gradients"
        from goodfit.trainers.explaining import gradients

        if self.family == "text":
            try:
                gradients.Embeddings(self.model, self.material.rows.x[0])
            except BadTrainer as error:
                return str(error)
            return None
        return gradients.why_none(self.model, self.material.rows.x[0])

    def torch_model(self, method: str) -> TorchModel:
        """The model with gradients; DataProblem where it has none."""
        if self.why_no_gradients is not None or not isinstance(self.model, TorchModel):
            others = ", ".join(name for name in METHODS[self.family] if name not in ("gradient", "gradcam"))
            raise DataProblem(f"method {method} needs gradients: {self.why_no_gradients}; give one of {others}")
        return self.model

    @cached_property
    def places(self) -> np.ndarray:
        """Which output is explained of each row."""
        names = meaning_of(self.model.facts).names
        count = len(self.material.rows)
        wanted = self.request.output
        if wanted is not None:
            return np.full(count, _output_named(wanted, names, self.model.facts.task))
        if self.model.facts.task != "classification":
            return np.full(count, len(names) - 1)
        if len(names) == 2:
            return np.full(count, 1)
        return np.asarray(self.model.outputs(self.material.rows.x).argmax(axis=1))

    @property
    def output(self) -> str:
        """How the output that is explained is called."""
        names = meaning_of(self.model.facts).names
        fixed = self.request.output is not None or self.model.facts.task != "classification" or len(names) == 2
        return names[int(self.places[0])] if fixed else PREDICTED

    def note(self, text: str) -> None:
        """Add a sentence, once."""
        if text not in self.notes:
            self.notes.append(text)


def _output_named(wanted: Any, names: tuple[str, ...], task: str) -> int:
    """The place of an output that a user names; DataProblem where there is none."""
    text = str(wanted)
    if text in names:
        return names.index(text)
    if task == "forecasting" and text.isdecimal() and f"step {text}" in names:
        return names.index(f"step {text}")
    near = close(text, names)
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise DataProblem(f"output {text!r}: {f'did you mean {near}? ' if near else ''}the outputs are {shown}")


def check_method(method: str | None, family: str) -> None:
    """DataProblem for a method that is none, or is not for such data."""
    if method is None or method in METHODS[family]:
        return
    known = {name for names in METHODS.values() for name in names}
    if method in known:
        raise DataProblem(f"method {method} does not go with {family} data; give one of {', '.join(METHODS[family])}")
    near = close(method, sorted(known))
    raise DataProblem(
        f"method {method!r}: {f'did you mean {near}? ' if near else ''}give one of {', '.join(METHODS[family])}"
    )


def explain(
    model: Explained, material: Material, request: Request, on_row: Callable[[int, int], None] = lambda _done, _of: None
) -> Explanation:
    """Explain a model on rows.

    Args:
        model: to explain.
        material: the rows and the background.
        request: how.
        on_row: gets how many rows are explained, of how many.

    Raises:
        DataProblem: the request does not go with the data or the model.
        BadTrainer: the model fails.
    """
    family = family_of(model.facts)
    check_method(request.method, family)
    task = Task(model, material, request, on_row)
    if family == "table":
        from goodfit.trainers.explaining.tables import explain_table as explained
    elif family == "image":
        from goodfit.trainers.explaining.images import explain_images as explained
    elif family == "series":
        from goodfit.trainers.explaining.series import explain_series as explained
    else:
        from goodfit.trainers.explaining.texts import explain_texts as explained
    return explained(task)
