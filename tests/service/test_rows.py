"""The rows of a study's splits: which it gives, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from goodfit.service.errors import DataError, InputError, NotAllowed
from goodfit.service.queries.wire import sent_frame
from goodfit.service.records import Study, Trial, TrialState
from tests.serving import KINDS, NOW, Place, of, place, spec_of


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


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_are_those_of_the_best_trial_or_of_one(kind: str, at: Place) -> None:
    studies = of(kind, at)
    plain = studies["plain"]
    assert sorted([*plain.rows("train").index, *plain.rows("validation").index]) == list(range(40))
    drawn = studies["drawn"]
    best = drawn.best().trial
    assert drawn.rows("validation").equals(drawn.rows("validation", best))
    assert not drawn.rows("validation", 0).index.equals(drawn.rows("validation", 1).index)
    folds = [studies["folded"].rows("validation", fold=fold) for fold in (1, 2, 3, 4)]
    assert len({number for fold in folds for number in fold.index}) == sum(map(len, folds)) == 32
    assert len(studies["folded"].rows("test")) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_said(kind: str, at: Place) -> None:
    studies = of(kind, at)
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


def test_a_server_gives_the_rows_as_they_are_to_those_who_may_have_data(at: Place, tmp_path: Path) -> None:
    dates = pd.date_range("2020-02-28 23:59:59.123456", periods=40, tz="Europe/Rome")
    kinds = {"x": [None, *range(39)], "w": ["é", None] * 20, "at": dates, "y": ["a", "b"] * 20}
    frame = pd.DataFrame({**kinds, "flag": [True, False] * 20})
    frame.to_parquet(tmp_path / "t.parquet")
    data = {"source": str(tmp_path / "t.parquet"), "target": "y", "dates": ["at"], "prepare": {"missing": "median"}}
    at.store.add_study(Study("kinds", spec_of("kinds", data=data).to_dict(), "f", NOW))
    here, there = (of(kind, at)["kinds"].rows("train") for kind in KINDS)
    pd.testing.assert_frame_equal(here, there)
    pd.testing.assert_frame_equal(there, frame.loc[there.index])
    assert at.remote(role="submitter")["kinds"].rows("validation").index.tolist()
    with pytest.raises(NotAllowed, match="needs the role submitter"):
        at.remote(role="viewer")["kinds"].rows("train")


def test_what_a_server_does_not_read_is_said(at: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "load.py").write_text("raise SystemExit('run by the server')\n")
    data = {"source": f"{tmp_path / 'load.py'}:load", "target": "y"}
    at.store.add_study(Study("own", spec_of("own", data=data).to_dict(), "f", NOW))
    with pytest.raises(DataError, match=r"come from its own code, .*load\.py:load, which the server does not run"):
        at.remote()["own"].rows("train")
    monkeypatch.setattr("goodfit.service.server.origins.MOST_BYTES", 50)
    with pytest.raises(DataError, match=r"at most 0 MiB are read for a request: .* connect\(HOME\) there"):
        at.remote()["plain"].rows("train")


def test_a_column_of_several_kinds_of_values_is_named() -> None:
    with pytest.raises(DataError, match=r"cannot be sent, for a column has values of several kinds: .*mixed"):
        sent_frame(pd.DataFrame({"mixed": [1, "a", b"c"]}))


def test_data_that_have_changed_have_no_known_rows(at: Place) -> None:
    study = at.store.study("plain")
    trained = [replace(trial, data="0badc0de") for trial in at.store.trials(study.id)]
    at.write(study, trained, [])
    with pytest.raises(DataError, match="have changed since its trials were trained"):
        at.local()["plain"].rows("train")
