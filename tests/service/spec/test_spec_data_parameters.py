"""Hyperparameters that reach into the data: prepare.KEY and augment.KEY in a space, or fixed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from goodfit.service.app.preflight import check
from goodfit.service.app.run import _sampler
from goodfit.service.errors import DataError, StudyFileError
from goodfit.service.ports import Allocator
from goodfit.service.spec import StudySpec, for_trainer, read
from goodfit.trainers.messages import AugmentSpec, DataSpec
from goodfit.trainers.registry import resolve

STUDY = """\
name: reaching
trainer: {trainer}
data: {data}
objective: {{metric: val/loss, direction: minimize}}
training: {{epochs: 5}}
budget: {{trials: 4}}
fixed: {fixed}
space:
  learning_rate: {{type: float, low: 1e-4, high: 1e-1, log: true}}
"""


def spec_of(
    folder: Path,
    *parameters: str,
    trainer: str = "cnn",
    data: str = "{source: digits}",
    fixed: str = "{width: 8}",
    overrides: Sequence[str] = (),
) -> StudySpec:
    """A study whose first parameter beside the learning rate stands on line 10."""
    lines = "".join(f"  {parameter}\n" for parameter in parameters)
    (folder / "study.yaml").write_text(STUDY.format(trainer=trainer, data=data, fixed=fixed) + lines)
    return read(folder / "study.yaml", overrides)


def problem_of(folder: Path, *parameters: str, **changes: str) -> tuple[int, str, str]:
    with pytest.raises(StudyFileError) as caught:
        check(spec_of(folder, *parameters, **changes))  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    return problem.line, problem.key, problem.text


def table(folder: Path, gap: bool = False) -> str:
    frame = pd.DataFrame({"a": range(60), "b": [number % 7 for number in range(60)], "y": ["no", "yes"] * 30})
    if gap:
        frame.loc[3, "a"] = None
    frame.to_csv(folder / "table.csv", index=False)
    return "{source: table.csv, target: y%s}"


def test_a_trials_parameters_take_the_place_of_what_the_data_say(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        "prepare.scale: [standard, minmax]",
        "augment.rotate: {type: float, low: 0, high: 20}",
        data="{source: digits, prepare: {balance: weights}, augment: {flip: true}}",
    )
    params = {"learning_rate": 0.01, "width": 8, "prepare.scale": "minmax", "augment.rotate": 7.5}
    data = DataSpec("digits", scale="minmax", balance="weights", augment=AugmentSpec(rotate=7.5, flip=True), keep=True)
    assert spec.data_spec(params) == data
    assert for_trainer(params) == {"learning_rate": 0.01, "width": 8}


def test_a_study_without_such_parameters_keeps_nothing(tmp_path: Path) -> None:
    assert spec_of(tmp_path).data_spec({"width": 8}) == DataSpec("digits")


def test_the_studys_own_data_have_its_own_values_or_the_nearest_that_can_occur(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        "prepare.scale: [minmax, standard]",
        "augment.rotate: {type: float, low: 5, high: 20}",
        "augment.cutout: {type: int, low: 1, high: 3, when: {prepare.scale: minmax}}",
        fixed="{width: 8, augment.flip: true}",
    )
    own = spec.data_spec()
    assert own is not None
    assert (own.scale, own.augment) == ("standard", AugmentSpec(rotate=5, flip=True))


def test_a_condition_that_does_not_hold_leaves_the_studys_own_value(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        "prepare.scale: [minmax, standard]",
        "augment.cutout: {type: int, low: 1, high: 3, when: {prepare.scale: minmax}}",
        data="{source: digits, augment: {cutout: 2}}",
    )
    one, other = spec.data_spec({"prepare.scale": "minmax", "augment.cutout": 3}), spec.data_spec({})
    assert one is not None
    assert other is not None
    assert (one.augment.cutout, other.augment.cutout) == (3, 2)


def test_a_fixed_value_reaches_in_and_nothing_is_kept_for_it(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, fixed="{prepare.scale: none}")
    assert spec.data_spec() == spec.data_spec(spec.fixed) == DataSpec("digits", scale="none")


def test_set_takes_the_whole_name(tmp_path: Path) -> None:
    overrides = ["fixed.augment.rotate=5", "space.prepare.scale=[none, minmax]", "space.augment.crop.high=2"]
    spec = spec_of(tmp_path, "augment.crop: {type: int, low: 0, high: 1}", overrides=overrides)
    assert spec.fixed["augment.rotate"] == 5
    assert spec.space["prepare.scale"].contains("minmax")
    assert spec.space["augment.crop"].contains(2)


def test_a_kept_spec_comes_back_with_its_fingerprint(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "prepare.scale: [minmax, standard]", fixed="{augment.rotate: 3}")
    again = StudySpec.from_dict(spec.to_dict())
    assert again == spec
    assert again.fingerprint() == spec.fingerprint()
    assert again.data_spec({"prepare.scale": "minmax"}) == spec.data_spec({"prepare.scale": "minmax"})
    other = spec_of(tmp_path, "prepare.scale: [minmax, none]", fixed="{augment.rotate: 3}")
    assert other.fingerprint() != spec.fingerprint()


def test_the_first_trial_has_the_values_of_the_study_file(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        "prepare.scale: [none, robust, minmax]",
        "augment.rotate: {type: float, low: 0, high: 20}",
        "augment.flip: [true, false]",
        "augment.crop: {type: int, low: 1, high: 3}",
        data="{source: digits, prepare: {scale: robust}, augment: {rotate: 3}}",
    )
    sampler = _sampler(spec, resolve("cnn"), "reaching")
    assert isinstance(sampler, Allocator)
    proposal = sampler.next(0, workers=1)
    assert proposal is not None
    assert proposal.params is not None
    first = proposal.params
    assert (first["prepare.scale"], first["augment.rotate"], first["augment.flip"]) == ("robust", 3.0, False)
    assert 1 <= first["augment.crop"] <= 3  # the study's own 0 lies outside


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("prepare.scal: [none]", "data.prepare has no key scal; did you mean scale?"),
        ("prepare.scale: [standard, minmx]", "there is no 'minmx'; did you mean minmax?"),
        ("prepare.scale: {type: int, low: 1, high: 2}", "is 1; choose from: standard"),
        ("augment.rotate: {type: float, low: 0, high: 200}", "is 200; it must be at most 180"),
        ("augment.crop: {type: float, low: 0, high: 2}", "is a whole number; write type: int"),
        ("augment.flip: [a, b]", "is the text 'a', not true or false"),
        ("augment.synonyms: [a.txt]", "is a file, which is not searched; write it in `data: {augment: {synonyms"),
        (
            "tokens.length: [16, 32]",
            "no parameter reaches into tokens; only prepare.KEY, augment.KEY, fairness.KEY and data.labels do",
        ),
        ("prepare.missing: [mean, drop]", "drop would score trials on different rows"),
        ("prepare.missing: [error, mean]", "error fills nothing in: a trial with it would end the study"),
        ("prepare.indicator: [true]", "true does not go with the others: indicator marks values that were filled in"),
        ("augment.warp: [0, 0.5]", "augment.warp varies series data, and these are of kind image"),
        ("augment.crop: [0, 9]", "augment.crop: 9 moves out of sight what it should show: the images are 8x8"),
        ("prepare.encode: [onehot]", "encode does nothing to image data; take it out"),
    ],
)
def test_what_cannot_reach_in_is_said_where_it_stands(tmp_path: Path, parameter: str, said: str) -> None:
    line, key, text = problem_of(tmp_path, parameter)
    assert (line, key) == (10, f"space.{parameter.partition(':')[0]}")
    assert said in text


def test_without_data_nothing_is_reached(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    text = STUDY.format(trainer="rl", data="-", fixed="{}").replace("data: -\n", "").replace("val/loss", "val/return")
    file.write_text(text + "  prepare.scale: [none]\n")
    with pytest.raises(StudyFileError, match=r"9: space\.prepare\.scale: there is no `data:` to prepare; write it"):
        read(file)


@pytest.mark.parametrize(
    ("parameter", "written"),
    [
        ("prepare.encode: [onehot, embedding]", "prepare: {encode: embedding}"),
        ("prepare.balance: [none, sampling]", "prepare: {balance: sampling}"),
        ("augment.jitter: {type: float, low: 0, high: 0.5}", "augment: {jitter: 0.5}"),
    ],
)
def test_a_trainer_must_heed_what_can_occur(tmp_path: Path, parameter: str, written: str) -> None:
    (tmp_path / "mine.py").write_text("def train(trial):\n    pass\n")
    _, key, text = problem_of(tmp_path, parameter, trainer="mine.py:train", data="{source: iris}")
    assert key == f"space.{parameter.partition(':')[0]}"
    assert f"trainer train ignores `{written}`" in text


def test_a_trainer_that_does_not_vary_its_data_refuses_to_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    text = STUDY.format(trainer="gan", data="{source: digits, augment: {flip: true}}", fixed="{}")
    file.write_text(text.replace("val/loss", "val/frechet"))
    with pytest.raises(DataError, match=r"trainer gan ignores `augment: \{flip: True\}`.*\"augment\""):
        check(read(file))


def test_weights_are_refused_for_numbers(tmp_path: Path) -> None:
    _, key, text = problem_of(tmp_path, "prepare.balance: [none, weights]", trainer="mlp", data="{source: diabetes}")
    assert (key, text) == (
        "space.prepare.balance",
        "weights is for classes, and diabetes is for regression; take it out",
    )


def test_gaps_may_be_filled_by_a_searched_method_alone(tmp_path: Path) -> None:
    data = table(tmp_path, gap=True) % ""
    spec = spec_of(
        tmp_path, "prepare.missing: [mean, median]", "prepare.indicator: [true, false]", trainer="mlp", data=data
    )
    assert check(spec).rows == {"train": 36, "validation": 12, "test": 12}


def test_files_of_augmentation_are_found_beside_the_study_or_said(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("set, value\n")
    (tmp_path / "say.py").write_text("def anew(text):\n    return text\n")
    augment = "augment: {synonyms: words.txt, replace: 0.1, translate: say.py:anew}"
    spec = spec_of(tmp_path, trainer="transformer", data=f"{{source: docstrings, {augment}}}")
    data = spec.data_spec()
    assert data is not None
    assert data.augment.synonyms == str(tmp_path / "words.txt")
    assert data.augment.translate == f"{tmp_path / 'say.py'}:anew"
    augment = "augment: {synonyms: wrds.txt, translate: sy.py:anew}"
    with pytest.raises(StudyFileError) as caught:
        spec_of(tmp_path, trainer="transformer", data=f"{{source: docstrings, {augment}}}")
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (3, "data.augment.synonyms"),
        (3, "data.augment.translate"),
    ]
    assert "there is no file" in caught.value.problems[0].text


def test_augmentation_of_a_table_is_refused_before_training(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, trainer="mlp", data=table(tmp_path) % ", augment: {rotate: 5}")
    with pytest.raises(DataError, match=r"augment\.rotate varies image data, and these are of kind table"):
        check(spec)
