"""KEY=VALUE on the command line: what takes the place of what the file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.search_spaces import Choice
from tests.service.spec.studies import FULL, MINIMAL, problems_of, spec_of, study


def test_overrides_win_and_make_sections(tmp_path: Path):
    overrides = ["budget.trials=8", "training.patience=3", "pruning={method: median}", "space.depth=[1, 2]"]
    spec = spec_of(tmp_path, MINIMAL, *overrides, "budget.trials=9")
    assert (spec.budget.trials, spec.training.patience, spec.pruning.method) == (9, 3, "median")
    assert spec.space["depth"] == Choice("depth", (1, 2))


def test_an_override_with_null_takes_a_value_out(tmp_path: Path):
    assert spec_of(tmp_path, FULL, "training.patience=null", "budget.minutes=").training.patience is None


def test_an_override_with_null_takes_a_section_or_a_searched_parameter_out(tmp_path: Path):
    confirmed = ("data.split.test=0.2", "confirm={top: 2, seeds: 2}")
    spec = spec_of(tmp_path, FULL, *confirmed, "confirm=", "pruning=null", "space.learning_rate=null")
    assert spec_of(tmp_path, FULL, *confirmed).confirm is not None
    assert spec.confirm is None
    assert spec.pruning == spec_of(tmp_path, MINIMAL).pruning
    names = [parameter.name for parameter in spec.space.parameters]
    assert "learning_rate" not in names
    assert {"optimizer", "momentum"} <= set(names)
    assert spec_of(tmp_path, MINIMAL, "confirm=null") == spec_of(tmp_path, MINIMAL)


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
