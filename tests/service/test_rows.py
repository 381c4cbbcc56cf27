"""The rows of a study's splits: which it gives, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from goodfit.service.errors import DataError, InputError
from goodfit.service.records import Study, Trial, TrialState
from tests.serving import NOW, Place, place, spec_of


@pytest.fixture
def at(tmp_path: Path) -> Place:
    found = place(tmp_path)
    pd.DataFrame({"x": range(40), "y": ["a", "b"] * 20}).to_csv(tmp_path / "t.csv", index=False)
    for name, split in {"plain": {"test": 0.0}, "folded": {"folds": 4}, "drawn": {"reshuffle": True}}.items():
        spec = spec_of(name, data={"source": str(tmp_path / "t.csv"), "target": "y", "split": split}).to_dict()
        study = found.store.add_study(Study(name, spec, "f", NOW))
        trials = [Trial(n, {"learning_rate": 0.1}, n, TrialState.COMPLETE, value=n / 2, best_epoch=1) for n in (0, 1)]
        found.write(study, trials, [])
    return found


def test_the_rows_are_those_of_the_best_trial_or_of_one(at: Place) -> None:
    studies = at.local()
    plain = studies["plain"]
    assert sorted([*plain.rows("train").index, *plain.rows("validation").index]) == list(range(40))
    drawn = studies["drawn"]
    best = drawn.best().trial
    assert drawn.rows("validation").equals(drawn.rows("validation", best))
    assert not drawn.rows("validation", 0).index.equals(drawn.rows("validation", 1).index)
    folds = [studies["folded"].rows("validation", fold=fold) for fold in (1, 2, 3, 4)]
    assert len({number for fold in folds for number in fold.index}) == sum(map(len, folds)) == 32
    assert len(studies["folded"].rows("test")) == 8


def test_what_is_not_there_is_said(at: Place) -> None:
    studies = at.local()
    for name, words, told in (
        ("plain", {"split": "validate"}, "did you mean validation"),
        ("plain", {"split": "test"}, "has no test split"),
        ("plain", {"split": "train", "fold": 1}, "has no folds"),
        ("plain", {"split": "train", "trial": 9}, "has no trial 9"),
        ("folded", {"split": "validation"}, "has 4 folds: name one"),
        ("folded", {"split": "train", "fold": 5}, "has 4 folds"),
    ):
        with pytest.raises(InputError, match=told):
            studies[name].rows(**words)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="other folds validate"):
        studies["folded"].predictions()
    with pytest.raises(InputError, match="are on the server at"):
        at.remote()["plain"].rows("train")


def test_data_that_have_changed_have_no_known_rows(at: Place) -> None:
    study = at.store.study("plain")
    trained = [replace(trial, data="0badc0de") for trial in at.store.trials(study.id)]
    at.write(study, trained, [])
    with pytest.raises(DataError, match="have changed since its trials were trained"):
        at.local()["plain"].rows("train")
