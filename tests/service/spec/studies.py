"""Study files for the tests of the spec: right ones, and how a wrong one is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from goodfit.service.errors import Problem, StudyFileError
from goodfit.service.spec import StudySpec, read

MINIMAL = """\
name: a-study
trainer: mlp
data: {source: iris}
space: {learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}, optimizer: [adamw, sgd]}
objective: {metric: val/loss, direction: minimize}
training: {epochs: 5}
budget: {trials: 4}
"""


FULL = """\
# every section
name: full.study_1
trainer: mlp
data:
  source: iris
  target: label
  split: {validation: 0.3, test: 0, seed: 3}
  prepare: {scale: minmax, missing: median}
space:
  learning_rate: {type: float, low: 1e-4, high: "0.1", log: true, doc: a rate}
  optimizer: [adamw, sgd]
  momentum: {type: float, low: 0.5, high: 0.99, when: {optimizer: sgd}}
fixed: {batch_size: 64, width: 1e2, dropout: "0.1"}
objective: {metric: train/accuracy, direction: maximize}
search: {method: tpe, seed: 7, try_defaults: false}
pruning: {method: patient, patience: 3, wrapped: {method: percentile, percentile: 25}}
training: {epochs: 1e1, patience: 5, minutes: "1.5", checkpoint_epochs: 2, keep: 4, retries: 0}
budget: {trials: 64, minutes: 30, target: 0.99}
resources: {cpus: 0.5, gpus: 0.25, custom: {tpu: 1, licence: 0.5}, parallel: 3, pack: 1}
"""


def spec_of(folder: Path, text: str = MINIMAL, *overrides: str) -> StudySpec:
    file = folder / "study.yaml"
    file.write_text(text)
    return read(file, overrides)


SECTIONS = {
    "name": "name: a-study",
    "trainer": "trainer: mlp",
    "data": "data: {source: iris}",
    "space": "space: {learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}, optimizer: [adamw, sgd]}",
    "objective": "objective: {metric: val/loss, direction: minimize}",
    "training": "training: {epochs: 5}",
    "budget": "budget: {trials: 4}",
}


def study(**sections: str | None) -> str:
    """A study file that is right but for these sections; None leaves one out. New ones stand on line 8."""
    return "\n".join(text for text in {**SECTIONS, **sections}.values() if text is not None) + "\n"


def problems_of(folder: Path, text: str, overrides: Sequence[str] = ()) -> tuple[Problem, ...]:
    file = folder / "study.yaml"
    file.write_text(text)
    with pytest.raises(StudyFileError) as caught:
        read(file, overrides)
    assert caught.value.exit_code == 2
    return caught.value.problems
