"""Study files that are wrong: each problem with its line, its key and what to do, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import Problem, StudyFileError
from goodfit.service.spec import from_mapping, read

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


def test_the_study_that_the_others_spoil_is_right(tmp_path: Path):
    (tmp_path / "study.yaml").write_text(study())
    assert read(tmp_path / "study.yaml").planned_trials() == 4


# What is written (\n for a new line, && between sections, - for a section that is left out), then the
# line, the key, and a part of the message.
FAULTS = r"""
budgett: {trials: 4}
    8: budgett: unknown key; did you mean budget?
epochs: 3
    8: epochs: unknown key; epochs goes in `training:`
minutes: 3
    8: minutes: minutes goes in `training:` or `budget:`
training: {epochs: 5, fixed: {}}
    6: training.fixed: fixed goes at the top level
training:\n  epochs: 5\n  patiense: 3
    8: training.patiense: did you mean patience?
training: {epochs: 5, trials: 3}
    6: training.trials: trials goes in `budget:`
- name
    0: name: is missing
- trainer
    0: trainer: is missing
- space
    0: space: is missing
- objective
    0: objective: is missing; write {metric: val/...
- training
    0: training: is missing; write {epochs: ...}
name: ../etc
    1: name: is not a study's name
name: my study
    1: name: write my-study
name: ..
    1: name: is not a study's name
name: 2024
    1: name: is 2024, not a text; put it in quotes
name: ''
    1: name: is empty
name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    1: name: 1 to 100 letters
trainer: mpl
    2: trainer: no trainer 'mpl'; did you mean mlp?
trainer: own.py:net
    2: trainer: own.py to take a trainer from
trainer: no_such_module:net
    2: trainer: no module 'no_such_module'
trainer: [mlp]
    2: trainer: is a list, not a text
- data
    0: data: is missing; trainer mlp needs data
data: iris
    3: data: is the text 'iris', not a section with keys: source, target
data:
    3: data: is empty; fill it in or leave it out
data: {target: a}
    3: data.source: is missing; write a data set's name
data: {source: irish}
    3: data.source: there is no data set 'irish'; did you mean iris?
data: {source: none.csv}
    3: data.source: there is no file
data: {source: .}
    3: data.source: is a folder without sub-folders; images lie in a sub-folder for each class
data: {source: story.txt}
    3: data.source: trainer mlp takes image or table data: give a .csv
data: {source: rows.csv}
    3: data.target: is missing; write the column to predict
data: {source: "none.py:load"}
    3: data.source: there is no file
data: {source: iris, prepare: {size: 32}}
    3: data.prepare.size: is for a folder of images, and iris is none; leave it out
data: {source: iris, prepare: {mode: gray}}
    3: data.prepare.mode: is for a folder of images
data: {source: iris, prepare: {mode: rgba}}
    3: data.prepare.mode: is
data: {source: row.csv, target: a}
    3: data.source: did you mean rows.csv?
data: {source: iris, split: {folds: 1}}
    3: data.split.folds: is 1; it must be at least 2
data: {source: iris, split: {folds: 5, validation: 0.1}}
    3: data.split: folds says which rows validate: each has its turn; leave validation out
data: {source: rows.csv, target: a, split: {folds: 5, column: b}}
    3: data.split: folds says which rows validate, and so does the column b; write one of them
data: {source: iris, split: {stratified: maybe}}
    3: data.split.stratified: is
data: {source: rows.csv, target: a, split: {group: a, time: b}}
    3: data.split: group and time are two ways to split; write one of them
data: {source: rows.csv, target: a, split: {time: b, reshuffle: true}}
    3: data.split: reshuffle draws validation rows anew, and time says which they are
data: {source: rows.csv, target: a, split: {column: b, test: 0.1}}
    3: data.split: the column b says which rows validate and test; leave the shares out
data: {source: iris, prepare: {indicator: true}}
    3: data.prepare: indicator marks values that were filled in, and missing: error fills none in
data: {source: iris, prepare: {balance: weight}}
    3: data.prepare.balance: did you mean weights?
data: {source: iris, prepare: {encode: ordinal}}
    3: data.prepare.encode: choose from: embedding, onehot
data: {source: iris, ignore: [1]}
    3: data.ignore: is 1, not a text
data: {source: iris, split: {validation: 0}}
    3: data.split.validation: is 0; it must be more than 0
data: {source: iris, split: {test: 1}}
    3: data.split.test: is 1; it must be less than 1
data: {source: iris, split: {validation: 0.5, test: 0.5}}
    3: data.split: leave nothing to train on
data: {source: iris, split: {seed: -1}}
    3: data.split.seed: it must be at least 0
data: {source: iris, prepare: {scale: standart}}
    3: data.prepare.scale: did you mean standard?
data: {source: iris, prepare: {missing: knn}}
    3: data.prepare.missing: knn is not supported yet
data: {source: iris, augment: {rotate: 200}}
    3: data.augment.rotate: is 200; it must be at most 180
data: {source: iris, augment: {delete: 1}}
    3: data.augment.delete: is 1; it must be less than 1
data: {source: iris, augment: {rotat: 2}}
    3: data.augment.rotat: unknown key; did you mean rotate?
trainer: cnn && space: cnn
    3: data.source: iris is table data; trainer cnn takes image
space: mpl
    4: space: there is no search space 'mpl'; did you mean mlp?
space: own.yaml
    4: space: own.yaml: there is no such file
space: spoiled.yaml
    4: space: spoiled.yaml:2: width.low: low 3 is above high 1
space: {}
    4: space: has no parameters
space: 5
    4: space: is 5, not a mapping of parameters
space:\n  depth: 1\n  width: {type: int, low: 3, high: 1}
    6: space.width.low: low 3 is above high 1
space:\n  activation:\n    - relu\n    - no
    7: space.activation.1: the text "no" here
space: {depht: [1, 2]}
    4: space.depht: no such hyperparameter; did you mean depth?
space: {lr: [1, 2]}
    4: space.lr: did you mean learning_rate?
space: {epochs: [1, 2]}
    4: space.epochs: epochs goes in `training:`
space: {optimizer: [sgd, adm]}
    4: space.optimizer: adm is not among its choices; did you mean adam?
space: {depth: {type: float, low: 1, high: 3}}
    4: space.depth: write type: int
space: {depth: {type: int, low: -1, high: 3}}
    4: space.depth: -1 is too small
space: {dropout: {type: float, low: 0, high: 1}}
    4: space.dropout: 1 is too large
fixed: 3
    8: fixed: is 3, not a mapping such as {batch_size: 64}
fixed: {batch_size: [1, 2]}
    8: fixed.batch_size: what is searched goes in `space:`
fixed: {batch_sizes: 1}
    8: fixed.batch_sizes: did you mean batch_size?
fixed: {batch_size: big}
    8: fixed.batch_size: big is not a whole number
fixed: {batch_size: 0.5}
    8: fixed.batch_size: 0.5 is not a whole number
fixed: {batch_size: true}
    8: fixed.batch_size: true is not a whole number
fixed: {dropout: 2}
    8: fixed.dropout: 2 is too large; give less than 1
fixed: {normalization: batch, batch_size: 1}
    8: fixed.batch_size: 1 is too small for normalization
objective: {metric: val/loss}
    5: objective.direction: write minimize (a loss, an error) or maximize
objective: {metric: val/loss, direction: min}
    5: objective.direction: did you mean minimize?
objective: {metric: accuracy, direction: maximize}
    5: objective.metric: did you mean val/accuracy?
objective: {metric: val_accuracy, direction: maximize}
    5: objective.metric: did you mean val/accuracy?
objective: {metric: validation/f1, direction: maximize}
    5: objective.metric: did you mean val/f1?
objective: {metric: test/loss, direction: minimize}
    5: objective.metric: kept for the end
objective: {metric: val/r2, direction: maximize}
    5: objective.metric: trainer mlp does not report val/r2 for classification
objective: {metric: val/acuracy, direction: maximize}
    5: objective.metric: did you mean val/accuracy?
objective: [{metric: val/loss, direction: minimize}]
    5: objective: several objectives are not supported yet
search: random
    8: search: is the text 'random', not a section with keys: method
search: {method: bayesain}
    8: search.method: did you mean bayesian?
search: {method: gp}
    8: search.method: gp is not supported yet; choose from: grid, random, bayesian
search: {method: cmaes}
    8: search.method: cmaes is not supported yet; choose from: grid, random, bayesian
search: {method: qmc}
    8: search.method: qmc is not supported yet; choose from: grid, random, bayesian
search: {method: pbt}
    8: search.method: pbt is not supported yet; choose from: grid, random, bayesian
search: {method: auto}
    8: search.method: auto is not supported yet; choose from: grid, random, bayesian
search: {seed: 1.5}
    8: search.seed: is 1.5, not a whole number
search: {try_defaults: no}
    8: search.try_defaults: is the text 'no'; write false
search: {method: grid}
    4: space.learning_rate: needs step or points to be searched by a grid
space: {depth: [1, 2]} && search: {method: grid, try_defaults: true}
    8: search.try_defaults: a grid has its points of its own
pruning: asha
    8: pruning: write {method: median}, for example
pruning: {n_warmup_steps: 2}
    8: pruning: its method is missing
pruning: {method: hyperbnad}
    8: pruning: there is no pruning method 'hyperbnad'; did you mean hyperband?
pruning: {method: none, n_warmup_steps: 1}
    8: pruning.n_warmup_steps: unknown key
pruning: {method: median, n_warmup_step: 1}
    8: pruning.n_warmup_step: did you mean n_warmup_steps?
pruning: {method: median, interval_steps: 0}
    8: pruning.interval_steps: is 0; it must be at least 1
pruning: {method: percentile}
    8: pruning.percentile: is missing
pruning: {method: percentile, percentile: 101}
    8: pruning.percentile: it must be at most 100
pruning: {method: asha, reduction_factor: 1}
    8: pruning.reduction_factor: it must be at least 2
pruning: {method: asha, min_resource: often}
    8: pruning.min_resource: write auto or a whole number
pruning: {method: asha, bootstrap_count: 2}
    8: pruning: bootstrap_count needs min_resource
pruning: {method: hyperband, bootstrap_count: 2}
    8: pruning: bootstrap_count needs max_resource
pruning: {method: hyperband, min_resource: 3, max_resource: 2}
    8: pruning: max_resource 2 is below min_resource 3
pruning: {method: threshold}
    8: pruning: needs lower, upper or both
pruning: {method: threshold, lower: 2, upper: 1}
    8: pruning: lower 2 is above upper 1
pruning: {method: patient}
    8: pruning.patience: is missing
pruning: {method: patient, patience: 1, wrapped: asha}
    8: pruning.wrapped: asha cannot be wrapped; choose from: none, median
pruning: {method: patient, patience: 1, wrapped: medain}
    8: pruning.wrapped: did you mean median?
pruning: {method: patient, patience: 1, wrapped: {method: percentile}}
    8: pruning.wrapped.percentile: is missing
training: {}
    6: training.epochs: is missing; write how many epochs
training: {epochs: 0}
    6: training.epochs: is 0; it must be at least 1
training: {epochs: many}
    6: training.epochs: is the text 'many', not a whole number
training: {epochs: true}
    6: training.epochs: is true, not a whole number
training: {epochs: 3, patience: 0}
    6: training.patience: it must be at least 1
training: {epochs: 3, minutes: 0}
    6: training.minutes: it must be more than 0
training: {epochs: 3, minutes: .inf}
    6: training.minutes: not a finite number
training: {epochs: 3, checkpoint_epochs: 0}
    6: training.checkpoint_epochs: at least 1
training: {epochs: 3, retries: -1}
    6: training.retries: it must be at least 0
- budget
    0: budget: is missing; write trials, minutes or both: a bayesian search has no end
budget: {target: 0.1}
    7: budget: needs trials, minutes or both
budget: {trials: 0}
    7: budget.trials: is 0; it must be at least 1
budget: {trials: -3}
    7: budget.trials: is -3; it must be at least 1
budget: {minutes: 0}
    7: budget.minutes: is 0; it must be more than 0
budget: {trials: 3, gpu_hours: 1}
    7: budget.gpu_hours: a budget in GPU hours is not supported yet
resources: {cpus: 0}
    8: resources.cpus: is 0; it must be more than 0
resources: {gpus: -1}
    8: resources.gpus: is -1; it must be at least 0
resources: {gpus: 1.5}
    8: resources: above 1 it must be a whole number
resources: {custom: tpu}
    8: resources.custom: write {name: amount}
resources: {custom: {tpu: 0}}
    8: resources.custom: tpu is 0; it must be more than 0
resources: {custom: {tpu: 1.5}}
    8: resources.custom: tpu is 1.5; above 1 it must be a whole number
resources: {custom: {tpu: many}}
    8: resources.custom: tpu is the text 'many', not a number
resources: {custom: {GPU: 1}}
    8: resources.custom: GPU is not for here; write `gpus:`
resources: {parallel: all}
    8: resources.parallel: write auto or a whole number
resources: {parallel: 0}
    8: resources.parallel: it must be at least 1
resources: {pack: 8}
    8: resources.pack: packs wider than 1 are not supported yet
confirm: {top: 3} && data: {source: iris, split: {test: 0}}
    8: confirm: is scored on the test split, and data.split.test is 0; give it rows, such as 0.2
control: 1
    8: control: is 1; it must be less than 1
confirm: {top: 0}
    8: confirm.top: is 0; it must be at least 1
control: {}
    8: control: is a mapping, not a number
"""


def faults() -> list[tuple[str, str]]:
    lines = FAULTS.strip().splitlines()
    return list(zip(lines[::2], (line.strip() for line in lines[1::2]), strict=True))


def spoiled(written: str) -> str:
    """The study with the sections of a fault in place of its own; new ones stand on line 8."""
    sections: dict[str, str | None] = {}
    for text in written.replace(r"\n", "\n").split(" && "):
        name = text.removeprefix("- ") if text.startswith("- ") else text.split(":")[0]
        sections[name] = None if text.startswith("- ") else text
    return study(**sections)


@pytest.mark.parametrize(("written", "expected"), faults())
def test_one_fault_gives_one_problem_with_its_line_and_key(tmp_path: Path, written: str, expected: str):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "spoiled.yaml").write_text("depth: 1\nwidth: {type: int, low: 3, high: 1}\n")
    (problem,) = problems_of(tmp_path, spoiled(written))
    line, key, fragment = expected.split(": ", 2)
    assert (str(problem.line), problem.key) == (line, key)
    assert fragment in problem.text


def test_all_problems_come_at_once_in_the_order_of_their_lines(tmp_path: Path):
    text = """\
name: bad name
trainer: mlp
data: {source: irish}
space:
  optimizer: [adamw, no]
  depth: {type: int, low: 4, high: 1}
  hight: [1, 2]
objective: {metric: val/los, direction: down}
training: {epochs: 0}
budgett: {trials: 3}
budget: {trials: 0}
"""
    assert [(problem.line, problem.key) for problem in problems_of(tmp_path, text)] == [
        (1, "name"),
        (3, "data.source"),
        (5, "space.optimizer.1"),
        (6, "space.depth.low"),
        (7, "space.hight"),
        (8, "objective.direction"),
        (9, "training.epochs"),
        (10, "budgett"),
        (11, "budget.trials"),
    ]


def test_a_space_of_another_trainer_names_each_parameter_that_does_not_suit(tmp_path: Path):
    problems = problems_of(tmp_path, study(space="space: cnn"))
    assert [(problem.line, problem.key, problem.text.split(";")[0]) for problem in problems] == [
        (4, "space", "kernel_size: trainer mlp has no such hyperparameter"),
        (4, "space", "residual: trainer mlp has no such hyperparameter"),
    ]


def test_a_message_reads_file_line_key_and_what_to_do(tmp_path: Path):
    file = tmp_path / "study.yaml"
    file.write_text(study(budget="budget:\n  trials: 0"))
    with pytest.raises(StudyFileError) as caught:
        read(file)
    assert str(caught.value) == f"{file}:8: budget.trials: is 0; it must be at least 1"


@pytest.mark.parametrize(
    ("content", "line", "fragment"),
    [
        ("", 0, "is empty"),
        ("# only a comment\n", 0, "is empty"),
        ("- name: a\n", 0, "is a list, not a mapping"),
        ("just text\n", 0, "is the text 'just text', not a mapping"),
        ("name: a\ntrainer: [mlp\n", 3, "is not YAML"),
        ("name: a\n\ttrainer: mlp\n", 2, "indent with spaces, not tabs"),
        ("name: a\ntrainer: mlp\nname: b\n", 3, "name is there twice, first on line 1"),
    ],
)
def test_a_file_that_is_no_study_says_so(tmp_path: Path, content: str, line: int, fragment: str):
    (problem,) = problems_of(tmp_path, content)
    assert problem.line == line
    assert fragment in problem.text


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path):
    with pytest.raises(StudyFileError, match=r"none\.yaml: there is no such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(StudyFileError, match="is a folder, not a YAML file"):
        read(tmp_path)


def test_keys_that_are_there_twice_are_all_named(tmp_path: Path):
    text = study(training="training: {epochs: 3, epochs: 4}", x="name: b")
    assert [(problem.line, problem.key) for problem in problems_of(tmp_path, text)] == [
        (6, "training.epochs"),
        (8, "name"),
    ]


@pytest.mark.parametrize(
    ("override", "key", "fragment"),
    [
        ("budget.trials=0", "--set budget.trials", "is 0; it must be at least 1"),
        ("budget.trails=3", "--set budget.trails", "did you mean trials?"),
        ("budget={trials: x}", "--set budget.trials", "is the text 'x', not a whole number"),
        ("space.depth={type: int, low: 3, high: 1}", "--set space.depth.low", "low 3 is above high 1"),
        ("space.optimizer=[sgd, no]", "--set space.optimizer.1", 'the text "no" here'),
        ("trainer=mpl", "--set trainer", "did you mean mlp?"),
        ("confirm.top=0", "--set confirm.top", "it must be at least 1"),
        ("confrim=null", "--set confrim", "did you mean confirm?"),
        ("objective=null", "--set objective", "is missing"),
        ("space.wdith=null", "--set space.wdith", "did you mean width?"),
        ("budget.trials", "--set budget.trials", "is not KEY=VALUE"),
        ("=3", "--set =3", "is not KEY=VALUE"),
        ("budget..trials=3", "--set budget..trials=3", "is not KEY=VALUE"),
        ("budget.trials=[3", "--set budget.trials=[3", "is not YAML"),
        ("name.first=3", "--set name.first=3", "name is the text 'a-study', which has no keys"),
    ],
)
def test_a_wrong_override_is_named_as_it_was_given(tmp_path: Path, override: str, key: str, fragment: str):
    (problem,) = problems_of(tmp_path, study(), [override])
    assert (problem.line, problem.key) == (0, key)
    assert fragment in problem.text


def test_a_trainer_that_fails_on_import_is_named_with_its_error(tmp_path: Path):
    (tmp_path / "own.py").write_text("raise RuntimeError('no such thing')\n")
    problems = problems_of(tmp_path, study(trainer="trainer: own.py:net"))
    assert [(problem.line, problem.key) for problem in problems] == [(2, "trainer")]
    assert "failed: RuntimeError: no such thing" in problems[0].text


OWN = """
from dataclasses import dataclass
from typing import Literal
from goodfit import register

@dataclass(frozen=True)
class Config:
    size: int
    kind: Literal["a", "b"] | None = None
    bias: bool = True

@register("own", config=Config, metrics={"classification": ("loss", "f1")})
def train(trial): ...
"""


@pytest.mark.parametrize(
    ("space", "key", "fragment"),
    [
        (
            "space: {bias: [true, false]}",
            "space.size",
            "trainer own has no default for it; give it in `space:` or `fixed:`",
        ),
        ("space: {size: [1, 2], bias: [a, b]}", "space.bias", "a is not true or false"),
        ("space: {size: [1, x]}", "space.size", "x is not a whole number"),
        ("space: {size: 1, kind: [a, c, null]}", "space.kind", "c is not among its choices; choose from: a, b or null"),
        (
            "space: {kind: [a, b], size: {type: fixed, value: 1, when: {kind: a}}}",
            "space.size",
            "outside of its condition",
        ),
    ],
)
def test_a_users_config_is_checked_by_its_type_hints(tmp_path: Path, space: str, key: str, fragment: str):
    (tmp_path / "own.py").write_text(OWN)
    (problem,) = problems_of(tmp_path, study(trainer="trainer: own.py:train", data=None, space=space))
    assert problem.key == key
    assert fragment in problem.text


def test_a_mapping_is_checked_like_a_file_without_lines(tmp_path: Path):
    values: dict[str, Any] = {
        "name": "a",
        "trainer": "mlp",
        "data": {"source": "iris"},
        "space": {"optimizer": ["sgd", "off"]},
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "training": {"epochs": 0},
        "budget": {"trials": 2},
    }
    with pytest.raises(StudyFileError) as caught:
        from_mapping(values, tmp_path)
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (0, "training.epochs"),
        (0, "space.optimizer"),
    ]
